"""The city's calendar is changed, and every open deadline that the change touches follows."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import chinese_calendar
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cases import calendar, units
from cases.calendar import Change
from cases.deadlines import extended, limit_due, load_calendar, order_due, restarted, say_rule
from cases.errors import NotAllowed, Refused
from cases.reckoning import Reckoned
from cases.states import State
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from routing.holidays import Listed
from routing.policy import Policy
from storage.database import Database
from storage.tables import CalendarDay, CalendarYear, Journal, Ticket
from storage.work import Closing, Instruction, SubOrder, Supervision
from tests.cases.conftest import Staff

TABLES: tuple[type[Any], ...] = (Ticket, SubOrder, Instruction, Supervision)
LATE = datetime(2026, 12, 14, 2, 0, tzinfo=UTC)  # 10:00, a Monday: 15 working days reach into 2027
NOTICE_2027 = """国务院办公厅关于2027年部分节假日安排的通知
一、元旦：1月1日（周五）至3日（周日）放假，共3天。
二、春节：2月5日（周五）至11日（周四）放假调休，共7天。1月30日（周六）、2月20日（周六）上班。"""


def local(at: datetime | None, policy: Policy) -> str:
    assert at is not None
    return at.astimezone(policy.zone).strftime("%Y-%m-%d %H:%M")


def saved(session: Session, staff: Staff, policy: Policy, at: datetime = LATE, **more: str) -> Ticket:
    form = TicketForm(**{"kind": "help", "content": "厂房用地手续停滞", "category": "land", **more})  # type: ignore[arg-type]
    return save_ticket(session, staff.agent, form, None, policy, at)


def told(session: Session, act: str) -> list[Journal]:
    return list(session.scalars(select(Journal).where(Journal.act == act).order_by(Journal.id)))


def test_a_year_that_is_announced_settles_what_was_provisional(
    database: Database, staff: Staff, policy: Policy
) -> None:
    with database.session() as session:
        ticket = saved(session, staff, policy)
        assert ticket.due_provisional and local(ticket.due_at, policy) == "2027-01-04 23:59"
        number = ticket.number
    with database.session() as session:
        done = calendar.take_in(session, staff.administrator, NOTICE_2027, policy, announced=True)
        assert (done.reckoned.moved, done.reckoned.marked, done.reckoned.stayed) == (1, 0, 0)
    with database.session() as session:
        ticket = session.scalars(select(Ticket).where(Ticket.number == number)).one()
        assert not ticket.due_provisional and local(ticket.due_at, policy) == "2027-01-05 23:59"
        (line,) = told(session, "ticket.reckoned")
        assert (line.subject_kind, line.subject_id) == ("ticket", str(ticket.id))
        assert line.detail["old"].startswith("2027-01-04T15:59:59")
        assert line.detail["new"].startswith("2027-01-05T15:59:59")
        assert line.detail["provisional"] is False
        assert [row.subject_id for row in told(session, "calendar.announced")] == ["2027"]


def test_a_year_announced_as_it_was_guessed_takes_the_mark_alone(
    database: Database, staff: Staff, policy: Policy
) -> None:
    with database.session() as session:
        due = saved(session, staff, policy).due_at
        done = calendar.announce(session, staff.administrator, 2027, policy, announced=True)
        assert (done.reckoned.moved, done.reckoned.marked) == (0, 1)
    with database.session() as session:
        ticket = session.scalars(select(Ticket)).one()
        assert ticket.due_at == due and not ticket.due_provisional
        calendar.announce(session, staff.administrator, 2027, policy, announced=False)
    with database.session() as session:
        assert session.scalars(select(Ticket)).one().due_provisional


def test_a_holiday_put_in_moves_tickets_shares_instructions_supervisions_and_visits(
    database: Database, staff: Staff, policy: Policy
) -> None:
    opened = datetime(2026, 11, 2, 2, 0, tzinfo=UTC)
    tuesday = Listed(date(2026, 11, 3), False, "地方假日")
    with database.session() as session:
        for row in (
            saved(session, staff, policy, opened),
            _share(session, saved(session, staff, policy, opened), policy, opened),
            _instruction(session, saved(session, staff, policy, opened), staff, policy, opened),
            _supervision(session, saved(session, staff, policy, opened), policy, opened),
        ):
            session.add(row)
        session.flush()
        before = {
            (type(row).__name__, row.id): row.due_at
            for table in TABLES
            for row in session.scalars(select(table))
        }
    with database.session() as session:
        done = calendar.change(session, staff.administrator, Change(days=[tuesday]), policy)
        assert done.reckoned.moved == len(before) == 7
    with database.session() as session:
        for table in TABLES:
            for row in session.scalars(select(table)):
                assert row.due_at == before[table.__name__, row.id] + timedelta(days=1)
        calendar.change(session, staff.administrator, Change(plain=[tuesday.day]), policy)
    with database.session() as session:
        for table in TABLES:
            for row in session.scalars(select(table)):
                assert row.due_at == before[table.__name__, row.id]


def _share(session: Session, ticket: Ticket, policy: Policy, at: datetime) -> SubOrder:
    due = order_due(at, ticket, policy, load_calendar(session))
    units.sync(session, policy.units)
    unit = units.by_code(session, "natural_resources")
    assert unit is not None
    return SubOrder(ticket_id=ticket.id, unit_id=unit.id, sent_at=at, due_at=due.at, due_rule=due.rule)


def _instruction(session: Session, ticket: Ticket, staff: Staff, policy: Policy, at: datetime) -> Instruction:
    due = order_due(at, ticket, policy, load_calendar(session))
    rest = {"due_at": due.at, "due_rule": due.rule, "given_at": at}
    return Instruction(ticket_id=ticket.id, leader_id=staff.leader.person_id, **rest)


def _supervision(session: Session, ticket: Ticket, policy: Policy, at: datetime) -> Supervision:
    due = order_due(at, ticket, policy, load_calendar(session))
    return Supervision(ticket_id=ticket.id, ground="hard", at=at, due_at=due.at, due_rule=due.rule)


def test_a_visit_that_is_due_follows_as_well(database: Database, staff: Staff, policy: Policy) -> None:
    approved = datetime(2026, 11, 2, 2, 0, tzinfo=UTC)
    with database.session() as session:
        ticket = saved(session, staff, policy, approved - timedelta(days=3))
        due = limit_due(approved, policy.handling.visit_within, policy, load_calendar(session))
        ticket.state, ticket.visit_due_at = State.VISIT, due.at
        by = staff.supervisor.person_id
        closing = {"decision": "approved", "decided_at": approved, "decided_by": by}
        session.add(Closing(ticket_id=ticket.id, by_id=staff.agent.person_id, **closing))
    with database.session() as session:
        free = Change(days=[Listed(date(2026, 11, 3), False, "")])
        assert calendar.change(session, staff.administrator, free, policy).reckoned.moved == 2
    with database.session() as session:
        assert local(session.scalars(select(Ticket)).one().visit_due_at, policy) == "2026-11-04 23:59"


def test_an_extension_is_counted_from_where_the_deadline_goes(
    database: Database, staff: Staff, policy: Policy
) -> None:
    opened = datetime(2026, 11, 2, 2, 0, tzinfo=UTC)
    with database.session() as session:
        ticket = saved(session, staff, policy, opened)
        assert ticket.due_at is not None and local(ticket.due_at, policy) == "2026-11-23 23:59"
        complex_ = policy.handling.extensions[0]
        due = extended(ticket.due_at, ticket.due_rule, complex_, policy, load_calendar(session))
        ticket.due_at, ticket.due_rule = due.at, due.rule
        assert local(ticket.due_at, policy) == "2026-12-14 23:59"
        assert say_rule(due.rule, policy) == "求助 · 用地与规划 15个工作日 + 15个工作日"
    with database.session() as session:
        free = [Listed(date(2026, 11, day), False, "") for day in (3, 30)]
        calendar.change(session, staff.administrator, Change(days=free), policy)
    with database.session() as session:
        ticket = session.scalars(select(Ticket)).one()
        assert local(ticket.due_at, policy) == "2026-12-16 23:59"
        again = restarted(ticket.due_rule, ticket.created_at, ticket, policy, load_calendar(session))
        assert (again.at, again.rule) == (ticket.due_at, ticket.due_rule)


def test_a_deadline_that_no_rule_gave_stays_and_is_counted(
    database: Database, staff: Staff, policy: Policy
) -> None:
    by_hand = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
    with database.session() as session:
        saved(session, staff, policy, datetime(2026, 11, 2, 2, 0, tzinfo=UTC)).due_at = by_hand
        session.flush()
        free = Change(days=[Listed(date(2026, 11, 3), False, "")])
        done = calendar.change(session, staff.administrator, free, policy)
        assert (done.reckoned.moved, done.reckoned.stayed) == (0, 1)
        assert session.scalars(select(Ticket)).one().due_at == by_hand


def test_what_is_over_and_what_was_due_before_stays(database: Database, staff: Staff, policy: Policy) -> None:
    with database.session() as session:
        saved(session, staff, policy, datetime(2026, 11, 2, 2, 0, tzinfo=UTC)).state = State.DONE
        saved(session, staff, policy, datetime(2026, 10, 9, 2, 0, tzinfo=UTC))
        session.flush()
        free = Change(days=[Listed(date(2026, 11, 3), False, "")])
        assert calendar.change(session, staff.administrator, free, policy).reckoned == Reckoned()


def test_a_change_that_changes_nothing_leaves_no_line(
    database: Database, staff: Staff, policy: Policy
) -> None:
    with database.session() as session:
        done = calendar.set_day(session, staff.administrator, date(2026, 11, 4), "", policy, works=True)
        assert (done.days, done.years) == (0, 0)
        assert not told(session, "calendar.day_set") and not told(session, "calendar.day_removed")


def test_what_was_is_told_of_each_day(database: Database, staff: Staff, policy: Policy) -> None:
    day = date(2026, 10, 10)
    with database.session() as session:
        calendar.set_day(session, staff.administrator, day, "", policy, works=False)
        calendar.set_day(session, staff.administrator, date(2026, 11, 4), "演习", policy, works=False)
        (gone,), (put,) = told(session, "calendar.day_removed"), told(session, "calendar.day_set")
        assert (gone.subject_id, gone.detail) == ("2026-10-10", {"was": True})
        assert (put.subject_id, put.detail) == ("2026-11-04", {"works": False, "was": None})
        assert put.rule == "administrator/manage_city/all" and put.actor_id == staff.administrator.person_id


@pytest.mark.parametrize(
    ("notice", "faults"),
    [
        ("", {"notice": "required"}),
        ("各省、自治区：", {"notice": "nothing"}),
        ("2027-01-01,休,元旦\n2027-02-30,休,春节", {"line_2": "no_date"}),
        ("2027-01-01,假,元旦", {"line_1": "no_word"}),
        ("2027-01-03~2027-01-01,休,元旦", {"line_1": "span"}),
        ("2027-01-01,休,元旦\n2027-01-01,班,元旦", {"line_2": "twice"}),
        ("1999-01-01,休,元旦", {"notice": "year"}),
        ("一、元旦：1月1日放假1天。", {"line_1": "no_date"}),
    ],
)
def test_a_notice_with_a_fault_changes_nothing(
    database: Database, staff: Staff, policy: Policy, notice: str, faults: dict[str, str]
) -> None:
    with database.session() as session:
        days = session.scalar(select(func.count()).select_from(CalendarDay))
        with pytest.raises(Refused) as refused:
            calendar.take_in(session, staff.administrator, notice, policy, announced=True)
        assert refused.value.faults == faults
        assert session.scalar(select(func.count()).select_from(CalendarDay)) == days
        assert session.get_one(CalendarYear, 2027).announced is False


def test_only_the_administrator_changes_it(database: Database, staff: Staff, policy: Policy) -> None:
    for viewer in (staff.agent, staff.leader, staff.supervisor, staff.discipline):
        with database.session() as session, pytest.raises(NotAllowed):
            calendar.announce(session, viewer, 2027, policy, announced=True)


def test_what_the_library_learns_with_an_update_moves_deadlines_too(
    database: Database, staff: Staff, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.session() as session:
        saved(session, staff, policy)
    for day in (1, 4):
        monkeypatch.setitem(chinese_calendar.holidays, date(2027, 1, day), "New Year")
    with database.session() as session:
        assert calendar.seed(session, policy).moved == 1
        assert calendar.seed(session, policy) == Reckoned()
    with database.session() as session:
        ticket = session.scalars(select(Ticket)).one()
        assert (local(ticket.due_at, policy), ticket.due_provisional) == ("2027-01-06 23:59", False)


def test_what_is_sealed_follows_and_is_counted_for_nobody(
    database: Database, staff: Staff, policy: Policy
) -> None:
    with database.session() as session:
        ticket = saved(
            session, staff, policy, datetime(2026, 11, 2, 2, 0, tzinfo=UTC), kind="report", category=""
        )
        assert ticket.sealed
        number, due = ticket.number, ticket.due_at
    assert due is not None
    with database.session() as session:
        free = Change(days=[Listed(date(2026, 11, 3), False, "")])
        assert calendar.change(session, staff.administrator, free, policy).reckoned == Reckoned()
    with database.session() as session:
        moved = session.scalars(select(Ticket).where(Ticket.number == number)).one()
        assert moved.due_at == due + timedelta(days=1)
        (line,) = told(session, "ticket.reckoned")
        assert line.subject_id == str(moved.id)


def test_what_was_being_saved_by_the_old_calendar_is_caught_up(
    database: Database, staff: Staff, policy: Policy
) -> None:
    opened = datetime(2026, 11, 2, 2, 0, tzinfo=UTC)
    free = Change(days=[Listed(date(2026, 11, 3), False, "")])
    with database.session() as slow:
        ticket = saved(slow, staff, policy, opened)
        assert local(ticket.due_at, policy) == "2026-11-23 23:59"
        with database.session() as session:
            done = calendar.change(session, staff.administrator, free, policy)
            assert done.reckoned == Reckoned()
    for _ in range(2):  # and once more changes nothing
        with database.session() as session:
            calendar.catch_up(session, done, policy)
        with database.session() as session:
            assert local(session.scalars(select(Ticket.due_at)).one(), policy) == "2026-11-24 23:59"
            assert len(told(session, "ticket.reckoned")) == 1
