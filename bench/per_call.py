"""(a) Processor time of one call: ours against the same call on a bare dialplan, in turns."""

import time
from dataclasses import dataclass
from statistics import median

from bench import meter
from bench.callers import BenchError, Callers, prompt_seconds
from bench.house import House
from tests.hotline.city import wait_for

RATE = 3.0
IN_QUEUE_SECONDS = 3.0
IDLE_SECONDS = 10.0
SETTLE_SECONDS = 6.0  # the clock reads channel events and keeps recordings within so long


@dataclass(frozen=True, slots=True)
class PerCall:
    """Milliseconds of processor time a call, by process, idling taken off: the median of the rounds."""

    ours: dict[str, float]
    bare: dict[str, float]
    rounds: int
    calls: int

    @property
    def asterisk_ratio(self) -> float:
        return self.ours["asterisk"] / self.bare["asterisk"]

    @property
    def answering_ratio(self) -> float:
        """The voice menu's Python against Asterisk's own time in the same calls."""
        return self.ours["ivr"] / self.ours["asterisk"]

    @property
    def python_ratio(self) -> float:
        """All our Python, the clock's and desk's work for the call included."""
        return sum(self.ours[name] for name in ("ivr", "clock", "desk")) / self.ours["asterisk"]


def measure(ours: House, bare: House, rounds: int, calls: int) -> PerCall:
    """`rounds` of `calls` each on both. Raises BenchError when a call did not run its course."""
    idle = {house.name: _idle(house) for house in (ours, bare)}
    spent: dict[str, list[meter.Seconds]] = {ours.name: [], bare.name: []}
    for _ in range(rounds):
        for house in (ours, bare):
            spent[house.name].append(_round(house, calls, idle[house.name]))
    return PerCall(_median(spent[ours.name]), _median(spent[bare.name]), rounds, calls)


def _idle(house: House) -> meter.Seconds:
    """Seconds of processor time a second with no calls."""
    before = meter.read(house.processes)
    time.sleep(IDLE_SECONDS)
    spent = meter.since(before, meter.read(house.processes))
    return {name: seconds / IDLE_SECONDS for name, seconds in spent.items()}


def _round(house: House, calls: int, idle: meter.Seconds) -> meter.Seconds:
    queued, began, before = house.queued(), time.monotonic(), meter.read(house.processes)
    Callers(house, calls, RATE, prompt_seconds(house, "connecting") + IN_QUEUE_SECONDS).start().wait()
    wait_for(lambda: house.waiting() == 0, "the last call to end")
    time.sleep(SETTLE_SECONDS)
    spent = meter.since(before, meter.read(house.processes))
    lasted = time.monotonic() - began
    if house.queued() - queued != calls:
        raise BenchError(f"{house.name}: {house.queued() - queued} of {calls} calls reached the queue")
    return {name: max(0.0, 1000 * (spent[name] - idle[name] * lasted) / calls) for name in spent}


def _median(rounds: list[meter.Seconds]) -> meter.Seconds:
    return {name: median(one[name] for one in rounds) for name in rounds[0]}
