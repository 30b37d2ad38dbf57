"""All that leaves the house: put in the transaction of the act, taken by one sender at a time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from storage.tables import Outbox


def put(session: Session, kind: str, payload: dict[str, Any], due_at: datetime | None = None) -> None:
    """Owe a message. `payload` references by id; a sender reads the words when it sends them."""
    session.add(Outbox(kind=kind, payload=payload, **({"due_at": due_at} if due_at else {})))


def claim(
    session: Session,
    kinds: Sequence[str],
    now: datetime,
    limit: int = 20,
    lease: timedelta = timedelta(minutes=5),
) -> list[Outbox]:
    """Take due messages for sending; others pass over them until the lease has run out."""
    rows = session.scalars(
        select(Outbox)
        .where(Outbox.kind.in_(kinds), Outbox.done_at.is_(None), Outbox.due_at <= now)
        .where(or_(Outbox.claimed_at.is_(None), Outbox.claimed_at < now - lease))
        .order_by(Outbox.due_at, Outbox.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        row.claimed_at = now
    return list(rows)


def done(session: Session, message_id: int) -> None:
    """The message left the house."""
    session.get_one(Outbox, message_id).done_at = func.now()
