"""A whole hotline in a home of its own, run by the real command, for tests that start and kill it."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from hotline.settings import home_folder
from tests.hotline.laid_out import furnish
from tests.hotline.nursery import nursery
from tests.real.ports import free_port, free_range
from tests.real.waiting import until

PORTS = ("WEB_PORT", "SIP_PORT", "AGI_PORT", "AMI_PORT", "ASTERISK_HTTP_PORT")
PATIENCE_SECONDS = 240.0  # new keys for a whole city, while calls come in


def wait_for(condition: Callable[[], object], what: str = "it") -> None:
    until(condition, what, PATIENCE_SECONDS)


class City:
    """A home with ports of its own, and the `hotline` commands on it.

    `laid_out`: its demo city is a copy of one that is there already, as on any day but the first.
    """

    def __init__(self, home: Path, *, laid_out: bool = True) -> None:
        self.home = home
        self.laid_out = laid_out
        self.ports = {name: free_port() for name in PORTS}
        rtp = free_range(100)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HOTLINE_")},
            "HOTLINE_HOME": str(home),
            **{f"HOTLINE_{name}": str(port) for name, port in self.ports.items()},
            "HOTLINE_RTP_START": str(rtp),
            "HOTLINE_RTP_END": str(rtp + 99),
            "COLUMNS": "200",
        }
        (home / "tools").symlink_to(home_folder() / "tools")

    def command(self, *words: str, typed: str = "", **changes: str) -> subprocess.CompletedProcess[str]:
        """Run to its end, with `typed` as its standard input."""
        return nursery().run(words, {**self.environment, **changes}, typed, PATIENCE_SECONDS)

    def up(self) -> "Running":
        if self.laid_out:
            furnish(self.home, self.environment)
        return Running(
            subprocess.Popen(
                self._argv("up"),
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )

    def _argv(self, *words: str) -> list[str]:
        return [sys.executable, "-P", "-m", "hotline.cli", *words]

    def signal(self, name: str, which: signal.Signals) -> None:
        """Send one of its processes a signal."""
        os.kill(self.processes()[name], which)

    def processes(self) -> dict[str, int]:
        """Every process of this home, by what it is."""
        found = {}
        for pid, line in _command_lines():
            if "hotline.cli" in line and _home_of(pid) == str(self.home):
                found[line.split("hotline.cli ")[1].split()[0]] = pid
            elif f"{self.home}/asterisk/etc/asterisk.conf" in line and " -f " in line:
                found["asterisk"] = pid
            elif f"-D {self.home}/postgres/data" in line:
                found["postgres"] = pid
        return found


def _command_lines() -> Iterator[tuple[int, str]]:
    """Of all processes; asked again and again by who waits for one, so no more of each is read."""
    for pid in psutil.pids():
        with suppress(OSError):
            yield pid, Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


def _home_of(pid: int) -> str | None:
    with suppress(psutil.Error):
        return psutil.Process(pid).environ().get("HOTLINE_HOME")
    return None


class Running:
    """A `hotline up` under way, and what it has said."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.said = ""
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line

    def wait_up(self) -> "Running":
        wait_for(lambda: "Ctrl-C stops it" in self.said or self.process.poll() is not None)
        assert self.process.poll() is None, self.said
        wait_for(lambda: "log in as" in self.said)
        return self

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=60)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
