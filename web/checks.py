"""Few passwords are looked at at once: each costs 19 MiB and some 30 ms of a processor, and calls need both.

Known browsers and strangers stand in lines of their own, so that a flood of strangers keeps nobody from the
desk she usually sits at. Who finds no room in a line is told to come again in a moment; no thread waits long.
The work is done by threads of the line: memory that argon2 took stays with the few that ever took it.
"""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import TypeVar

from web.attempts import Source

PATIENCE_SECONDS = 3.0
COME_AGAIN_SECONDS = 3
T = TypeVar("T")


class Busy(Exception):
    """No room in the line, or no turn came in time: come again in a moment."""


class Line:
    """`at_once` are served, `waiting` may wait, `per_source` of those together from one source."""

    def __init__(self, at_once: int, waiting: int, per_source: int) -> None:
        self._workers = ThreadPoolExecutor(at_once, thread_name_prefix="passwords")
        self._most, self._per_source = at_once + waiting, per_source
        self._lock = threading.Lock()
        self._here: Counter[str] = Counter()

    def run(self, source: str, work: Callable[[], T]) -> T:
        """What the work returns or raises, when its turn has come. Raises Busy."""
        turn = threading.Event()

        def served() -> T:
            turn.set()
            return work()

        self._join(source)
        try:
            done = self._workers.submit(served)
            if not turn.wait(PATIENCE_SECONDS):
                done.cancel()
            return done.result()
        except CancelledError:
            raise Busy from None
        finally:
            self._leave(source)

    def _join(self, source: str) -> None:
        with self._lock:
            if self._here.total() >= self._most or self._here[source] >= self._per_source:
                raise Busy
            self._here[source] += 1

    def _leave(self, source: str) -> None:
        with self._lock:
            self._here[source] -= 1
            if not self._here[source]:
                del self._here[source]


class Checks:
    """The two lines of one process."""

    def __init__(self) -> None:
        self._known = Line(at_once=2, waiting=10, per_source=2)
        self._strangers = Line(at_once=1, waiting=8, per_source=4)

    def run(self, source: Source, work: Callable[[], T]) -> T:
        """What looks at a password, in its turn. Raises Busy."""
        return (self._known if source.known else self._strangers).run(source.name, work)
