"""Staff for the administrator: somebody new, where she belongs, another password, her leaving.

Phones are Asterisk's files, which the command line alone writes: who needs one is let in by `hotline people`.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from agents.ticket_parts import Again
from agents.tickets import form_fields
from agents.units import unit_options
from cases import people, units
from cases.errors import NotVisible, Refused
from cases.permissions import NOTHING, Action, Scope, cell
from storage.staff import Person
from storage.viewer import STAFF, Role, Viewer
from web.login import needs, services
from web.render import page

router = APIRouter(prefix="/people")
Keeper = Annotated[Viewer, Depends(needs(Action.MANAGE_PEOPLE))]
Typed = Annotated[dict[str, str], Depends(form_fields)]
_SAID = {"taken": "login_taken"}  # codes of cases/people that another page has words of its own for
# Who takes calls cannot work without a phone.
ROLES = tuple(role for role in STAFF if cell(role, Action.TAKE_CALLS) == NOTHING)


@router.get("/new")
def new_page(request: Request, _who: Keeper) -> Response:
    """The form for somebody new."""
    return _new(request)


@router.post("/new")
def add(request: Request, who: Keeper, typed: Typed) -> Response:
    """Lets somebody in; a fault gives the form back with all but the password."""
    try:
        with services(request).database.session() as session:
            role = _role(typed.get("role", ""))
            people.create_person(
                session,
                typed.get("login", ""),
                typed.get("name", ""),
                role,
                typed.get("password", ""),
                by=who,
                unit=typed.get("unit", "") if sees_by(role) is Scope.UNIT else "",
                lines=_lines(request, typed) if sees_by(role) is Scope.LINE else (),
            )
    except Refused as fault:
        told = {name: _SAID.get(code, code) for name, code in fault.faults.items()}
        return _new(request, 422, Again("new", typed, told))
    return RedirectResponse("/people", status_code=303)


@router.get("/{person_id:int}")
def person_page(request: Request, person_id: int, _who: Keeper) -> Response:
    """One of them, and what can be changed of her."""
    return _one(request, person_id)


@router.post("/{person_id:int}/place")
def place(request: Request, person_id: int, who: Keeper, typed: Typed) -> Response:
    """Another unit, or other lines."""

    def act(session: Session, person: Person) -> None:
        lines = _lines(request, typed)
        people.place(session, person.login, typed.get("unit", ""), lines, by=who)

    return _act(request, person_id, "place", typed, act)


@router.post("/{person_id:int}/password")
def password(request: Request, person_id: int, who: Keeper, typed: Typed) -> Response:
    """Another password; her log-ins end."""

    def act(session: Session, person: Person) -> None:
        people.set_password(session, person.login, typed.get("password", ""), by=who)

    return _act(request, person_id, "password", typed, act)


@router.post("/{person_id:int}/leave")
def leave(request: Request, person_id: int, who: Keeper, typed: Typed) -> Response:
    """She works here no more. Not the administrator herself, nor who has a SIP phone to be switched off."""

    def act(session: Session, person: Person) -> None:
        if person.id == who.person_id:
            raise Refused({"leave": "yourself"})
        if person.phone == "hardware":
            raise Refused({"leave": "has_phone"})
        people.dismiss(session, person.login, by=who)

    return _act(request, person_id, "leave", typed, act)


def sees_by(role: Role) -> Scope:
    """UNIT or LINE: what she has to belong to; anything else: nothing."""
    return cell(role, Action.SEE_TICKETS).ordinary


def _role(typed: str) -> Role:
    if typed not in ROLES:
        raise Refused({"role": "unknown" if typed else "required"})
    return Role(typed)


def _lines(request: Request, typed: Mapping[str, str]) -> tuple[str, ...]:
    """Published numbers, set apart by blanks or commas. Raises Refused for one that is none."""
    numbers = tuple(dict.fromkeys(typed.get("lines", "").replace("、", " ").replace(",", " ").split()))
    if any(services(request).policy.line(number) is None for number in numbers):
        raise Refused({"lines": "no_line"})
    return numbers


def _act(
    request: Request,
    person_id: int,
    part: str,
    typed: Mapping[str, str],
    act: Callable[[Session, Person], None],
) -> Response:
    try:
        with services(request).database.session() as session:
            act(session, _person(session, person_id))
    except Refused as fault:
        return _one(request, person_id, 422, Again(part, typed, fault.faults))
    return _one(request, person_id, done=part)


def _person(session: Session, person_id: int) -> Person:
    """Raises NotVisible."""
    person = session.get(Person, person_id)
    if person is None:
        raise NotVisible(f"no person {person_id}")
    return person


def _new(request: Request, status: int = 200, again: Again | None = None) -> Response:
    with services(request).database.session() as session:
        options = unit_options(session)
        demo = people.is_demo(session)
    shown: dict[str, Any] = {
        "roles": ROLES,
        "options": options,
        "demo": demo,
        "shortest": people.SHORTEST_PASSWORD,
    }
    return page(request, "people_new.html", status, again=again or Again(), **shown)


def _one(
    request: Request, person_id: int, status: int = 200, again: Again | None = None, done: str = ""
) -> Response:
    with services(request).database.session() as session:
        person = _person(session, person_id)
        names = {unit.id: unit for unit in units.everyone(session)}
        unit = names.get(person.unit_id or 0)
        options = unit_options(session, person.unit_id)
    shown: dict[str, Any] = {
        "person": person,
        "unit": unit,
        "options": options,
        "by_unit": sees_by(Role(person.role)) is Scope.UNIT,
        "by_line": sees_by(Role(person.role)) is Scope.LINE,
        "shortest": people.SHORTEST_PASSWORD,
    }
    return page(request, "people_one.html", status, again=again or Again(), done=done, **shown)
