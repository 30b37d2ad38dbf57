"""Who looked at what sealed matter: each look is in the journal, and the discipline office lists them.

Opening, playing and exporting note themselves where they happen. A list that shows a sealed row notes it
here, for lists are drawn again and again: once in a quarter of an hour per person and row.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, BigInteger, String, and_, cast, exists, func, insert, literal, or_, select
from sqlalchemy.orm import Session

from cases import journal
from cases.permissions import Action, demand, rule
from cases.sealed import hanging_together
from cases.search import Search, newest
from cases.ticket_numbers import called
from cases.visible import visible_calls, visible_tickets
from storage.staff import Person
from storage.tables import Call, Journal, Recording, Ticket, TicketCall
from storage.viewer import Viewer

LISTED_AGAIN_AFTER = timedelta(minutes=15)
LOOKS = (
    *("call.offered", "call.read", "call.listed", "call.exported"),
    *("ticket.read", "ticket.listed", "ticket.exported", "ticket.attachment_read"),
    *("recording.played", "recording.listed", "personal.shown"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LookSearch(Search):
    """`ticket` is a ticket's number: it and all that hangs together with it. `number` is of no use here."""

    person_id: int | None = None
    ticket: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """`person` is '' for somebody who was no member of staff; `tickets` are numbers."""

    at: datetime
    person: str
    role: str
    act: str
    address: str
    rule: str
    tickets: tuple[str, ...]
    call_id: str
    call_at: datetime | None


def note_listed(
    session: Session, viewer: Viewer, action: Action, kind: str, ids: Collection[str | int]
) -> None:
    """A list showed these sealed rows; nothing is asked when there were none."""
    if not ids:
        return
    act = f"{kind}.listed"
    shown = select(func.unnest(literal([str(each) for each in ids], ARRAY(String))).label("id")).subquery()
    lately = exists().where(
        Journal.subject_kind == kind,
        Journal.subject_id == shown.c.id,
        Journal.act == act,
        Journal.actor_id == viewer.person_id,
        Journal.at > func.now() - LISTED_AGAIN_AFTER,
    )
    facts: dict[str, Any] = {
        "actor_id": literal(viewer.person_id, BigInteger),
        "session_id": literal(viewer.session, BigInteger),
        "act": literal(act, String),
        "subject_kind": literal(kind, String),
        "subject_id": shown.c.id,
        "rule": literal(rule(viewer, action, sealed=True), String),
        "address": literal(viewer.address, String),
    }
    new = select(*facts.values()).where(~lately)
    session.connection().execute(insert(Journal.__table__).from_select(list(facts), new))  # type: ignore[arg-type]


def note_sealed(session: Session, viewer: Viewer, action: Action, kind: str, rows: Iterable[Any]) -> None:
    """Of the calls or tickets that a list showed, those that are sealed, each once."""
    note_listed(session, viewer, action, kind, sorted({row.id for row in rows if row.sealed}))


def list_looks(session: Session, viewer: Viewer, search: LookSearch) -> list[Look]:
    """Looks at what is sealed now and the viewer is named for, newest first; listing them is journalled.

    Raises NotAllowed.
    """
    demand(viewer, Action.LIST_LOOKS)
    allowed = rule(viewer, Action.LIST_LOOKS, sealed=True)
    journal.append(session, viewer, "looks.listed", "journal", "looks", rule=allowed)
    tickets = visible_tickets(viewer, Action.LIST_LOOKS).where(Ticket.sealed)
    calls = visible_calls(viewer, Action.LIST_LOOKS).where(Call.sealed)
    if search.ticket:
        found = session.scalar(tickets.where(called(search.ticket)).with_only_columns(Ticket.id))
        matter = hanging_together(session, tickets={found} if found is not None else ())
        tickets, calls = tickets.where(Ticket.id.in_(matter.tickets)), calls.where(Call.id.in_(matter.calls))
    ticket_ids = tickets.with_only_columns(cast(Ticket.id, String))
    call_ids = calls.with_only_columns(Call.id)
    recording_ids = select(cast(Recording.id, String)).where(Recording.call_id.in_(call_ids))
    query: Any = (
        select(Journal, Person)
        .outerjoin(Person, Person.id == Journal.actor_id)
        .where(Journal.act.in_(LOOKS))
        .where(
            or_(
                and_(Journal.subject_kind == "ticket", Journal.subject_id.in_(ticket_ids)),
                and_(Journal.subject_kind == "call", Journal.subject_id.in_(call_ids)),
                and_(Journal.subject_kind == "recording", Journal.subject_id.in_(recording_ids)),
            )
        )
    )
    if search.person_id is not None:
        query = query.where(Journal.actor_id == search.person_id)
    rows = session.execute(newest(query, Journal.at, Journal.id, search)).all()
    return _told(session, viewer, [(row, person) for row, person in rows])


