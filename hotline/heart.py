"""A role's heart: tells whoever started it (`hotline up`, or systemd) that it is ready and at work.

The protocol is sd_notify's: datagrams to NOTIFY_SOCKET. Whoever is unheard for WATCHDOG_USEC is killed
and started again, so a beat comes from the thread that does the work, never from one of its own.
"""

import contextlib
import os
import socket
import time
from pathlib import Path

WATCHDOG_SECONDS = 15.0
START_SECONDS = 60.0  # until the first beat
BEAT_SECONDS = 1.0
LONGEST_MESSAGE = 4096


class Heart:
    """Silent where nobody listens. Never blocks and never raises: a lost beat is followed by others."""

    def __init__(self, address: str | None = None) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)
        self._ready = False
        self._next = 0.0

    def beat(self) -> None:
        """One round of work is done; the first one means that we are ready. At most one a second is sent."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + BEAT_SECONDS
        self._say("WATCHDOG=1" if self._ready else "READY=1\nSTATUS=at work\nWATCHDOG=1")
        self._ready = True

    def stopping(self) -> None:
        """We were asked to end, and are about it."""
        self._say("STOPPING=1\nSTATUS=stopping")

    def _say(self, words: str) -> None:
        if self._address:
            with contextlib.suppress(OSError):
                self._socket.sendto(words.encode(), self._address)


class Ear:
    """Where one child's heart is listened for: a socket at `path`, in a folder of our own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)
        self._socket.bind(str(path))
        self.begin()

    @property
    def environment(self) -> dict[str, str]:
        """What the child is told."""
        return {"NOTIFY_SOCKET": str(self.path), "WATCHDOG_USEC": str(int(WATCHDOG_SECONDS * 1_000_000))}

    def begin(self) -> None:
        """Another process takes the child's place: what the one before said is forgotten."""
        self._drain()
        self.ready = self.stopping = False
        self._heard = time.monotonic()

    def silent_seconds(self) -> float:
        """How long nothing was heard; what arrived meanwhile is heard first."""
        for message in self._drain():
            words = message.decode(errors="replace").split("\n")
            self.ready |= "READY=1" in words
            self.stopping |= "STOPPING=1" in words
            self._heard = time.monotonic()
        return time.monotonic() - self._heard

    def is_lost(self) -> bool:
        """Silent for too long. Whoever is stopping has another limit."""
        silent = self.silent_seconds()
        return not self.stopping and silent > (WATCHDOG_SECONDS if self.ready else START_SECONDS)

    def _drain(self) -> list[bytes]:
        messages = []
        with contextlib.suppress(BlockingIOError):
            while True:
                messages.append(self._socket.recv(LONGEST_MESSAGE))
        return messages
