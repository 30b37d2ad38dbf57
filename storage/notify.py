"""Telling other processes that something changed, by PostgreSQL's NOTIFY: ids only, never content.

A note is sent when its transaction commits. Lost notes (a lost connection) are told as RESYNC.
"""

import json
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import psycopg
from sqlalchemy import text
from sqlalchemy.orm import Session

CHANNEL = "hotline"
RESYNC = "resync"  # the event of a note with topic "*": redraw, notes may have been missed
RETRY_SECONDS = 1.0

_NOTIFY = text("SELECT pg_notify(:channel, :payload)")


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
    """Send notes when the session's transaction commits; the same note twice is sent once."""
    payloads = [json.dumps({"topic": note.topic, "event": note.event, **note.data}) for note in notes]
    if payloads:
        told = [{"channel": CHANNEL, "payload": payload} for payload in payloads]
        session.connection().execute(_NOTIFY, told)


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
