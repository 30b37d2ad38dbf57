"""Notes to other processes, and the outbox."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from queue import Queue

import pytest
from sqlalchemy import text

from storage import outbox
from storage.database import Database
from storage.notify import RESYNC, Note, listen, notify

NOW = datetime(2026, 9, 18, tzinfo=UTC)


@pytest.fixture
def heard(database_url: str) -> Iterator["Queue[Note]"]:
    """Notes as a listener hears them; the first RESYNC is taken already."""
    notes: Queue[Note] = Queue()
    stop = threading.Event()

    def run() -> None:
        for note in listen(database_url, stop):
            notes.put(note)

    thread = threading.Thread(target=run)
    thread.start()
    assert notes.get(timeout=20) == Note("*", RESYNC)
    yield notes
    stop.set()
    thread.join(20)


def test_a_note_is_heard_when_its_transaction_commits_and_only_then(
    database: Database, heard: "Queue[Note]"
) -> None:
    with pytest.raises(ZeroDivisionError), database.session() as session:
        notify(session, "board", "call", call_id="lost")
        _ = 1 / 0
    with database.session() as session:
        notify(session, "person:7", "ticket", ticket_id=3)
        notify(session, "board", "call", call_id="c1")
    assert heard.get(timeout=20) == Note("person:7", "ticket", {"ticket_id": 3})
    assert heard.get(timeout=20) == Note("board", "call", {"call_id": "c1"})


def test_a_listener_that_lost_its_connection_says_so_and_goes_on(
    database: Database, heard: "Queue[Note]"
) -> None:
    with database.session() as session:
        session.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN hotline'")
        )
    assert heard.get(timeout=20) == Note("*", RESYNC)
    with database.session() as session:
        notify(session, "board", "call", call_id="c2")
    assert heard.get(timeout=20) == Note("board", "call", {"call_id": "c2"})


def test_a_message_is_claimed_by_one_sender_and_comes_back_when_he_dies(database: Database) -> None:
    with database.session() as session:
        outbox.put(session, "sms", {"ticket_id": 1}, NOW)
        outbox.put(session, "sms", {"ticket_id": 2}, NOW + timedelta(hours=1))
        outbox.put(session, "fax", {"ticket_id": 3}, NOW)
    with database.session() as first, database.session() as second:
        (mine,) = outbox.claim(first, ["sms"], NOW)
        assert mine.payload == {"ticket_id": 1}
        assert outbox.claim(second, ["sms"], NOW) == []
    with database.session() as session:
        assert outbox.claim(session, ["sms"], NOW + timedelta(minutes=4)) == []
        (again,) = outbox.claim(session, ["sms"], NOW + timedelta(minutes=6))
        outbox.done(session, again.id)
    with database.session() as session:
        assert [row.payload for row in outbox.claim(session, ["sms"], NOW + timedelta(days=1))] == [
            {"ticket_id": 2}
        ]
