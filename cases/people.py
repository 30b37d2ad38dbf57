"""Members of staff: making them, their passwords, their log-ins, their phones' secrets."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error
from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from cases import journal, lab, units
from cases.errors import Refused
from cases.permissions import NOTHING, Action, Scope, cell
from storage.tables import Person, PersonDuty, SipSecret, Unit, WebSession
from storage.viewer import STAFF, Role, Viewer

SHORTEST_PASSWORD = 8
LAB_LOGIN, LAB_NAME = "hotline-lab", "线路检测"
SESSION_IDLE = timedelta(hours=12)
SESSION_LONGEST = timedelta(days=3)
SECRETS_KEPT = 2  # an old secret lives as long as its tab

# Asked with every request, so it is put together once.
_LOGGED_IN = (
    select(WebSession, Person)
    .join(Person, Person.id == WebSession.person_id)
    .where(WebSession.token_hash == bindparam("token_hash"), WebSession.ended_at.is_(None), Person.active)
    .where(WebSession.seen_at > bindparam("seen_since"), WebSession.created_at > bindparam("begun_since"))
)

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)  # OWASP's, in KiB


@dataclass(frozen=True, slots=True)
class Phone:
    """What the telephony needs to let one person's phone in; `secrets` newest first."""

    person_id: int
    name: str
    role: Role
    endpoint: str
    extension: str
    kind: str  # browser | hardware
    secrets: tuple[str, ...]


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
) -> Person:
    """Add a member of staff; with an extension comes a phone with its own secret. Raises Refused.

    `unit`: the code of the unit she belongs to, without which a clerk sees nothing; `lines`: the published
    numbers that she leads.
    """
    login = login.strip().lower()
    belongs_to = units.by_code(session, unit) if unit else None
    faults = _faults(session, login, name, password)
    faults |= _phone_faults(session, role, extension, phone) | _place_faults(role, unit, belongs_to, lines)
    if faults:
        raise Refused(faults)
    person = Person(
        login=login,
        name=name.strip(),
        role=role.value,
        password_hash=_hasher.hash(password),
        extension=extension,
        endpoint=f"e{secrets.token_hex(4)}" if extension else None,
        phone=phone if extension else "none",
        unit_id=belongs_to.id if belongs_to else None,
        lines=list(lines),
    )
    session.add(person)
    session.flush()
    session.add(PersonDuty(person_id=person.id))
    if extension:
        new_secret(session, person.id)
    journal.append(session, by, "person.created", "person", person.id, role=role.value)
    return person


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
    """A browser is a phone on the desk's pages, which are for those who take calls."""
    if not extension:
        return {} if extension is None else {"extension": "number"}
    if not (extension.isdecimal() and 3 <= len(extension) <= 6):
        return {"extension": "number"}
    if session.scalar(select(Person.id).where(Person.extension == extension)) is not None:
        return {"extension": "taken"}
    takes_calls = cell(role, Action.TAKE_CALLS) != NOTHING
    return {} if takes_calls or phone != "browser" else {"phone": "role"}


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
        person = create_person(session, LAB_LOGIN, LAB_NAME, Role.AGENT, password, extension)
        person.endpoint = lab.AGENT
    person.active, person.password_hash = True, _hasher.hash(password)
    _log_out(session, person.id)
    return person


def set_password(session: Session, login: str, password: str, by: Viewer | None = None) -> Person:
    """Give somebody a new password; whoever is logged in with the old one is logged out. Raises Refused."""
    person = _person(session, login)
    if len(password) < SHORTEST_PASSWORD:
        raise Refused({"password": "too_short"})
    person.password_hash = _hasher.hash(password)
    _log_out(session, person.id)
    journal.append(session, by, "person.password_set", "person", person.id)
    return person


def dismiss(session: Session, login: str, by: Viewer | None = None) -> Person:
    """Somebody leaves: no log-in, no phone, off duty; what they did stays on record. Raises Refused."""
    person = _person(session, login)
    person.active = False
    session.execute(
        update(PersonDuty).where(PersonDuty.person_id == person.id).values(wanted="off", wanted_reason="")
    )
    _log_out(session, person.id)
    journal.append(session, by, "person.left", "person", person.id)
    return person


