"""Who is logged in, as the web sees it; the rows are written by cases/logins.py.

A session seen lately is remembered in memory, so that the shell and its phone can still be opened
while the database is away; nothing that needs the database gets further by it.
"""

import threading
from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from cases import lab, logins, totp
from cases.logins import Begun
from storage.database import Database, DatabaseAway
from storage.staff import Person
from storage.viewer import Role, Viewer

REMEMBERED_FOR = timedelta(minutes=30)
MOST_REMEMBERED = 5_000


@dataclass(frozen=True, slots=True)
class Login:
    """One logged-in browser. `extension` and `endpoint` are None for people without a phone.

    `owes_totp`: her role demands a second step, which she has not set up; nothing else is open to her.
    """

    viewer: Viewer
    login: str
    language: str
    extension: str | None
    endpoint: str | None
    phone: str  # browser | hardware | none
    session_id: int
    token_hash: str
    seen_at: datetime
    owes_totp: bool = False


class Sessions:
    """Begins, finds and ends sessions. Safe between threads. `totp_roles`: who must have a second step."""

    def __init__(self, database: Database, totp_roles: Collection[Role] = ()) -> None:
        self._database = database
        self._totp_roles = frozenset(totp_roles)
        self._lock = threading.Lock()
        self._remembered: dict[str, Login] = {}

    def begin(self, login: str, password: str, address: str, user_agent: str) -> Begun | None:
        """A new session, or None when the password is wrong. Raises DatabaseAway."""
        with self._database.session() as session:
            return logins.begin(session, login, password, address, user_agent)

    def awaiting(self, token: str) -> str | None:
        """Whose code this cookie waits for, as her log-in; None: nobody's. Raises DatabaseAway."""
        with self._database.session() as session:
            person = logins.awaiting(session, token) if token else None
            return person.login if person else None

    def prove(self, token: str, code: str) -> str | None:
        """The whole session's cookie for a right code, else None. Raises DatabaseAway."""
        with self._database.session() as session:
            return logins.prove(session, token, code)

    def knows_browser(self, token: str) -> bool:
        """Did somebody log in from this browser before? Raises DatabaseAway."""
        with self._database.session() as session:
            return logins.knows_browser(session, token)

    def remember_browser(self, token: str) -> str:
        """The cookie by which a browser is known from now on. Raises DatabaseAway."""
        with self._database.session() as session:
            return logins.remember_browser(session, token)

    def find(self, token: str, address: str, within: Session | None = None) -> Login | None:
        """The log-in of a cookie, or None when it is unknown, ended, too old or its owner has left.

        Asked in a transaction of its own, or in the one it is handed. Raises DatabaseAway when the
        database is away and the cookie was not seen lately.
        """
        key = logins.hashed(token)
        try:
            found = self._read(token, key, address, within)
        except DatabaseAway:
            with self._lock:
                known = self._remembered.get(key)
            if known is None or datetime.now(UTC) - known.seen_at > REMEMBERED_FOR:
                raise
            return known
        self._remember(key, found)
        return found

    def end(self, token: str) -> None:
        """End this session. Raises DatabaseAway: then it is not ended, and the person must be told."""
        with self._database.session() as session:
            logins.end_session(session, token)
        self._remember(logins.hashed(token), None)

    def forget(self, session_id: int) -> None:
        """It was ended somewhere else."""
        with self._lock:
            known = [key for key, login in self._remembered.items() if login.session_id == session_id]
            for key in known:
                del self._remembered[key]

    def set_language(self, login: Login, language: str) -> None:
        """Remember the language with the person. Raises DatabaseAway."""
        with self._database.session() as session:
            session.execute(
                update(Person).where(Person.id == login.viewer.person_id).values(language=language)
            )

    def _read(self, token: str, key: str, address: str, within: Session | None) -> Login | None:
        with nullcontext(within) if within else self._database.session(limit_seconds=2.0) as session:
            known = logins.logged_in(session, token, address)
            if known is None:
                return None
            viewer, person, web_session = known
            return Login(
                viewer=viewer,
                login=person.login,
                language=person.language,
                extension=person.extension,
                endpoint=person.endpoint,
                phone=person.phone,
                session_id=web_session.id,
                token_hash=key,
                seen_at=datetime.now(UTC),
                owes_totp=self._owes_totp(session, person),
            )

    def _owes_totp(self, session: Session, person: Person) -> bool:
        demanded = person.role in self._totp_roles and person.endpoint != lab.AGENT
        return demanded and not totp.is_on(session, person.id)

    def _remember(self, key: str, found: Login | None) -> None:
        with self._lock:
            self._remembered.pop(key, None)
            if found is None:
                return
            if len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.pop(next(iter(self._remembered)))
            self._remembered[key] = found
