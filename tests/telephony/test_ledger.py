"""The ledger over real files and the real database, killed between its steps."""

import errno
import hashlib
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import soundfile
from sqlalchemy import func, select

from cases import recordings
from cases.calls import Arrival, Leg, Step, apply_legs, end_call, mark_answered, note_steps, open_call
from routing.policy import load
from storage.database import Database, DatabaseAway
from storage.files import content
from storage.tables import Journal, Recording
from telephony import ledger as ledger_module
from telephony.ledger import Ledger, Swept
from tests.telephony.legs import kill_while_writing, tone, write_leg

BEGAN = datetime(2026, 9, 18, 17, 30, tzinfo=UTC)  # the 19th already in Mianyang
ENDED = BEGAN + timedelta(seconds=90)
LATER = ENDED + timedelta(hours=1)
POLICY = load(Path(__file__).resolve().parents[2] / "policies" / "mianyang-962299.toml")


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


class Lab:
    def __init__(self, folder: Path, database: Database) -> None:
        self.incoming, self.kept, self.database = folder / "incoming", folder / "kept", database
        self.incoming.mkdir()
        self.kept.mkdir()

    def ledger(self, is_live: Callable[[str], bool] = lambda _: False) -> Ledger:
        zone = ZoneInfo("Asia/Shanghai")
        return Ledger(self.incoming, self.kept, self.database, zone=zone, is_live=is_live)

    def call(self, call_id: str = "c1", ended: bool = True, answered: bool = True) -> str:
        with self.database.session() as session:
            arrival = Arrival(call_id, call_id, "962299", "13812345678", False, BEGAN, "token")
            open_call(session, arrival, POLICY)
            if answered:
                mark_answered(session, call_id, None, BEGAN + timedelta(seconds=5))
            if ended:
                end_call(session, call_id, ENDED)
        return call_id

    def legs(self, name: str = "c1", at: datetime = ENDED) -> None:
        write_leg(self.incoming / f"{name}.caller.wav", tone(440, 2))
        write_leg(self.incoming / f"{name}.agent.wav", tone(1000, 2))
        self.touch(at)

    def consultation(self, given: bool, name: str = "c1-consult-1.2") -> None:
        """A colleague is asked from second 20 to 21; `given`: then the caller is hers for a second ."""
        hers = np.concatenate([tone(1900, 1), tone(1600, 1)])
        write_leg(self.incoming / f"{name}.caller.wav", hers)
        write_leg(self.incoming / f"{name}.agent.wav", tone(300, 2))
        self.touch(ENDED)
        asked, taken, left = (BEGAN + timedelta(seconds=each) for each in (20, 21, 22))
        leg = Leg("1.2", "c1", "PJSIP/e2-1", "agent" if given else "consult", asked, None, asked, left)
        with self.database.session() as session:
            apply_legs(session, [leg])
            note_steps(session, "c1", [Step(BEGAN + timedelta(seconds=20.5), "recording")])
            if given:
                note_steps(session, "c1", [Step(taken, "answer", {"uniqueid": "1.2"})])

    def sound(self, name: str = "c1") -> np.ndarray:
        """A kept recording, shape [frames, 2]."""
        (row,) = (each for each in self.rows() if each.name == name)
        return np.asarray(soundfile.read(self.heard(row), dtype="int16")[0])

    def heard(self, row: Recording) -> BytesIO:
        return content(recordings.sound(self.kept, row))

    def touch(self, at: datetime) -> None:
        for file in self.incoming.glob("*.wav"):
            os.utime(file, (at.timestamp(), at.timestamp()))

    def rows(self) -> list[Recording]:
        with self.database.session() as session:
            return list(session.scalars(select(Recording).order_by(Recording.name)))

    def journalled(self, act: str) -> int:
        with self.database.session() as session:
            return session.scalar(select(func.count()).where(Journal.act == act)) or 0

    def left(self) -> list[str]:
        return sorted(file.name for file in self.incoming.rglob("*.wav"))


