"""The lists of those who supervise: what is late or soon late, ill rated, returned twice, with many units,
supervised now, under a leader's instruction. Each list and its count are one query.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from cases.looks import note_sealed
from cases.permissions import Action, may
from cases.search import unlisted
from cases.states import GONE, OPEN, OWED, PROMISED
from cases.visible import visible_tickets
from routing.policy import Policy
from storage.staff import Unit
from storage.tables import Ticket
from storage.viewer import Viewer
from storage.work import Instruction, SubOrder, Supervision

SOON = timedelta(hours=24)
RATED_FOR = timedelta(days=30)  # an ill-rated case that is closed stays on the list so long
OFTEN = 2  # returned so often
LISTS = ("late", "soon", "ill", "returned", "many", "supervised", "instructed")
HERS = ("late", "supervised")  # what she herself has to do something about
_UNLISTED = unlisted(Ticket.company)


@dataclass(frozen=True, slots=True)
class Row:
    """A case of a list: the units that have it (name, does it owe, is it late), when the first of its
    deadlines is, the supervision that it is under."""

    ticket: Ticket
    units: tuple[tuple[str, bool, bool], ...]
    due_at: datetime | None
    supervision: Supervision | None


def tray(
    session: Session,
    viewer: Viewer,
    which: str,
    policy: Policy,
    now: datetime,
    limit: int = 50,
    offset: int = 0,
) -> list[Row]:
    """A list of LISTS, the most pressing first; nothing for who supervises nothing. Raises KeyError."""
    if not may(viewer, Action.SUPERVISE):
        return []
    query = _query(viewer, which, policy, now).options(*_UNLISTED)
    pressing = query.order_by(Ticket.due_at.asc().nulls_last(), Ticket.id).limit(limit).offset(offset)
    found = list(session.scalars(pressing))
    note_sealed(session, viewer, Action.SUPERVISE, "ticket", found)
    return _rows(session, found, now)


def counts(session: Session, viewer: Viewer, policy: Policy, now: datetime) -> dict[str, int]:
    """How long each list is; {} for who supervises nothing."""
    if not may(viewer, Action.SUPERVISE):
        return {}
    queries = {name: _query(viewer, name, policy, now).with_only_columns(func.count()) for name in LISTS}
    return {name: session.scalar(query) or 0 for name, query in queries.items()}


def hers(session: Session, viewer: Viewer, policy: Policy, now: datetime) -> int:
    """How many cases are in any list of HERS: one that is in several is one case."""
    if not may(viewer, Action.SUPERVISE):
        return 0
    mine = or_(*(_in_list(name, policy, now) for name in HERS))
    asked = visible_tickets(viewer, Action.SUPERVISE).where(mine).with_only_columns(func.count())
    return session.scalar(asked) or 0


def _query(viewer: Viewer, which: str, policy: Policy, now: datetime) -> Select[Any]:
    return visible_tickets(viewer, Action.SUPERVISE).where(_in_list(which, policy, now))


def _in_list(which: str, policy: Policy, now: datetime) -> ColumnElement[bool]:
    is_open, unanswered = Ticket.state.in_(OPEN), Ticket.state.in_(PROMISED)
    match which:
        case "late":
            return and_(unanswered, _due_before(now))
        case "soon":
            return and_(unanswered, _due_before(now + SOON), ~_due_before(now))
        case "ill":
            ill = [grade.code for grade in policy.handling.satisfaction if not grade.satisfied]
            lately = or_(is_open, Ticket.closed_at > now - RATED_FOR)
            return and_(Ticket.satisfied.in_(ill), lately)
        case "returned":
            return and_(is_open, Ticket.returned >= OFTEN)
        case "many":
            return and_(is_open, _has_units() >= policy.handling.many_units)
        case "supervised":
            return exists().where(Supervision.ticket_id == Ticket.id, Supervision.ended_at.is_(None))
        case "instructed":
            running = Instruction.given_at.is_not(None), Instruction.done_at.is_(None)
            return exists().where(Instruction.ticket_id == Ticket.id, *running)
    raise KeyError(which)


def _due_before(at: datetime) -> ColumnElement[bool]:
    """What was promised to the caller, or the share of a unit that still owes it."""
    # By their index, once: asked of each open case in turn they are most of the board's work.
    shares = select(SubOrder.ticket_id).where(SubOrder.state.in_(OWED), SubOrder.due_at < at)
    return or_(Ticket.due_at < at, Ticket.id.in_(shares))


def _has_units() -> Any:
    """How many of them have a share that was not taken from them, by one passed down or not."""
    mine = SubOrder.ticket_id == Ticket.id, SubOrder.state.not_in(GONE)
    units = select(func.count(func.distinct(SubOrder.unit_id))).where(*mine)
    return units.correlate(Ticket).scalar_subquery()


def _rows(session: Session, tickets: Sequence[Ticket], now: datetime) -> list[Row]:
    ids = [ticket.id for ticket in tickets]
    shares: dict[int, list[tuple[SubOrder, str]]] = {}
    having = select(SubOrder, Unit.name).join(Unit, Unit.id == SubOrder.unit_id)
    mine = having.where(SubOrder.ticket_id.in_(ids), SubOrder.state.not_in(GONE))
    for order, name in session.execute(mine.order_by(SubOrder.part.desc(), SubOrder.sent_at, SubOrder.id)):
        shares.setdefault(order.ticket_id, []).append((order, name))
    running = select(Supervision).where(Supervision.ticket_id.in_(ids), Supervision.ended_at.is_(None))
    watched = {row.ticket_id: row for row in session.scalars(running)}
    return [_row(ticket, shares.get(ticket.id, []), watched.get(ticket.id), now) for ticket in tickets]


def _row(
    ticket: Ticket, shares: Sequence[tuple[SubOrder, str]], watched: Supervision | None, now: datetime
) -> Row:
    units = tuple(
        (name, order.state in OWED, order.state in OWED and order.due_at is not None and order.due_at < now)
        for order, name in shares
    )
    dues = [ticket.due_at, *(order.due_at for order, _ in shares if order.state in OWED)]
    first = min((due for due in dues if due is not None), default=None) if ticket.state in PROMISED else None
    return Row(ticket, units, first, watched)
