"""Log-ins: the password, the second step where there is one, the sessions and their end."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error
from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import Session

from cases import journal, lab, permissions, totp, units
from cases.errors import NotVisible
from cases.permissions import Action
from cases.phones import SESSION_IDLE, SESSION_LONGEST
from storage.notify import Note, notify_all
from storage.staff import KnownBrowser, Person, WebSession
from storage.viewer import Role, Viewer

CODE_WITHIN = timedelta(minutes=10)  # of the password
MOST_WRONG_CODES = 5  # then the password is asked for anew
BROWSER_KEPT = timedelta(days=400)  # unseen

# Asked with every request, so it is put together once.
_LOGGED_IN = (
    select(WebSession, Person)
    .join(Person, Person.id == WebSession.person_id)
    .where(WebSession.token_hash == bindparam("token_hash"), WebSession.ended_at.is_(None), Person.active)
    .where(WebSession.seen_at > bindparam("seen_since"), WebSession.created_at > bindparam("begun_since"))
    .where(~WebSession.awaits_code)
)

hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)  # OWASP's, in KiB


@dataclass(frozen=True, slots=True)
class Begun:
    """A right password: the new session's cookie, and whether the app's code is to come."""

    token: str
    person_id: int
    awaits_code: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """A session as lists show it."""

    id: int
    token_hash: str
    person_id: int
    login: str
    name: str
    role: Role
    address: str
    user_agent: str
    created_at: datetime
    seen_at: datetime


def check_password(session: Session, login: str, password: str) -> Person | None:
    """The active person whose password this is; takes as long for a login that nobody has."""
    person = session.scalar(select(Person).where(Person.login == login.strip().lower(), Person.active))
    return person if verifies(person, password) else None


def verifies(person: Person | None, password: str) -> bool:
    """Is it her password? As slow for nobody."""
    try:
        hasher.verify(person.password_hash if person else _decoy(), password)
    except Argon2Error:
        return False
    if person is not None and hasher.check_needs_rehash(person.password_hash):
        person.password_hash = hasher.hash(password)
    return person is not None


def hash_password(password: str) -> str:
    """As `person.password_hash` keeps it."""
    return hasher.hash(password)


def begin(
    session: Session, login: str, password: str, address: str = "", user_agent: str = ""
) -> Begun | None:
    """Log in by password, wholly or up to the app's code; None when it is wrong."""
    person = check_password(session, login, password)
    if person is None:
        return None
    awaits = totp.is_on(session, person.id)
    token = start_session(session, person, address, user_agent, awaits_code=awaits)
    return Begun(token, person.id, awaits)


def start_session(
    session: Session,
    person: Person,
    address: str = "",
    user_agent: str = "",
    *,
    awaits_code: bool = False,
    second_step: bool = False,
) -> str:
    """Log a person in; returns the cookie's value, of which only the hash is kept."""
    token = secrets.token_urlsafe(32)
    row = WebSession(
        token_hash=hashed(token),
        person_id=person.id,
        address=address,
        user_agent=user_agent[:300],
        awaits_code=awaits_code,
    )
    session.add(row)
    session.flush()
    if not awaits_code:
        viewer = viewer_of(session, person, address, row.id)
        journal.append(session, viewer, "person.logged_in", "person", person.id, second_step=second_step)
    return token


def awaiting(session: Session, token: str, now: datetime | None = None) -> Person | None:
    """Whose code this cookie waits for; None when it waits for none, or no longer."""
    found = _awaiting(session, token, now or datetime.now(UTC))
    return found[1] if found else None


def prove(session: Session, token: str, code: str, now: datetime | None = None) -> str | None:
    """The second step: the cookie of the whole session, for the one of the half; None for a wrong code.

    After a few wrong ones the half is over (`awaiting` says so), and the password is asked for anew.
    """
    now = now or datetime.now(UTC)
    found = _awaiting(session, token, now)
    if found is None:
        return None
    half, person = found
    viewer = viewer_of(session, person, half.address, half.id)
    if not totp.accept(session, viewer, code, now):
        half.wrong_codes += 1
        journal.append(session, viewer, "person.code_refused", "person", person.id)
        return None
    half.ended_at = now
    return start_session(session, person, half.address, half.user_agent, second_step=True)


def _awaiting(session: Session, token: str, now: datetime) -> tuple[WebSession, Person] | None:
    row = session.execute(
        select(WebSession, Person)
        .join(Person, Person.id == WebSession.person_id)
        .where(WebSession.token_hash == hashed(token), WebSession.awaits_code, Person.active)
        .where(WebSession.ended_at.is_(None), WebSession.created_at > now - CODE_WITHIN)
        .where(WebSession.wrong_codes < MOST_WRONG_CODES)
        .with_for_update(of=WebSession)  # two codes at once are two tries
    ).one_or_none()
    return (row[0], row[1]) if row else None


def logged_in(
    session: Session, token: str, address: str = "", now: datetime | None = None
) -> tuple[Viewer, Person, WebSession] | None:
    """Who looks with this cookie; None when it is unknown, ended, idle too long or its person has left."""
    now = now or datetime.now(UTC)
    since = {"seen_since": now - SESSION_IDLE, "begun_since": now - SESSION_LONGEST}
    found = session.execute(_LOGGED_IN, {"token_hash": hashed(token), **since}).one_or_none()
    if found is None:
        return None
    web_session, person = found
    if now - web_session.seen_at > timedelta(minutes=1):  # not a write for every picture on a page
        web_session.seen_at = now
    return viewer_of(session, person, address, web_session.id), person, web_session


