"""承办单位: the units that must act, who stands above and below whom, and what is sent to them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, aliased

from cases import journal
from cases.errors import NotVisible, Refused
from cases.permissions import Action, demand, rule
from cases.states import GONE, Order
from cases.ticket_numbers import called
from cases.visible import name, visible_tickets
from routing.policy import HandlingUnit
from storage.notify import notify
from storage.staff import Person, Unit
from storage.tables import Recusal, Ticket
from storage.viewer import Role, Viewer
from storage.work import SubOrder


@dataclass(frozen=True, slots=True)
class Charged:
    """A unit that has a ticket, since when, and who sent it there."""

    unit: Unit
    at: datetime
    by_id: int | None


def by_code(session: Session, code: str) -> Unit | None:
    return session.scalar(select(Unit).where(Unit.code == code, Unit.active))


def all_active(session: Session) -> list[Unit]:
    """Counties first, then the city's departments, then what is below either; as the policy lists them."""
    return list(session.scalars(select(Unit).where(Unit.active).order_by(Unit.id)))


def everyone(session: Session) -> list[Unit]:
    """All that ever were, for the names of what is on record."""
    return list(session.scalars(select(Unit).order_by(Unit.id)))


def around(session: Session, unit_id: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The unit with all below it, and the unit with all above it, as ids."""
    below = select(Unit.id, Unit.parent_id).where(Unit.id == unit_id).cte("below", recursive=True)
    child = aliased(Unit)
    below = below.union(select(child.id, child.parent_id).where(child.parent_id == below.c.id))
    above = select(Unit.id, Unit.parent_id).where(Unit.id == unit_id).cte("above", recursive=True)
    parent = aliased(Unit)
    above = above.union(select(parent.id, parent.parent_id).where(parent.id == above.c.parent_id))
    return (
        tuple(session.scalars(select(below.c.id).order_by(below.c.id))),
        tuple(session.scalars(select(above.c.id).order_by(above.c.id))),
    )


def sync(session: Session, listed: Iterable[HandlingUnit]) -> None:
    """Make the table what the policy lists; whoever left it is inactive, and keeps what it was sent."""
    known = {unit.code: unit for unit in session.scalars(select(Unit).with_for_update())}
    codes = set()
    for each in sorted(listed, key=lambda unit: unit.above is not None):  # a unit before what is below it
        unit = known.setdefault(each.code, Unit(code=each.code))
        parent = known[each.above] if each.above else None
        unit.name, unit.level, unit.active = each.name, each.level, True
        unit.parent_id = parent.id if parent else None
        session.add(unit)
        session.flush()
        codes.add(each.code)
    for code, unit in known.items():
        unit.active = code in codes
    session.flush()


def charge(session: Session, viewer: Viewer, number: str, unit_code: str) -> Unit:
    """Send a ticket to the unit that must act, which sees it from now on; twice is once.

    Of a sealed ticket the unit's clerks are named. Raises NotAllowed, NotVisible, and Refused for a unit
    that is unknown, that is accused or below the accused, or in which nobody could see a sealed ticket.
    """
    demand(viewer, Action.CHARGE_UNITS)
    mine = visible_tickets(viewer, Action.CHARGE_UNITS).where(called(number))
    ticket = session.scalar(mine.with_for_update(of=Ticket))
    if ticket is None:
        raise NotVisible(f"no ticket {number}")
    unit = by_code(session, unit_code) if unit_code else None
    if unit is None:
        raise Refused({"unit": "unknown" if unit_code else "required"})
    if ticket.accused_unit_id in around(session, unit.id)[1]:
        raise Refused({"unit": "accused"})
    if ticket.sealed:
        _name_clerks(session, ticket, unit)
    having = SubOrder.ticket_id == ticket.id, SubOrder.unit_id == unit.id, SubOrder.state.not_in(GONE)
    if session.scalar(select(SubOrder.id).where(*having)) is None:
        session.add(SubOrder(ticket_id=ticket.id, unit_id=unit.id, sent_by=viewer.person_id))
        allowed = rule(viewer, Action.CHARGE_UNITS, sealed=ticket.sealed)
        journal.append(session, viewer, "ticket.charged", "ticket", ticket.id, rule=allowed, unit=unit.code)
        if not ticket.sealed:
            notify(session, "board", "ticket", ticket_id=ticket.id)
    return unit


def charged(session: Session, ticket: Ticket) -> list[Charged]:
    """Which units have the ticket, for a viewer who sees it."""
    rows = select(Unit, SubOrder.sent_at, SubOrder.sent_by).join(SubOrder, SubOrder.unit_id == Unit.id)
    having = SubOrder.ticket_id == ticket.id, SubOrder.state.not_in(GONE)
    found = session.execute(rows.where(*having).order_by(SubOrder.sent_at, Unit.id))
    return [Charged(unit, at, by_id) for unit, at, by_id in found]


def withdraw_from_accused(session: Session, viewer: Viewer, ticket: Ticket) -> None:
    """A ticket that accuses a unit is no longer with it, nor with any below it."""
    if ticket.accused_unit_id is None:
        return
    below = around(session, ticket.accused_unit_id)[0]
    gone = (
        update(SubOrder)
        .where(SubOrder.ticket_id == ticket.id, SubOrder.unit_id.in_(below), SubOrder.state.not_in(GONE))
        .values(state=Order.RECALLED, ended_at=func.now())
    )
    for unit_id in session.scalars(gone.returning(SubOrder.unit_id)).all():
        unit = session.get_one(Unit, unit_id)
        allowed = rule(viewer, Action.WRITE_TICKETS, sealed=ticket.sealed)
        journal.append(
            session, viewer, "ticket.unit_withdrawn", "ticket", ticket.id, rule=allowed, unit=unit.code
        )


def _name_clerks(session: Session, ticket: Ticket, unit: Unit) -> None:
    recused = select(Recusal.person_id).where(Recusal.ticket_id == ticket.id)
    clerks = session.scalars(
        select(Person.id).where(
            Person.active,
            Person.role == Role.UNIT_CLERK,
            Person.unit_id == unit.id,
            Person.id.not_in(recused),
        )
    ).all()
    if not clerks:
        raise Refused({"unit": "nobody"})
    for person_id in clerks:
        name(session, person_id, "charged", ticket_id=ticket.id)
