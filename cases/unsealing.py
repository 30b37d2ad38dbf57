"""Unsealing is an act of two: one who is named asks, with a written ground, another who is named decides."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, exists, or_, select, update
from sqlalchemy.orm import Session, aliased

from cases import journal, known
from cases.errors import NotAllowed, Refused
from cases.permissions import Action, demand, rule
from cases.sealed import listeners, missing_ticket
from cases.ticket_numbers import called
from cases.visible import visible_tickets
from storage.notify import notify
from storage.staff import Person
from storage.tables import Call, Named, Ticket, TicketCall, Unsealing
from storage.viewer import Viewer

LAPSES_AFTER = timedelta(days=7)
LONGEST_GROUND = 2000


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that waits for its second person; `until` then it lapses."""

    request: Unsealing
    by: Person
    until: datetime


def asked(session: Session, viewer: Viewer, ticket: Ticket, now: datetime) -> Asked | None:
    """The request that is open, for who may decide on it or made it."""
    mine = visible_tickets(viewer, Action.UNSEAL).where(Ticket.id == ticket.id).with_only_columns(Ticket.id)
    row = session.execute(
        select(Unsealing, Person)
        .join(Person, Person.id == Unsealing.asked_by)
        .where(
            Unsealing.ticket_id.in_(mine), Unsealing.decision == "", Unsealing.asked_at > now - LAPSES_AFTER
        )
    ).one_or_none()
    return Asked(row[0], row[1], row[0].asked_at + LAPSES_AFTER) if row else None


def ask(session: Session, viewer: Viewer, number: str, ground: str, now: datetime) -> Ticket:
    """Ask that a ticket be ordinary. Raises NotAllowed, NotVisible, Refused."""
    ticket = _ticket(session, viewer, number)
    lapse(session, now)
    faults = {}
    if not ground.strip():
        faults["ground"] = "required"
    elif len(ground) > LONGEST_GROUND:
        faults["ground"] = "too_long"
    elif session.scalar(select(exists().where(Unsealing.ticket_id == ticket.id, Unsealing.decision == ""))):
        faults["ground"] = "asked_already"
    if faults:
        raise Refused(faults)
    request = Unsealing(ticket_id=ticket.id, asked_by=viewer.person_id, ground=ground.strip(), asked_at=now)
    session.add(request)
    session.flush()
    _note(session, viewer, ticket, "unsealing_asked", request)
    for person_id in listeners(session, ticket):
        notify(session, f"person:{person_id}", "ticket", ticket_id=ticket.id)
    return ticket


def decide(session: Session, viewer: Viewer, number: str, granted: bool, now: datetime) -> Ticket:
    """Grant or refuse what another asked; granted, the ticket and what belongs to it alone are ordinary.

    Raises NotVisible, Refused when nothing is asked, NotAllowed for whoever asked herself.
    """
    ticket = _ticket(session, viewer, number)
    lapse(session, now)
    request = session.scalar(
        select(Unsealing).where(Unsealing.ticket_id == ticket.id, Unsealing.decision == "").with_for_update()
    )
    if request is None:
        raise Refused({"decision": "not_asked"})
    if request.asked_by == viewer.person_id:
        raise NotAllowed("nobody grants her own request")
    request.decision = "granted" if granted else "refused"
    request.decided_by, request.decided_at = viewer.person_id, now
    _note(session, viewer, ticket, f"unsealing_{request.decision}", request)
    if granted:
        _unseal(session, viewer, ticket)
    return ticket


def lapse(session: Session, now: datetime) -> None:
    """What nobody decided in time is over."""
    over = update(Unsealing).where(Unsealing.decision == "", Unsealing.asked_at <= now - LAPSES_AFTER)
    lapsed = over.values(decision="lapsed", decided_at=now).returning(Unsealing.ticket_id, Unsealing.id)
    for ticket_id, request_id in session.execute(lapsed).all():
        journal.append(session, None, "ticket.unsealing_lapsed", "ticket", ticket_id, request=request_id)


def _ticket(session: Session, viewer: Viewer, number: str) -> Ticket:
    demand(viewer, Action.UNSEAL)
    mine = visible_tickets(viewer, Action.UNSEAL).where(called(number), Ticket.sealed)
    ticket = session.scalar(mine.with_for_update(of=Ticket))
    if ticket is None:
        raise missing_ticket(session, viewer, number)
    return ticket


def _unseal(session: Session, viewer: Viewer, ticket: Ticket) -> None:
    """A call that another sealed ticket hangs on stays sealed with it."""
    ticket.sealed = False
    session.flush()
    other, link = aliased(Ticket), aliased(TicketCall)
    still = exists().where(link.call_id == Call.id, other.id == link.ticket_id, other.sealed)
    freed = session.scalars(
        update(Call)
        .where(Call.id.in_(select(TicketCall.call_id).where(TicketCall.ticket_id == ticket.id)), ~still)
        .values(sealed=False)
        .returning(Call.id)
    ).all()
    session.execute(delete(Named).where(or_(Named.ticket_id == ticket.id, Named.call_id.in_(freed))))
    first = select(Call).where(Call.id.in_(freed)).order_by(Call.began_at).limit(1)
    known.feed(session, ticket, session.scalar(first))
    allowed = rule(viewer, Action.UNSEAL, sealed=True)
    journal.append(session, viewer, "ticket.unsealed", "ticket", ticket.id, rule=allowed)
    notify(session, "board", "ticket", ticket_id=ticket.id)
    for call_id in freed:
        journal.append(session, viewer, "call.unsealed", "call", call_id, rule=allowed)
        notify(session, "board", "call", call_id=call_id)


def _note(session: Session, viewer: Viewer, ticket: Ticket, act: str, request: Unsealing) -> None:
    allowed = rule(viewer, Action.UNSEAL, sealed=True)
    journal.append(session, viewer, f"ticket.{act}", "ticket", ticket.id, rule=allowed, request=request.id)
