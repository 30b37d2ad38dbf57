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

LOOK_SECONDS = 0.2  # how late a cut may come


class Watchdog:
    """Watches any number of connections; its thread sleeps while there are none."""

    def __init__(self) -> None:
        self._watched: dict[socket.socket, float] = {}
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self, descriptor: int, seconds: float) -> Iterator[None]:
        """Cut the connection of this file descriptor if the block takes longer."""
        wire = socket.socket(fileno=os.dup(descriptor))
        with self._change:
            self._watched[wire] = time.monotonic() + seconds
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="database-watchdog", daemon=True)
                self._thread.start()
            if len(self._watched) == 1:
                self._change.notify()
        try:
            yield
        finally:
            with self._change:
                self._watched.pop(wire, None)
            wire.close()

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._watched)
                now = time.monotonic()
                for wire in [wire for wire, end in self._watched.items() if end < now]:
                    del self._watched[wire]
                    with suppress(OSError):
                        wire.shutdown(socket.SHUT_RDWR)
            time.sleep(LOOK_SECONDS)
