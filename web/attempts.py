"""Slows down guessing of passwords without locking anybody out for long.

Counted per (address, log-in name): a whole shift behind one address does not slow each other down,
and a guesser elsewhere does not touch the real owner. Kept in memory: a restart forgives.
"""

import threading
import time
from collections.abc import Callable

FREE_TRIES = 5
LONGEST_WAIT_SECONDS = 30.0
FORGET_SECONDS = 900.0
ADDRESS_FAILURES = 60
ADDRESS_WINDOW_SECONDS = 60.0
MOST_KEYS = 10_000


class Attempts:
    """Failures seen so far; `clock` gives seconds that only grow. Safe between threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: dict[tuple[str, str], tuple[int, float]] = {}
        self._address: dict[str, list[float]] = {}
        self._welcome: set[tuple[str, str]] = set()

    def wait_seconds(self, address: str, login: str) -> float:
        """How long this pair must wait before its password is looked at; 0 when it may try now."""
        now = self._clock()
        with self._lock:
            count, last = self._failures.get((address, login), (0, 0.0))
            own = 0.0
            if count >= FREE_TRIES and now - last < FORGET_SECONDS:
                own = last + min(LONGEST_WAIT_SECONDS, 2.0 ** (count - FREE_TRIES)) - now
            if (address, login) in self._welcome:
                return max(0.0, own)
            return max(0.0, own, self._address_wait(address, now))

    def _address_wait(self, address: str, now: float) -> float:
        recent = [at for at in self._address.get(address, []) if now - at < ADDRESS_WINDOW_SECONDS]
        return recent[0] + ADDRESS_WINDOW_SECONDS - now if len(recent) >= ADDRESS_FAILURES else 0.0

    def failed(self, address: str, login: str) -> None:
        """A wrong password, or a name that does not exist."""
        now = self._clock()
        with self._lock:
            if len(self._failures) >= MOST_KEYS:
                self._failures.pop(next(iter(self._failures)))
            count, last = self._failures.pop((address, login), (0, 0.0))
            self._failures[(address, login)] = (count + 1 if now - last < FORGET_SECONDS else 1, now)
            recent = [at for at in self._address.pop(address, []) if now - at < ADDRESS_WINDOW_SECONDS]
            if len(self._address) >= MOST_KEYS:
                self._address.pop(next(iter(self._address)))
            self._address[address] = [*recent[-ADDRESS_FAILURES:], now]

    def succeeded(self, address: str, login: str) -> None:
        """The right password: forget the failures, and spare this pair the limit of its address."""
        with self._lock:
            self._failures.pop((address, login), None)
            self._welcome.add((address, login))
