"""(b) Calls held at once on one core, with menu, queue and recording: ours against a bare dialplan.

Callers arrive at a steady rate until what they are played no longer comes in time. The system under
test has one core to itself, SIPp and the listening callers the others.
"""

import os
import time
from dataclasses import dataclass
from statistics import mean

from bench import meter
from bench.callers import STAY_FOREVER_SECONDS, BenchError, Callers, listen_seconds, prompt_seconds
from bench.ear import Ear, Listener
from bench.house import House
from tests.hotline.city import wait_for
from tests.real.asterisk_lab import LINE, TRUNK
from tests.real.phone import Leg, answered

LISTENERS = 4
STEADY = 60  # calls held while processor time is read
STEADY_RATE = 5.0  # calls a second until there are so many
STEADY_SECONDS = 15.0
CROWD = 120  # far from any limit: so many come as quickly
RATE = 1.5  # calls a second from there on: what is asked is how many can be held, not how many come
ON_TIME = 0.99
WINDOW_SECONDS = 2.0
BAD_WINDOWS = 3  # in a row: somebody else's burst on this machine is shorter


@dataclass(frozen=True, slots=True)
class Ramp:
    """`held`: calls up when the sound last was in time. `broke`: False when the bound came first.

    `by_processor`: calls that would fill the core, reckoned from the processor time of `STEADY` held calls.
    """

    held: int
    broke: bool
    by_processor: float

    @property
    def undisturbed(self) -> bool:
        """Sound that breaks long before the core is full was broken by neighbours."""
        return self.held >= self.by_processor / 2


@dataclass(frozen=True, slots=True)
class Held:
    ours: list[Ramp]
    bare: list[Ramp]

    @property
    def ratio(self) -> float | None:
        """By the undisturbed ramps; None when one side has none."""
        ours, bare = ([ramp.held for ramp in ramps if ramp.undisturbed] for ramps in (self.ours, self.bare))
        return mean(ours) / mean(bare) if ours and bare else None

    @property
    def processor_ratio(self) -> float:
        return mean(ramp.by_processor for ramp in self.ours) / mean(ramp.by_processor for ramp in self.bare)


def measure(ours: House, bare: House, rounds: int, most_calls: int) -> Held:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise BenchError("calls held: this needs two cores, one of them for the callers")
    for house in (ours, bare):
        meter.pin(house.processes, {cores[0]})
    meter.pin({"callers": os.getpid()}, set(cores[1:]))
    ramps: dict[str, list[Ramp]] = {ours.name: [], bare.name: []}
    for _ in range(rounds):
        for house in (ours, bare):
            ramps[house.name].append(_ramp(house, most_calls))
            _tidy(house)
    for house in (ours, bare):
        meter.pin(house.processes, set(cores))
    meter.pin({"callers": os.getpid()}, set(cores))
    return Held(ramps[ours.name], ramps[bare.name])


def _ramp(house: House, most_calls: int) -> Ramp:
    phone = Listener(("127.0.0.1", house.sip_port), hz=500, address=TRUNK)
    crowd: list[Callers] = []
    try:
        idle = _spent_a_second(house)
        ears = [_into_queue(phone, house, number).media for number in range(LISTENERS)]
        crowd.append(Callers(house, STEADY - LISTENERS, STEADY_RATE, STAY_FOREVER_SECONDS).start())
        time.sleep(STEADY / STEADY_RATE + listen_seconds(house) + prompt_seconds(house, "connecting") + 2)
        by_processor = (1 - idle) / ((_spent_a_second(house) - idle) / STEADY)
        crowd.append(Callers(house, CROWD - STEADY, STEADY_RATE, STAY_FOREVER_SECONDS).start())
        time.sleep((CROWD - STEADY) / STEADY_RATE)
        crowd.append(Callers(house, most_calls - CROWD, RATE, STAY_FOREVER_SECONDS).start())
        held, broke = _until_late(crowd, [ear for ear in ears if isinstance(ear, Ear)], most_calls)
        return Ramp(held, broke, by_processor)
    finally:
        for callers in crowd:
            callers.stop()
        phone.close()


def _spent_a_second(house: House) -> float:
    """Seconds of processor time a second, all processes together."""
    before, began = meter.read(house.processes), time.monotonic()
    time.sleep(STEADY_SECONDS)
    spent = meter.since(before, meter.read(house.processes))
    return sum(spent.values()) / (time.monotonic() - began)


def _into_queue(phone: Listener, house: House, number: int) -> Leg:
    leg = answered(phone.dial(LINE, caller=f"1370000{number:04d}"))
    time.sleep(listen_seconds(house))
    leg.media.press("2")
    return leg


def _until_late(crowd: list[Callers], ears: list[Ear], most_calls: int) -> tuple[int, bool]:
    """The most calls at once whose sound was in time, and whether there were more than that."""
    held = bad = 0
    while bad < BAD_WINDOWS and held < most_calls:
        time.sleep(WINDOW_SECONDS)
        counts = [callers.counts() for callers in crowd]
        up = sum(calls for calls, _ in counts) + len(ears)
        failed = any(failed for _, failed in counts) or not all(callers.running() for callers in crowd)
        good = not failed and mean(ear.on_time(WINDOW_SECONDS) for ear in ears) >= ON_TIME
        held, bad = (up, 0) if good else (held, bad + 1)
    return held, bad >= BAD_WINDOWS


def _tidy(house: House) -> None:
    """All calls ended, and what is owed for them done: the next has the core to itself."""
    house.end_calls()
    incoming = house.home.recordings_incoming
    if "clock" not in house.processes:
        for file in incoming.iterdir():
            file.unlink()
    wait_for(lambda: not any(incoming.iterdir()), "the recordings to be kept")
