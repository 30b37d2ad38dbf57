"""A city that nobody thought of needs a policy file and nothing else (tests/third_city.toml)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from agents.room import room
from cases import (
    answering,
    closing,
    dispatch,
    escalation,
    logins,
    orders,
    people,
    rulings,
    units,
    visits,
)
from cases.deadlines import level_at, load_calendar, say_rule
from cases.dispatch import Share
from cases.errors import NotAllowed, Refused
from cases.states import State
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from routing.policy import Policy, load
from storage.database import Database
from storage.tables import Outbox, Ticket
from storage.viewer import Role, Viewer
from storage.work import Rung, SubOrder
from tests.cases.conftest import PASSWORD, Staff
from tests.cases.handled import REPLY
from tests.cases.office import NOBODY, PLEASED
from tests.web.site import served
from web.app import create_app
from web.services import Services

FRIDAY = datetime(2026, 9, 18, 12, 30, tzinfo=UTC) - timedelta(hours=6)  # 12:30 in Asia/Urumqi, UTC+6
DEMAND = TicketForm(kind="demand", content="船在锚地等了三天")


@pytest.fixture
def third() -> Policy:
    return load(Path(__file__).resolve().parents[1] / "third_city.toml")


@pytest.fixture
def dispatcher(database: Database, staff: Staff, third: Policy) -> Viewer:
    with database.session() as session:
        units.sync(session, third.units)
        person = people.create_person(session, "third", "third", Role.DISPATCHER, PASSWORD)
        return logins.viewer_of(session, person)


def local(at: datetime | None, policy: Policy) -> str:
    assert at is not None
    return at.astimezone(policy.zone).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("kind", "category", "choice", "urgency", "due", "why"),
    [
        ("question", "", "", "normal", "2026-09-20 11:00", "提问 2个工作小时"),  # a make-up Sunday
        ("demand", "", "", "normal", "2026-09-23 23:59", "诉求 5日"),
        ("demand", "delay", "", "normal", "2026-09-21 11:30", "诉求 · 压船 6个工作小时"),
        ("demand", "delay", "winter", "normal", "2026-12-17 23:59", "诉求 · 冰封期 90日"),
        ("demand", "delay", "winter", "critical", "2026-09-19 18:30", "诉求 · 特急 30小时"),
        ("grievance", "", "", "urgent", "2026-09-30 23:59", "控告 8个工作日"),
    ],
)
def test_its_own_limits_hold(
    database: Database,
    staff: Staff,
    third: Policy,
    kind: str,
    category: str,
    choice: str,
    urgency: str,
    due: str,
    why: str,
) -> None:
    form = TicketForm(kind=kind, content="事", category=category, choice=choice, urgency=urgency)
    with database.session() as session:
        ticket = save_ticket(session, staff.agent, form, None, third, FRIDAY)
        assert (local(ticket.due_at, third), say_rule(ticket.due_rule, third)) == (due, why)


def test_a_kind_or_category_of_another_city_is_refused(
    database: Database, staff: Staff, third: Policy
) -> None:
    for form, fault in (
        (TicketForm(kind="help", content="事"), {"kind": "unknown"}),
        (TicketForm(kind="demand", content="事", category="land"), {"category": "unknown"}),
        (TicketForm(kind="grievance", content="事", category="delay"), {"category": "other_kind"}),
    ):
        with database.session() as session, pytest.raises(Refused) as refused:
            save_ticket(session, staff.agent, form, None, third, FRIDAY)
        assert refused.value.faults == fault


def test_its_clock_ladder_and_seconds_are_its_own(
    database: Database, staff: Staff, third: Policy, dispatcher: Viewer
) -> None:
    with database.session() as session:
        number = save_ticket(session, staff.agent, DEMAND, None, third, FRIDAY).number
    sent = FRIDAY + timedelta(days=1)
    with database.session() as session:
        dispatch.send(session, dispatcher, number, [Share("berth")], third, sent)
        order = session.scalars(select(SubOrder)).one()
        assert local(order.due_at, third) == "2026-09-23 23:59"  # from acceptance on
        (owed,) = session.scalars(select(Outbox).where(Outbox.kind == "order.sent"))
        assert owed.due_at == sent + timedelta(seconds=10)
    for hours, fired in ((0, []), (85, ["bell"]), (200, ["bell", "horn"])):
        with database.session() as session:
            now = sent + timedelta(hours=hours)
            escalation.sweep(session, third, load_calendar(session), now)
            assert list(session.scalars(select(Rung.level).order_by(Rung.id))) == fired
    with database.session() as session:
        due = session.scalars(select(Ticket.due_at)).one()
        bell, horn = third.ladders["order"]
        calendar = load_calendar(session)
        assert due is not None and local(level_at(due, bell, third, calendar), third) == "2026-09-21 11:15"
        assert level_at(due, horn, third, calendar) == due + timedelta(hours=3)


def test_its_words_stand_on_the_pages(
    database: Database, staff: Staff, third: Policy, tmp_path: Path
) -> None:
    with database.session() as session:
        form = TicketForm(kind="demand", content="船在锚地等了三天", category="delay")
        number = save_ticket(session, staff.agent, form, None, third, FRIDAY).number
    app = create_app(Services(database, third, tmp_path, attachments=tmp_path), [room()])
    with served(app) as url, httpx.Client(base_url=url, headers={"Origin": url}) as client:
        assert client.post("/login", data={"name": "agent", "password": PASSWORD}).status_code == 303
        page = client.get(f"/tickets/{number}").text
        assert "靠泊 / 压船" in page and "诉求 · 压船 6个工作小时" in page
        edit = client.get(f"/tickets/{number}/edit").text
        assert '<optgroup label="靠泊">' in edit and "冰封期" in edit and "控告" in edit
        assert 'value="delay" data-kinds="demand question" selected>压船' in edit


# -- a whole case, by its own deciders, grades and grounds --------------------------------------------


@pytest.fixture
def town(database: Database, third: Policy, dispatcher: Viewer, staff: Staff) -> Callable[..., Any]:
    """Act for somebody of the third city, in a transaction of its own."""
    who = {"dispatcher": dispatcher, "shift": staff.leader, "agent": staff.agent}
    with database.session() as session:
        for login, role, unit in (
            ("third-reviewer", Role.REVIEWER, ""),
            ("third-visitor", Role.VISITOR, ""),
            ("third-customs", Role.UNIT_CLERK, "customs"),
            ("third-port", Role.UNIT_CLERK, "port"),
        ):
            person = people.create_person(session, login, login, role, PASSWORD, unit=unit)
            who[login.removeprefix("third-")] = logins.viewer_of(session, person)

    def do(login: str, act: Callable[..., Any], *given: Any) -> Any:
        with database.session() as session:
            return act(session, who[login], *given)

    return do


def test_a_whole_case_goes_by_its_own_deciders_grades_and_grounds(
    database: Database, third: Policy, town: Callable[..., Any]
) -> None:
    def state() -> str:
        with database.session() as session:
            return session.scalars(select(Ticket.state).where(Ticket.number == number)).one()

    def due() -> str:
        with database.session() as session:
            return local(session.scalars(select(SubOrder.due_at).where(SubOrder.id == share.id)).one(), third)

    form = replace(DEMAND, contact_number="13812345678")
    number = town("agent", save_ticket, form, None, third, FRIDAY).number
    (share,) = town("dispatcher", dispatch.send, number, [Share("customs")], third, FRIDAY)
    town("customs", orders.object_, share.id, "not_ours", "归港务局", "port", third, FRIDAY)
    with pytest.raises(NotAllowed):
        town("dispatcher", rulings.rule_objection, share.id, True, "", third, FRIDAY)
    town("reviewer", rulings.rule_objection, share.id, True, "", third, FRIDAY)
    assert state() == State.ACCEPTED
    (share,) = town("dispatcher", dispatch.send, number, [Share("port")], third, FRIDAY)
    town("port", orders.ask_extension, share.id, "ice", "锚地封冻", "", third, FRIDAY)
    with pytest.raises(NotAllowed):
        town("reviewer", rulings.rule_extension, share.id, True, "", third, FRIDAY)
    given = town("dispatcher", rulings.rule_extension, share.id, True, "", third, FRIDAY)
    assert local(given.due_after, third) == "2026-10-08 23:59"  # ten days on it is a holiday
    town("port", orders.reply, share.id, REPLY, third, FRIDAY)
    town("port", closing.submit, number, REPLY, third, FRIDAY)
    town("dispatcher", closing.audit, number, "send_back", "哪个泊位？", third, FRIDAY)
    assert due() == "2026-09-20 11:00"  # within two working hours
    for grade, after in (("bad", State.HANDLING), ("good", State.DONE)):
        town("port", orders.reply, share.id, REPLY, third, FRIDAY)
        town("port", closing.submit, number, REPLY, third, FRIDAY)
        with pytest.raises(NotAllowed):
            town("reviewer", closing.audit, number, "approve", "", third, FRIDAY)
        town("dispatcher", closing.audit, number, "approve", "", third, FRIDAY)
        said = replace(PLEASED, satisfied=grade, words="还在等泊位。")
        town("visitor", visits.record, number, said, third, FRIDAY)
        assert state() == after
        assert due() == "2026-09-20 11:00"  # kept, though the caller is not content
    with database.session() as session:
        ticket = session.scalars(select(Ticket)).one()
        assert (ticket.first_satisfied, ticket.satisfied, ticket.redone) == ("bad", "good", 1)


def test_who_refuses_and_how_often_a_caller_is_tried_is_its_own(
    database: Database, third: Policy, town: Callable[..., Any]
) -> None:
    number = town("agent", save_ticket, DEMAND, None, third, FRIDAY).number
    with pytest.raises(NotAllowed):
        town("dispatcher", answering.refuse, number, "at_sea", "海上事务另有渠道。", third, FRIDAY)
    with pytest.raises(Refused, match="ground: unknown"):
        town("shift", answering.refuse, number, "litigation", "海上事务另有渠道。", third, FRIDAY)
    assert (
        town("shift", answering.refuse, number, "at_sea", "海上事务另有渠道。", third, FRIDAY).state
        == "refused"
    )
    asked = replace(DEMAND, contact_number="13812345678")
    number = town("agent", save_ticket, asked, None, third, FRIDAY).number
    with database.session() as session:
        session.scalars(select(Ticket).where(Ticket.number == number)).one().state = State.VISIT
    town("visitor", visits.record, number, NOBODY, third, FRIDAY)
    with database.session() as session:
        assert session.scalars(select(Ticket.state).where(Ticket.number == number)).one() == State.DONE
