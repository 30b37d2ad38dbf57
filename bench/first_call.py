"""(f) From a bare clone to the first answered call: how long, and how much comes over the network.

Everything is fetched: no pip cache, no npm cache, no Debian packages, an empty home. The bench's own SIPp and
browser then call and answer; a newcomer has a browser.
"""

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.callers import BenchError
from bench.house import folder_of_its_own, settings_of
from hotline.lab import check
from hotline.lab.ground import ground
from hotline.settings import CHECKOUT
from tests.hotline.city import City, wait_for

REGISTRIES = (".npmrc", ".config/pip")  # how this machine reaches them
SET_UP_LINE = re.compile(r" *\d+s  (.*?)( \(.*| with /.*)?\n")
SET_UP = "set up; the command is .venv/bin/hotline"
UP_LINE = "log in as"


@dataclass(slots=True)
class Step:
    """A part of the way: what set-up said as it began, seconds, bytes received by all network cards."""

    name: str
    seconds: float
    received: int


@dataclass(slots=True)
class Way:
    """The steps in order, and when since the start the menu and then the agent were heard, seconds."""

    steps: list[Step] = field(default_factory=list)
    menu: float = 0.0
    agent: float = 0.0

    @property
    def received(self) -> int:
        return sum(step.received for step in self.steps)


def measure() -> Way:
    """Raises BenchError when the way does not lead to an answered call."""
    with folder_of_its_own() as home, tempfile.TemporaryDirectory(prefix="hl-bench-clone-") as clone:
        city = City(home)
        (home / "tools").unlink()
        checkout = Path(clone) / "hotline"
        way, began = Way(), time.monotonic()
        with _run(city, checkout) as running:
            _follow(running, way)
            _call(city, way, began)
        return way


@contextmanager
def _run(city: City, checkout: Path) -> "Iterator[subprocess.Popen[str]]":
    """A clone of what is committed, and script/run in it."""
    subprocess.run(["git", "clone", "--quiet", CHECKOUT, checkout], check=True)
    user = checkout.parent / "user"
    for name in REGISTRIES:
        if (Path.home() / name).exists():
            (user / name).parent.mkdir(parents=True, exist_ok=True)
            (user / name).symlink_to(Path.home() / name)
    path = [each for each in os.environ["PATH"].split(":") if not Path(each).is_relative_to(CHECKOUT)]
    with subprocess.Popen(
        ["script/run"],
        cwd=checkout,
        env=city.environment | {"HOME": str(user), "PATH": ":".join(path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as running:
        try:
            yield running
        finally:
            os.killpg(running.pid, signal.SIGKILL)
            for pid in city.processes().values():
                os.kill(pid, signal.SIGKILL)
            wait_for(lambda: not city.processes(), "the end of all processes")


def _follow(running: "subprocess.Popen[str]", way: Way) -> None:
    """Until the hotline is up; each line that tells of a step ends the one before."""
    assert running.stdout is not None
    name, began, received, said = "clone", time.monotonic(), _received(), ""
    for line in running.stdout:
        said += line
        told = SET_UP_LINE.match(line)
        if told or UP_LINE in line:
            way.steps.append(Step(name, time.monotonic() - began, _received() - received))
            name = "hotline up" if SET_UP in line else told[1] if told else ""
            began, received = time.monotonic(), _received()
        if UP_LINE in line:
            return
    raise BenchError(f"script/run ended:\n{said}")


def _call(city: City, way: Way, began: float) -> None:
    """The lab's own call: through the menu to a browser that answers."""

    def heard(words: str) -> None:
        now = time.monotonic() - began
        if " menu" in words and not way.menu:
            way.menu = now
        if "voice" in words and not way.agent:
            way.agent = now

    with ground(settings_of(city)) as here:
        findings = list(check.agent(here, heard))
    if not way.agent:
        raise BenchError("; ".join(f"{one.subject}: {one.told}" for one in findings if not one.ok))


def _received() -> int:
    """Bytes that came in by every card but the loopback one."""
    rows = Path("/proc/net/dev").read_text().splitlines()[2:]
    cards = (row.split(":") for row in rows)
    return sum(int(numbers.split()[0]) for name, numbers in cards if name.strip() != "lo")
