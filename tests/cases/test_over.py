"""What stands beside a case: supervision and reports once it is over, units' deadlines when it is changed."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from cases import (
    answering,
    awaiting,
    board,
    closing,
    dispatch,
    escalation,
    instructions,
    leading,
    logins,
    people,
    shares,
    supervision,
    timeline,
    visits,
)
from cases.deadlines import deadline, limit_due, load_calendar
from cases.dispatch import Share
from cases.states import State
from cases.tickets import change_ticket, open_ticket
from routing.policy import Policy
from storage.database import Database
from storage.tables import Journal, Outbox, Ticket
from storage.viewer import Role, Viewer
from storage.work import Instruction, Rung, Supervision
from tests.cases.conftest import NOW, PASSWORD, Staff
from tests.cases.office import FORM, LATER, OTHER_UNIT, PLEASED, REPLY, UNIT, Office, office

__all__ = ["office"]

MUCH_LATER = LATER + timedelta(days=60)


@pytest.fixture
def session(database: Database, office: Office) -> Iterator[Session]:
    with database.session() as session:
        yield session


@pytest.fixture
def chief(session: Session, office: Office) -> Viewer:
    made = people.create_person(session, "chief", "chief", Role.LEADER, PASSWORD, lines=("962299",))
    return logins.viewer_of(session, made)


def by_itself(session: Session, ticket: Ticket, policy: Policy) -> Supervision:
    calendar = load_calendar(session)
    row = supervision.supervise_by_itself(session, ticket, supervision.LATE, policy, calendar, LATER)
    assert row is not None
    return row


def done(session: Session, office: Office, ticket: Ticket) -> None:
    visits.record(session, office.visitor, ticket.number, PLEASED, office.policy, LATER)
    assert ticket.state == State.DONE


# -- supervision ------------------------------------------------------------------------------------


def test_what_the_clock_supervised_leaves_the_board_with_its_case(
    session: Session, office: Office, staff: Staff
) -> None:
    ticket = office.into(session, State.VISIT)
    row = by_itself(session, ticket, office.policy)
    assert board.counts(session, staff.supervisor, office.policy, MUCH_LATER)["supervised"] == 1
    done(session, office, ticket)
    assert (row.ended_at, row.ended_by, row.outcome) == (LATER, None, "")
    assert board.counts(session, staff.supervisor, office.policy, MUCH_LATER)["supervised"] == 0
    acts = select(Journal.act).where(Journal.act == "ticket.supervision_end", Journal.actor_id.is_(None))
    assert session.scalars(acts).all() == ["ticket.supervision_end"]


def test_what_a_supervisor_demanded_awaits_her_word_and_is_late_no_more(
    session: Session, office: Office, staff: Staff
) -> None:
    ticket = office.into(session, State.VISIT)
    told = (staff.supervisor, ticket.number, "hard", "三日内恢复供电", office.policy, LATER)
    row = supervision.supervise(session, *told)
    assert supervision.standing(row, ticket, MUCH_LATER) == "late"
    assert awaiting.counts(session, staff.agent, "", MUCH_LATER)["supervision"] == awaiting.Count(0, 0)
    shift = replace(staff.agent, role=Role.SHIFT_LEADER)
    assert awaiting.counts(session, shift, "", MUCH_LATER)["supervision"] == awaiting.Count(1, 1)
    done(session, office, ticket)
    assert supervision.standing(row, ticket, MUCH_LATER) == "over"
    assert awaiting.counts(session, shift, "", MUCH_LATER)["supervision"] == awaiting.Count(1, 0)
    (listed,) = board.tray(session, staff.supervisor, "supervised", office.policy, MUCH_LATER)
    assert listed.supervision is row
    while escalation.sweep(session, office.policy, load_calendar(session), MUCH_LATER):
        pass
    assert session.scalars(select(Rung).where(Rung.subject_kind == "supervision")).all() == []
    supervision.end(session, staff.supervisor, ticket.number, "已恢复供电", MUCH_LATER)
    assert supervision.standing(row, ticket, MUCH_LATER) == "ended"


def test_a_case_that_is_opened_again_is_late_with_what_was_demanded(
    session: Session, office: Office, staff: Staff
) -> None:
    ticket = office.into(session, State.VISIT)
    told = (staff.supervisor, ticket.number, "hard", "三日内恢复供电", office.policy, LATER)
    row = supervision.supervise(session, *told)
    done(session, office, ticket)
    answering.reopen(session, staff.agent, ticket.number, "又停电了", office.policy, MUCH_LATER)
    assert supervision.standing(row, ticket, MUCH_LATER) == "late"


# -- a report to a leader ---------------------------------------------------------------------------


def test_a_report_awaits_no_word_once_its_case_is_over_and_awaits_it_when_it_is_opened_again(
    session: Session, office: Office, staff: Staff, chief: Viewer
) -> None:
    ticket = office.into(session, State.VISIT)
    row = instructions.report_up(session, staff.supervisor, ticket.number, chief.person_id, "请批示", NOW)
    shift = replace(staff.agent, role=Role.SHIFT_LEADER)

    def waits() -> tuple[int, int, str]:
        listed = leading.counts(session, chief, office.policy, LATER)["waiting"]
        assert len(leading.told(session, chief, "waiting", LATER)) == listed
        stands = instructions.standing(row, ticket, LATER)
        return listed, awaiting.counts(session, shift, "", LATER)["word"].all, stands

    assert waits() == (1, 1, "waiting")
    done(session, office, ticket)
    assert waits() == (0, 0, "moot")
    answering.reopen(session, staff.agent, ticket.number, "又停电了", office.policy, LATER)
    assert waits() == (1, 1, "waiting")


def test_a_case_that_is_over_is_reported_anew_and_then_awaits_his_word(
    session: Session, office: Office, staff: Staff, chief: Viewer
) -> None:
    ticket = office.into(session, State.VISIT)
    report = (staff.supervisor, ticket.number, chief.person_id)
    instructions.report_up(session, *report, "请批示", NOW)
    done(session, office, ticket)
    instructions.report_up(session, *report, "办得不实，请批示", MUCH_LATER)
    (told,) = leading.told(session, chief, "waiting", MUCH_LATER)
    assert told.instruction.report == "办得不实，请批示"
    instructions.instruct(
        session, chief, ticket.number, "重办", office.policy, MUCH_LATER, report_id=told.instruction.id
    )
    assert len(session.scalars(select(Instruction)).all()) == 2


# -- a kind or category that is put right -----------------------------------------------------------


def test_another_category_moves_what_units_owe_from_when_it_was_sent_and_tells_them(
    session: Session, office: Office
) -> None:
    ticket = office.saved(session)
    both = [Share(UNIT), Share(OTHER_UNIT, "assist")]
    lead, other = dispatch.send(session, office.dispatcher, ticket.number, both, office.policy, NOW)
    other.state, was = "replied", other.due_at
    session.flush()
    form = replace(FORM, category=CATEGORY)
    change_ticket(session, office.agent, ticket.number, form, ticket.version, office.policy)
    due = deadline(NOW, "help", "", "normal", office.policy, load_calendar(session), CATEGORY)
    assert due.at != was
    assert (lead.due_at, lead.due_rule, lead.due_provisional) == (due.at, due.rule, due.provisional)
    assert other.due_at == was  # it owes nothing
    owed = session.scalars(select(Outbox.payload).where(Outbox.kind == "order.due_moved")).all()
    assert owed == [{"ticket_id": ticket.id, "order_id": lead.id}]
    (noted,) = session.scalars(select(Journal).where(Journal.act == "order.due_moved"))
    assert noted.detail["new"] == due.at.isoformat()
    moments = timeline.story(
        session, office.dispatcher, open_ticket(session, office.dispatcher, ticket.number)
    )
    assert "order.due_moved" in [moment.act for moment in moments]


def test_what_moves_no_deadline_tells_no_unit(session: Session, office: Office) -> None:
    ticket = office.into(session, State.HANDLING)
    form = replace(FORM, place="涪城区")
    change_ticket(session, office.agent, ticket.number, form, ticket.version, office.policy)
    assert session.scalars(select(Outbox).where(Outbox.kind == "order.due_moved")).all() == []


CATEGORY = "land"


# -- who leads --------------------------------------------------------------------------------------


def test_a_unit_that_assists_reads_no_internal_account_of_the_closing(
    session: Session, office: Office
) -> None:
    ticket = office.into(session, State.HANDLING)
    office.sent(session, ticket, OTHER_UNIT, "assist")
    office.replied(session, ticket)
    office.submitted(session, ticket)

    def reads(who: Viewer) -> set[str]:
        moments = timeline.story(session, who, open_ticket(session, who, ticket.number))
        closed = next(moment for moment in moments if moment.act == "ticket.close")
        return {word.text for word in closed.words}

    assert reads(office.clerk) == reads(office.dispatcher) == {REPLY.account, REPLY.public_reply}
    assert reads(office.other_clerk) == {REPLY.public_reply}


def test_the_unit_that_leads_now_closes_and_not_the_one_that_led_before_it_was_opened_again(
    session: Session, office: Office
) -> None:
    ticket = office.into(session, State.VISIT)
    done(session, office, ticket)
    answering.reopen(session, office.agent, ticket.number, "又停电了", office.policy, LATER)
    again = LATER + timedelta(days=1)
    dispatch.send(session, office.dispatcher, ticket.number, [Share(OTHER_UNIT)], office.policy, again)
    lead = shares.leading(shares.of(session, ticket))
    assert lead is not None and lead.sent_at == again
    office.replied(session, ticket)
    closing.submit(session, office.other_clerk, ticket.number, REPLY, office.policy, again)
    assert ticket.state == State.REVIEW


def test_a_visit_says_by_what_rule_it_is_due(session: Session, office: Office) -> None:
    ticket = office.into(session, State.VISIT)
    due = limit_due(LATER, office.policy.handling.visit_within, office.policy, load_calendar(session))
    assert (ticket.visit_due_at, ticket.visit_due_rule) == (due.at, due.rule)
