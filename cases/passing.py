"""转办: a unit has one below it act on its share as well, and is who hears from it and answers.

Raises as cases/orders.py does.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases import units
from cases.deadlines import awaited
from cases.errors import NotAllowed, Refused
from cases.orders import LONGEST, at_work, check_text, hers, lapse, note_on, taken
from cases.permissions import Action
from cases.states import GONE, Order, Turn, after_turn
from cases.steps import touch, turn
from storage import outbox
from storage.staff import Unit
from storage.tables import Ticket
from storage.viewer import Role, Viewer
from storage.work import SubOrder


def pass_down(
    session: Session,
    viewer: Viewer,
    order_id: int,
    unit_code: str,
    note: str,
    now: datetime,
    *,
    version: int | None = None,
) -> SubOrder:
    """转办: a unit below has to act as well, by the same deadline. The one above still answers.

    Passing down is taking. What is sealed is not passed on: its readers are the discipline office's choice.
    """
    ticket, order = hers(session, viewer, order_id, version, note)
    at_work(order)
    unit = units.by_code(session, unit_code) if unit_code else None
    earlier = _current(session, ticket, unit) if unit else None
    faults = {}
    if len(note) > LONGEST:
        faults["note"] = "too_long"
    if unit is None:
        faults["unit"] = "unknown" if unit_code else "required"
    elif fault := _unfit(session, ticket, order, unit, earlier):
        faults["unit"] = fault
    if faults or unit is None:
        raise Refused(faults)
    if order.state == Order.SENT:
        taken(session, viewer, ticket, order, now)
    if earlier is not None:
        _redo(session, viewer, ticket, earlier, now)
    child = earlier or SubOrder(ticket_id=ticket.id, unit_id=unit.id)
    child.parent_id, child.part, child.note = order.id, order.part, note
    child.way = "web" if units.has_clerks(session, unit.id) else "phone"
    child.sent_at, child.sent_by = now, viewer.person_id
    child.due_at, child.due_rule, child.due_provisional = order.due_at, order.due_rule, order.due_provisional
    child.progress_at = awaited(ticket.urgency, now)
    session.add(child)
    session.flush()
    told = {"order": child.id, "above": order.id, "unit": unit.id}
    touch(session, viewer, ticket, "order.passed_down", Action.HANDLE, now, **told)
    outbox.put(session, "order.sent", {"ticket_id": ticket.id, "order_id": child.id})
    return child


def send_back(
    session: Session,
    viewer: Viewer,
    order_id: int,
    why: str,
    now: datetime,
    *,
    version: int | None = None,
) -> SubOrder:
    """The unit above is not content with a reply from below: once more."""
    ticket, child = _passed_down(session, viewer, order_id, version, why)
    after_turn(Order(child.state), Turn.REDO)
    check_text("text", why)
    note = note_on(session, viewer, child, "remark", why, now)
    _redo(session, viewer, ticket, child, now, note=note.id)
    outbox.put(session, "order.sent", {"ticket_id": ticket.id, "order_id": child.id})
    return child


def take_back(
    session: Session,
    viewer: Viewer,
    order_id: int,
    why: str,
    now: datetime,
    *,
    version: int | None = None,
) -> SubOrder:
    """The unit above needs it from below no longer."""
    ticket, child = _passed_down(session, viewer, order_id, version, why)
    after_turn(Order(child.state), Turn.RECALL)
    check_text("text", why)
    note = note_on(session, viewer, child, "recall", why, now)
    child.ended_at = now
    lapse(session, child, now)
    turn(session, viewer, ticket, child, Turn.RECALL, Action.HANDLE, now, why="above", note=note.id)
    outbox.put(session, "order.recalled", {"ticket_id": ticket.id, "order_id": child.id})
    return child


# -- parts of the acts ------------------------------------------------------------------------------


def _passed_down(
    session: Session, viewer: Viewer, order_id: int, version: int | None, yours: object
) -> tuple[Ticket, SubOrder]:
    """A share from below, for who has the one above."""
    ticket, child = hers(session, viewer, order_id, version, yours)
    above = session.get(SubOrder, child.parent_id) if child.parent_id is not None else None
    if above is None:
        raise Refused({"order": "not_from_below"})
    if viewer.role is Role.UNIT_CLERK and above.unit_id not in viewer.units:
        raise NotAllowed("it is the unit above that decides")
    return ticket, child


def _redo(
    session: Session, viewer: Viewer, ticket: Ticket, order: SubOrder, now: datetime, **detail: int
) -> None:
    turn(session, viewer, ticket, order, Turn.REDO, Action.HANDLE, now, **detail)
    order.redone += 1
    order.progress_at = awaited(ticket.urgency, now)
    order.ended_at = order.replied_at = order.replied_by = None


def _current(session: Session, ticket: Ticket, unit: Unit) -> SubOrder | None:
    mine = SubOrder.ticket_id == ticket.id, SubOrder.unit_id == unit.id, SubOrder.state.not_in(GONE)
    return session.scalar(select(SubOrder).where(*mine).with_for_update())


def _unfit(session: Session, ticket: Ticket, order: SubOrder, unit: Unit, earlier: SubOrder | None) -> str:
    """Why it cannot be passed down to this unit; '' if it can."""
    if unit.id == order.unit_id or unit.id not in units.around(session, order.unit_id)[0]:
        return "not_below"
    if ticket.sealed:
        return "sealed_stays"
    if ticket.accused_unit_id in units.around(session, unit.id)[1]:
        return "accused"
    return "twice" if earlier is not None and earlier.state != Order.DONE else ""
