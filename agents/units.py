"""Sending a ticket to the unit that must act."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from agents.people import names_of
from cases import dispatch, units
from cases.dispatch import Share
from cases.errors import Refused as Faulty
from cases.permissions import Action
from cases.visible import reaches
from storage.staff import Unit
from storage.tables import Ticket
from storage.viewer import Viewer
from web.faults import Refused
from web.login import needs, services

router = APIRouter()


@router.post("/tickets/{number}/units")
def charge(
    request: Request,
    number: str,
    who: Annotated[Viewer, Depends(needs(Action.CHARGE_UNITS))],
    unit: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """The unit has the ticket from now on."""
    at = services(request)
    try:
        with at.database.session() as session:
            dispatch.send(session, who, number, [Share(unit)], at.policy, datetime.now(UTC))
    except Faulty as fault:
        raise Refused(f"units.refused_{fault.faults['unit']}", field="unit") from fault
    return RedirectResponse(f"/tickets/{number}", status_code=303)


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


def shown(session: Session, who: Viewer, ticket: Ticket) -> dict[str, Any]:
    """What a ticket's page says of units: which is accused, which have it, where it can be sent."""
    having = units.charged(session, ticket)
    accused = session.get(Unit, ticket.accused_unit_id) if ticket.accused_unit_id else None
    may_send = reaches(session, who, Action.CHARGE_UNITS, ticket)
    return {
        "accused": accused.name if accused else "",
        "having": having,
        "names": names_of(session, {each.by_id for each in having}),
        "options": unit_options(session) if may_send else [],
    }