@pytest.fixture
def lab(tmp_path: Path, database: Database) -> Lab:
    return Lab(tmp_path, database)


def test_both_legs_of_an_ended_call_become_one_hashed_file(lab: Lab) -> None:
    lab.call()
    lab.legs()
    assert lab.ledger().sweep(LATER) == Swept(kept=1)
    (row,) = lab.rows()
    plain = lab.heard(row).read()
    assert plain[:4] == b"RIFF"
    assert plain[:4] not in (lab.kept / row.path).read_bytes()
    assert (row.state, row.path, row.part) == ("ready", "2026/09/19/c1.wav", "call")
    assert (row.sha256, row.size_bytes) == (hashlib.sha256(plain).hexdigest(), len(plain))
    assert (row.duration_seconds, row.repaired, row.note) == (2.0, False, "")
    assert row.peaks and len(row.peaks["caller"]) == 800
    assert lab.left() == []


def test_a_sweep_over_nothing_does_nothing(lab: Lab) -> None:
    assert lab.ledger().sweep(LATER) == Swept()


def test_a_killed_asterisk_leaves_a_recording_marked_as_repaired(lab: Lab) -> None:
    lab.call()
    lab.legs()
    for file in lab.incoming.iterdir():
        kill_while_writing(file)
    lab.touch(ENDED)
    lab.ledger().sweep(LATER)
    (row,) = lab.rows()
    assert (row.state, row.repaired, row.duration_seconds) == ("ready", True, 2.0)


def test_a_consultation_is_a_recording_of_its_own_in_the_same_call(lab: Lab) -> None:
    lab.call()
    lab.legs()
    lab.legs("c1-consult-1789.7")
    assert lab.ledger().sweep(LATER).kept == 2
    assert [(row.name, row.part, row.call_id) for row in lab.rows()] == [
        ("c1", "call", "c1"),
        ("c1-consult-1789.7", "consult", "c1"),
    ]


def test_a_call_on_the_line_is_left_alone_however_quiet_its_files(lab: Lab) -> None:
    lab.call(ended=False)
    lab.legs()
    assert lab.ledger(is_live=lambda call_id: call_id == "c1").sweep(LATER) == Swept(waiting=1)
    assert len(lab.left()) == 2


def test_files_still_written_to_are_left_alone(lab: Lab) -> None:
    lab.call()
    lab.legs(at=LATER - timedelta(seconds=1))
    assert lab.ledger().sweep(LATER) == Swept(waiting=1)


def test_a_call_whose_end_nobody_saw_is_taken_in_once_it_is_quiet(lab: Lab) -> None:
    lab.call(ended=False)
    lab.legs()
    assert lab.ledger().sweep(ENDED + timedelta(seconds=60)) == Swept(waiting=1)
    assert lab.ledger().sweep(LATER) == Swept(kept=1)


def test_a_recording_waits_for_its_call_to_come_into_the_record(lab: Lab) -> None:
    lab.legs()
    ledger = lab.ledger()
    assert ledger.sweep(LATER) == Swept(waiting=1)
    lab.call()
    assert ledger.sweep(LATER) == Swept(kept=1)


def test_one_voice_alone_is_kept_and_noted(lab: Lab) -> None:
    lab.call()
    lab.legs()
    (lab.incoming / "c1.agent.wav").unlink()
    lab.ledger().sweep(LATER)
    (row,) = lab.rows()
    assert (row.state, row.note) == ("ready", "c1.agent.wav is missing")


def test_a_damaged_voice_does_not_cost_the_other(lab: Lab) -> None:
    lab.call()
    lab.legs()
    (lab.incoming / "c1.agent.wav").write_bytes(b"not a recording")
    lab.touch(ENDED)
    lab.ledger().sweep(LATER)
    (row,) = lab.rows()
    both, _ = soundfile.read(lab.heard(row))
    assert row.state == "ready"
    assert both[:, 0].any()
    assert not both[:, 1].any()
    assert lab.left() == ["c1.agent.wav"]  # set aside, for whoever can read it


