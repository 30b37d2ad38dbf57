"""The roles as child processes: started, listened to, restarted with growing pauses, stopped.

One that hangs is killed: its heart (hotline/heart.py) is listened for.

A child dies with us whatever kills us: it asks the kernel for that (`die_with_parent`), because
it holds ports that the next start needs.
"""

import ctypes
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hotline.heart import WATCHDOG_SECONDS, Ear
from hotline.logs import keeper, short, worth_telling

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0  # a child that lived this long starts again without a pause
_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Called by a child first of all: SIGKILL for us when process `parent` ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before we asked
        os._exit(1)


@dataclass(slots=True)
class Pauses:
    """How long to wait before the next try: doubling, forgotten after a steady minute."""

    seconds: float = 0.0
    until: float = 0.0

    def failed(self, now: float, lived_seconds: float) -> None:
        steady = lived_seconds >= STEADY_SECONDS
        doubled = FIRST_PAUSE_SECONDS if steady else max(FIRST_PAUSE_SECONDS, self.seconds * 2)
        self.seconds = min(doubled, LONGEST_PAUSE_SECONDS)
        self.until = now + self.seconds


@dataclass(slots=True)
class Child:
    """One role. All methods are for the main thread: the kernel's death signal is tied to it."""

    role: str
    command: list[str]
    log_file: Path
    tell: Callable[[str], None]  # a line for the terminal
    ear: Ear
    _process: "subprocess.Popen[bytes] | None" = None
    _began: float = 0.0
    _pauses: Pauses = field(default_factory=Pauses)
    _keeper: logging.Handler | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self.alive and self._process else None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def is_ready(self) -> bool:
        """It runs, and has said that it is at work."""
        self.ear.silent_seconds()
        return self.alive and self.ear.ready

    def start(self) -> None:
        self._keeper = self._keeper or keeper(self.log_file)
        self._began = time.monotonic()
        self.ear.begin()
        self._process = subprocess.Popen(
            [*self.command, "--parent", str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | self.ear.environment,
            start_new_session=True,  # the terminal's Ctrl-C is for us, who stop children in order
        )
        threading.Thread(
            target=self._listen, args=(self._process,), name=f"log-{self.role}", daemon=True
        ).start()

    def _listen(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        assert self._keeper is not None
        for raw in process.stdout:
            line = raw.decode(errors="replace").rstrip("\n")
            self._keeper.emit(logging.makeLogRecord({"msg": line}))
            if worth_telling(line):
                self.tell(f"{self.role:5} | {short(line)}")

    def look_after(self, now: float) -> None:
        """Kill it when it hangs; restart it when it died and its pause is over."""
        hung = self.alive and self.ear.is_lost()
        if self.alive and not hung:
            return
        if self._process is not None:
            if hung:
                self._process.kill()
            status = self._process.wait()
            self._process = None
            self._pauses.failed(now, now - self._began)
            how = f"ended (signal {-status})" if status < 0 else f"ended (status {status})"
            if hung:
                how = f"hung, silent for {WATCHDOG_SECONDS:g} s: killed"
            self.tell(f"{self.role:5} | {how}; starting it again in {self._pauses.seconds:g} s")
        if now >= self._pauses.until:
            self.start()

    def stop(self) -> None:
        """Ask it to end; `wait` waits."""
        if self.alive and self._process:
            self._process.terminate()

    def wait(self, until: float) -> None:
        """Wait for its end until the clock shows `until`, then kill it."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
