"""Few passwords at once, and a flood of strangers keeps nobody from her usual desk."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from web import checks
from web.attempts import Source
from web.checks import Busy, Checks, Line

DESK = Source("hash-of-her-browser", known=True)


@contextmanager
def held(line: Line, *sources: str) -> Iterator[list["Future[str]"]]:
    """Somebody of each source is in the line, in this order, until the block ends."""
    over = threading.Event()
    with ThreadPoolExecutor(len(sources)) as crowd:
        there = []
        for source in sources:
            before = line._here.total()
            there.append(crowd.submit(line.run, source, lambda: (over.wait(10), "served")[1]))
            while line._here.total() == before and not there[-1].done():
                threading.Event().wait(0.001)
        try:
            yield there
        finally:
            over.set()


def test_what_the_work_returns_or_raises_is_the_callers() -> None:
    line = Line(at_once=1, waiting=0, per_source=1)
    assert line.run("a", lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        line.run("a", lambda: 1 // 0)
    assert line.run("a", lambda: 8) == 8


def test_more_at_once_than_allowed_wait_and_are_served_one_after_the_other() -> None:
    line, at_work, most = Line(at_once=1, waiting=9, per_source=10), [0], [0]

    def work() -> None:
        at_work[0] += 1
        most[0] = max(most[0], at_work[0])
        threading.Event().wait(0.01)
        at_work[0] -= 1

    with ThreadPoolExecutor(10) as crowd:
        for each in [crowd.submit(line.run, "a", work) for _ in range(10)]:
            each.result()
    assert most == [1]


def test_who_finds_no_room_is_turned_away_at_once() -> None:
    line = Line(at_once=1, waiting=1, per_source=5)
    with held(line, "a", "b"), pytest.raises(Busy):
        line.run("c", lambda: None)
    line.run("c", lambda: None)


def test_one_source_takes_its_share_and_no_more() -> None:
    line = Line(at_once=2, waiting=9, per_source=1)
    with held(line, "a"):
        with pytest.raises(Busy):
            line.run("a", lambda: None)
        line.run("b", lambda: None)


def test_nobody_waits_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "PATIENCE_SECONDS", 0.05)
    line = Line(at_once=1, waiting=9, per_source=9)
    with held(line, "a"), pytest.raises(Busy):
        line.run("b", lambda: None)


def test_a_flood_of_strangers_leaves_the_line_of_known_browsers_alone() -> None:
    desk = Checks()
    with held(desk._strangers, *(f"203.0.113.{number % 3}" for number in range(9))) as flood:
        assert not any(each.done() for each in flood)
        with pytest.raises(Busy):
            desk.run(Source("203.0.113.77"), lambda: None)
        assert desk.run(DESK, lambda: "in") == "in"