def test_unreadable_files_are_a_gap_with_a_reason_and_are_set_aside(lab: Lab) -> None:
    lab.call()
    lab.legs()
    for name in ("c1.caller.wav", "c1.agent.wav"):
        (lab.incoming / name).write_bytes(bytes(100))
    lab.touch(ENDED)
    assert lab.ledger().sweep(LATER) == Swept(gaps=1)
    (row,) = lab.rows()
    assert row.state == "gap"
    assert "no WAV header" in row.note
    assert {file.name for file in (lab.incoming / "unreadable").iterdir()} == set(lab.left())


def test_a_call_over_before_a_sample_was_written_is_a_gap(lab: Lab) -> None:
    lab.call(answered=False)
    for voice in ("caller", "agent"):
        write_leg(lab.incoming / f"c1.{voice}.wav", np.zeros(0))
    lab.touch(ENDED)
    assert lab.ledger().sweep(LATER) == Swept(gaps=1)
    assert [(row.state, row.note) for row in lab.rows()] == [("gap", "no sound was written")]
    assert lab.left() == []


def test_an_answered_call_without_files_becomes_a_gap_once_after_its_grace(lab: Lab) -> None:
    lab.call()
    ledger = lab.ledger()
    assert ledger.sweep(ENDED + timedelta(minutes=1)) == Swept()
    assert ledger.sweep(LATER) == Swept(gaps=1)
    assert ledger.sweep(LATER) == Swept()
    assert [(row.state, row.note) for row in lab.rows()] == [("gap", "no recording was written")]
    assert lab.journalled("recording.gap") == 1


def test_a_recording_that_began_and_never_came_becomes_a_gap(lab: Lab) -> None:
    lab.call()
    with lab.database.session() as session:
        recordings.register(session, "c1", "c1", "call", BEGAN)
    assert lab.ledger().sweep(LATER) == Swept(gaps=1)
    assert lab.rows()[0].note == "the recording's files are gone"


def test_an_unanswered_call_owes_no_recording(lab: Lab) -> None:
    lab.call(answered=False)
    assert lab.ledger().sweep(LATER) == Swept()


def test_a_file_that_turns_up_after_its_gap_fills_it(lab: Lab) -> None:
    lab.call()
    ledger = lab.ledger()
    ledger.sweep(LATER)
    lab.legs()
    assert ledger.sweep(LATER) == Swept(kept=1)
    assert [row.state for row in lab.rows()] == ["ready"]


def assert_laid_in(sound: np.ndarray) -> None:
    """The call's recording began at second 20.5, the caller was the colleague's from 21 to 22."""
    agent, colleague = tone(1000, 2), tone(1600, 1)
    assert np.array_equal(sound[:4000, 1], agent[:4000])
    assert np.array_equal(sound[4000:12000, 1], np.where(colleague, colleague, agent[4000:12000]))
    assert np.array_equal(sound[12000:, 1], agent[12000:])


def test_a_colleague_who_was_given_the_caller_is_heard_in_the_calls_recording(lab: Lab) -> None:
    lab.call()
    lab.legs()
    lab.consultation(given=True)
    assert lab.ledger().sweep(LATER).kept == 2
    assert_laid_in(lab.sound())
    assert np.array_equal(lab.sound("c1-consult-1.2")[:8000, 0], tone(1900, 1))


def test_a_consultation_that_led_to_no_transfer_is_not_heard_in_the_calls_recording(lab: Lab) -> None:
    lab.call()
    lab.legs()
    lab.consultation(given=False)
    assert lab.ledger().sweep(LATER).kept == 2
    assert np.array_equal(lab.sound()[:, 1], tone(1000, 2))


def test_a_colleagues_damaged_recording_costs_the_call_nothing(lab: Lab) -> None:
    lab.call()
    lab.legs()
    lab.consultation(given=True)
    for file in lab.incoming.glob("*-consult-*"):
        file.write_bytes(b"not a recording")
    lab.touch(ENDED)
    assert lab.ledger().sweep(LATER) == Swept(kept=1, gaps=1)
    assert np.array_equal(lab.sound()[:, 1], tone(1000, 2))


