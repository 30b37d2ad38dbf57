"""(d) Calls that the lab places and judges, against SIPp alone placing the same ones, on the same hotline."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench.callers import BenchError, Callers, prompt_seconds
from bench.house import House, settings_of
from hotline.lab.call import Wish, a_number, place
from hotline.lab.ground import Ground, ground
from tests.hotline.city import City, wait_for
from tests.real.asterisk_lab import LINE

KEY = "2"
MUSIC_SECONDS = 0.5  # of the queue's, by which the lab's caller knows it
FASTER_THAN_CALLS_END = 50.0  # SIPp's rate: how many are up at once is the bound


@dataclass(frozen=True, slots=True)
class Rates:
    """Calls a second, `at_once` up at any time: from the first INVITE until all have ended."""

    lab: float
    sipp: float

    @property
    def ratio(self) -> float:
        return self.lab / self.sipp


def measure(house: House, city: City, calls: int, at_once: int) -> Rates:
    """Raises BenchError when a call did not go as it should."""
    sipp = _sipp_alone(house, calls, at_once)
    wait_for(lambda: house.waiting() == 0, "SIPp's last call to end")
    with ground(settings_of(city)) as here:
        return Rates(_lab(here, calls, at_once), sipp)


def _lab(here: Ground, calls: int, at_once: int) -> float:
    def one(_number: int) -> bool:
        return place(here, Wish(LINE, a_number(), KEY, hold_seconds=0.0), lambda _words: None).ok

    began = time.monotonic()
    with ThreadPoolExecutor(at_once) as several:
        well = list(several.map(one, range(calls)))
    lasted = time.monotonic() - began
    if not all(well):
        raise BenchError(f"lab: {calls - sum(well)} of {calls} calls were found at fault")
    return calls / lasted


def _sipp_alone(house: House, calls: int, at_once: int) -> float:
    stay = prompt_seconds(house, "connecting") + MUSIC_SECONDS
    began = time.monotonic()
    Callers(house, calls, FASTER_THAN_CALLS_END, stay, at_once=at_once).start().wait()
    return calls / (time.monotonic() - began)
