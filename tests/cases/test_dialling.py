"""Calls that staff place: a token for one number, one person and one call; the record that comes of it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from cases import charging, dialling, figures, personal, visits
from cases.calls import end_call, mark_answered
from cases.dialling import Granted, Placed
from cases.errors import NotAllowed, NotVisible, Refused
from cases.lab import OUT
from cases.states import State
from cases.visible import visible_calls
from cases.visits import VisitForm
from storage.database import Database
from storage.staff import Person, PersonDuty
from storage.tables import Call, Journal, Ticket, TicketCall
from storage.viewer import Viewer
from storage.work import Dialling, TicketNote
from tests.cases.office import FORM, LATER, NOBODY, PLEASED, Office, office

__all__ = ["office"]
PHONE, DISPATCHERS_PHONE = "e0000aaaa", "e0000bbbb"


@pytest.fixture(autouse=True)
def phones(database: Database, office: Office) -> None:
    with database.session() as session:
        for who, endpoint in ((office.visitor, PHONE), (office.dispatcher, DISPATCHERS_PHONE)):
            session.get_one(Person, who.person_id).endpoint = endpoint


@pytest.fixture
def session(database: Database, office: Office) -> Iterator[Session]:
    with database.session() as session:
        yield session


@pytest.fixture
def ticket(session: Session, office: Office) -> Ticket:
    return office.into(session, State.VISIT)


def ask(session: Session, who: Viewer, ticket: Ticket, office: Office, to: str = "") -> Granted:
    return dialling.ask(session, who, ticket.number, office.policy, LATER, to)


def begin(
    session: Session, granted: Granted, office: Office, endpoint: str = PHONE, at: datetime = LATER
) -> Placed | None:
    return dialling.begin(session, granted.token, endpoint, "1795296973.1", office.policy, at)


def test_her_call_is_on_record_linked_with_the_ticket_and_shown_as_the_hotlines(
    session: Session, office: Office, ticket: Ticket
) -> None:
    granted = ask(session, office.visitor, ticket, office)
    placed = begin(session, granted, office)
    assert placed == Placed(granted.call_id, "13812345678", "962299")
    call = session.get_one(Call, granted.call_id)
    assert (call.origin, call.number, call.agent_id) == (OUT, "+8613812345678", office.visitor.person_id)
    assert call.linkedid == "1795296973.1"
    assert session.scalars(select(TicketCall.call_id).where(TicketCall.ticket_id == ticket.id)).all() == [
        call.id
    ]
    noted = session.scalars(select(Journal).where(Journal.act == "ticket.dialled")).one()
    assert (noted.actor_id, noted.detail) == (office.visitor.person_id, {"call": call.id})


def test_neither_the_token_nor_the_row_it_leaves_tells_the_number(
    session: Session, office: Office, ticket: Ticket
) -> None:
    granted = ask(session, office.visitor, ticket, office)
    assert "138" not in granted.token + granted.call_id or "12345678" not in granted.token + granted.call_id
    begin(session, granted, office)
    row = session.scalars(select(Dialling)).one()
    assert (row.number, row.used_at) == ("", LATER)
    assert granted.token not in row.token_hash


@pytest.mark.parametrize(
    ("endpoint", "later"), [(DISPATCHERS_PHONE, timedelta(0)), (PHONE, timedelta(seconds=61))]
)
def test_a_token_is_good_from_her_own_phone_and_for_a_minute(
    session: Session, office: Office, ticket: Ticket, endpoint: str, later: timedelta
) -> None:
    granted = ask(session, office.visitor, ticket, office)
    assert begin(session, granted, office, endpoint, LATER + later) is None
    assert session.get(Call, granted.call_id) is None


def test_a_token_is_good_once_and_a_newer_one_ends_it(
    session: Session, office: Office, ticket: Ticket
) -> None:
    first, second = (ask(session, office.visitor, ticket, office) for _ in range(2))
    assert begin(session, first, office) is None
    assert begin(session, second, office) is not None
    assert begin(session, second, office) is None


def test_who_lost_sight_of_the_ticket_since_she_asked_calls_nobody(
    session: Session, office: Office, ticket: Ticket
) -> None:
    granted = ask(session, office.visitor, ticket, office)
    ticket.sealed = True
    session.flush()
    assert begin(session, granted, office) is None


def test_only_who_charges_units_calls_another_number_than_the_callers(
    session: Session, office: Office, ticket: Ticket
) -> None:
    with pytest.raises(Refused) as caught:
        ask(session, office.visitor, ticket, office, "0816-2223344")
    assert caught.value.faults == {"to": "not_hers"}
    granted = ask(session, office.dispatcher, ticket, office, "0816-2223344")
    placed = begin(session, granted, office, DISPATCHERS_PHONE)
    assert placed is not None
    assert placed.number == "08162223344"


@pytest.mark.parametrize("to", ["+14155552671", "abc", "13812345678,1000"])
def test_nobody_is_called_abroad_or_by_what_is_no_number(
    session: Session, office: Office, ticket: Ticket, to: str
) -> None:
    with pytest.raises(Refused) as caught:
        ask(session, office.dispatcher, ticket, office, to)
    assert caught.value.faults == {"to": "unknown"}


def test_who_has_no_phone_is_told_so_and_who_may_not_call_gets_nothing(
    session: Session, office: Office, ticket: Ticket
) -> None:
    session.get_one(Person, office.visitor.person_id).endpoint = None
    with pytest.raises(Refused) as caught:
        ask(session, office.visitor, ticket, office)
    assert caught.value.faults == {"phone": "no_phone"}
    with pytest.raises(NotAllowed):
        ask(session, office.reviewer, ticket, office)


def test_a_sealed_case_is_called_about_by_those_named_for_it_and_its_call_is_sealed(
    session: Session, office: Office
) -> None:
    ticket = office.saved(session, replace(FORM, sealed=True))
    with pytest.raises(NotVisible):
        ask(session, office.visitor, ticket, office)
    session.get_one(Person, office.discipline.person_id).endpoint = "e0000cccc"
    placed = begin(session, ask(session, office.discipline, ticket, office), office, "e0000cccc")
    assert placed is not None
    end_call(session, placed.call_id, LATER)
    seen = {
        who.role.value: session.scalar(visible_calls(who).where(Call.id == placed.call_id)) is not None
        for who in (office.discipline, office.dispatcher, office.visitor)
    }
    assert seen == {"discipline": True, "dispatcher": False, "visitor": False}


def test_a_visit_keeps_its_call_even_before_asterisk_has_told_its_end(
    session: Session, office: Office, ticket: Ticket
) -> None:
    granted = ask(session, office.visitor, ticket, office)
    begin(session, granted, office)
    form = replace(PLEASED, call_id=granted.call_id)
    visit = visits.record(session, office.visitor, ticket.number, form, office.policy, LATER)
    assert visit.call_id == granted.call_id


def test_a_call_that_was_never_placed_does_not_keep_the_visit_from_being_saved(
    session: Session, office: Office, ticket: Ticket
) -> None:
    granted = ask(session, office.visitor, ticket, office)
    form = replace(NOBODY, call_id=granted.call_id)
    visit = visits.record(session, office.visitor, ticket.number, form, office.policy, LATER)
    assert visit.call_id is None
    with pytest.raises(Refused):
        bad = VisitForm(reached="no", call_id="somebody-elses-1")
        visits.record(session, office.visitor, ticket.number, bad, office.policy, LATER)


def test_a_unit_is_charged_by_a_call_that_is_on_record(session: Session, office: Office) -> None:
    ticket = office.saved(session)
    order = office.sent(session, ticket)
    granted = ask(session, office.dispatcher, ticket, office, "0816-2223344")
    begin(session, granted, office, DISPATCHERS_PHONE)
    charging.note_told(session, office.dispatcher, order.id, "值班员小王。", granted.call_id, LATER)
    assert session.scalars(select(TicketNote.call_id)).one() == granted.call_id


def test_who_was_not_reached_is_called_so_and_nothing_of_it_counts_as_a_call_that_came_in(
    session: Session, office: Office, ticket: Ticket
) -> None:
    first = ask(session, office.visitor, ticket, office)
    begin(session, first, office)
    assert sum(figures.moment(session, LATER).calls.values()) == 0
    end_call(session, first.call_id, LATER + timedelta(seconds=40))
    second = ask(session, office.visitor, ticket, office)
    begin(session, second, office)
    mark_answered(session, second.call_id, office.visitor.person_id, LATER + timedelta(seconds=5))
    end_call(session, second.call_id, LATER + timedelta(seconds=60))
    outcomes = session.scalars(select(Call.outcome).order_by(Call.ended_at)).all()
    assert outcomes == ["unreached", "answered"]
    told = figures.traffic(session, None, None)
    assert not told.answers
    assert {origin for _, origin in told.calls} == {OUT}


def test_who_calls_is_not_shown_the_number_by_that(session: Session, office: Office, ticket: Ticket) -> None:
    granted = ask(session, office.visitor, ticket, office)
    begin(session, granted, office)
    duty = session.get_one(PersonDuty, office.visitor.person_id)
    duty.live_call_id = granted.call_id
    session.flush()
    assert not personal.sees_ticket(session, office.visitor, ticket)
