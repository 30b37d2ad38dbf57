"""Who learns of what, when, and in which words."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cases import notice_words, notices, notices_mine, people, units
from cases.errors import NotVisible
from cases.logins import viewer_of
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from cases.visible import name
from routing.policy import Policy
from storage import outbox
from storage.database import Database
from storage.notices import Notice, NoticeSetting, Receipt
from storage.staff import Person, Unit
from storage.tables import Outbox, Recusal, Ticket
from storage.viewer import Role, Viewer
from storage.work import Closing, Instruction, Rung, SubOrder, UnitRequest
from tests.cases.conftest import NOW, PASSWORD, Staff

UNIT, OTHER_UNIT = "power", "tax"
PEOPLE = (
    ("dispatcher", Role.DISPATCHER, "", ()),
    ("clerk", Role.UNIT_CLERK, UNIT, ()),
    ("clerk_two", Role.UNIT_CLERK, UNIT, ()),
    ("stranger", Role.UNIT_CLERK, OTHER_UNIT, ()),
    ("reviewer", Role.REVIEWER, "", ()),
    ("visitor", Role.VISITOR, "", ()),
    ("chief", Role.LEADER, "", ("962299",)),
    ("other_chief", Role.LEADER, "", ("962299",)),
)


@dataclass
class Office:
    """A city at work: everybody by log-in, a ticket with its order at the unit."""

    database: Database
    policy: Policy
    ids: dict[str, int]
    ticket: Ticket
    order_id: int

    def plan(self, kind: str, now: datetime = NOW, channels: tuple[str, ...] = (), **ids: int) -> list[str]:
        """Who was told of one message, by log-in."""
        with self.database.session() as session:
            outbox.put(session, kind, {"ticket_id": self.ticket.id, **ids}, now)
        with self.database.session() as session:
            notices.plan(session, self.policy, channels, now)
            told = select(Person.login).join(Notice, Notice.person_id == Person.id)
            newest = select(func.max(Notice.outbox_id)).scalar_subquery()
            return list(session.scalars(told.where(Notice.outbox_id == newest).order_by(Person.login)))

    def viewer(self, session: Session, login: str) -> Viewer:
        return viewer_of(session, session.get_one(Person, self.ids[login]))


@pytest.fixture
def office(database: Database, policy: Policy, staff: Staff) -> Office:
    with database.session() as session:
        units.sync(session, policy.units)
        for login, role, unit, lines in PEOPLE:
            people.create_person(session, login, login, role, PASSWORD, unit=unit, lines=lines)
        ids = {person.login: person.id for person in session.scalars(select(Person))}
        form = TicketForm(kind="help", content="厂区停电", caller_name="王芳", contact_number="13812345678")
        ticket = save_ticket(session, staff.agent, form, None, policy, NOW)
        session.query(Outbox).delete()
        order = SubOrder(ticket_id=ticket.id, unit_id=_unit(session, UNIT), due_at=NOW + timedelta(days=3))
        session.add(order)
        session.flush()
        return Office(database, policy, ids, ticket, order.id)


def _unit(session: Session, code: str) -> int:
    found = session.scalar(select(Unit.id).where(Unit.code == code))
    assert found is not None
    return found


def _asked(session: Session, office: Office, kind: str) -> int:
    asked = UnitRequest(order_id=office.order_id, kind=kind, ground="x", asked_by=office.ids["clerk"])
    session.add(asked)
    session.flush()
    return asked.id


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("order.sent", ["clerk", "clerk_two"]),
        ("order.recalled", ["clerk", "clerk_two"]),
        ("urged", ["clerk", "clerk_two"]),
        ("supervised", ["clerk", "clerk_two", "dispatcher"]),
        ("visit.due", []),  # it is not to be visited
        ("ticket.dissatisfied", ["clerk", "clerk_two", "dispatcher", "supervisor"]),
        ("instructed", ["clerk", "clerk_two", "dispatcher", "supervisor"]),
        ("text.lost", ["dispatcher"]),
    ],
)
def test_a_message_reaches_those_whose_work_it_is(office: Office, kind: str, told: list[str]) -> None:
    assert office.plan(kind, order_id=office.order_id) == told


@pytest.mark.parametrize(
    ("kind", "decision"), [("order.objected", "objection"), ("extension.asked", "extension")]
)
def test_a_request_reaches_who_rules_on_it_in_this_city(office: Office, kind: str, decision: str) -> None:
    with office.database.session() as session:
        request_id = _asked(session, office, decision)
    assert office.plan(kind, request_id=request_id) == [office.policy.decisions[decision]]  # type: ignore[index]


def test_a_case_to_be_visited_reaches_the_return_visitors(office: Office) -> None:
    with office.database.session() as session:
        session.get_one(Ticket, office.ticket.id).state = "visit"
    assert office.plan("visit.due") == ["visitor"]


def test_a_ruling_reaches_who_asked(office: Office) -> None:
    with office.database.session() as session:
        request_id = _asked(session, office, "extension")
    assert "clerk" in office.plan("extension.ruled", request_id=request_id)


def test_a_closing_form_reaches_who_audits_it_and_comes_back_to_who_wrote_it(office: Office) -> None:
    with office.database.session() as session:
        closing = Closing(ticket_id=office.ticket.id, by_id=office.ids["clerk"])
        session.add(closing)
        session.flush()
        session.get_one(Ticket, office.ticket.id).state = "review"
    assert office.plan("closing.submitted", closing_id=closing.id) == [office.policy.decisions["closing"]]
    assert "clerk" in office.plan("closing.sent_back", closing_id=closing.id)


def test_a_report_reaches_the_leader_it_is_for_and_no_other(office: Office) -> None:
    with office.database.session() as session:
        report = Instruction(ticket_id=office.ticket.id, leader_id=office.ids["chief"])
        session.add(report)
        session.flush()
    assert office.plan("reported", instruction_id=report.id) == ["chief"]


def test_a_level_reaches_whom_the_ladder_names(office: Office) -> None:
    level = office.policy.ladders["order"][0]
    with office.database.session() as session:
        rung = Rung(
            ticket_id=office.ticket.id,
            subject_kind="order",
            subject_id=office.order_id,
            level=level.code,
            due_at=NOW,
            told=True,
        )
        session.add(rung)
        session.flush()
        outbox.put(session, "rung", {"rung_id": rung.id}, NOW)
    roles = {"clerk": "unit_clerk", "clerk_two": "unit_clerk"}
    wanted = {login for login in office.ids if roles.get(login, login) in level.to}
    with office.database.session() as session:
        notices.plan(session, office.policy, (), NOW)
        told = select(Person.login).join(Notice, Notice.person_id == Person.id)
        assert set(session.scalars(told)) == wanted
        assert set(session.scalars(select(Notice.kind))) == {f"rung.{level.when}"}


def test_a_level_of_a_visit_tells_when_the_visit_was_due(office: Office) -> None:
    level = next(each for each in office.policy.ladders["visit"] if each.when == "after")
    due_at = NOW - timedelta(days=4)
    with office.database.session() as session:
        rung = Rung(ticket_id=office.ticket.id, subject_kind="visit", subject_id=office.ticket.id)
        rung.level, rung.due_at, rung.told = level.code, due_at, True
        session.add(rung)
        session.flush()
        outbox.put(session, "rung", {"rung_id": rung.id}, NOW)
        notices.plan(session, office.policy, (), NOW)
    said: dict[str, str] = {}
    with office.database.session() as session:
        told = notices_mine.mine(session, office.viewer(session, "visitor"))[0]
        notice_words.line(told, office.policy, lambda key, **facts: said.update(facts) or key, "zh")
    assert said["due"] == "2026-09-14 10:00"
    assert said["of"] == "notice.of.visit"


def test_a_unit_in_which_nobody_can_be_told_is_the_dispatchers_to_call(office: Office) -> None:
    with office.database.session() as session:
        for login in ("clerk", "clerk_two"):
            people.dismiss(session, login)
    assert office.plan("order.sent", order_id=office.order_id) == ["dispatcher"]
    with office.database.session() as session:
        assert session.scalars(select(Notice.kind)).all() == [notices.UNREACHED]


def test_who_is_recused_learns_of_nothing(office: Office) -> None:
    with office.database.session() as session:
        session.add(Recusal(person_id=office.ids["clerk"], ticket_id=office.ticket.id, why="kin"))
    for kind in ("order.sent", "order.recalled"):
        assert office.plan(kind, order_id=office.order_id) == ["clerk_two"]


def test_of_a_sealed_ticket_only_the_named_learn_and_its_words_tell_nothing(office: Office) -> None:
    with office.database.session() as session:
        session.get_one(Ticket, office.ticket.id).sealed = True
        name(session, office.ids["clerk"], "charged", ticket_id=office.ticket.id)
    assert office.plan("order.sent", order_id=office.order_id) == ["clerk"]
    assert office.plan("ticket.dissatisfied") == ["clerk"]


def test_what_is_sealed_later_vanishes_from_the_notices_of_who_is_not_named(office: Office) -> None:
    office.plan("order.sent", order_id=office.order_id)
    with office.database.session() as session:
        session.get_one(Ticket, office.ticket.id).sealed = True
        name(session, office.ids["clerk"], "charged", ticket_id=office.ticket.id)
    with office.database.session() as session:
        hers, others = (office.viewer(session, login) for login in ("clerk", "clerk_two"))
        assert len(notices_mine.mine(session, hers)) == notices_mine.unseen(session, hers) == 1
        assert notices_mine.mine(session, others) == []
        assert notices_mine.unseen(session, others) == 0


def test_what_was_taken_back_is_told_without_a_way_to_it(office: Office) -> None:
    with office.database.session() as session:
        session.get_one(SubOrder, office.order_id).state = "recalled"
    assert office.plan("order.recalled", order_id=office.order_id) == ["clerk", "clerk_two"]
    with office.database.session() as session:
        (told,) = notices_mine.mine(session, office.viewer(session, "clerk"))
        assert not told.opens


def test_each_is_told_once_however_often_it_is_planned(office: Office) -> None:
    office.plan("order.sent", order_id=office.order_id)
    with office.database.session() as session:
        assert notices.plan(session, office.policy, (), NOW) == 0
        assert session.scalar(select(func.count()).select_from(Notice)) == 2


def test_what_is_not_due_waits(office: Office) -> None:
    with office.database.session() as session:
        outbox.put(session, "visit.due", {"ticket_id": office.ticket.id}, NOW + timedelta(seconds=60))
        assert notices.plan(session, office.policy, (), NOW) == 0
        assert notices.plan(session, office.policy, (), NOW + timedelta(seconds=60)) == 1


def test_a_message_that_cannot_be_planned_holds_up_no_other(office: Office) -> None:
    with office.database.session() as session:
        outbox.put(session, "visit.due", {}, NOW)
    assert office.plan("text.lost") == ["dispatcher"]
    with office.database.session() as session:
        assert notices.unclaimed(session, NOW) == 0
        assert notices.unclaimed(session, NOW + timedelta(minutes=11)) == 1


def test_a_kind_that_nobody_knows_stays_and_is_counted(office: Office) -> None:
    with office.database.session() as session:
        outbox.put(session, "moon.rises", {"ticket_id": office.ticket.id}, NOW)
    office.plan("visit.due")
    with office.database.session() as session:
        assert notices.unclaimed(session, NOW) == 1


def test_a_ticket_that_is_gone_tells_nobody(office: Office) -> None:
    with office.database.session() as session:
        outbox.put(session, "visit.due", {"ticket_id": 10**9}, NOW)
    with office.database.session() as session:
        assert notices.plan(session, office.policy, (), NOW) == 1
        assert session.scalars(select(Notice)).all() == []


# -- further ways ------------------------------------------------------------------------------------


def _wants(office: Office, channel: str = "email", login: str = "clerk", **how: object) -> None:
    with office.database.session() as session:
        setting = NoticeSetting(
            person_id=office.ids[login], channel=channel, address="clerk@example.cn", **how
        )
        session.add(setting)


def _due(office: Office) -> list[datetime]:
    with office.database.session() as session:
        return list(session.scalars(select(Receipt.due_at)))


def test_a_receipt_is_owed_by_each_way_that_there_is(office: Office) -> None:
    _wants(office, "email")
    _wants(office, "webhook")
    office.plan("order.sent", channels=("email", "sms"), order_id=office.order_id)
    assert _due(office) == [NOW]


def test_quiet_hours_and_digests_put_it_off(office: Office) -> None:
    _wants(office, from_minute=14 * 60, to_minute=18 * 60)  # it is 10:00 there
    office.plan("order.sent", channels=("email",), order_id=office.order_id)
    assert _due(office) == [NOW + timedelta(hours=4)]


@pytest.mark.parametrize("urgency", ["urgent", "critical"])
def test_what_is_urgent_is_put_off_by_neither(office: Office, urgency: str) -> None:
    _wants(office, from_minute=14 * 60, to_minute=18 * 60, digest="daily", digest_minute=17 * 60)
    with office.database.session() as session:
        session.get_one(Ticket, office.ticket.id).urgency = urgency
    office.plan("order.sent", channels=("email",), order_id=office.order_id)
    assert _due(office) == [NOW]


def test_she_may_choose_of_what(office: Office) -> None:
    _wants(office, kinds=["late"])
    office.plan("order.sent", channels=("email",), order_id=office.order_id)
    assert _due(office) == []
    office.plan("urged", channels=("email",), order_id=office.order_id)
    assert _due(office) == [NOW]


def _caller_texts(office: Office, channels: tuple[str, ...] = ("sms",), kind: str = "ticket.done") -> int:
    office.plan(kind, channels=channels)
    with office.database.session() as session:
        return session.scalar(select(func.count()).where(Receipt.person_id.is_(None))) or 0


def test_a_caller_gets_a_text_where_there_is_a_carrier(office: Office) -> None:
    assert _caller_texts(office, channels=("email",)) == 0
    assert _caller_texts(office) == 1


@pytest.mark.parametrize("why", [{"sealed": True}, {"reply_wanted": False}])
def test_a_caller_gets_none_of_a_sealed_matter_or_unwanted(office: Office, why: dict[str, bool]) -> None:
    with office.database.session() as session:
        for column, value in why.items():
            setattr(session.get_one(Ticket, office.ticket.id), column, value)
    assert _caller_texts(office) == 0


def test_callers_are_not_woken(office: Office) -> None:
    night = NOW + timedelta(hours=13)  # 23:00 there
    office.plan("ticket.done", now=night, channels=("sms",))
    assert _due(office) == [NOW + timedelta(hours=22)]


# -- her own page ------------------------------------------------------------------------------------


def test_a_notice_is_seen_once_it_is_opened_and_by_nobody_else(office: Office) -> None:
    office.plan("order.sent", order_id=office.order_id)
    with office.database.session() as session:
        clerk, other = office.viewer(session, "clerk"), office.viewer(session, "stranger")
        (told,) = notices_mine.mine(session, clerk)
        with pytest.raises(NotVisible):
            notices_mine.see(session, other, told.notice.id, NOW)
        assert notices_mine.see(session, clerk, told.notice.id, NOW).opens
        assert notices_mine.unseen(session, clerk) == 0


def test_all_are_seen_at_once(office: Office) -> None:
    for _ in range(3):
        office.plan("order.sent", order_id=office.order_id)
    with office.database.session() as session:
        clerk = office.viewer(session, "clerk")
        assert notices_mine.unseen(session, clerk) == 3
        notices_mine.see_all(session, clerk, NOW)
        assert notices_mine.unseen(session, clerk) == 0
        assert notices_mine.unseen(session, office.viewer(session, "clerk_two")) == 3
