"""Return visits: who is to be called, what she says, and what follows of it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from cases import answering, closing, orders, shares, visits
from cases.errors import NotAllowed, NotVisible, Refused
from cases.states import State
from cases.visits import VisitForm
from storage.database import Database
from storage.tables import Outbox, Ticket
from storage.work import Visit
from tests.cases.conftest import NewCall
from tests.cases.office import ANGRY, FORM, LATER, NOBODY, PLEASED, REPLY, Office, office

__all__ = ["office"]


def ask(office: Office, session: Session, ticket: Ticket, form: VisitForm, days: int = 0) -> Visit:
    at = LATER + timedelta(days=days)
    return visits.record(session, office.visitor, ticket.number, form, office.policy, at)


def test_who_is_satisfied_has_the_case_done_and_her_grade_is_kept(database: Database, office: Office) -> None:
    with database.session() as session:
        ticket = office.into(session, State.VISIT)
        visit = ask(office, session, ticket, replace(PLEASED, words="很快。"))
        assert (ticket.state, ticket.closed_at, ticket.visit_due_at) == (State.DONE, LATER, None)
        assert (ticket.satisfied, ticket.first_satisfied, ticket.visited) == ("satisfied", "satisfied", 1)
        assert (visit.reached, visit.true, visit.contacted, visit.solved) == (True, True, True, True)
        assert visit.words == "很快。"


def test_who_would_not_say_counts_as_no_grade(database: Database, office: Office) -> None:
    with database.session() as session:
        ticket = office.into(session, State.VISIT)
        ask(office, session, ticket, replace(PLEASED, satisfied="unrated"))
        assert (ticket.state, ticket.satisfied) == (State.DONE, "")


def test_who_does_not_answer_is_called_again_and_given_up_after_the_policys_tries(
    database: Database, office: Office
) -> None:
    tries = office.policy.handling.visit_attempts
    with database.session() as session:
        ticket = office.into(session, State.VISIT)
        for attempt in range(tries - 1):
            ask(office, session, ticket, NOBODY, days=attempt)
            assert ticket.state == State.VISIT
            assert ticket.waits_until is not None
            assert ticket.waits_until > LATER + timedelta(days=attempt)
        ask(office, session, ticket, NOBODY, days=tries)
        assert (ticket.state, ticket.waits_until, ticket.visited) == (State.DONE, None, tries)


def test_tries_are_counted_anew_once_the_case_was_handled_again(database: Database, office: Office) -> None:
    with database.session() as session:
        ticket = office.into(session, State.VISIT)
        for _ in range(office.policy.handling.visit_attempts - 1):
            ask(office, session, ticket, NOBODY)
        ask(office, session, ticket, ANGRY)
        (order,) = shares.of(session, ticket)
        later, policy = LATER + timedelta(days=1), office.policy
        orders.reply(session, office.clerk, order.id, REPLY, policy, later)
        closing.submit(session, office.clerk, ticket.number, REPLY, policy, later)
        closing.audit(session, office.reviewer, ticket.number, "approve", "", policy, later)
        assert visits.missed(session, ticket) == 0
        ask(office, session, ticket, NOBODY, days=2)
        assert ticket.state == State.VISIT


def test_who_is_not_satisfied_has_it_handled_again_with_a_new_deadline_and_supervision_hears(
    database: Database, office: Office
) -> None:
    with database.session() as session:
        ticket = office.into(session, State.VISIT)
        visit = ask(office, session, ticket, ANGRY, days=20)
        (order,) = shares.of(session, ticket)
        at = LATER + timedelta(days=20)
        assert (ticket.state, ticket.redone, ticket.closed_at) == (State.HANDLING, 1, None)
        assert (order.state, order.redone) == ("taken", 1)
        assert order.due_at is not None
        assert ticket.due_at is not None
        assert min(order.due_at, ticket.due_at) > at
        told = session.scalars(select(Outbox).where(Outbox.kind == "ticket.dissatisfied")).one()
        assert told.payload == {"ticket_id": ticket.id, "visit_id": visit.id}


def test_the_first_grade_stays_when_the_last_is_better(database: Database, office: Office) -> None:
    with database.session() as session:
        ticket = office.into(session, State.VISIT)
        ask(office, session, ticket, ANGRY)
        (order,) = shares.of(session, ticket)
        orders.reply(session, office.clerk, order.id, REPLY, office.policy, LATER)
        office.submitted(session, ticket)
        office.approved(session, ticket)
        ask(office, session, ticket, PLEASED)
        assert (ticket.first_satisfied, ticket.satisfied) == ("dissatisfied", "satisfied")


def test_who_is_not_satisfied_after_all_has_a_case_that_is_done_handled_again(
    database: Database, office: Office
) -> None:
    with database.session() as session:
        ticket = office.into(session, State.DONE)
        with pytest.raises(Refused, match="not_in_done"):
            ask(office, session, ticket, PLEASED)
        with pytest.raises(Refused, match="not_in_done"):
            ask(office, session, ticket, NOBODY)
        ask(office, session, ticket, ANGRY)
        assert ticket.state == State.HANDLING


def test_a_case_that_no_unit_ever_had_is_sorted_anew_when_its_caller_is_not_satisfied(
    database: Database, office: Office
) -> None:
    with database.session() as session:
        ticket = office.saved(session)
        answering.answer_directly(session, office.agent, ticket.number, "请拨打95598。", LATER)
        ask(office, session, ticket, ANGRY)
        assert (ticket.state, answering.current(session, ticket)) == (State.ACCEPTED, None)


@pytest.mark.parametrize(
    ("form", "faults"),
    [
        (VisitForm(), {"reached": "required"}),
        (VisitForm(reached="maybe"), {"reached": "unknown"}),
        (
            VisitForm(reached="yes"),
            dict.fromkeys(("true", "contacted", "solved", "satisfied"), "required"),
        ),
        (replace(PLEASED, satisfied="splendid"), {"satisfied": "unknown"}),
        (replace(ANGRY, words=""), {"words": "required"}),
        (replace(PLEASED, words="长" * 5001), {"words": "too_long"}),
        (replace(PLEASED, call_id="nowhere"), {"call_id": "unknown"}),
    ],
)
def test_a_visit_says_what_is_missing(
    database: Database, office: Office, form: VisitForm, faults: dict[str, str]
) -> None:
    with database.session() as session:
        ticket = office.into(session, State.VISIT)
        with pytest.raises(Refused) as refused:
            ask(office, session, ticket, form)
        assert refused.value.faults == faults
        assert (ticket.state, ticket.visited) == (State.VISIT, 0)


def test_the_call_in_which_she_was_asked_is_kept_with_the_visit(
    database: Database, office: Office, new_call: NewCall
) -> None:
    call_id = new_call()
    with database.session() as session:
        ticket = office.into(session, State.VISIT)
        assert ask(office, session, ticket, replace(PLEASED, call_id=call_id)).call_id == call_id


def test_only_return_visitors_ask_and_of_what_is_sealed_only_those_named(
    database: Database, office: Office
) -> None:
    with database.session() as session:
        ticket = office.into(session, State.VISIT)
        for viewer in (office.agent, office.clerk, office.reviewer, office.dispatcher):
            with pytest.raises(NotAllowed):
                visits.record(session, viewer, ticket.number, PLEASED, office.policy, LATER)
        with pytest.raises(NotVisible):
            visits.record(session, office.discipline, ticket.number, PLEASED, office.policy, LATER)


# -- who is to be called ------------------------------------------------------------------------------


def test_the_list_has_who_was_not_satisfied_first_then_who_waits_longest(
    database: Database, office: Office
) -> None:
    with database.session() as session:
        fresh, older, angry = (office.into(session, State.VISIT) for _ in range(3))
        older.visit_due_at = LATER - timedelta(days=3)
        angry.redone = 1
        session.flush()
        rows = visits.tray(session, office.visitor, "today", office.policy, LATER, 10)
        assert [row.id for row in rows] == [angry.id, older.id, fresh.id]


def test_who_is_to_be_tried_on_another_day_is_not_on_todays_list_and_counts_are_the_lists_lengths(
    database: Database, office: Office
) -> None:
    with database.session() as session:
        today, tomorrow = office.into(session, State.VISIT), office.into(session, State.VISIT)
        today.waits_until = LATER + timedelta(hours=3)  # this afternoon
        tomorrow.waits_until = LATER + timedelta(days=1)
        office.into(session, State.DONE)
        session.flush()
        for which, ticket in (("today", today), ("later", tomorrow)):
            rows = visits.tray(session, office.visitor, which, office.policy, LATER, 10)
            assert [row.id for row in rows] == [ticket.id]
        counted = visits.counts(session, office.visitor, office.policy, LATER)
        assert counted == {"today": 1, "later": 1}
        assert visits.counts(session, office.agent, office.policy, LATER) == {}
        tomorrow_morning = LATER + timedelta(days=1)
        assert visits.counts(session, office.visitor, office.policy, tomorrow_morning)["today"] == 2


def test_a_sealed_visit_is_on_the_list_of_those_named_alone(database: Database, office: Office) -> None:
    with database.session() as session:
        ticket = office.saved(session, replace(FORM, sealed=True))
        ticket.state, ticket.visit_due_at = State.VISIT, LATER
        session.flush()
        for viewer, count in ((office.visitor, 0), (office.discipline, 1)):
            assert visits.counts(session, viewer, office.policy, LATER)["today"] == count
            assert len(visits.tray(session, viewer, "today", office.policy, LATER, 10)) == count
