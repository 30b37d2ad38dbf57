"""The first administrator is made by a link that is printed once: no default password exists."""

import secrets
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from cases import lab, people
from cases.logins import hashed
from storage.staff import FirstLink, Person
from storage.viewer import Role

GOOD_FOR = timedelta(hours=1)


def is_empty(session: Session) -> bool:
    """Does nobody work here yet?"""
    return session.scalar(select(Person.id).where(lab.real_person()).limit(1)) is None


def new_link(session: Session, now: datetime | None = None) -> str | None:
    """The token of a fresh link, good for an hour, once; those before it are void. None: somebody is here."""
    session.execute(delete(FirstLink))
    if not is_empty(session):
        return None
    token = secrets.token_urlsafe(32)
    expires_at = (now or datetime.now(UTC)) + GOOD_FOR
    session.add(FirstLink(token_hash=hashed(token), expires_at=expires_at))
    return token


def opens(session: Session, token: str, now: datetime | None = None) -> bool:
    """Is this a link that can still be used? Its row stays locked until the transaction ends."""
    row = session.scalar(select(FirstLink).where(FirstLink.token_hash == hashed(token)).with_for_update())
    return row is not None and row.expires_at > (now or datetime.now(UTC)) and is_empty(session)


def make_administrator(session: Session, token: str, login: str, name: str, password: str) -> Person | None:
    """Use the link up; None when it is void. Raises Refused, and the link stays good."""
    if not opens(session, token):
        return None
    person = people.create_person(session, login, name, Role.ADMINISTRATOR, password)
    session.execute(delete(FirstLink))
    return person