def viewer_of(session: Session, person: Person, address: str = "", session_id: int | None = None) -> Viewer:
    """The person as every query asks for her."""
    below, above = units.around(session, person.unit_id) if person.unit_id else ((), ())
    return Viewer(
        person.id,
        Role(person.role),
        person.name,
        address,
        units=below,
        kin=above,
        lines=tuple(person.lines),
        session=session_id,
    )


# -- the end of sessions ----------------------------------------------------------------------------


def end_session(session: Session, token: str) -> None:
    """Log out; harmless when already ended."""
    _end(session, WebSession.token_hash == hashed(token))


def end_all(session: Session, person_id: int) -> int:
    """Log somebody out everywhere; how many sessions that ended."""
    return _end(session, WebSession.person_id == person_id)


def end_own(session: Session, viewer: Viewer, session_id: int) -> None:
    """End one of one's own. Raises NotVisible for what is not hers."""
    ended = _end(session, WebSession.id == session_id, WebSession.person_id == viewer.person_id)
    if not ended:
        raise NotVisible("session", session_id)
    journal.append(session, viewer, "session.ended", "person", viewer.person_id, own=True)


def end_others(session: Session, viewer: Viewer, token_hash: str) -> int:
    """End all of one's own but this one."""
    ended = _end(session, WebSession.person_id == viewer.person_id, WebSession.token_hash != token_hash)
    if ended:
        journal.append(session, viewer, "session.ended", "person", viewer.person_id, own=True, sessions=ended)
    return ended


def revoke(session: Session, viewer: Viewer, session_id: int) -> None:
    """End anybody's. Raises NotAllowed, NotVisible."""
    permissions.demand(viewer, Action.MANAGE_PEOPLE)
    whose = session.scalar(select(WebSession.person_id).where(WebSession.id == session_id))
    if whose is None or not _end(session, WebSession.id == session_id):
        raise NotVisible("session", session_id)
    rule = permissions.rule(viewer, Action.MANAGE_PEOPLE)
    journal.append(session, viewer, "session.ended", "person", whose, rule=rule, own=False)


def revoke_all(session: Session, viewer: Viewer, person_id: int) -> int:
    """Log somebody out everywhere. Raises NotAllowed."""
    permissions.demand(viewer, Action.MANAGE_PEOPLE)
    ended = end_all(session, person_id)
    rule = permissions.rule(viewer, Action.MANAGE_PEOPLE)
    journal.append(
        session, viewer, "session.ended", "person", person_id, rule=rule, own=False, sessions=ended
    )
    return ended


def _end(session: Session, *which: object) -> int:
    """End sessions, and tell every process: streams close, phones leave."""
    ended = session.execute(
        update(WebSession)
        .where(WebSession.ended_at.is_(None), *which)  # type: ignore[arg-type]
        .values(ended_at=datetime.now(UTC))
        .returning(WebSession.id)
    ).all()
    notify_all(session, [Note(f"session:{row.id}", "ended") for row in ended])
    return len(ended)


# -- lists ------------------------------------------------------------------------------------------


def own_sessions(session: Session, viewer: Viewer) -> Sequence[Seen]:
    """One's own open sessions, newest use first."""
    return _open_sessions(session, viewer.person_id)


def all_sessions(session: Session, viewer: Viewer) -> Sequence[Seen]:
    """Everybody's open sessions, newest use first. Raises NotAllowed."""
    permissions.demand(viewer, Action.MANAGE_PEOPLE)
    return _open_sessions(session, None)


def _open_sessions(session: Session, person_id: int | None) -> Sequence[Seen]:
    now = datetime.now(UTC)
    found = (
        select(WebSession, Person)
        .join(Person, Person.id == WebSession.person_id)
        .where(WebSession.ended_at.is_(None), ~WebSession.awaits_code, Person.active, lab.real_person())
        .where(WebSession.seen_at > now - SESSION_IDLE, WebSession.created_at > now - SESSION_LONGEST)
        .order_by(WebSession.seen_at.desc(), WebSession.id.desc())
    )
    if person_id is not None:
        found = found.where(WebSession.person_id == person_id)
    return [
        Seen(
            id=one.id,
            token_hash=one.token_hash,
            person_id=person.id,
            login=person.login,
            name=person.name,
            role=Role(person.role),
            address=one.address,
            user_agent=one.user_agent,
            created_at=one.created_at,
            seen_at=one.seen_at,
        )
        for one, person in session.execute(found)
    ]


# -- known browsers ---------------------------------------------------------------------------------


def knows_browser(session: Session, token: str) -> bool:
    """Did somebody log in from this browser before?"""
    since = datetime.now(UTC) - BROWSER_KEPT
    known = select(KnownBrowser).where(KnownBrowser.token_hash == hashed(token), KnownBrowser.seen_at > since)
    return bool(token) and session.scalar(known) is not None


def remember_browser(session: Session, token: str) -> str:
    """Somebody has logged in from this browser: the cookie by which it is known from now on."""
    now = datetime.now(UTC)
    session.execute(delete(KnownBrowser).where(KnownBrowser.seen_at <= now - BROWSER_KEPT))
    if knows_browser(session, token):
        session.execute(
            update(KnownBrowser).where(KnownBrowser.token_hash == hashed(token)).values(seen_at=now)
        )
        return token
    fresh = secrets.token_urlsafe(32)
    session.add(KnownBrowser(token_hash=hashed(fresh)))
    return fresh


@cache
def _decoy() -> str:
    return hasher.hash("nobody has this password")


def hashed(token: str) -> str:
    """What stands for a cookie in the database: its SHA-256."""
    return hashlib.sha256(token.encode()).hexdigest()
