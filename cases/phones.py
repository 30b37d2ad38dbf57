"""Phones and the secrets that they register with; nobody here can read one back.

A browser's secret belongs to its log-in: it is derived from the cookie, of which we keep the hash alone, and
ends with the log-in. Asterisk holds the digest of it (telephony/phone_secrets.py) in one of the phone's two
places, so that an older log-in's call goes on beside a newer log-in. A hardware phone has one secret until it
is given another; its digest is in Asterisk's files.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from cases.errors import Refused
from storage.staff import Person, WebSession
from storage.viewer import Role

REALM = "hotline"
PLACES = (1, 2)
SESSION_IDLE = timedelta(hours=12)
SESSION_LONGEST = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Phone:
    """What the telephony needs to let one person's phone in; `digest`: a hardware phone's."""

    person_id: int
    name: str
    role: Role
    endpoint: str
    extension: str
    kind: str  # browser | hardware
    digest: str


@dataclass(frozen=True, slots=True)
class Over:
    """A log-in that has ended and whose phone can still register."""

    session: WebSession
    endpoint: str
    place: int


def secret_of(token: str) -> str:
    """The phone secret that goes with a log-in's cookie."""
    return base64.urlsafe_b64encode(hmac.digest(token.encode(), b"phone", hashlib.sha256)).decode()[:32]


def digest(endpoint: str, secret: str) -> str:
    """What Asterisk checks a secret by: RFC 2617's A1, of use for this phone alone."""
    return hashlib.md5(f"{endpoint}:{REALM}:{secret}".encode()).hexdigest()  # noqa: S324 - SIP's own


def new_secret(person: Person) -> str:
    """Give a hardware phone another secret, to be shown once. Raises Refused for who has no such phone."""
    if person.phone != "hardware" or not person.endpoint:
        raise Refused({"phone": "not_hardware"})
    secret = secrets.token_urlsafe(18)
    person.phone_digest = digest(person.endpoint, secret)
    return secret


def place_for(session: Session, token_hash: str) -> int:
    """Where in Asterisk this log-in's secret goes; it takes the place of an ended or the longest unseen one.

    Her row is locked until the transaction ends, so that Asterisk is told in the same order.
    """
    mine = session.scalars(select(WebSession).where(WebSession.token_hash == token_hash)).one()
    session.execute(select(Person.id).where(Person.id == mine.person_id).with_for_update())
    session.refresh(mine)
    if mine.phone_slot is not None:
        return mine.phone_slot
    holding = select(WebSession).where(
        WebSession.person_id == mine.person_id, WebSession.phone_slot.is_not(None)
    )
    holders = list(session.scalars(holding.with_for_update()))
    free = [place for place in PLACES if place not in {one.phone_slot for one in holders}]
    if not free:
        oldest = min(holders, key=lambda one: (one.ended_at is None, one.seen_at))
        free, oldest.phone_slot = [oldest.phone_slot or PLACES[0]], None
        session.flush()
    mine.phone_slot = free[0]
    session.flush()
    return mine.phone_slot


def over(session: Session, now: datetime | None = None) -> list[Over]:
    """Log-ins that are over and still hold a place, locked until the transaction ends."""
    now = now or datetime.now(UTC)
    found = (
        select(WebSession, Person)
        .join(Person, Person.id == WebSession.person_id)
        .where(WebSession.phone_slot.is_not(None))
        .where(
            or_(
                WebSession.ended_at.is_not(None),
                WebSession.seen_at <= now - SESSION_IDLE,
                WebSession.created_at <= now - SESSION_LONGEST,
                ~Person.active,
                Person.phone != "browser",
            )
        )
        .with_for_update(of=WebSession, skip_locked=True)
    )
    return [Over(one, person.endpoint or "", one.phone_slot or 0) for one, person in session.execute(found)]


def phones(session: Session) -> list[Phone]:
    """Every active person's phone, by extension: what the Asterisk configuration is rendered from."""
    people = session.scalars(
        select(Person).where(Person.active, Person.endpoint.is_not(None)).order_by(Person.extension)
    ).all()
    return [
        Phone(
            person_id=person.id,
            name=person.name,
            role=Role(person.role),
            endpoint=person.endpoint or "",
            extension=person.extension or "",
            kind=person.phone,
            digest=person.phone_digest,
        )
        for person in people
    ]