def calls_without_sound(session: Session, viewer: Viewer, since: datetime) -> list[Call]:
    """Sealed calls that were answered since then and of which no recording could be kept."""
    demand(viewer, Action.LIST_LOOKS)
    lost = exists().where(Recording.call_id == Call.id, Recording.state == "gap")
    calls = visible_calls(viewer, Action.LIST_LOOKS).where(Call.sealed, Call.answered_at >= since, lost)
    return list(session.scalars(calls.order_by(Call.began_at)))


def people_who_looked(session: Session, viewer: Viewer) -> list[tuple[str, str]]:
    """For a choice by name: everybody who is on record as having looked at anything (id, name, account)."""
    demand(viewer, Action.LIST_LOOKS)
    looked = exists().where(Journal.actor_id == Person.id, Journal.act.in_(LOOKS))
    people = session.scalars(select(Person).where(looked).order_by(Person.login))
    return [(str(one.id), f"{one.name} {one.login}") for one in people]


def _told(session: Session, viewer: Viewer, rows: list[tuple[Journal, Person | None]]) -> list[Look]:
    """The lines with the numbers of the tickets and the calls that they are about."""
    subjects: dict[str, set[str]] = {"ticket": set(), "call": set(), "recording": set()}
    for row, _ in rows:
        subjects[row.subject_kind].add(row.subject_id)
    heard = select(Recording).where(Recording.id.in_(map(int, subjects["recording"])))
    call_of = {str(recording.id): recording.call_id for recording in session.scalars(heard)}
    calls = visible_calls(viewer, Action.LIST_LOOKS).where(
        Call.id.in_(subjects["call"] | set(call_of.values()))
    )
    began = {call.id: call.began_at for call in session.scalars(calls)}
    mine = visible_tickets(viewer, Action.LIST_LOOKS)
    written = mine.where(Ticket.id.in_(map(int, subjects["ticket"])))
    numbers = {str(ticket.id): (ticket.number,) for ticket in session.scalars(written)}
    linked = mine.join(TicketCall, TicketCall.ticket_id == Ticket.id).where(TicketCall.call_id.in_(began))
    of_call: dict[str, tuple[str, ...]] = {}
    for call_id, number in session.execute(linked.with_only_columns(TicketCall.call_id, Ticket.number)):
        of_call[call_id] = (*of_call.get(call_id, ()), number)
    looks = []
    for row, person in rows:
        call_id = row.subject_id if row.subject_kind == "call" else call_of.get(row.subject_id, "")
        by_ticket = row.subject_kind == "ticket"
        looks.append(
            Look(
                at=row.at,
                person=person.name if person else "",
                role=person.role if person else "",
                act=row.act,
                address=row.address,
                rule=row.rule,
                tickets=numbers.get(row.subject_id, ()) if by_ticket else of_call.get(call_id, ()),
                call_id="" if by_ticket else call_id,
                call_at=None if by_ticket else began.get(call_id),
            )
        )
    return looks
