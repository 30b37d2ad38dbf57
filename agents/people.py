"""Members of staff on a page: the list of them, and their names for other pages."""

from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from cases import units
from cases.lab import real_person
from cases.permissions import Action
from storage.staff import Person
from storage.viewer import Viewer
from web.login import needs, services
from web.render import page

router = APIRouter()


@router.get("/people")
def people_page(request: Request, _who: Annotated[Viewer, Depends(needs(Action.MANAGE_PEOPLE))]) -> Response:
    """Everybody, those who have left last."""
    with services(request).database.session() as session:
        people = session.scalars(
            select(Person).where(real_person()).order_by(Person.active.desc(), Person.extension, Person.login)
        ).all()
        names = {unit.id: unit.name for unit in units.everyone(session)}
    return page(request, "people.html", people=people, units=names)


def names_of(session: Session, ids: Iterable[int | None]) -> dict[int, str]:
    """Names of people by id."""
    wanted = {each for each in ids if each is not None}
    if not wanted:
        return {}
    query = select(Person.id, Person.name).where(Person.id.in_(wanted))
    return {row.id: row.name for row in session.execute(query)}


def agent_options(session: Session) -> list[tuple[str, str]]:
    """Everybody with a phone, for a choice by name: (id, name and extension), by extension."""
    with_phone = select(Person).where(Person.endpoint.is_not(None), real_person())
    people = session.scalars(with_phone.order_by(Person.extension, Person.id))
    return [(str(person.id), f"{person.name} {person.extension or ''}".strip()) for person in people]
