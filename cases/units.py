"""承办单位: the units that must act, who stands above and below whom, and what is sent to them."""

from collections.abc import Iterable, Mapping

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from cases import journal
from cases.errors import NotVisible, Refused
from cases.permissions import Action, demand, rule
from cases.visible import name
from routing.numbers import CALLABLE, normalise
from routing.policy import HandlingUnit, Policy
from storage.staff import Person, Unit
from storage.tables import Named, Recusal, Ticket
from storage.viewer import Role, Viewer

_TREE = "units"  # in Session.info: every unit's id → the one above it
CHARGED = "charged"  # why a unit's clerk is named for a sealed ticket


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
    above_of = session.info.get(_TREE)
    if above_of is None:
        tree = session.execute(select(Unit.id, Unit.parent_id))
        above_of = session.info[_TREE] = {row.id: row.parent_id for row in tree}
    way = _way_up(above_of, unit_id)
    below = (each for each in above_of if unit_id in _way_up(above_of, each))
    return tuple(sorted(below)), tuple(sorted(way))


def _way_up(above_of: Mapping[int, int | None], unit_id: int) -> list[int]:
    way: list[int] = []
    at: int | None = unit_id
    while at is not None and at in above_of and at not in way:
        way.append(at)
        at = above_of[at]
    return way


def sync(session: Session, listed: Iterable[HandlingUnit]) -> None:
    """Make the table what the policy lists; whoever left it is inactive, and keeps what it was sent."""
    known = {unit.code: unit for unit in session.scalars(select(Unit).with_for_update())}
    codes = set()
    for each in sorted(listed, key=lambda unit: unit.above is not None):  # a unit before what is below it
        unit = known.setdefault(each.code, Unit(code=each.code))
        parent = known[each.above] if each.above else None
        if parent is not None and parent.id is None:
            session.flush()
        unit.name, unit.level, unit.active = each.name, each.level, True
        unit.parent_id = parent.id if parent else None
        session.add(unit)
        codes.add(each.code)
    for code, unit in known.items():
        unit.active = code in codes
    session.flush()
    session.info.pop(_TREE, None)


def set_phone(session: Session, viewer: Viewer, code: str, phone: str, policy: Policy) -> Unit:
    """By what number the unit is charged; "": none. Raises NotAllowed, NotVisible, Refused: phone number."""
    demand(viewer, Action.MANAGE_CITY)
    unit = session.scalar(select(Unit).where(Unit.code == code).with_for_update())
    if unit is None:
        raise NotVisible(f"no unit {code}")
    number = normalise(phone, policy.area_code)
    if phone and number.kind not in CALLABLE:
        raise Refused({"phone": "number"})
    if number.display != unit.phone:
        unit.phone = number.display
        allowed = rule(viewer, Action.MANAGE_CITY)
        journal.append(session, viewer, "unit.phone_set", "unit", unit.id, rule=allowed, unit=unit.code)
        session.flush()
    return unit


def name_clerks(session: Session, ticket: Ticket, unit: Unit) -> bool:
    """Of a sealed ticket the clerks of that very unit are named. False when there are none."""
    recused = select(Recusal.person_id).where(Recusal.ticket_id == ticket.id)
    clerks = session.scalars(clerks_of(unit.id).where(Person.id.not_in(recused))).all()
    for person_id in clerks:
        name(session, person_id, CHARGED, ticket_id=ticket.id)
    return bool(clerks)


def clerks_of(unit_id: InstrumentedAttribute[int] | int) -> Select[int]:
    """Who works there with an account, as ids."""
    return select(Person.id).where(Person.unit_id == unit_id, Person.role == Role.UNIT_CLERK, Person.active)


def has_clerks(session: Session, unit_id: int) -> bool:
    """Whether anybody there has an account; for others somebody else enters what they do."""
    return session.scalar(clerks_of(unit_id).limit(1)) is not None


def unname_clerks(session: Session, ticket: Ticket, unit_id: int) -> None:
    """A unit that has a sealed ticket no more sees it no more."""
    clerks = select(Person.id).where(Person.unit_id == unit_id)
    named = Named.ticket_id == ticket.id, Named.why == CHARGED, Named.person_id.in_(clerks)
    session.execute(delete(Named).where(*named))
