"""Members of staff: making them, their passwords, their leaving. Log-ins: cases/logins.py."""

import secrets
from collections.abc import Collection, Sequence

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cases import journal, lab, logins, units
from cases.errors import Refused
from cases.permissions import NOTHING, Action, Scope, cell, rule
from storage.staff import Person, PersonDuty, Unit
from storage.viewer import STAFF, Role, Viewer

SHORTEST_PASSWORD = 8
LAB_LOGIN, LAB_NAME = "hotline-lab", "线路检测"


def create_person(
    session: Session,
    login: str,
    name: str,
    role: Role,
    password: str,
    extension: str | None = None,
    phone: str = "browser",
    by: Viewer | None = None,
    unit: str = "",
    lines: Sequence[str] = (),
    *,
    demo: bool = False,
    password_hash: str = "",
) -> Person:
    """Add a member of staff; with an extension comes a phone. Raises Refused.

    `unit`: the code of the unit she belongs to, without which a clerk sees nothing; `lines`: the published
    numbers that she leads. `demo`: she is of the demo city, whose password is known to all; real people and
    she are never in one hotline. `password_hash`: the password's, where it is known already.
    """
    login = login.strip().lower()
    belongs_to = units.by_code(session, unit) if unit else None
    faults = _faults(session, login, name, password)
    faults |= _phone_faults(session, role, extension, phone) | _place_faults(role, unit, belongs_to, lines)
    if not demo and is_demo(session):
        faults = {"login": "demo"}
    if faults:
        raise Refused(faults)
    person = Person(
        login=login,
        name=name.strip(),
        role=role.value,
        password_hash=password_hash or logins.hash_password(password),
        extension=extension,
        endpoint=f"e{secrets.token_hex(4)}" if extension else None,
        phone=phone if extension else "none",
        unit_id=belongs_to.id if belongs_to else None,
        lines=list(lines),
        demo=demo,
    )
    session.add(person)
    session.flush()
    session.add(PersonDuty(person_id=person.id))
    journal.append(session, by, "person.created", "person", person.id, rule=_rule(by), role=role.value)
    return person


def is_demo(session: Session) -> bool:
    """Is this the demo city?"""
    return session.scalar(select(Person.id).where(Person.demo).limit(1)) is not None


def _faults(session: Session, login: str, name: str, password: str) -> dict[str, str]:
    faults = {}
    if not login or not name.strip():
        faults["login" if not login else "name"] = "required"
    if len(password) < SHORTEST_PASSWORD:
        faults |= {"password": "too_short"}
    if session.scalar(select(Person.id).where(Person.login == login)) is not None:
        faults["login"] = "taken"
    return faults


def _phone_faults(session: Session, role: Role, extension: str | None, phone: str) -> dict[str, str]:
    """A browser is a phone for those who take calls, or call out."""
    if not extension:
        return {} if extension is None else {"extension": "number"}
    if not (extension.isdecimal() and 3 <= len(extension) <= 6):
        return {"extension": "number"}
    if session.scalar(select(Person.id).where(Person.extension == extension)) is not None:
        return {"extension": "taken"}
    calls = cell(role, Action.CALL_OUT) != NOTHING  # whoever takes calls does
    return {} if calls or phone != "browser" else {"phone": "role"}


def _place_faults(role: Role, unit: str, belongs_to: Unit | None, lines: Sequence[str]) -> dict[str, str]:
    """Who sees by unit or by line and has none would see nothing."""
    faults = {}
    if role not in STAFF:
        faults["role"] = "unknown"
    sees = cell(role, Action.SEE_TICKETS).ordinary
    if unit and belongs_to is None:
        faults["unit"] = "unknown"
    elif sees is Scope.UNIT and not unit:
        faults["unit"] = "required"
    if sees is Scope.LINE and not lines:
        faults["lines"] = "required"
    elif lines and sees is not Scope.LINE:
        faults["lines"] = "role"
    return faults


def lab_agent(session: Session, password: str) -> Person:
    """The person who answers the lab's calls, made if need be; her password is this one from now on.

    Raises Refused when somebody else has her log-in.
    """
    person = session.scalar(select(Person).where(Person.endpoint == lab.AGENT))
    if person is None:
        taken = set(session.scalars(select(Person.extension)))
        extension = next(each for each in map(str, range(999_999, 0, -1)) if each not in taken)
        person = create_person(
            session, LAB_LOGIN, LAB_NAME, Role.AGENT, password, extension, demo=is_demo(session)
        )
        person.endpoint = lab.AGENT
    person.active, person.password_hash = True, logins.hash_password(password)
    logins.end_all(session, person.id)
    return person


def set_password(session: Session, login: str, password: str, by: Viewer | None = None) -> Person:
    """Give somebody a new password; whoever is logged in with the old one is logged out. Raises Refused."""
    person = by_login(session, login)
    if len(password) < SHORTEST_PASSWORD:
        raise Refused({"password": "too_short"})
    person.password_hash = logins.hash_password(password)
    logins.end_all(session, person.id)
    journal.append(session, by, "person.password_set", "person", person.id, rule=_rule(by))
    return person


def dismiss(session: Session, login: str, by: Viewer | None = None) -> Person:
    """Somebody leaves: no log-in, no phone, off duty; what they did stays on record. Raises Refused."""
    person = by_login(session, login)
    person.active = False
    session.execute(
        update(PersonDuty).where(PersonDuty.person_id == person.id).values(wanted="off", wanted_reason="")
    )
    logins.end_all(session, person.id)
    journal.append(session, by, "person.left", "person", person.id, rule=_rule(by))
    return person


def place(
    session: Session, login: str, unit: str = "", lines: Sequence[str] = (), by: Viewer | None = None
) -> Person:
    """She belongs to another unit, or leads other lines, from her next click on. Raises Refused."""
    person = by_login(session, login)
    belongs_to = units.by_code(session, unit) if unit else None
    if faults := _place_faults(Role(person.role), unit, belongs_to, lines):
        raise Refused(faults)
    person.unit_id, person.lines = belongs_to.id if belongs_to else None, list(lines)
    detail = {"unit": unit, "lines": list(lines)}
    journal.append(session, by, "person.placed", "person", person.id, rule=_rule(by), **detail)
    return person


def misplaced(session: Session, published: Collection[str]) -> list[str]:
    """Log-ins of those whose unit has left the policy, or who lead a number that is not published."""
    working = select(Person, Unit.active).outerjoin(Unit, Unit.id == Person.unit_id).where(Person.active)
    return [
        person.login
        for person, stands in session.execute(working.order_by(Person.login))
        if stands is False or not set(person.lines) <= set(published)
    ]


def everybody(session: Session) -> list[Person]:
    """All who work here now, by log-in."""
    working = select(Person).where(Person.active, lab.real_person())
    return list(session.scalars(working.order_by(Person.login)))


def _rule(by: Viewer | None) -> str:
    return rule(by, Action.MANAGE_PEOPLE) if by else ""  # the command line asks no table


def by_login(session: Session, login: str) -> Person:
    person = session.scalar(select(Person).where(Person.login == login.strip().lower(), Person.active))
    if person is None:
        raise Refused({"login": "unknown"})
    return person
