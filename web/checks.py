"""Few passwords are looked at at once: each costs 19 MiB and some 30 ms of a processor, and calls need both.

Known browsers and strangers stand in lines of their own, so that a flood of strangers keeps nobody from the
desk she usually sits at. Who finds no room in a line is told to come again in a moment; no thread waits long.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from web.attempts import Source

PATIENCE_SECONDS = 3.0
COME_AGAIN_SECONDS = 3


class Line:
    """`at_once` are served, `waiting` may wait, `per_source` of those together from one source."""

    def __init__(self, at_once: int, waiting: int, per_source: int) -> None:
        self._served = threading.BoundedSemaphore(at_once)
        self._most, self._per_source = at_once + waiting, per_source
        self._lock = threading.Lock()
        self._here: Counter[str] = Counter()

    @contextmanager
    def turn(self, source: str) -> Iterator[bool]:
        """True: it is this one's turn, while the block lasts. False: no room, or no turn came."""
        if not self._join(source):
            yield False
            return
        try:
            served = self._served.acquire(timeout=PATIENCE_SECONDS)
            try:
                yield served
            finally:
                if served:
                    self._served.release()
        finally:
            self._leave(source)

    def _join(self, source: str) -> bool:
        with self._lock:
            if self._here.total() >= self._most or self._here[source] >= self._per_source:
                return False
            self._here[source] += 1
            return True

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

    @contextmanager
    def turn(self, source: Source) -> Iterator[bool]:
        """True while a password may be looked at; False: come again in a moment."""
        with (self._known if source.known else self._strangers).turn(source.name) as served:
            yield served
