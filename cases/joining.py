"""并案: repeats go into one lead ticket and end with it; every caller is told all the same."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from cases import dispatch
from cases.errors import Refused
from cases.permissions import Action, demand
from cases.sealed import missing_ticket
from cases.states import OPEN, Event, State, after
from cases.steps import locked, same, step, touch
from cases.ticket_numbers import called
from cases.visible import visible_tickets
from routing.policy import Policy
from storage import outbox
from storage.tables import Ticket
from storage.viewer import Viewer
from storage.work import Ending

_CURRENT = Ending.kind == "merged", Ending.undone_at.is_(None)


def merge(
    session: Session,
    viewer: Viewer,
    number: str,
    lead_number: str,
    policy: Policy,
    now: datetime,
    *,
    version: int | None = None,
) -> Ticket:
    """A ticket becomes part of another, with all that was merged into it; returns the other.

    Raises NotAllowed, NotVisible, Conflict, and Refused: event (the states say no), or lead required, unknown
    (or not hers to see), merge_itself, merge_ended, merge_unlike (sealed goes with sealed only).
    """
    demand(viewer, Action.SORT)
    ticket, lead = _both(session, viewer, number, lead_number)
    same(ticket, version, lead_number)
    after(State(ticket.state), Event.MERGE)
    if lead is None:
        raise Refused({"lead": "unknown" if lead_number else "required"})
    if lead is ticket:
        raise Refused({"lead": "merge_itself"})
    if lead.sealed != ticket.sealed:
        raise Refused({"lead": "merge_unlike"})
    if lead.state not in OPEN:
        raise Refused({"lead": "merge_ended"})
    dispatch.take_all_back(session, viewer, ticket, Action.SORT, policy, now, why="merged")
    step(session, viewer, ticket, Event.MERGE, Action.SORT, now, lead=lead.id)
    for each in [ticket, *followers(session, ticket)]:
        _undo(session, each, now)
        merged = Ending(ticket_id=each.id, kind="merged", lead_id=lead.id, by_id=viewer.person_id, at=now)
        session.add(merged)
    touch(session, viewer, lead, "ticket.merged_in", Action.SORT, now, merged=ticket.id)
    return lead


def split(
    session: Session, viewer: Viewer, number: str, now: datetime, *, version: int | None = None
) -> Ticket:
    """It was no repeat after all, and is to be sorted by itself.

    Raises NotAllowed, NotVisible, Conflict, Refused.
    """
    ticket = locked(session, viewer, number, Action.SORT)
    same(ticket, version, number)
    step(session, viewer, ticket, Event.SPLIT, Action.SORT, now)
    _undo(session, ticket, now)
    return ticket


def follower_ids(lead: Ticket) -> Select[int]:
    """What was merged into a ticket, as a query."""
    return select(Ending.ticket_id).where(*_CURRENT, Ending.lead_id == lead.id)


def followers(session: Session, lead: Ticket) -> list[Ticket]:
    """The same as rows, whoever may see them; oldest first."""
    theirs = select(Ticket).where(Ticket.id.in_(follower_ids(lead)))
    return list(session.scalars(theirs.order_by(Ticket.id)))


def lead_of(session: Session, viewer: Viewer, ticket: Ticket) -> Ticket | None:
    """What it was merged into, if she may see that."""
    return session.scalar(visible_tickets(viewer).where(Ticket.id == lead_id(session, ticket)))


def lead_id(session: Session, ticket: Ticket) -> int | None:
    """The same, whoever may see it."""
    return session.scalar(lead_ids([ticket.id]))


def lead_ids(ticket_ids: Sequence[int]) -> Select[int | None]:
    """What these were merged into, as a query."""
    return select(Ending.lead_id).where(*_CURRENT, Ending.ticket_id.in_(ticket_ids))


def owe_caller(session: Session, ticket: Ticket, kind: str) -> None:
    """The callers of a ticket, and of all that was merged into it, are owed word of its end or delay.

    Not those who want none or whom nobody can reach; and what is sealed is told to nobody by a message.
    """
    for each in [ticket, *followers(session, ticket)]:
        reachable = each.contact_number or each.calling_number
        if each.reply_wanted and reachable and not each.sealed:
            outbox.put(session, kind, {"ticket_id": each.id})


def _both(session: Session, viewer: Viewer, number: str, lead_number: str) -> tuple[Ticket, Ticket | None]:
    """Both locked, in one order whoever asks; the lead is None when it is not hers to see."""
    hers = visible_tickets(viewer, Action.SORT)
    ticket_id, lead_id = (
        session.scalar(hers.where(called(each)).with_only_columns(Ticket.id)) if each else None
        for each in (number, lead_number)
    )
    if ticket_id is None:
        raise missing_ticket(session, viewer, number)
    both = hers.where(Ticket.id.in_([ticket_id, lead_id])).order_by(Ticket.id).with_for_update(of=Ticket)
    found = {each.id: each for each in session.scalars(both)}
    if ticket_id not in found:
        raise missing_ticket(session, viewer, number)
    return found[ticket_id], found.get(lead_id) if lead_id is not None else None


def _undo(session: Session, ticket: Ticket, now: datetime) -> None:
    """It is not merged into what it was."""
    for ending in session.scalars(select(Ending).where(*_CURRENT, Ending.ticket_id == ticket.id)):
        ending.undone_at = now