def test_a_calls_recordings_wait_for_each_other(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.call()
    lab.legs()
    lab.consultation(given=True)
    late = LATER - timedelta(seconds=1)
    os.utime(lab.incoming / "c1-consult-1.2.caller.wav", (late.timestamp(), late.timestamp()))
    assert lab.ledger().sweep(LATER) == Swept(waiting=2)
    lab.touch(ENDED)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert lab.ledger().sweep(LATER) == Swept(waiting=2)
    assert len(lab.left()) == 4
    assert lab.ledger().sweep(LATER) == Swept(kept=2)


@pytest.mark.parametrize("step", ["read_leg", "join", "keep", "unlink"])
@pytest.mark.parametrize("time", [1, 2])
def test_killed_at_any_step_the_next_sweep_comes_to_the_same_end(
    lab: Lab, step: str, time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.call()
    lab.legs()
    lab.consultation(given=True)
    room = {"keep": recordings, "unlink": Path}.get(step, ledger_module)
    real, times = getattr(room, step), count(1)

    def die(*args: object, **named: object) -> object:
        if next(times) == time:
            raise Killed
        return real(*args, **named)

    with monkeypatch.context() as patch:
        patch.setattr(room, step, die)
        with pytest.raises(Killed):
            lab.ledger().sweep(LATER)
    lab.ledger().sweep(datetime.now(UTC) + timedelta(hours=1))
    for row in lab.rows():
        assert row.state == "ready"
        assert hashlib.sha256(lab.heard(row).read()).hexdigest() == row.sha256
    assert_laid_in(lab.sound())
    assert lab.left() == []
    assert lab.journalled("recording.kept") == 2
    assert {file.name for file in lab.kept.rglob("*") if file.is_file()} == {"c1.wav", "c1-consult-1.2.wav"}


def test_legs_written_to_after_they_were_kept_are_never_deleted(lab: Lab) -> None:
    lab.call()
    lab.legs()
    ledger = lab.ledger()
    ledger.sweep(LATER)
    future = datetime.now(UTC) + timedelta(hours=1)
    lab.legs(at=future)
    assert ledger.sweep(future + timedelta(hours=1)) == Swept(waiting=1)
    assert len(lab.left()) == 2


def test_a_full_disk_is_told_once_and_costs_no_leg(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lab.call()
    lab.legs()
    told: list[str] = []
    monkeypatch.setattr(ledger_module.log, "error", lambda event, **_: told.append(event))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    ledger = lab.ledger()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert ledger.sweep(LATER) == ledger.sweep(LATER) == Swept(waiting=1)
    assert told == ["no space for recordings"]
    assert len(lab.left()) == 2
    assert not [file for file in lab.kept.rglob("*") if file.is_file()]
    assert ledger.sweep(LATER) == Swept(kept=1)


def test_a_database_that_is_away_costs_no_leg(lab: Lab, tmp_path: Path) -> None:
    lab.call()
    lab.legs()
    away = Database("postgresql+psycopg://hotline@/hotline?host=/nowhere")
    with pytest.raises(DatabaseAway):
        Ledger(lab.incoming, lab.kept, away, zone=ZoneInfo("Asia/Shanghai")).sweep(LATER)
    assert len(lab.left()) == 2


def test_one_bad_recording_does_not_hold_up_the_next(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for call_id in ("c1", "c2"):
        lab.call(call_id)
        lab.legs(call_id)
    real = ledger_module.read_leg

    def read(path: Path) -> object:
        if path.name.startswith("c1"):
            raise PermissionError(errno.EACCES, "not ours")
        return real(path)

    monkeypatch.setattr(ledger_module, "read_leg", read)
    assert lab.ledger().sweep(LATER) == Swept(kept=1, waiting=1)
