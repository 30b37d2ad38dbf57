"""SIPp as callers behind the trunk, each with a number of her own; RTP both ways."""

import csv
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from bench.house import House
from hotline.lab import audio
from tests.real.asterisk_lab import LINE, TRUNK
from tests.real.ports import free_port

SCENARIO = Path(__file__).with_name("caller.xml")
AFTER_NOTICE_SECONDS = 1.5  # of the menu, before the key
STAY_FOREVER_SECONDS = 3600.0


class BenchError(RuntimeError):
    """The run is worth nothing; the text says why."""


@dataclass(slots=True)
class Callers:
    """`rate` calls a second, `count` in all; each stays `stay_seconds` after her key.

    `numbers` are given out in turn; by default each caller is a stranger. `at_once`: no more than so many
    at any time; 0 is no bound.
    """

    house: House
    count: int
    rate: float
    stay_seconds: float
    numbers: list[str] = field(default_factory=list)
    at_once: int = 0
    _folder: Path = field(init=False)
    _process: "subprocess.Popen[bytes]" = field(init=False)

    def start(self) -> "Callers":
        self._folder = Path(tempfile.mkdtemp(prefix="hl-sipp-", dir="/tmp"))
        tone = self._folder / "tone.alaw"
        tone.write_bytes(audio.encode(audio.tone(700, 10.0)))
        scenario = SCENARIO.read_text().replace("@TONE@", str(tone))
        scenario = scenario.replace("@LISTEN@", str(round(1000 * listen_seconds(self.house))))
        scenario = scenario.replace("@STAY@", str(round(1000 * self.stay_seconds)))
        (self._folder / "caller.xml").write_text(scenario)
        numbers = self.numbers or [f"139{n:08d}" for n in range(self.count)]
        (self._folder / "numbers.csv").write_text("SEQUENTIAL\n" + "".join(f"{n};\n" for n in numbers))
        with (self._folder / "out").open("wb") as out:
            self._process = subprocess.Popen(
                self._argv(), cwd=self._folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        return self

    def _argv(self) -> list[str]:
        period_ms = 1000 if self.rate >= 1 else round(1000 / self.rate)
        return [
            *(_sipp(), f"127.0.0.1:{self.house.sip_port}", "-sf", "caller.xml", "-inf", "numbers.csv"),
            *("-s", LINE, "-i", TRUNK, "-mi", TRUNK, "-p", str(free_port(TRUNK)), "-nostdin"),
            *("-m", str(self.count), "-l", str(self.at_once or self.count)),
            *("-r", str(max(1, round(self.rate))), "-rp", str(period_ms)),
            *("-trace_stat", "-stf", "stat.csv", "-fd", "1", "-trace_err", "-error_file", "errors"),
        ]

    def counts(self) -> tuple[int, int]:
        """Calls up and calls failed, as of the last second."""
        try:
            rows = list(csv.DictReader((self._folder / "stat.csv").open(), delimiter=";"))
            return int(rows[-1]["CurrentCall"]), int(rows[-1]["FailedCall(C)"])
        except (OSError, IndexError, TypeError, ValueError):
            return 0, 0  # it has not written a whole line yet

    def running(self) -> bool:
        return self._process.poll() is None

    def wait(self) -> None:
        """Until the last caller has hung up. Raises BenchError when a call did not go as written."""
        if self._process.wait() != 0:
            raise BenchError(f"{self.house.name}: calls failed; SIPp's words are in {self._folder}")
        shutil.rmtree(self._folder, ignore_errors=True)

    def stop(self) -> None:
        """Leave at once, without a word."""
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def prompt_seconds(house: House, name: str) -> float:
    return len(audio.read_wav(house.home.asterisk_lib / f"sounds/zh/hotline/{name}.wav")) / audio.RATE


def listen_seconds(house: House) -> float:
    """From the answer to the key: the notice, which no key cuts short, and some of the menu."""
    return prompt_seconds(house, "notice") + AFTER_NOTICE_SECONDS


def _sipp() -> str:
    found = shutil.which("sipp") or shutil.which("sipp", path=str(Path(sys.executable).parent))
    if found is None:
        raise BenchError("there is no SIPp here: run script/setup --tests")
    return found
