"""The units that the policy lists, and who could see at each what is sent there."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import select

from cases import units
from cases.permissions import Action
from storage.staff import Person
from storage.viewer import Role, Viewer
from web.login import needs, services
from web.render import page

router = APIRouter()


@router.get("/city/units")
def units_page(
    request: Request,
    _who: Annotated[Viewer, Depends(needs(Action.MANAGE_CITY))],
) -> Response:
    """Each county, department and office, the offices below theirs, with its clerks."""
    with services(request).database.session() as session:
        found = units.all_active(session)
        clerks: dict[int, list[Person]] = {}
        working = select(Person).where(Person.active, Person.role == Role.UNIT_CLERK).order_by(Person.login)
        for person in session.scalars(working):
            clerks.setdefault(person.unit_id or 0, []).append(person)
    below = {unit.id: [each for each in found if each.parent_id == unit.id] for unit in found}
    rows = [row for unit in found if unit.parent_id is None for row in (unit, *below[unit.id])]
    bare = sum(unit.id not in clerks for unit in rows)
    return page(request, "city_units.html", rows=rows, clerks=clerks, bare=bare)
