"""Few passwords at once, and a flood of strangers keeps nobody from her usual desk."""

import threading
from contextlib import ExitStack

from web.attempts import Source
from web.checks import Checks, Line

DESK = Source("hash-of-her-browser", known=True)


def hold(line: Line, source: str, stack: ExitStack) -> bool:
    return stack.enter_context(line.turn(source))


def test_more_at_once_than_allowed_wait_and_the_next_comes_when_one_is_done() -> None:
    line, done = Line(at_once=1, waiting=1, per_source=2), threading.Event()
    turns: list[bool] = []

    def come() -> None:
        with line.turn("b") as served:
            turns.append(served)
        done.set()

    with line.turn("a") as served:
        assert served
        thread = threading.Thread(target=come)
        thread.start()
        assert not done.wait(0.05)
    thread.join(5)
    assert turns == [True]


def test_who_finds_no_room_is_turned_away_at_once() -> None:
    line = Line(at_once=2, waiting=0, per_source=5)
    with ExitStack() as stack:
        assert [hold(line, str(n), stack) for n in range(3)] == [True, True, False]
    with line.turn("a") as served:
        assert served


def test_one_source_takes_its_share_and_no_more() -> None:
    line = Line(at_once=9, waiting=0, per_source=2)
    with ExitStack() as stack:
        assert [hold(line, "a", stack) for _ in range(3)] == [True, True, False]
        assert hold(line, "b", stack)


def test_a_flood_of_strangers_leaves_the_line_of_known_browsers_alone() -> None:
    checks, over = Checks(), threading.Event()
    served = []

    def flood(number: int) -> None:
        with checks.turn(Source(f"203.0.113.{number % 5}")) as turn:
            served.append(turn)
            over.wait(5)

    flooding = [threading.Thread(target=flood, args=(number,)) for number in range(40)]
    for each in flooding:
        each.start()
    while not served:
        over.wait(0.01)
    with checks.turn(DESK) as turn:
        assert turn
    over.set()
    for each in flooding:
        each.join(10)
    assert False in served
