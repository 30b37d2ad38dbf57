"""Who is logged in: the one writer of `web_session`.

A session seen lately is remembered in memory, so that the shell and its phone can still be opened
while the database is away; nothing that needs the database gets further by it.
"""

import hashlib
import secrets
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select, update

from storage.database import Database, DatabaseAway
from storage.tables import Person, WebSession
from storage.viewer import Role, Viewer

LONGEST = timedelta(hours=16)  # a double shift
SEEN_EVERY = timedelta(minutes=1)
MOST_REMEMBERED = 5_000


@dataclass(frozen=True, slots=True)
class Login:
    """One logged-in browser. `extension` and `endpoint` are None for people without a phone."""

    viewer: Viewer
    login: str
    language: str
    extension: str | None
    endpoint: str | None
    phone: str
    token_hash: str
    until: datetime


def token_hash(token: str) -> str:
    """What is stored of a cookie."""
    return hashlib.sha256(token.encode()).hexdigest()


class Sessions:
    """Begins, finds and ends sessions. Safe between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._remembered: dict[str, Login] = {}

    def begin(self, person_id: int, address: str, user_agent: str) -> str:
        """A new session; returns the cookie's token. Raises DatabaseAway."""
        token = secrets.token_urlsafe(32)
        with self._database.session() as session:
            session.add(
                WebSession(
                    token_hash=token_hash(token),
                    person_id=person_id,
                    address=address,
                    user_agent=user_agent[:300],
                )
            )
        return token

    def find(self, token: str, address: str) -> Login | None:
        """The log-in of a cookie, or None when it is unknown, ended, too old or its owner inactive."""
        key = token_hash(token)
        try:
            found = self._read(key, address)
        except DatabaseAway:
            found = self._remembered.get(key)
            if found is None:
                raise
            return found if found.until > datetime.now(UTC) else None
        with self._lock:
            self._remembered.pop(key, None)
            if found:
                if len(self._remembered) >= MOST_REMEMBERED:
                    self._remembered.pop(next(iter(self._remembered)))
                self._remembered[key] = found
        return found

    def _read(self, key: str, address: str) -> Login | None:
        now = datetime.now(UTC)
        with self._database.session(limit_seconds=2.0) as session:
            row = session.execute(
                select(WebSession, Person)
                .join(Person, Person.id == WebSession.person_id)
                .where(WebSession.token_hash == key, WebSession.ended_at.is_(None), Person.active)
                .where(WebSession.created_at > now - LONGEST)
            ).one_or_none()
            if row is None:
                return None
            web_session, person = row.tuple()
            if now - web_session.seen_at > SEEN_EVERY:
                web_session.seen_at = now
            return Login(
                viewer=Viewer(person.id, Role(person.role), person.name, address),
                login=person.login,
                language=person.language,
                extension=person.extension,
                endpoint=person.endpoint,
                phone=person.phone,
                token_hash=key,
                until=web_session.created_at + LONGEST,
            )

    def end(self, login: Login) -> None:
        """End this session. Raises DatabaseAway: then it is not ended, and the person must be told."""
        with self._database.session() as session:
            session.execute(
                update(WebSession)
                .where(WebSession.token_hash == login.token_hash, WebSession.ended_at.is_(None))
                .values(ended_at=datetime.now(UTC))
            )
        with self._lock:
            self._remembered.pop(login.token_hash, None)

    def set_language(self, login: Login, language: str) -> None:
        """Remember the language with the person. Raises DatabaseAway."""
        with self._database.session() as session:
            session.execute(
                update(Person).where(Person.id == login.viewer.person_id).values(language=language)
            )
