"""One thread that cuts connections whose server has stopped answering even its own time-outs.

A frozen server (stopped process, hung disk) honours no statement_timeout, and a read from a Unix
socket has no time-out of its own: a caller would wait for ever.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

LOOK_SECONDS = 0.1  # how late a cut may come


@dataclass(slots=True)
class Watch:
    """One connection's time; `end` is of the monotonic clock."""

    end: float
    cut: bool = False


class Watchdog:
    """Watches any number of connections; its thread sleeps while there are none."""

    def __init__(self) -> None:
        self._watched: dict[socket.socket, Watch] = {}
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self, descriptor: int, seconds: float) -> Iterator[Watch]:
        """Cut the connection of this file descriptor if the block takes longer; the watch tells of it."""
        wire = socket.socket(fileno=os.dup(descriptor))
        watch = Watch(time.monotonic() + seconds)
        with self._change:
            self._watched[wire] = watch
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="database-watchdog", daemon=True)
                self._thread.start()
            if len(self._watched) == 1:
                self._change.notify()
        try:
            yield watch
        finally:
            with self._change:
                self._watched.pop(wire, None)
            wire.close()

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._watched)
                now = time.monotonic()
                for wire in [wire for wire, watch in self._watched.items() if watch.end < now]:
                    self._watched.pop(wire).cut = True
                    with suppress(OSError):
                        wire.shutdown(socket.SHUT_RDWR)
            time.sleep(LOOK_SECONDS)
