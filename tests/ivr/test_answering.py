"""Answering a call: what reaches the dialplan and the record, with and without the database."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from cases.calls import end_call
from ivr import answering
from ivr.answering import Answering, prompt_seconds
from ivr.spool import Spool, import_spool
from routing.policy import Policy
from routing.working_time import Calendar
from storage.database import Database, DatabaseAway
from storage.tables import Call, CallStep
from storage.vault import installed
from telephony.agi_server import AgiServer
from tests.ivr.test_inbound import QUEUE, a_policy
from tests.telephony.fake_asterisk_agi import HANG_UP, FakeAsterisk, header

CALL = "1700000000.1-4242"
NOWHERE = "postgresql+psycopg://nobody@/none?host=/nonexistent"


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def away() -> Iterator[Database]:
    database = Database(NOWHERE)
    yield database
    database.close()


@contextmanager
def a_hotline(database: Database, spool: Path, policy: Policy | None = None) -> Iterator[AgiServer]:
    handler = Answering(database, policy or a_policy(), Spool(spool), lambda _session: Calendar())
    server = AgiServer("127.0.0.1", 0, {"inbound": handler})
    server.start()
    try:
        yield server
    finally:
        server.stop(grace_seconds=20.0)


def the_call(database: Database) -> Call:
    with database.session() as session:
        return session.scalars(select(Call)).one()


def the_steps(database: Database) -> list[tuple[str, dict[str, Any]]]:
    with database.session() as session:
        return [(step.step, step.detail) for step in session.scalars(select(CallStep).order_by(CallStep.id))]


def test_a_call_is_on_record_with_its_steps_and_its_route_is_set_last(
    database: Database, spool: Path
) -> None:
    with a_hotline(database, spool) as server:
        asterisk = FakeAsterisk(keys=["1"]).call(server.port)
    call = the_call(database)
    assert (call.id, call.line, call.number, call.kind, call.outcome) == (
        CALL, "962299", "+8613812345678", "inquiry", "live",
    )  # fmt: skip
    assert call.queued_at is not None
    assert the_steps(database) == [
        ("said", {"prompts": ["notice"]}),
        ("key", {"key": "1", "prompts": ["menu"]}),
        ("said", {"prompts": ["connecting"]}),
        ("queue", {"queue": QUEUE, "kind": "inquiry", "preferred": ""}),
    ]
    assert asterisk.commands[-1] == f'SET VARIABLE "HOTLINE_ROUTE" "{QUEUE}"'
    assert list(asterisk.variables)[1:] == [
        "HOTLINE_OFFER",
        "HOTLINE_PRIO",
        "HOTLINE_PREFERRED",
        "CHANNEL(language)",
        "HOTLINE_KIND",
        "HOTLINE_ROUTE",
    ]
    assert asterisk.variables["HOTLINE_OFFER"] == call.offer_token
    assert not list(spool.glob("*"))


@pytest.mark.parametrize(
    ("channel", "origin"), [("PJSIP/trunk-1", "trunk"), ("PJSIP/guest-1", "web"), ("PJSIP/lab-1", "lab")]
)
def test_the_record_says_by_whose_door_a_call_came(
    database: Database, spool: Path, channel: str, origin: str
) -> None:
    with a_hotline(database, spool) as server:
        FakeAsterisk(keys=["1"]).call(server.port, header(channel=channel))
    assert the_call(database).origin == origin


def test_a_complaint_is_sealed_before_the_call_moves_on(database: Database, spool: Path) -> None:
    with a_hotline(database, spool) as server:
        FakeAsterisk(keys=["3"]).call(server.port)
    assert the_call(database).sealed


def test_a_caller_who_hangs_up_in_the_menu_is_on_record_as_gone(database: Database, spool: Path) -> None:
    with a_hotline(database, spool) as server, capture_logs() as logs:
        asterisk = FakeAsterisk(keys=[HANG_UP]).call(server.port)
    assert the_steps(database)[-1] == ("gone", {})
    assert the_call(database).queued_at is None
    assert "HOTLINE_ROUTE" not in asterisk.variables
    assert logs == []


def test_a_withheld_number_is_not_stored(database: Database, spool: Path) -> None:
    with a_hotline(database, spool) as server:
        FakeAsterisk(keys=["1"]).call(server.port, header(args=(CALL, "1700000000.1", "962299", "1")))
    call = the_call(database)
    assert (call.number_kind, call.number, call.number_raw) == ("withheld", None, "")


def test_a_silent_caller_who_is_bidden_goodbye_is_rejected(database: Database, spool: Path) -> None:
    with a_hotline(database, spool, a_policy(menu={"silent": "close"})) as server:
        asterisk = FakeAsterisk().call(server.port)
    assert asterisk.variables["HOTLINE_ROUTE"] == "hangup"
    assert the_call(database).outcome == "rejected"
    assert the_steps(database)[-1] == ("hangup", {"reason": "silent"})


def test_a_caller_who_gave_up_waiting_and_calls_back_goes_ahead(database: Database, spool: Path) -> None:
    with a_hotline(database, spool) as server:
        first = FakeAsterisk(keys=["1"]).call(server.port)
        with database.session() as session:
            end_call(session, CALL, datetime.now(UTC))
        again = FakeAsterisk(keys=["1"]).call(
            server.port, header(args=("1700000009.1-1111", "1700000009.1", "962299", "0"))
        )
    assert (first.variables["HOTLINE_PRIO"], again.variables["HOTLINE_PRIO"]) == ("0", "1")


def test_english_holds_in_the_queue_too(database: Database, spool: Path) -> None:
    with a_hotline(database, spool) as server:
        asterisk = FakeAsterisk(keys=["9", "2"]).call(server.port)
    assert asterisk.variables["CHANNEL(language)"] == "en"
    assert the_call(database).language == "en"


def test_without_the_database_the_menu_plays_and_its_facts_wait_in_the_spool(
    database: Database, away: Database, spool: Path
) -> None:
    with a_hotline(away, spool) as server:
        asterisk = FakeAsterisk(keys=["3"]).call(server.port)
    assert asterisk.variables["HOTLINE_ROUTE"] == QUEUE
    assert [path.name for path in spool.iterdir()] == [f"{CALL}.json"]
    assert import_spool(database, spool, a_policy()) == 1
    call = the_call(database)
    assert (call.kind, call.sealed, call.offer_token) == (
        "complaint",
        True,
        asterisk.variables["HOTLINE_OFFER"],
    )
    assert [step for step, _ in the_steps(database)] == ["said", "key", "said", "queue"]
    assert list(spool.iterdir()) == []


def test_the_spool_is_closed_to_others_and_tells_nobody_who_called(away: Database, spool: Path) -> None:
    with a_hotline(away, spool) as server:
        FakeAsterisk(keys=["1"]).call(server.port)
    assert spool.stat().st_mode & 0o077 == 0
    (file,) = spool.iterdir()
    assert file.stat().st_mode & 0o077 == 0
    assert b"13812345678" not in file.read_bytes() and b"arrival" not in file.read_bytes()


def test_a_spool_file_that_an_older_release_wrote_in_clear_is_stored(
    database: Database, away: Database, spool: Path
) -> None:
    with a_hotline(away, spool) as server:
        FakeAsterisk(keys=["1"]).call(server.port)
    (file,) = spool.iterdir()
    file.write_bytes(installed().open("fields", "spool", file.read_bytes()))
    assert b"13812345678" in file.read_bytes()
    assert import_spool(database, spool, a_policy()) == 1
    assert the_call(database).number == "+8613812345678"


def test_importing_what_is_on_record_already_changes_nothing(
    database: Database, away: Database, spool: Path
) -> None:
    with a_hotline(away, spool) as server:
        FakeAsterisk(keys=["1"]).call(server.port)
    (file,) = spool.iterdir()
    sealed = file.read_bytes()
    import_spool(database, spool, a_policy())
    before = the_steps(database)
    file.write_bytes(sealed)
    assert import_spool(database, spool, a_policy()) == 1
    assert the_steps(database) == before


def test_a_spool_file_that_makes_no_sense_is_kept_aside_and_the_others_are_stored(
    database: Database, away: Database, spool: Path
) -> None:
    with a_hotline(away, spool) as server:
        FakeAsterisk(keys=["1"]).call(server.port)
    (spool / "0.json").write_text('{"arrival": 1')
    with capture_logs() as logs:
        assert import_spool(database, spool, a_policy()) == 1
    assert [entry["event"] for entry in logs] == ["spool_file_refused"]
    assert [path.name for path in spool.iterdir()] == ["0.refused"]


def test_the_spool_waits_while_the_database_is_away(away: Database, spool: Path) -> None:
    with a_hotline(away, spool) as server:
        FakeAsterisk(keys=["1"]).call(server.port)
    with pytest.raises(DatabaseAway):
        import_spool(away, spool, a_policy())
    assert len(list(spool.iterdir())) == 1


def test_without_database_and_disk_the_caller_still_reaches_a_queue(away: Database, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with a_hotline(away, tmp_path / "file") as server, capture_logs() as logs:
        asterisk = FakeAsterisk(keys=["1"]).call(server.port)
    assert asterisk.variables["HOTLINE_ROUTE"] == QUEUE
    assert [entry["event"] for entry in logs].count("call_not_spooled") == 1


def test_a_dialogue_that_fails_is_logged_once_and_leaves_the_route_to_the_dialplan(
    database: Database, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> Any:
        yield from ()
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(answering, "inbound", fail)
    with a_hotline(database, spool) as server, capture_logs() as logs:
        asterisk = FakeAsterisk().call(server.port)
    assert [(entry["event"], entry["call"]) for entry in logs] == [("dialogue_failed", CALL)]
    assert "HOTLINE_ROUTE" not in asterisk.variables
    assert the_steps(database) == [("failed", {})]


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("../../etc/passwd", "1.1", "962299", "0"),
        (CALL, "1.1", "110", "0"),
        (CALL, "1.1", "962299", "0", "more"),
    ],
)
def test_a_request_that_is_not_the_dialplans_is_logged_once(
    database: Database, spool: Path, args: tuple[str, ...]
) -> None:
    with a_hotline(database, spool) as server, capture_logs() as logs:
        asterisk = FakeAsterisk().call(server.port, header(args=args))
    assert [entry["event"] for entry in logs] == ["agi_handler_failed"]
    assert asterisk.variables == {}


def test_no_connection_is_held_while_the_caller_thinks(database: Database, spool: Path) -> None:
    asked, go_on = threading.Event(), threading.Event()

    class Thinking(FakeAsterisk):
        def reply(self, command: str) -> bytes:
            if command.startswith("WAIT FOR DIGIT"):
                asked.set()
                assert go_on.wait(20)
            return super().reply(command)

    with a_hotline(database, spool) as server:
        caller = threading.Thread(target=Thinking(keys=["1"]).call, args=(server.port,))
        caller.start()
        assert asked.wait(20)
        held = database.engine.pool.checkedout()  # type: ignore[attr-defined]
        go_on.set()
        caller.join()
    assert held == 0


def test_a_prompt_is_as_long_as_its_file(tmp_path: Path) -> None:
    file = tmp_path / "zh" / "hotline" / "notice.wav"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"\0" * (44 + 16_000 * 3))
    assert prompt_seconds(tmp_path)("zh", "notice") == 3.0
    assert prompt_seconds(tmp_path)("en", "notice") == answering.UNKNOWN_PROMPT_SECONDS