def everybody(session: Session) -> list[Person]:
    """All who work here now, by log-in."""
    working = select(Person).where(Person.active, lab.real_person())
    return list(session.scalars(working.order_by(Person.login)))


def _person(session: Session, login: str) -> Person:
    person = session.scalar(select(Person).where(Person.login == login.strip().lower(), Person.active))
    if person is None:
        raise Refused({"login": "unknown"})
    return person


def _log_out(session: Session, person_id: int) -> None:
    session.execute(
        update(WebSession)
        .where(WebSession.person_id == person_id, WebSession.ended_at.is_(None))
        .values(ended_at=func.now())
    )


def check_password(session: Session, login: str, password: str) -> Person | None:
    """The active person whose password this is; takes as long for a login that nobody has."""
    person = session.scalar(select(Person).where(Person.login == login.strip().lower(), Person.active))
    try:
        _hasher.verify(person.password_hash if person else _decoy(), password)
    except Argon2Error:
        return None
    if person is not None and _hasher.check_needs_rehash(person.password_hash):
        person.password_hash = _hasher.hash(password)
    return person


def start_session(session: Session, person: Person, address: str = "", user_agent: str = "") -> str:
    """Log a person in; returns the cookie's value, of which only the hash is kept."""
    token = secrets.token_urlsafe(32)
    session.add(
        WebSession(token_hash=_hash(token), person_id=person.id, address=address, user_agent=user_agent[:300])
    )
    journal.append(session, viewer_of(session, person, address), "person.logged_in", "person", person.id)
    return token


def logged_in(
    session: Session, token: str, address: str = "", now: datetime | None = None
) -> tuple[Viewer, Person] | None:
    """Who looks with this cookie; None when it is unknown, ended, idle too long or its person has left."""
    now = now or datetime.now(UTC)
    since = {"seen_since": now - SESSION_IDLE, "begun_since": now - SESSION_LONGEST}
    found = session.execute(_LOGGED_IN, {"token_hash": _hash(token), **since}).one_or_none()
    if found is None:
        return None
    web_session, person = found
    if now - web_session.seen_at > timedelta(minutes=1):  # not a write for every picture on a page
        web_session.seen_at = now
    return viewer_of(session, person, address), person


def viewer_of(session: Session, person: Person, address: str = "") -> Viewer:
    """The person as every query asks for her."""
    below, above = units.around(session, person.unit_id) if person.unit_id else ((), ())
    return Viewer(
        person.id, Role(person.role), person.name, address, units=below, kin=above, lines=tuple(person.lines)
    )


def end_session(session: Session, token: str) -> None:
    """Log out; harmless when already ended."""
    session.execute(
        update(WebSession)
        .where(WebSession.token_hash == _hash(token), WebSession.ended_at.is_(None))
        .values(ended_at=datetime.now(UTC))
    )


def new_secret(session: Session, person_id: int) -> str:
    """Give a person's phone a new secret; the one before stays good, older ones go."""
    secret = secrets.token_urlsafe(18)
    session.add(SipSecret(person_id=person_id, secret=secret))
    session.flush()
    old = session.scalars(
        select(SipSecret)
        .where(SipSecret.person_id == person_id)
        .order_by(SipSecret.id.desc())
        .offset(SECRETS_KEPT)
    ).all()
    for row in old:
        session.delete(row)
    return secret


def phones(session: Session) -> list[Phone]:
    """Every active person's phone, by extension: what the Asterisk configuration is rendered from."""
    people = session.scalars(
        select(Person).where(Person.active, Person.endpoint.is_not(None)).order_by(Person.extension)
    ).all()
    known: dict[int, list[str]] = {}
    for row in session.scalars(select(SipSecret).order_by(SipSecret.id.desc())):
        known.setdefault(row.person_id, []).append(row.secret)
    return [
        Phone(
            person_id=person.id,
            name=person.name,
            role=Role(person.role),
            endpoint=person.endpoint or "",
            extension=person.extension or "",
            kind=person.phone,
            secrets=tuple(known.get(person.id, ())),
        )
        for person in people
    ]


@cache
def _decoy() -> str:
    return _hasher.hash("nobody has this password")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
