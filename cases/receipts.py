"""Messages that failed, or that nobody knows whether they arrived: for the person who sees to them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cases import journal
from cases.errors import NotVisible
from cases.permissions import Action, demand, rule
from cases.sending import Fate
from storage.notices import Receipt
from storage.staff import Person
from storage.viewer import Viewer

LISTED = 200


@dataclass(frozen=True, slots=True)
class Lost:
    """`person` is '' for a caller. It tells of no matter: who keeps the ways open need not know of any."""

    id: int
    at: datetime
    person: str
    channel: str
    state: str
    error: str
    tries: int


def lost(session: Session, viewer: Viewer) -> list[Lost]:
    """Newest first. Raises NotAllowed."""
    demand(viewer, Action.MANAGE_PEOPLE)
    found = select(Receipt, Person.name).outerjoin(Person, Person.id == Receipt.person_id).where(*_OPEN)
    return [
        Lost(row.id, row.at, name or "", row.channel, row.state, row.error, row.tries)
        for row, name in session.execute(found.order_by(Receipt.at.desc()).limit(LISTED))
    ]


def count_lost(session: Session) -> int:
    """For the alarm."""
    return session.scalar(select(func.count()).where(*_OPEN)) or 0


def send_again(session: Session, viewer: Viewer, receipt_id: int, now: datetime) -> None:
    """She takes it upon her that somebody may get it twice. Raises NotAllowed, NotVisible."""
    row = _open(session, viewer, receipt_id)
    row.state, row.key, row.tries, row.due_at, row.at = Fate.WAITING, "", 0, now, now
    _note(session, viewer, row, "again")


def settle(session: Session, viewer: Viewer, receipt_id: int, now: datetime) -> None:
    """Nothing more is to be done. Raises NotAllowed, NotVisible."""
    row = _open(session, viewer, receipt_id)
    row.settled_by, row.settled_at = viewer.person_id, now
    _note(session, viewer, row, "settled")


_OPEN = Receipt.state.in_([Fate.FAILED, Fate.UNSURE]), Receipt.settled_at.is_(None)


def _open(session: Session, viewer: Viewer, receipt_id: int) -> Receipt:
    demand(viewer, Action.MANAGE_PEOPLE)
    row = session.scalar(select(Receipt).where(Receipt.id == receipt_id, *_OPEN).with_for_update())
    if row is None:
        raise NotVisible(f"no receipt {receipt_id}")
    return row


def _note(session: Session, viewer: Viewer, row: Receipt, how: str) -> None:
    allowed = rule(viewer, Action.MANAGE_PEOPLE)
    journal.append(
        session, viewer, "person.receipt_settled", "person", row.person_id or "", rule=allowed, how=how
    )
