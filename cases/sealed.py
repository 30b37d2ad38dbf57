"""The life of a sealed matter: sealed, handed over to those who must act, read by who holds the role.

Who took the call, was offered it or wrote it down loses sight of it when it is handed over: by her own
word, by a discipline officer's, or by the clock. A matter is a call with its tickets. How a ticket becomes
sealed is cases/sealing.py, looks at it are cases/looks.py, its unsealing is cases/unsealing.py.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import ColumnElement, String, and_, delete, exists, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from cases import journal
from cases.errors import HandedOver, NotVisible, Refused
from cases.logins import viewer_of
from cases.permissions import Action, demand, rule
from cases.states import OPEN
from cases.ticket_numbers import called
from cases.visible import POLICY, TAKEN, reaches, visible_calls, visible_tickets
from routing.policy import Policy
from storage import tables
from storage.notify import notify
from storage.staff import Person
from storage.tables import Call, Draft, Named, Ticket, TicketCall
from storage.viewer import Viewer

Kind = Literal["call", "ticket"]
_SEE = {"call": Action.SEE_CALLS, "ticket": Action.SEE_TICKETS}


@dataclass(frozen=True, slots=True)
class Matter:
    """Ids of the calls and tickets that hang together."""

    calls: frozenset[str]
    tickets: frozenset[int]


# -- handing over ---------------------------------------------------------------------------------


def missing_ticket(session: Session, viewer: Viewer, number: str) -> NotVisible:
    """What to raise for a ticket that she does not see: she may have handed it over."""
    whose = select(tables.TicketNumber.ticket_id).where(tables.TicketNumber.number == number)
    return _missing(session, viewer, tables.HandedOver.ticket_id == whose.scalar_subquery())


def missing_call(session: Session, viewer: Viewer, call_id: str) -> NotVisible:
    """What to raise for a call that she does not see: she may have handed it over."""
    return _missing(session, viewer, tables.HandedOver.call_id == call_id)


def listeners(session: Session, matter: Call | Ticket) -> list[int]:
    """Who hears when a sealed call or ticket changes: those named for it who are not recused from it."""
    is_call = isinstance(matter, Call)
    about = Named.call_id == matter.id if is_call else Named.ticket_id == matter.id
    people = select(Person).join(Named, Named.person_id == Person.id).where(about, Person.active)
    return [
        person.id
        for person in session.scalars(people.order_by(Person.id))
        if reaches(
            session, viewer_of(session, person), Action.SEE_CALLS if is_call else Action.SEE_TICKETS, matter
        )
    ]


def may_hand_over(session: Session, viewer: Viewer, kind: Kind, key: str | int) -> bool:
    """Is she named for this call (its id) or ticket (its row's id) for having taken it?"""
    subject = Named.call_id == key if kind == "call" else Named.ticket_id == key
    mine = exists().where(subject, Named.person_id == viewer.person_id, Named.why.in_(TAKEN))
    return session.scalar(select(mine)) or False


def takers(session: Session, matter: Call | Ticket) -> list[str]:
    """Names of those who would lose sight of a sealed call or ticket by its hand-over."""
    about = Named.call_id == matter.id if isinstance(matter, Call) else Named.ticket_id == matter.id
    people = select(Person.name).join(Named, Named.person_id == Person.id).where(about, Named.why.in_(TAKEN))
    return list(session.scalars(people.order_by(Person.name)))


def hand_over(session: Session, viewer: Viewer, kind: Kind, key: str) -> None:
    """By her own word she loses sight of the whole matter. `key`: a call's id, a ticket's number.

    Raises NotVisible, NotAllowed, and Refused when nobody else could see it.
    """
    see = _SEE[kind]
    demand(viewer, see)
    matter = _matter(session, viewer, see, kind, key)
    if not _end(session, viewer, matter, rule(viewer, see, sealed=True), Named.person_id == viewer.person_id):
        raise Refused({"matter": "not_taken"})


def take_over(session: Session, viewer: Viewer, kind: Kind, key: str) -> None:
    """Everybody who took the call or wrote it down loses sight of the whole matter.

    Raises NotVisible, NotAllowed.
    """
    demand(viewer, Action.HAND_OVER)
    matter = _matter(session, viewer, Action.HAND_OVER, kind, key)
    _end(session, viewer, matter, rule(viewer, Action.HAND_OVER, sealed=True), Named.person_id.is_not(None))


def hand_over_due(session: Session, policy: Policy, now: datetime) -> None:
    """The latest moment has come; a call that is still on the line waits for its end."""
    live = exists().where(Call.id == Named.call_id, Call.outcome == "live")
    due = select(Named.call_id, Named.ticket_id).where(
        Named.why.in_(TAKEN), Named.at < now - timedelta(hours=policy.sealed_handover_hours), ~live
    )
    found = session.execute(due).all()
    matter = Matter(
        frozenset(row.call_id for row in found if row.call_id is not None),
        frozenset(row.ticket_id for row in found if row.ticket_id is not None),
    )
    if found:
        _end(session, None, matter, "", Named.at < now - timedelta(hours=policy.sealed_handover_hours))


def _missing(session: Session, viewer: Viewer, about: ColumnElement[bool]) -> NotVisible:
    had = select(tables.HandedOver.at).where(tables.HandedOver.person_id == viewer.person_id, about)
    at = session.scalar(had)
    return NotVisible("no such matter") if at is None else HandedOver(at)


def _matter(session: Session, viewer: Viewer, action: Action, kind: Kind, key: str) -> Matter:
    """All that hangs together with a sealed call or ticket. Raises NotVisible."""
    if kind == "call":
        found = session.scalar(
            visible_calls(viewer, action).where(Call.id == key, Call.sealed).with_only_columns(Call.id)
        )
        if found is None:
            raise missing_call(session, viewer, key)
        return hanging_together(session, calls={found})
    ticket_id = session.scalar(
        visible_tickets(viewer, action).where(called(key), Ticket.sealed).with_only_columns(Ticket.id)
    )
    if ticket_id is None:
        raise missing_ticket(session, viewer, key)
    return hanging_together(session, tickets={ticket_id})


def hanging_together(session: Session, calls: Collection[str] = (), tickets: Collection[int] = ()) -> Matter:
    """Calls with their tickets, those with their other calls, and so on."""
    found = Matter(frozenset(calls), frozenset(tickets))
    while True:
        links = session.execute(
            select(TicketCall.call_id, TicketCall.ticket_id).where(
                or_(TicketCall.call_id.in_(found.calls), TicketCall.ticket_id.in_(found.tickets))
            )
        ).all()
        wider = Matter(
            found.calls | {link.call_id for link in links}, found.tickets | {link.ticket_id for link in links}
        )
        if wider == found:
            return found
        found = wider


def _end(
    session: Session, viewer: Viewer | None, matter: Matter, allowed: str, whose: ColumnElement[bool]
) -> bool:
    """They were named for having taken it and are no more; False: nobody was. What nobody else sees stays."""
    other = aliased(Named)
    stays = exists().where(
        other.why.not_in(TAKEN),
        other.person_id == Person.id,
        Person.active,
        or_(other.call_id == Named.call_id, other.ticket_id == Named.ticket_id),
    )
    about = or_(Named.call_id.in_(matter.calls), Named.ticket_id.in_(matter.tickets))
    taken = and_(about, Named.why.in_(TAKEN), whose)
    gone = session.execute(
        delete(Named).where(taken, stays).returning(Named.person_id, Named.call_id, Named.ticket_id)
    ).all()
    if not gone and session.scalar(select(exists().where(taken))) and viewer is not None:
        raise Refused({"matter": "nobody"})
    for person_id, call_id, ticket_id in gone:
        row = {"person_id": person_id, "call_id": call_id, "ticket_id": ticket_id}
        by = viewer.person_id if viewer else None
        session.execute(insert(tables.HandedOver).values(**row, by_id=by).on_conflict_do_nothing())
        kind, key = ("call", call_id) if call_id is not None else ("ticket", ticket_id)
        journal.append(session, viewer, f"{kind}.handed_over", kind, key, rule=allowed, person_id=person_id)
        if call_id is not None:
            _pass_on_draft(session, person_id, call_id, viewer)
    for person_id in sorted({row.person_id for row in gone}):
        notify(session, f"person:{person_id}", "handover")
    return bool(gone)


def _pass_on_draft(session: Session, person_id: int, call_id: str, viewer: Viewer | None) -> None:
    """What she typed and did not save goes to who takes over, else to the first who reads by her role."""
    readers = select(Named.person_id).where(Named.call_id == call_id, Named.why == POLICY)
    readers = readers.join(Person, Person.id == Named.person_id).where(Person.active)
    another = Named.person_id != (viewer.person_id if viewer else 0)
    heir = session.scalar(readers.order_by(another, Named.person_id).limit(1))
    mine = and_(Draft.person_id == person_id, Draft.call_id == call_id)
    has_own = exists().where(Draft.person_id == heir, Draft.call_id == call_id)
    if heir is not None and not session.scalar(select(has_own)):
        session.execute(update(Draft).where(mine).values(person_id=heir))
    session.execute(delete(Draft).where(mine))


# -- who reads by role ----------------------------------------------------------------------------


def keep_readers(session: Session, policy: Policy) -> None:
    """Who holds a reading role now is named for every sealed matter that is open; who left it, for none."""
    readers = select(Person.id).where(Person.active, Person.role.in_(policy.sealed_readers))
    left = delete(Named).where(Named.why == POLICY, Named.person_id.not_in(readers))
    for row in session.execute(left.returning(Named.person_id, Named.call_id, Named.ticket_id)).all():
        _note(session, "unnamed", row.person_id, row.call_id, row.ticket_id)
    linked = exists().where(TicketCall.call_id == Call.id)
    of_open = exists().where(
        TicketCall.call_id == Call.id, TicketCall.ticket_id == Ticket.id, Ticket.state.in_(OPEN)
    )
    for column, key, wanted in (
        (Named.ticket_id, Ticket.id, and_(Ticket.sealed, Ticket.state.in_(OPEN))),
        (Named.call_id, Call.id, and_(Call.sealed, or_(of_open, and_(~linked, Call.closed_reason == "")))),
    ):
        known = exists().where(Named.person_id == Person.id, column == key, Named.why.not_in(TAKEN))
        new = select(Person.id, key, literal(POLICY, String)).join(key.class_, wanted)
        new = new.where(Person.id.in_(readers), ~known)
        naming = insert(Named).from_select(["person_id", column.key, "why"], new)
        named = naming.on_conflict_do_update(
            index_elements=[Named.person_id, column], set_={"why": POLICY, "at": func.now()}
        )
        found = session.execute(named.returning(Named.person_id, Named.call_id, Named.ticket_id)).all()
        for person_id, call_id, ticket_id in found:
            _note(session, "named", person_id, call_id, ticket_id)


def _note(session: Session, act: str, person_id: int, call_id: str | None, ticket_id: int | None) -> None:
    kind, key = ("call", call_id) if call_id is not None else ("ticket", ticket_id)
    journal.append(session, None, f"{kind}.{act}", kind, key, person_id=person_id)
