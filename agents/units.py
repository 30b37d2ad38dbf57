"""The units of the city, for a choice by name; and which one a ticket accuses."""

from typing import Any

from sqlalchemy.orm import Session

from cases import units
from storage.staff import Unit
from storage.tables import Ticket


def unit_options(session: Session, chosen: int | None = None) -> list[tuple[str, str]]:
    """(code, name), each unit below its own; `chosen` is there even if it has left the policy."""
    known = units.everyone(session)
    shown = [unit for unit in known if unit.active or unit.id == chosen]
    names = {unit.id: unit.name for unit in known}
    return [(unit.code, _within(unit, names)) for unit in shown]


def _within(unit: Unit, names: dict[int, str]) -> str:
    """A county's office says its county's name; one that does not is told with it."""
    above = names.get(unit.parent_id or 0, "")
    return unit.name if unit.name.startswith(above) else f"{above} {unit.name}"


def shown(session: Session, ticket: Ticket) -> dict[str, Any]:
    """What a ticket's page says of the unit that it accuses."""
    accused = session.get(Unit, ticket.accused_unit_id) if ticket.accused_unit_id else None
    return {"accused": accused.name if accused else ""}
