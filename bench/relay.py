"""A pipe between the browser's phone and Asterisk that notes when Asterisk sent each INVITE."""

import re
import socket
import threading
import time

_CALL = re.compile(rb"\r\nX-Hotline-Call: ([^\r]+)\r\n")
_CHUNK = 65536


class Relay:
    """Listens on `port`, passes on to `target` on 127.0.0.1. Its own delay counts as ours."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.invited: dict[str, float] = {}  # call id → seconds since the epoch, of the first INVITE
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                browser, _ = self._listener.accept()
            except OSError:
                return
            asterisk = socket.create_connection(("127.0.0.1", self._target))
            for end in (browser, asterisk):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._pass, args=(browser, asterisk, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(asterisk, browser, True), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, note: bool) -> None:
        try:
            while chunk := source.recv(_CHUNK):
                if note:
                    self._note(chunk)
                target.sendall(chunk)
        except OSError:
            pass  # one end is gone: so is the other
        finally:
            source.close()
            target.close()

    def _note(self, chunk: bytes) -> None:
        """Frames to a browser are not masked; an INVITE is far shorter than a chunk."""
        now = time.time()
        if b"INVITE sip:" in chunk and (found := _CALL.search(chunk)):
            self.invited.setdefault(found[1].decode(), now)
