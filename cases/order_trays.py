"""Each unit's tray: its shares in lists that may overlap, each counted by the very query that lists it.

A clerk's own unit fills her lists, units below it the last one. Whoever acts for units without accounts has
theirs, and the shares that went out by phone or paper.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, or_
from sqlalchemy.orm import Session, aliased, defer

from cases import units
from cases.deadlines import load_calendar
from cases.looks import note_sealed
from cases.orders import next_note
from cases.permissions import Action, Scope, cell
from cases.states import OWED, Order, State
from cases.visible import visible_tickets
from routing.policy import Policy
from storage.staff import Unit
from storage.tables import Ticket
from storage.viewer import Viewer
from storage.work import SubOrder, UnitRequest

SOON = timedelta(hours=24)
OWN_ACT = ("to_take", "in_hand")  # disjoint, and what she herself has to do: the badge
_ASKED = exists().where(UnitRequest.order_id == SubOrder.id, UnitRequest.decision == "")
_UNLISTED = (Ticket.content, Ticket.answer, Ticket.accused, Ticket.place)
_ORDER_TEXTS = (SubOrder.account, SubOrder.public_reply, SubOrder.why_unsolved, SubOrder.note)


@dataclass(frozen=True, slots=True)
class Line:
    """A share in a list. `progress_due`: when the next note on progress is due, None if none is asked for."""

    order: SubOrder
    ticket: Ticket
    unit: Unit
    above: Unit | None  # who passed it down
    progress_due: datetime | None


def lists(viewer: Viewer, now: datetime) -> Mapping[str, ColumnElement[bool]]:
    """Which lists there are for her, and what is in each."""
    owed = SubOrder.state.in_(OWED)
    mine: dict[str, ColumnElement[bool]] = {
        "owed": owed,
        "to_take": SubOrder.state == Order.SENT,
        "in_hand": SubOrder.state == Order.TAKEN,
        "soon": and_(owed, SubOrder.due_at >= now, SubOrder.due_at < now + SOON),
        "late": and_(owed, SubOrder.due_at < now),
        "asked": and_(owed, _ASKED),
        "redo": and_(SubOrder.state == Order.TAKEN, SubOrder.redone > 0),
        "replied": SubOrder.state == Order.REPLIED,
    }
    if not _by_unit(viewer):
        return {name: and_(_entered(), each) for name, each in mine.items()}
    own = tuple(set(viewer.units) & set(viewer.kin))
    found = {name: and_(SubOrder.unit_id.in_(own), each) for name, each in mine.items()}
    if len(viewer.units) > len(own):
        found["below"] = SubOrder.unit_id.not_in(own)
    return found


def tray(
    session: Session,
    viewer: Viewer,
    which: str,
    policy: Policy,
    now: datetime,
    limit: int = 50,
    offset: int = 0,
) -> list[Line]:
    """One of `lists`, the soonest due first. Sealed ones are noted as looked at."""
    above, above_unit = aliased(SubOrder), aliased(Unit)
    query = (
        _shares(viewer)
        .where(lists(viewer, now)[which])
        .add_columns(SubOrder, Unit, above_unit)
        .join(Unit, Unit.id == SubOrder.unit_id)
        .outerjoin(above, above.id == SubOrder.parent_id)
        .outerjoin(above_unit, above_unit.id == above.unit_id)
        .options(*(defer(each) for each in (*_UNLISTED, *_ORDER_TEXTS)))
        .order_by(SubOrder.due_at.nulls_last(), SubOrder.id)
    )
    rows: list[Any] = list(session.execute(query.limit(limit).offset(offset)))
    calendar = load_calendar(session)
    found = [
        Line(order, ticket, unit, passed_by, next_note(ticket, order, policy, calendar))
        for ticket, order, unit, passed_by in rows
    ]
    note_sealed(session, viewer, Action.HANDLE, "ticket", (each.ticket for each in found))
    return found


def counts(session: Session, viewer: Viewer, now: datetime) -> dict[str, int]:
    """How many each list has, by its name."""
    counted = [func.count(case((condition, 1))).label(name) for name, condition in lists(viewer, now).items()]
    row = session.execute(_shares(viewer).with_only_columns(*counted)).one()
    return dict(row._mapping)


def _shares(viewer: Viewer) -> Select[Any]:
    """The shares that she may act on and that are part of a case's present round, with their tickets."""
    live = SubOrder.state.in_((*OWED, Order.REPLIED))
    found = visible_tickets(viewer, Action.HANDLE).join(SubOrder, SubOrder.ticket_id == Ticket.id)
    found = found.where(live, Ticket.state.in_((State.HANDLING, State.REVIEW, State.VISIT)))
    return found.where(SubOrder.unit_id.in_(viewer.units) if _by_unit(viewer) else _entered())


def _by_unit(viewer: Viewer) -> bool:
    return cell(viewer.role, Action.HANDLE).ordinary is Scope.UNIT


def _entered() -> ColumnElement[bool]:
    """Of a unit without accounts; what a unit passed down is entered by that unit."""
    nobody = ~units.clerks_of(SubOrder.unit_id).exists()
    return and_(or_(SubOrder.way.in_(("phone", "paper")), nobody), SubOrder.parent_id.is_(None))
