"""Children: restarted with growing pauses, heard, stopped, and gone when we are gone."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from hotline import heart
from hotline.children import LONGEST_PAUSE_SECONDS, STEADY_SECONDS, Child, Pauses
from hotline.heart import Ear


def wait_for(condition: Callable[[], object], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def child_of(tmp_path: Path, short_folder: Path, told: list[str]) -> Iterator[Callable[[str], Child]]:
    made: list[Child] = []

    def make(program: str) -> Child:
        command = [sys.executable, "-c", program]
        child = Child("ivr", command, tmp_path / "ivr.log", told.append, Ear(short_folder / "ivr"))
        made.append(child)
        return child

    yield make
    for child in made:
        child.stop()
        child.wait(time.monotonic() + 5)


SLEEP = "import time; time.sleep(60)"


def test_pauses_double_up_to_a_limit_and_are_forgotten_after_a_steady_minute() -> None:
    pauses, seen = Pauses(), []
    for _ in range(9):
        pauses.failed(0.0, lived_seconds=1.0)
        seen.append(pauses.seconds)
    assert seen[:4] == [0.5, 1.0, 2.0, 4.0]
    assert seen[-1] == LONGEST_PAUSE_SECONDS
    pauses.failed(0.0, lived_seconds=STEADY_SECONDS)
    assert pauses.seconds == 0.5


def test_a_child_that_dies_is_told_and_started_again_after_its_pause(
    child_of: Callable[[str], Child], told: list[str]
) -> None:
    child = child_of(SLEEP)
    child.start()
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: not child.alive)
    now = time.monotonic()
    child.look_after(now)
    assert told == ["ivr   | ended (signal 9); starting it again in 0.5 s"]
    assert not child.alive
    child.look_after(now + 0.6)
    assert child.pid not in (None, first)


BEATS = "import time; from hotline.heart import Heart; heart = Heart()\n"


def test_a_child_that_falls_silent_is_killed_and_started_again_in_one_line(
    child_of: Callable[[str], Child], told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heart, "WATCHDOG_SECONDS", 1.0)
    child = child_of(BEATS + "heart.beat(); time.sleep(60)")
    child.start()
    first = child.pid
    assert first is not None
    wait_for(child.is_ready)
    wait_for(lambda: child.look_after(time.monotonic()) or told)
    assert told == ["ivr   | hung, silent for 15 s: killed; starting it again in 0.5 s"]
    assert not psutil.pid_exists(first)
    child.look_after(time.monotonic() + 0.6)
    assert child.pid not in (None, first)
    assert not child.ear.ready


def test_a_child_that_beats_is_left_alone_and_so_is_one_that_is_stopping(
    child_of: Callable[[str], Child], told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heart, "WATCHDOG_SECONDS", 3.0)
    child = child_of(
        BEATS + "for _ in range(60): heart.beat(); time.sleep(0.1)\nheart.stopping(); time.sleep(60)"
    )
    child.start()
    first = child.pid
    wait_for(lambda: child.look_after(time.monotonic()) or child.ear.stopping)
    wait_for(lambda: child.look_after(time.monotonic()) or child.ear.silent_seconds() > 3.5)
    assert (child.pid, told) == (first, [])


def test_what_was_said_before_we_looked_counts_as_said_now(short_folder: Path) -> None:
    ear = Ear(short_folder / "role")
    speaker = heart.Heart(str(short_folder / "role"))
    ear._heard -= 1000  # `hotline up` itself was stopped for so long
    speaker.beat()
    assert not ear.is_lost()
    assert ear.ready


def test_a_heart_beats_on_where_nobody_listens_any_more(short_folder: Path) -> None:
    speaker = heart.Heart(str(short_folder / "nobody"))
    speaker.beat()
    speaker.stopping()
    heart.Heart("").beat()


def test_all_lines_are_kept_and_warnings_are_told_shortly(
    child_of: Callable[[str], Child], told: list[str], tmp_path: Path
) -> None:
    lines = [
        {"event": "answering", "level": "info", "timestamp": "2026-11-21T08:00:00Z", "port": 1},
        {"event": "call spooled", "level": "warning", "timestamp": "2026-11-21T08:00:01Z", "call": "c-1"},
    ]
    child = child_of("\n".join(f"print({json.dumps(line)!r}, flush=True)" for line in lines))
    child.start()
    wait_for(lambda: not child.alive and told)
    assert told == ["ivr   | 08:00:01 warning call spooled call=c-1"]
    kept = [json.loads(line) for line in (tmp_path / "ivr.log").read_text().splitlines()]
    assert kept == lines


def test_a_traceback_is_told_as_it_is(child_of: Callable[[str], Child], told: list[str]) -> None:
    child = child_of("raise SystemExit('no such thing')")
    child.start()
    wait_for(lambda: told)
    assert told == ["ivr   | no such thing"]


def test_a_child_that_does_not_end_when_asked_is_killed(
    child_of: Callable[[str], Child], tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    child = child_of(
        "import pathlib, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"pathlib.Path({str(ready)!r}).touch(); time.sleep(60)"
    )
    child.start()
    wait_for(ready.exists)
    pid = child.pid
    assert pid is not None
    child.stop()
    child.wait(time.monotonic() + 0.1)
    assert not psutil.pid_exists(pid)


def test_children_end_with_a_parent_that_is_killed(tmp_path: Path, short_folder: Path) -> None:
    grandchild = (
        "import sys, time; from hotline.children import die_with_parent;"
        "die_with_parent(int(sys.argv[-1])); print('here', flush=True); time.sleep(60)"
    )
    program = (
        "import pathlib, sys, time; from hotline.children import Child; from hotline.heart import Ear\n"
        "tell = lambda line: print(line, flush=True)\n"
        f"log = pathlib.Path({str(tmp_path / 'log')!r})\n"
        f"ear = Ear(pathlib.Path({str(short_folder / 'ear')!r}))\n"
        f"child = Child('ivr', [sys.executable, '-c', {grandchild!r}], log, tell, ear)\n"
        "child.start(); print(child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert parent.stdout.readline() == "ivr   | here\n"
    parent.kill()
    parent.wait()
    wait_for(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def test_a_child_whose_parent_is_gone_already_does_not_begin() -> None:
    program = "from hotline.children import die_with_parent; die_with_parent(1 << 22); print('began')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
