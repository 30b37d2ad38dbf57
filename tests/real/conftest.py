"""Fixtures of the real suite: Asterisk, phones, trunk callers, an AGI stand-in. A missing part fails."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.real.agi_stand_in import AgiStandIn, Behaviour, routing
from tests.real.asterisk_lab import QUEUE, TRUNK, Lab, running_lab, secret_of
from tests.real.phone import Phone
from tests.real.sip_trace import SipTrace
from tests.real.sipp import SippCall
from tests.real.waiting import until
from tests.real.whole import Whole, running_whole


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Asterisk on our rendered configuration, with five hardware phones configured and nobody on duty."""
    with running_lab() as lab:
        yield lab


@pytest.fixture
def agi(lab: Lab) -> Iterator[Callable[[Behaviour], AgiStandIn]]:
    """Start the AGI server with a behaviour: agi(routing("main"))."""
    started: list[AgiStandIn] = []

    def start(behaviour: Behaviour) -> AgiStandIn:
        started.append(AgiStandIn(lab.agi_port, behaviour))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def routed(agi: Callable[[Behaviour], AgiStandIn]) -> AgiStandIn:
    """An AGI server that sends every call to the queue with an offer token."""
    return agi(routing(QUEUE, HOTLINE_OFFER="token-1"))


@pytest.fixture
def phone(lab: Lab) -> Iterator[Callable[..., Phone]]:
    """A registered phone by its number; phone(1, 1200) speaks 1200 Hz. duty=False: not in the queue."""
    made: list[Phone] = []

    def make(number: int, hz: float = 0.0, duty: bool = True) -> Phone:
        facts = lab.phones[number - 1]
        made.append(Phone(("127.0.0.1", lab.sip_port), facts.endpoint, secret_of(number), hz).register())
        until(lambda: lab.is_free(number), f"phone {number} to be reachable")
        if duty:
            lab.enter(number)
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def caller(lab: Lab) -> Iterator[Callable[..., Phone]]:
    """A caller behind the trunk; caller(1000) speaks 1000 Hz."""
    made: list[Phone] = []

    def make(hz: float = 0.0) -> Phone:
        made.append(Phone(("127.0.0.1", lab.sip_port), hz=hz, address=TRUNK))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def sipp_call(lab: Lab, tmp_path: Path) -> Iterator[Callable[..., SippCall]]:
    """A trunk caller played by SIPp: sipp_call("962299", "13812345678", hz=1000).answered()."""
    made: list[SippCall] = []

    def make(number: str, caller: str = "13812345678", hz: float = 0.0) -> SippCall:
        made.append(SippCall(tmp_path, ("127.0.0.1", lab.sip_port), number, caller, hz, TRUNK))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def sip_trace(lab: Lab) -> SipTrace:
    """What Asterisk sends and receives from now on, with times."""
    return SipTrace(lab.cli, lab.folder / "log/sip.pcap")


@pytest.fixture
def whole() -> Iterator[Whole]:
    """The complete hotline, up, with the demo city; a test may stop, kill and start it again."""
    with running_whole() as whole:
        yield whole
