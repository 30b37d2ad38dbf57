"""How much the public may ask of us: visits, calls and open sockets, by address and in all. Memory only.

Asked before anything else is done for a stranger. One process, one event loop: no locks.
"""

import ipaddress
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

VISIT_SECONDS = 30.0  # from the button to the socket; a page needs less than one
MOST_VISITS = 5_000  # tokens not used yet; more push out the oldest, which were long used or never
MOST_SOCKETS = 2_000  # open at once, of everybody
MOST_ADDRESSES = 10_000  # remembered; more push out those not heard of for longest

Why = Literal["often", "busy", "closed"]


class TooMuch(Exception):
    """`why`: this address asks too often, all guest lines are busy, or there are none."""

    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why: Why = why


@dataclass(frozen=True, slots=True)
class Limits:
    """`calls`: guests at once, 0 closes the door. The others are for one address, the rates a minute.

    A network that hides many people behind one address gets no more than one: the figures allow for a few.
    """

    calls: int = 20
    calls_of_one: int = 4
    sockets_of_one: int = 8
    visits_a_minute: int = 20
    calls_a_minute: int = 8


class Rate:
    """At most so many a minute for each key, saved up to that number."""

    def __init__(self, a_minute: int, clock: Callable[[], float]) -> None:
        self._a_minute, self._clock = a_minute, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # key → (left, when)

    def take(self, key: str) -> bool:
        """One more for this key, if it may."""
        now = self._clock()
        left, at = self._left.pop(key, (float(self._a_minute), now))
        left = min(self._a_minute, left + (now - at) * self._a_minute / 60)
        allowed = left >= 1
        self._left[key] = (left - allowed, now)
        if len(self._left) > MOST_ADDRESSES:
            self._left.popitem(last=False)
        return allowed


class Turnstile:
    """Lets guests in, one visit each; `clock` gives seconds that only grow."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._clock = clock
        self._visits: OrderedDict[str, tuple[str, float]] = OrderedDict()  # token → (address, until)
        self._asking = Rate(limits.visits_a_minute, clock)
        self._calling = Rate(limits.calls_a_minute, clock)
        self._sockets: Counter[str] = Counter()
        self._calls: Counter[str] = Counter()

    def visit(self, address: str) -> str:
        """A token for one socket from this address. Raises TooMuch."""
        who = neighbourhood(address)
        if not self.limits.calls:
            raise TooMuch("closed")
        if not self._asking.take(who):
            raise TooMuch("often")
        if self._calls.total() >= self.limits.calls:
            raise TooMuch("busy")
        token = secrets.token_urlsafe(24)
        self._visits[token] = (who, self._clock() + VISIT_SECONDS)
        if len(self._visits) > MOST_VISITS:
            self._visits.popitem(last=False)
        return token

    def admit(self, token: str, address: str) -> bool:
        """Use up a token: once, in time, and from where it was given."""
        who, until = self._visits.pop(token, ("", 0.0))
        return bool(who) and who == neighbourhood(address) and self._clock() < until

    @contextmanager
    def socket(self, address: str) -> Iterator[None]:
        """An open socket of this address. Raises TooMuch."""
        if self._sockets.total() >= MOST_SOCKETS:
            raise TooMuch("busy")
        with _one_more(self._sockets, neighbourhood(address), self.limits.sockets_of_one):
            yield

    @contextmanager
    def call(self, address: str) -> Iterator[None]:
        """A call of this address, for as long as it lasts. Raises TooMuch."""
        who = neighbourhood(address)
        if not self._calling.take(who):
            raise TooMuch("often")
        if self._calls.total() >= self.limits.calls:
            raise TooMuch("busy")
        with _one_more(self._calls, who, self.limits.calls_of_one):
            yield


@contextmanager
def _one_more(counter: Counter[str], who: str, most: int) -> Iterator[None]:
    if counter[who] >= most:
        raise TooMuch("often")
    counter[who] += 1
    try:
        yield
    finally:
        counter[who] -= 1
        counter += Counter()  # forgets those at zero


def neighbourhood(address: str) -> str:
    """What one person is given by her network: an IPv4 address, or the first half of an IPv6 one."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.IPv6Network((found, 64), strict=False))
    return str(found)
