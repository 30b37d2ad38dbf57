"""The units that the policy lists, who could see at each what is sent there, and its telephone."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import select

from agents.ticket_parts import Again
from cases import units
from cases.errors import Refused
from cases.permissions import Action
from storage.staff import Person
from storage.viewer import Role, Viewer
from web.login import needs, services
from web.render import page

router = APIRouter()


Keeper = Annotated[Viewer, Depends(needs(Action.MANAGE_CITY))]


@router.get("/city/units")
def units_page(request: Request, _who: Keeper) -> Response:
    """Each county, department and office, the offices below theirs, with its clerks and its telephone."""
    return _page(request)


@router.post("/city/units/{code}/phone")
def set_phone(
    request: Request, code: str, who: Keeper, phone: Annotated[str, Form(max_length=100)] = ""
) -> Response:
    """By what number dispatchers charge it."""
    at, phone = services(request), phone.strip()
    try:
        with at.database.session() as session:
            units.set_phone(session, who, code, phone, at.policy)
    except Refused as fault:
        return _page(request, 422, Again(code, {"phone": phone}, fault.faults))
    return RedirectResponse(f"/city/units#unit-{code}", status_code=303)


def _page(request: Request, status: int = 200, again: Again | None = None) -> Response:
    with services(request).database.session() as session:
        found = units.all_active(session)
        clerks: dict[int, list[Person]] = {}
        working = select(Person).where(Person.active, Person.role == Role.UNIT_CLERK).order_by(Person.login)
        for person in session.scalars(working):
            clerks.setdefault(person.unit_id or 0, []).append(person)
    below = {unit.id: [each for each in found if each.parent_id == unit.id] for unit in found}
    rows = [row for unit in found if unit.parent_id is None for row in (unit, *below[unit.id])]
    bare = sum(unit.id not in clerks for unit in rows)
    context: dict[str, Any] = {"rows": rows, "clerks": clerks, "bare": bare, "again": again or Again()}
    return page(request, "city_units.html", status, **context)
