"""Slows down guessing of passwords and codes without locking anybody out for long.

Counted per (source, log-in name). The source is the browser, when somebody logged in from it before (a cookie
says so), else the address. So a guesser elsewhere, or behind the same address, or who knows a name, does not
touch the desk that the name's owner usually sits at. Kept in memory: a restart forgives.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

FREE_TRIES = 5
FREE_TRIES_UNDER_FIRE = 2
LONGEST_WAIT_SECONDS = 30.0
FORGET_SECONDS = 900.0
ADDRESS_FAILURES = 60
ADDRESS_WINDOW_SECONDS = 60.0
MOST_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class Source:
    """Where a try comes from: a known browser (its hash), or a stranger's address."""

    name: str
    known: bool = False


class Attempts:
    """Failures seen so far; `clock` gives seconds that only grow. Safe between threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: dict[tuple[Source, str], tuple[int, float]] = {}
        self._address: dict[str, list[float]] = {}

    def wait_seconds(self, source: Source, login: str) -> float:
        """How long this pair must wait before its password is looked at; 0 when it may try now.

        Nobody waits for others' failures: a guesser at her address leaves her fewer free slips, no more.
        """
        now = self._clock()
        with self._lock:
            count, last = self._failures.get((source, login), (0, 0.0))
            if now - last >= FORGET_SECONDS:
                return 0.0
            over = count - (FREE_TRIES_UNDER_FIRE if self._is_under_fire(source, now) else FREE_TRIES)
            if over < 0:
                return 0.0
            return max(0.0, last + min(LONGEST_WAIT_SECONDS, 2.0 ** min(over, 16)) - now)

    def _is_under_fire(self, source: Source, now: float) -> bool:
        failures = self._address.get(source.name, []) if not source.known else []
        return sum(now - at < ADDRESS_WINDOW_SECONDS for at in failures) >= ADDRESS_FAILURES

    def failed(self, source: Source, login: str) -> None:
        """A wrong password or code, or a name that does not exist."""
        now = self._clock()
        with self._lock:
            if len(self._failures) >= MOST_KEYS:
                self._failures.pop(next(iter(self._failures)))
            count, last = self._failures.pop((source, login), (0, 0.0))
            self._failures[(source, login)] = (count + 1 if now - last < FORGET_SECONDS else 1, now)
            if not source.known:
                self._count_address(source.name, now)

    def _count_address(self, address: str, now: float) -> None:
        recent = [at for at in self._address.pop(address, []) if now - at < ADDRESS_WINDOW_SECONDS]
        if len(self._address) >= MOST_KEYS:
            self._address.pop(next(iter(self._address)))
        self._address[address] = [*recent[-ADDRESS_FAILURES + 1 :], now]

    def succeeded(self, source: Source, login: str) -> None:
        """The right one: forget the failures."""
        with self._lock:
            self._failures.pop((source, login), None)
