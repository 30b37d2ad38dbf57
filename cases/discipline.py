"""What the discipline office has before it: the sealed matters that the viewer is named for, by state and
age; what is asked to be unsealed; what is still to be handed over.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, func
from sqlalchemy.orm import Session, aliased

from cases import unsealing
from cases.looks import note_sealed
from cases.permissions import Action, may
from cases.states import OPEN, PROMISED
from cases.unsealing import Asked
from cases.visible import TAKEN, visible_tickets
from routing.policy import Policy
from storage.staff import Person
from storage.tables import Named, Ticket, Unsealing
from storage.viewer import Viewer

YOUNG, WEEK, CLOSED_FOR = timedelta(days=3), timedelta(days=7), timedelta(days=30)
LISTS = ("young", "week", "old", "late", "closed")
_Taker = aliased(Named)  # the query around it asks of Named itself whether the viewer is named


@dataclass(frozen=True, slots=True)
class HandOver:
    """A matter that `names` still see for having taken it, and when the clock hands it over."""

    ticket: Ticket
    names: tuple[str, ...]
    until: datetime


def tray(
    session: Session, viewer: Viewer, which: str, now: datetime, limit: int = 50, offset: int = 0
) -> list[Ticket]:
    """A list of LISTS, the oldest first; nothing for who is no such office. Raises KeyError."""
    if not may(viewer, Action.LIST_LOOKS):
        return []
    query = _sealed(viewer).where(_in_list(which, now)).order_by(Ticket.created_at, Ticket.id)
    found = list(session.scalars(query.limit(limit).offset(offset)))
    note_sealed(session, viewer, Action.SEE_TICKETS, "ticket", found)
    return found


def counts(session: Session, viewer: Viewer, now: datetime) -> dict[str, int]:
    """How long each list is, what is asked and what is to be handed over; {} for who is no such office."""
    if not may(viewer, Action.LIST_LOOKS):
        return {}
    queries = {
        **{which: _sealed(viewer).where(_in_list(which, now)) for which in LISTS},
        "asked": _asked(viewer, now),
        "handovers": _taken(viewer),
    }
    asked = {
        name: query.with_only_columns(func.count(Ticket.id.distinct())) for name, query in queries.items()
    }
    return {name: session.scalar(query) or 0 for name, query in asked.items()}


def requests(session: Session, viewer: Viewer, now: datetime) -> list[tuple[Ticket, Asked]]:
    """What somebody asked to be ordinary, the soonest to lapse first."""
    tickets = session.scalars(_asked(viewer, now).order_by(Unsealing.asked_at)).all()
    found = [(ticket, unsealing.asked(session, viewer, ticket, now)) for ticket in tickets]
    return [(ticket, asked) for ticket, asked in found if asked is not None]


def hand_overs(session: Session, viewer: Viewer, policy: Policy) -> list[HandOver]:
    """Matters that those who took them still see, the soonest due first."""
    query = _taken(viewer).join(Person, Person.id == _Taker.person_id).add_columns(Person.name, _Taker.at)
    found: dict[int, HandOver] = {}
    within = timedelta(hours=policy.sealed_handover_hours)
    for ticket, name, at in session.execute(query.order_by(_Taker.at, Person.id)):
        known = found.setdefault(ticket.id, HandOver(ticket, (), at + within))
        found[ticket.id] = HandOver(ticket, (*known.names, name), known.until)
    return list(found.values())


def _sealed(viewer: Viewer) -> Select[Ticket]:
    return visible_tickets(viewer, Action.LIST_LOOKS).where(Ticket.sealed)


def _asked(viewer: Viewer, now: datetime) -> Select[Ticket]:
    waits = Unsealing.decision == "", Unsealing.asked_at > now - unsealing.LAPSES_AFTER
    return (
        visible_tickets(viewer, Action.UNSEAL).join(Unsealing, Unsealing.ticket_id == Ticket.id).where(*waits)
    )


def _taken(viewer: Viewer) -> Select[Ticket]:
    mine = visible_tickets(viewer, Action.HAND_OVER).where(Ticket.sealed)
    return mine.join(_Taker, _Taker.ticket_id == Ticket.id).where(_Taker.why.in_(TAKEN))


def _in_list(which: str, now: datetime) -> ColumnElement[bool]:
    is_open = Ticket.state.in_(OPEN)
    match which:
        case "young":
            return and_(is_open, Ticket.created_at > now - YOUNG)
        case "week":
            return and_(is_open, Ticket.created_at <= now - YOUNG, Ticket.created_at > now - WEEK)
        case "old":
            return and_(is_open, Ticket.created_at <= now - WEEK)
        case "late":
            return and_(Ticket.state.in_(PROMISED), Ticket.due_at < now)
        case "closed":
            return and_(~is_open, Ticket.closed_at > now - CLOSED_FOR)
    raise KeyError(which)
