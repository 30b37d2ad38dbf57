"""承办单位: the units that must act, and who stands above and below whom."""

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from cases.errors import Refused
from storage.tables import Unit


def by_code(session: Session, code: str) -> Unit | None:
    return session.scalar(select(Unit).where(Unit.code == code, Unit.active))


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


def save(session: Session, code: str, name: str, level: str = "second", above: str = "") -> Unit:
    """A unit made, or the one of this code changed. Raises Refused."""
    parent = by_code(session, above) if above else None
    if above and parent is None:
        raise Refused({"above": "unknown"})
    unit = by_code(session, code) or Unit(code=code)
    unit.name, unit.level, unit.parent_id = name, level, parent.id if parent else None
    session.add(unit)
    session.flush()
    return unit
