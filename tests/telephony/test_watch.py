"""The watch over a real database and a small app_queue played over TCP: told, stored, repaired."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, text
from structlog.testing import capture_logs

from cases.calls import Arrival, open_call
from cases.duty import duty_of, set_wanted
from cases.people import create_person
from storage.database import Database, DatabaseAway
from storage.notify import Note, listen
from storage.tables import CallStep, Journal
from storage.viewer import Role
from telephony.ami import AmiLink, Patience
from telephony.watch import Watch
from tests.ivr.test_inbound import a_policy
from tests.telephony.fake_asterisk_ami import FakeAsterisk, Headers, Session, block, fake_asterisk, until

QUICK = Patience(ping=0.5, mute=2, retry_first=0.02, retry_most=0.2)
CALL = "1772442000.1-4242"


class FakeQueue:
    """One queue `main` with its members, as app_queue would keep and tell them."""

    def __init__(self, server: FakeAsterisk) -> None:
        self.server = server
        for action in ("QueueAdd", "QueuePause", "QueueRemove"):
            server.answers[action] = getattr(self, action.lower())

    def queueadd(self, session: Session, headers: Headers) -> bytes:
        row = {
            "Queue": headers["Queue"],
            "Name": headers["MemberName"],
            "Location": headers["Interface"],
            "Status": "1",
            "Paused": "1" if headers["Paused"] == "true" else "0",
            "PausedReason": headers.get("Reason", ""),
            "LastPause": "0",
        }
        self.server.members.append(row)
        return self.done(headers) + self.event("QueueMemberAdded", row)

    def queuepause(self, session: Session, headers: Headers) -> bytes:
        out = self.done(headers)
        for row in self.server.members:
            if row["Location"] == headers["Interface"]:
                row["Paused"] = "1" if headers["Paused"] == "true" else "0"
                row["PausedReason"] = headers.get("Reason", "")
                out += self.event("QueueMemberPause", row)
        return out

    def queueremove(self, session: Session, headers: Headers) -> bytes:
        gone = [row for row in self.server.members if row["Location"] == headers["Interface"]]
        self.server.members = [row for row in self.server.members if row not in gone]
        return self.done(headers) + b"".join(self.event("QueueMemberRemoved", row) for row in gone)

    def change(self, event: str, **more: str) -> None:
        """Asterisk itself changes the only member."""
        self.server.members[0].update(more)
        self.server.send(self.event(event, self.server.members[0]))

    def done(self, headers: Headers) -> bytes:
        return block(Response="Success", ActionID=headers["ActionID"], Message="Done")

    def event(self, name: str, row: Headers) -> bytes:
        row = dict(row)
        return block(Event=name, MemberName=row.pop("Name"), Interface=row.pop("Location"), **row)


@pytest.fixture
def asterisk() -> Iterator[FakeAsterisk]:
    with fake_asterisk() as server:
        yield server


@pytest.fixture
def queue(asterisk: FakeAsterisk) -> FakeQueue:
    return FakeQueue(asterisk)


@pytest.fixture
def wang(database: Database) -> tuple[int, str]:
    """An agent: her id and her endpoint."""
    with database.session() as session:
        person = create_person(
            session, "wang", "王", Role.AGENT, "long enough", extension="801", phone="hardware"
        )
        return person.id, person.endpoint or ""


@pytest.fixture
def notes(database: Database) -> Iterator[list[Note]]:
    """All that is told, as it comes."""
    heard: list[Note] = []
    stop = threading.Event()

    def hear() -> None:
        for note in listen(database.url, stop):
            heard.append(note)

    thread = threading.Thread(target=hear)
    thread.start()
    until(lambda: heard)
    yield heard
    stop.set()
    thread.join(5)


@pytest.fixture
def link(asterisk: FakeAsterisk, queue: FakeQueue, database: Database) -> Iterator[AmiLink]:
    """The link of a running watch."""
    link = AmiLink("127.0.0.1", asterisk.port, "hotline", "right", patience=QUICK)
    watch = Watch(link, database, {"main": 1})
    watch.start()
    link.start()
    yield link
    watch.stop()
    link.stop()


def want(database: Database, person: int, wanted: str, reason: str = "") -> None:
    with database.session() as session:
        set_wanted(session, None, person, wanted, reason)


def live(database: Database, person: int) -> tuple[str, str | None]:
    with database.session() as session:
        duty = duty_of(session, person)
        return duty.live.value, duty.live_call_id


def wanted(database: Database, person: int) -> tuple[str, str]:
    with database.session() as session:
        duty = duty_of(session, person)
        return duty.wanted.value, duty.wanted_reason


def test_a_wish_made_while_asterisk_was_away_is_applied_and_shown(
    database: Database, wang: tuple[int, str], link: AmiLink, asterisk: FakeAsterisk
) -> None:
    want(database, wang[0], "ready")
    until(lambda: live(database, wang[0]) == ("idle", None))
    assert asterisk.members[0]["Location"] == f"PJSIP/{wang[1]}"
    want(database, wang[0], "paused", "meal")
    until(lambda: live(database, wang[0]) == ("paused", None))
    want(database, wang[0], "off")
    until(lambda: live(database, wang[0]) == ("away", None) and not asterisk.members)


def test_a_restarted_asterisk_with_empty_queues_is_filled_again(
    database: Database, wang: tuple[int, str], link: AmiLink, asterisk: FakeAsterisk
) -> None:
    want(database, wang[0], "ready")
    until(lambda: asterisk.members)
    asterisk.members = []
    asterisk.cut()
    until(lambda: asterisk.members and link.connected)
    until(lambda: live(database, wang[0]) == ("idle", None))


def test_an_unanswered_ring_pauses_her_by_the_systems_word_journalled_and_told(
    database: Database, wang: tuple[int, str], queue: FakeQueue, link: AmiLink, notes: list[Note]
) -> None:
    person, _ = wang
    want(database, person, "ready")
    until(lambda: live(database, person) == ("idle", None))
    queue.change("QueueMemberPause", Paused="1", PausedReason="Auto-Pause", LastPause="9999999999")
    until(lambda: wanted(database, person) == ("paused", "no_answer"))
    until(lambda: queue.server.members[0]["PausedReason"] == "no_answer")
    with database.session() as session:
        acts = session.scalars(select(Journal.detail).where(Journal.act == "duty.paused")).all()
    assert [act["reason"] for act in acts] == ["no_answer"]
    until(lambda: any(note.topic == f"person:{person}" and note.event == "duty" for note in notes))


def test_a_ring_is_offered_to_her_screen_and_wrap_up_ends_at_the_limit(
    database: Database, wang: tuple[int, str], queue: FakeQueue, link: AmiLink, notes: list[Note]
) -> None:
    person, endpoint = wang
    want(database, person, "ready")
    until(lambda: live(database, person) == ("idle", None))
    caller = {"Channel": "PJSIP/trunk-01", "Uniqueid": "u1", "Linkedid": "u1", "AccountCode": CALL}
    leg = {
        "Channel": f"PJSIP/{endpoint}-02",
        "Uniqueid": "u2",
        "Linkedid": "u1",
        "AccountCode": "",
        "ChannelStateDesc": "Ringing",
    }
    dest = {f"Dest{key}": value for key, value in leg.items()}
    queue.server.send(
        block(Event="Newchannel", **caller)
        + block(Event="Newchannel", **leg)
        + block(Event="AgentCalled", Queue="main", MemberName=str(person), **caller, **dest)
    )
    queue.change("QueueMemberStatus", Status="3")
    until(lambda: live(database, person) == ("ringing", CALL))
    assert Note(f"person:{person}", "offer", {"call_id": CALL}) in notes
    queue.server.send(block(Event="Newstate", **leg | {"ChannelStateDesc": "Up"}))
    queue.change("QueueMemberPause", Paused="1", PausedReason="wrapup")
    until(lambda: live(database, person) == ("talking", CALL))
    queue.server.send(block(Event="Hangup", **leg) + block(Event="Hangup", **caller))
    queue.change("QueueMemberStatus", Status="1")
    until(lambda: live(database, person) == ("wrapup", CALL))
    until(lambda: live(database, person) == ("idle", None))


def holds(database: Database) -> list[tuple[str, str, dict[str, Any]]]:
    with database.session() as session:
        steps = session.scalars(select(CallStep).order_by(CallStep.at)).all()
        return [(step.step, step.source, step.detail) for step in steps]


def test_holds_are_in_the_calls_record_once_as_soon_as_it_and_the_database_are_there(
    database: Database, wang: tuple[int, str], queue: FakeQueue, link: AmiLink
) -> None:
    person, endpoint = wang
    want(database, person, "ready")
    until(lambda: live(database, person) == ("idle", None))
    leg = {"Channel": f"PJSIP/{endpoint}-02", "Uniqueid": "u2", "Linkedid": "u1", "AccountCode": CALL}
    with table_out_of_reach(database), capture_logs() as logs:
        queue.change("QueueMemberStatus", Status="3")
        queue.server.send(
            block(Event="Newchannel", **leg) + block(Event="Hold", **leg) + block(Event="Unhold", **leg)
        )
        until(lambda: any(entry["event"] == "watch.database_away" for entry in logs))
    until(lambda: live(database, person)[1] == CALL)
    assert holds(database) == []  # the call itself is still in the spool
    with database.session() as session:
        open_call(session, Arrival(CALL, "u1", "962299", "", True, datetime.now(UTC)), a_policy())
    mine = {"person_id": person}
    until(lambda: holds(database) == [("hold", "ami", mine), ("unhold", "ami", mine)])
    # With its channel: a picture drawn anew meanwhile has none, as this Asterisk lists no channels.
    queue.server.send(block(Event="Newchannel", **leg) + block(Event="Hold", **leg))
    until(lambda: len(holds(database)) == 3)


def test_what_the_database_missed_is_stored_when_it_is_back(
    database: Database, wang: tuple[int, str], queue: FakeQueue, link: AmiLink
) -> None:
    person, _ = wang
    want(database, person, "ready")
    until(lambda: live(database, person) == ("idle", None))
    with table_out_of_reach(database), capture_logs() as logs:
        queue.change("QueueMemberStatus", Status="3")
        until(lambda: any(entry["event"] == "watch.database_away" for entry in logs))
    until(lambda: live(database, person) == ("talking", None))


def test_wrap_up_ends_at_its_limit_without_the_database(
    database: Database, wang: tuple[int, str], queue: FakeQueue, link: AmiLink
) -> None:
    person, _ = wang
    want(database, person, "ready")
    until(lambda: live(database, person) == ("idle", None))
    with table_out_of_reach(database):
        queue.change("QueueMemberPause", Paused="1", PausedReason="wrapup")
        until(lambda: queue.server.members[0]["Paused"] == "0")
    until(lambda: live(database, person) == ("idle", None))


@contextmanager
def table_out_of_reach(database: Database) -> Iterator[None]:
    """Every read and write of duties fails at its limit, as when the database hangs."""
    with database.session(limit_seconds=60) as session:
        session.execute(text("LOCK TABLE person_duty IN ACCESS EXCLUSIVE MODE"))
        yield


def test_a_clock_that_starts_without_the_database_takes_nobody_out_of_the_queues(
    asterisk: FakeAsterisk, queue: FakeQueue
) -> None:
    asterisk.members = [
        {"Queue": "main", "Name": "7", "Location": "PJSIP/e0000000a", "Status": "1", "Paused": "0"}
    ]
    link = AmiLink("127.0.0.1", asterisk.port, "hotline", "right", patience=QUICK)
    nowhere = Database("postgresql+psycopg://hotline@/hotline?host=/tmp/hl-there-is-no-such-folder")
    watch = Watch(link, nowhere, {"main": 1})
    with capture_logs() as logs:
        watch.start()
        link.start()
        until(lambda: link.figures.snapshots)
        until(lambda: any(entry.get("work") == "reconcile" for entry in logs))
        with pytest.raises(DatabaseAway):
            watch.reconcile()
    watch.stop()
    link.stop()
    assert asterisk.counted()["QueueRemove"] == 0
