"""A step of a case: who may take it, the table's next state, journal and notes, in the act's transaction."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases import journal
from cases.errors import Conflict, NotAllowed, NotVisible
from cases.permissions import Action, Scope, cell, demand, rule
from cases.sealed import listeners, missing_ticket
from cases.states import OPEN, Event, Order, State, Turn, after, after_turn
from cases.ticket_numbers import called
from cases.visible import visible_tickets
from routing.handling import Decision
from routing.policy import Policy
from storage.notify import notify
from storage.tables import Ticket
from storage.viewer import Role, Viewer
from storage.work import SubOrder, Supervision


def locked(session: Session, viewer: Viewer, number: str, action: Action) -> Ticket:
    """A ticket to act on, locked till the transaction ends. Raises NotAllowed, NotVisible."""
    demand(viewer, action)
    mine = visible_tickets(viewer, action).where(called(number))
    ticket = session.scalar(mine.with_for_update(of=Ticket))
    if ticket is None:
        raise missing_ticket(session, viewer, number)
    return ticket


def locked_order(session: Session, viewer: Viewer, order_id: int, action: Action) -> tuple[Ticket, SubOrder]:
    """A unit's share to act on, with its ticket; both locked, the ticket first.

    A clerk of a unit has her own unit's shares and those of units below it. Raises NotAllowed, NotVisible.
    """
    demand(viewer, action)
    ticket_id = select(SubOrder.ticket_id).where(SubOrder.id == order_id).scalar_subquery()
    mine = visible_tickets(viewer, action).where(Ticket.id == ticket_id)
    ticket = session.scalar(mine.with_for_update(of=Ticket))
    order = session.get(SubOrder, order_id, with_for_update=True) if ticket else None
    by_unit = cell(viewer.role, action).ordinary is Scope.UNIT
    if ticket is None or order is None or (by_unit and order.unit_id not in viewer.units):
        raise NotVisible(f"no order {order_id}")
    return ticket, order


def demand_decider(viewer: Viewer, ticket: Ticket, decision: Decision, policy: Policy) -> None:
    """The policy says whose decision it is; of what is sealed, it is the discipline office's as well.

    Raises NotAllowed.
    """
    if not is_decider(viewer, ticket, decision, policy):
        raise NotAllowed(f"{viewer.role.value} does not decide the {decision}")


def is_decider(viewer: Viewer, ticket: Ticket, decision: Decision, policy: Policy) -> bool:
    """As `demand_decider`; whether she reaches the ticket is another question."""
    return viewer.role.value == policy.decides(decision) or (ticket.sealed and viewer.role is Role.DISCIPLINE)


def same(ticket: Ticket | SubOrder, version: int | None, yours: object) -> None:
    """What she read is what there is; None: it does not matter. Raises Conflict."""
    if version is not None and ticket.version != version:
        raise Conflict(theirs=ticket, yours=yours)


def step(
    session: Session,
    viewer: Viewer | None,
    ticket: Ticket,
    event: Event,
    action: Action,
    now: datetime,
    **detail: Any,
) -> None:
    """Take `event` of cases/states.py with a locked ticket. Raises Refused when it has no place here."""
    was = State(ticket.state)
    ticket.state = after(was, event)
    ticket.closed_at = None if ticket.state in OPEN else now
    touch(session, viewer, ticket, f"ticket.{event.value}", action, now, was=was.value, **detail)
    if was in OPEN and ticket.state not in OPEN:
        _end_supervision(session, ticket, now)


def _end_supervision(session: Session, ticket: Ticket, now: datetime) -> None:
    """What began by itself ends with its case; what a person demanded awaits her word."""
    running = Supervision.ticket_id == ticket.id, Supervision.by_id.is_(None), Supervision.ended_at.is_(None)
    for row in session.scalars(select(Supervision).where(*running).with_for_update()).all():
        row.ended_at = now
        tell(session, None, ticket, "ticket.supervision_end", Action.SUPERVISE, supervision=row.id)


def turn(
    session: Session,
    viewer: Viewer | None,
    ticket: Ticket,
    order: SubOrder,
    what: Turn,
    action: Action,
    now: datetime,
    **detail: Any,
) -> None:
    """The same with a unit's share. Raises Refused."""
    was = Order(order.state)
    order.state = after_turn(was, what)
    order.version += 1
    touch(
        session,
        viewer,
        ticket,
        f"order.{what.value}",
        action,
        now,
        was=was.value,
        order=order.id,
        unit=order.unit_id,
        **detail,
    )


def touch(
    session: Session,
    viewer: Viewer | None,
    ticket: Ticket,
    act: str,
    action: Action,
    now: datetime,
    **detail: Any,
) -> None:
    """Something was done to the ticket: version, journal, and a note to whoever looks at it."""
    ticket.version += 1
    ticket.changed_at = now
    tell(session, viewer, ticket, act, action, **detail)


def tell(
    session: Session, viewer: Viewer | None, ticket: Ticket, act: str, action: Action, **detail: Any
) -> None:
    """Something was done beside the ticket, which nobody's form over it need know of: journal and note."""
    allowed = rule(viewer, action, sealed=ticket.sealed) if viewer else ""
    journal.append(session, viewer, act, "ticket", ticket.id, rule=allowed, **detail)
    if not ticket.sealed:
        notify(session, "board", "ticket", ticket_id=ticket.id)
        return
    for person_id in listeners(session, ticket):
        notify(session, f"person:{person_id}", "ticket", ticket_id=ticket.id)
