"""A unit without a screen is told of its share by telephone: who was told, and in which recorded call."""

from datetime import datetime

from sqlalchemy.orm import Session

from cases import dialling
from cases.dispatch import LONGEST
from cases.errors import Refused
from cases.permissions import Action
from cases.states import OWED, State, only_in
from cases.steps import locked_order, touch
from storage.tables import Ticket
from storage.viewer import Viewer
from storage.work import SubOrder, TicketNote


def tellable(ticket: Ticket, order: SubOrder) -> bool:
    """Whether it is a unit's that is charged otherwise than by the web, and still has to act."""
    return order.way != "web" and ticket.state == State.HANDLING and order.state in OWED


def note_told(
    session: Session, viewer: Viewer, order_id: int, told: str, call_id: str, now: datetime
) -> TicketNote:
    """Who was told of a share by telephone; `call_id`: the recorded call, or ''.

    Raises NotAllowed, NotVisible, and Refused: event (the unit has to act no more), told required or
    too_long, call unknown.
    """
    ticket, order = locked_order(session, viewer, order_id, Action.CHARGE_UNITS)
    only_in({State.HANDLING}, ticket.state)
    only_in(OWED, order.state)
    faults = {}
    if not told or len(told) > LONGEST:
        faults["told"] = "too_long" if told else "required"
    if call_id and not dialling.knows(session, viewer, call_id):
        faults["call"] = "unknown"
    if faults:
        raise Refused(faults)
    note = TicketNote(ticket_id=ticket.id, order_id=order.id, kind="charge", text=told)
    call = dialling.placed(session, call_id)
    note.call_id, note.by_id, note.at = call, viewer.person_id, now
    session.add(note)
    session.flush()
    noted = {"order": order.id, "unit": order.unit_id, "note": note.id, "call": call}
    touch(session, viewer, ticket, "order.told", Action.CHARGE_UNITS, now, **noted)
    return note
