"""The dispatcher's lists: what is to be sorted, what came back, what no unit has taken, what is due soon.

Each list and its count are one query.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from cases.deadlines import limit_due
from cases.dispatch import LIVE, undo_within
from cases.looks import note_sealed
from cases.permissions import Action, may
from cases.states import Order, State
from cases.visible import visible_tickets
from routing.policy import Policy
from routing.working_time import Calendar
from storage.tables import Ticket
from storage.viewer import Viewer
from storage.work import SubOrder

SOON = timedelta(hours=24)
LISTS = ("sort", "back", "objected", "unacknowledged", "soon")
HERS = ("sort", "back")  # what she herself has to do something about


@dataclass(frozen=True, slots=True)
class Row:
    """A ticket in a list; `order`: the share that it stands there for, or None."""

    ticket: Ticket
    order: SubOrder | None


@dataclass(frozen=True, slots=True)
class Undoable:
    """What somebody sent just now: a ticket, the units it went to, and till when it can be unsent."""

    ticket: Ticket
    unit_ids: tuple[int, ...]
    until: datetime


def tray(
    session: Session, viewer: Viewer, which: str, now: datetime, limit: int = 50, offset: int = 0
) -> list[Row]:
    """A list of LISTS, the most pressing first; nothing for who sends no tickets."""
    if not may(viewer, Action.CHARGE_UNITS):
        return []
    query, order = _query(viewer, which, now)
    rows = session.execute(query.order_by(*order).limit(limit).offset(offset)).all()
    found = [Row(row[0], row[1] if len(row) > 1 else None) for row in rows]
    note_sealed(session, viewer, Action.CHARGE_UNITS, "ticket", (row.ticket for row in found))
    return found


def counts(session: Session, viewer: Viewer, now: datetime, which: Sequence[str] = LISTS) -> dict[str, int]:
    """How long each list is; {} for who sends no tickets."""
    if not may(viewer, Action.CHARGE_UNITS):
        return {}
    return {name: session.scalar(_counted(_query(viewer, name, now)[0])) or 0 for name in which}


def having(session: Session, ticket_ids: Sequence[int]) -> dict[int, list[SubOrder]]:
    """The live shares of tickets that were listed, the leading one first."""
    live = SubOrder.ticket_id.in_(ticket_ids), SubOrder.state.in_(LIVE)
    found: dict[int, list[SubOrder]] = {}
    for order in session.scalars(select(SubOrder).where(*live).order_by(SubOrder.part.desc(), SubOrder.id)):
        found.setdefault(order.ticket_id, []).append(order)
    return found


def is_late(order: SubOrder, policy: Policy, calendar: Calendar, now: datetime) -> bool:
    """Nobody in its unit has taken it within the policy's time."""
    limit = policy.handling.acknowledge
    return order.state == Order.SENT and limit_due(order.sent_at, limit, policy, calendar).at < now


def undoable(session: Session, viewer: Viewer, now: datetime, policy: Policy) -> list[Undoable]:
    """What she can still unsend, the latest first."""
    mine = visible_tickets(viewer, Action.CHARGE_UNITS).join(SubOrder, SubOrder.ticket_id == Ticket.id)
    just_now = SubOrder.sent_by == viewer.person_id, SubOrder.sent_at > now - undo_within(policy)
    latest = SubOrder.sent_at.desc(), SubOrder.id
    rows = session.execute(
        mine.add_columns(SubOrder).where(SubOrder.state == Order.SENT, *just_now).order_by(*latest)
    )
    found: dict[int, Undoable] = {}
    for ticket, order in rows:
        until = order.sent_at + undo_within(policy)
        known = found.get(ticket.id, Undoable(ticket, (), until))
        if known.until == until:
            found[ticket.id] = Undoable(ticket, (*known.unit_ids, order.unit_id), until)
    return list(found.values())


def _counted(query: Select[Any]) -> Select[Any]:
    return query.with_only_columns(func.count(), maintain_column_froms=True)


def _query(viewer: Viewer, which: str, now: datetime) -> tuple[Select[Any], tuple[Any, ...]]:
    """The rows and their order."""
    mine = visible_tickets(viewer, Action.CHARGE_UNITS)
    pressing = Ticket.due_at.asc().nulls_last(), Ticket.id
    match which:
        case "sort":
            return mine.where(Ticket.state == State.ACCEPTED, Ticket.sent_at.is_(None)), pressing
        case "back":
            return mine.where(has_nobody()), pressing
        case "soon":
            near = Ticket.state == State.HANDLING, Ticket.due_at < now + SOON
            return mine.where(*near), pressing
        case "objected" | "unacknowledged":
            state = Order.OBJECTED if which == "objected" else Order.SENT
            shares = mine.join(SubOrder, SubOrder.ticket_id == Ticket.id).add_columns(SubOrder)
            waits = shares.where(SubOrder.state == state, Ticket.state == State.HANDLING)
            return waits, (SubOrder.sent_at, SubOrder.id)
    raise KeyError(which)


def has_nobody() -> ColumnElement[bool]:
    """Sent once, and no unit leads it now: recalled, returned, opened again."""
    leads = exists().where(
        SubOrder.ticket_id == Ticket.id,
        SubOrder.part == "lead",
        SubOrder.parent_id.is_(None),
        SubOrder.state.in_(LIVE),
    )
    came_back = exists().where(
        SubOrder.ticket_id == Ticket.id, SubOrder.state.in_((Order.RETURNED, Order.RECALLED))
    )
    return or_(
        and_(Ticket.state == State.ACCEPTED, Ticket.sent_at.is_not(None)),
        and_(Ticket.state == State.HANDLING, came_back, ~leads),
    )
