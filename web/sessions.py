"""Who is logged in, as the web sees it; the rows are written by cases/people.py.

A session seen lately is remembered in memory, so that the shell and its phone can still be opened
while the database is away; nothing that needs the database gets further by it.
"""

import hashlib
import threading
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from cases import people
from storage.database import Database, DatabaseAway
from storage.tables import Person
from storage.viewer import Viewer

REMEMBERED_FOR = timedelta(minutes=30)
MOST_REMEMBERED = 5_000


@dataclass(frozen=True, slots=True)
class Login:
    """One logged-in browser. `extension` and `endpoint` are None for people without a phone."""

    viewer: Viewer
    login: str
    language: str
    extension: str | None
    endpoint: str | None
    phone: str  # browser | hardware | none
    token_hash: str
    seen_at: datetime


class Sessions:
    """Begins, finds and ends sessions. Safe between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._remembered: dict[str, Login] = {}

    def begin(self, login: str, password: str, address: str, user_agent: str) -> str | None:
        """A new session's cookie, or None when the password is wrong. Raises DatabaseAway."""
        with self._database.session() as session:
            person = people.check_password(session, login, password)
            return people.start_session(session, person, address, user_agent) if person else None

    def find(self, token: str, address: str, within: Session | None = None) -> Login | None:
        """The log-in of a cookie, or None when it is unknown, ended, too old or its owner has left.

        Asked in a transaction of its own, or in the one it is handed. Raises DatabaseAway when the
        database is away and the cookie was not seen lately.
        """
        key = token_hash(token)
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
            people.end_session(session, token)
        self._remember(token_hash(token), None)

    def set_language(self, login: Login, language: str) -> None:
        """Remember the language with the person. Raises DatabaseAway."""
        with self._database.session() as session:
            session.execute(
                update(Person).where(Person.id == login.viewer.person_id).values(language=language)
            )

    def _read(self, token: str, key: str, address: str, within: Session | None) -> Login | None:
        with nullcontext(within) if within else self._database.session(limit_seconds=2.0) as session:
            known = people.logged_in(session, token, address)
            if known is None:
                return None
            viewer, person = known
            return Login(
                viewer=viewer,
                login=person.login,
                language=person.language,
                extension=person.extension,
                endpoint=person.endpoint,
                phone=person.phone,
                token_hash=key,
                seen_at=datetime.now(UTC),
            )

    def _remember(self, key: str, found: Login | None) -> None:
        with self._lock:
            self._remembered.pop(key, None)
            if found is None:
                return
            if len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.pop(next(iter(self._remembered)))
            self._remembered[key] = found


def token_hash(token: str) -> str:
    """What stands for a cookie in memory."""
    return hashlib.sha256(token.encode()).hexdigest()
