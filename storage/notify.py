"""Telling other processes that something changed, by PostgreSQL's NOTIFY: ids only, never content.

A note is sent when its transaction commits. Lost notes (a lost connection) are told as RESYNC.
"""

import json
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import psycopg
from sqlalchemy import event as happening
from sqlalchemy import text
from sqlalchemy.orm import Session

CHANNEL = "hotline"
RESYNC = "resync"  # the event of a note with topic "*": redraw, notes may have been missed
RETRY_SECONDS = 1.0

_NOTIFY = text("SELECT pg_notify(:channel, payload) FROM unnest(CAST(:payloads AS text[])) AS told (payload)")
_OWED = "notes"  # in Session.info: what its transaction will tell


@dataclass(frozen=True, slots=True)
class Note:
    """`topic` is `person:<id>`, `board`, or "*" for everybody."""

    topic: str
    event: str
    data: dict[str, int | str | None] = field(default_factory=dict)


def notify(session: Session, topic: str, event: str, **ids: int | str | None) -> None:
    """Send a note when the session's transaction commits."""
    notify_all(session, [Note(topic, event, dict(ids))])


def notify_all(session: Session, notes: Iterable[Note]) -> None:
    """Send notes by one statement when the session's transaction commits; one told twice is sent once."""
    owed = session.info.setdefault(_OWED, {})
    for note in notes:
        owed[json.dumps({"topic": note.topic, "event": note.event, **note.data})] = None


@happening.listens_for(Session, "before_commit")
def _send(session: Session) -> None:
    if _OWED in session.info and not session.in_nested_transaction():
        owed = session.info.pop(_OWED)
        session.connection().execute(_NOTIFY, {"channel": CHANNEL, "payloads": list(owed)})


@happening.listens_for(Session, "after_rollback")
def _forget(session: Session) -> None:
    session.info.pop(_OWED, None)


def listen(url: str, stop: threading.Event | None = None) -> Iterator[Note]:
    """Notes as they come, for ever or until `stop`; begins, and begins anew after a loss, with RESYNC."""
    stop = stop or threading.Event()
    conninfo = url.replace("postgresql+psycopg://", "postgresql://")
    while not stop.is_set():
        try:
            with psycopg.connect(conninfo, autocommit=True, connect_timeout=2) as connection:
                connection.execute(f"LISTEN {CHANNEL}")
                yield Note("*", RESYNC)
                while not stop.is_set():
                    for message in connection.notifies(timeout=1.0):
                        yield _read(message.payload)
        except psycopg.OperationalError:
            stop.wait(RETRY_SECONDS)


def _read(payload: str) -> Note:
    data = json.loads(payload)
    return Note(data.pop("topic"), data.pop("event"), data)
