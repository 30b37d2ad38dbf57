"""A TCP server that plays Asterisk's manager interface, well or badly, as a test asks."""

import contextlib
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

GREETING = b"Asterisk Call Manager/11.0.0\r\n"
Headers = dict[str, str]


def block(**headers: str) -> bytes:
    return "".join(f"{key}: {value}\r\n" for key, value in headers.items()).encode() + b"\r\n"


class FakeAsterisk:
    """`answer` may be replaced, per action name, by a function (session, headers) -> bytes | None."""

    def __init__(self, secret: str = "right") -> None:
        self.secret = secret
        self.answers: dict[str, Callable[[Session, Headers], bytes | None]] = {}
        self.received: list[Headers] = []
        self.members: list[Headers] = []
        self.channels: list[Headers] = []
        self.sessions: list[Session] = []
        self.mute = False
        self.greeting = GREETING
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            session = Session(self, connection)
            self.sessions.append(session)
            threading.Thread(target=session.serve, daemon=True).start()

    def counted(self) -> Counter[str]:
        """How often each action was received."""
        return Counter(headers["Action"] for headers in self.received)

    def send(self, data: bytes) -> None:
        """To the newest session."""
        self.sessions[-1].send(data)

    def cut(self) -> None:
        """Close every session as a crash would."""
        for session in self.sessions:
            session.close()

    def stop(self) -> None:
        self._listening.close()
        self.cut()


class Session:
    def __init__(self, server: FakeAsterisk, connection: socket.socket) -> None:
        self.server = server
        self._connection = connection
        self._sending = threading.Lock()

    def send(self, data: bytes) -> None:
        with self._sending:
            self._connection.sendall(data)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def serve(self) -> None:
        try:
            self.send(self.server.greeting)
            rest = b""
            while data := self._connection.recv(65536):
                *blocks, rest = (rest + data).split(b"\r\n\r\n")
                for text in blocks:
                    self._one(
                        dict(line.split(": ", 1) for line in text.decode().split("\r\n") if ": " in line)
                    )
        except OSError:
            return

    def _one(self, headers: Headers) -> None:
        self.server.received.append(headers)
        if self.server.mute:
            return
        name = headers["Action"]
        own = self.server.answers.get(name)
        reply = own(self, headers) if own else getattr(self, f"_{name.lower()}", self._done)(headers)
        if reply is not None:
            self.send(reply)

    def _done(self, headers: Headers) -> bytes:
        return block(Response="Success", ActionID=headers["ActionID"], Message="Done")

    def _login(self, headers: Headers) -> bytes:
        if headers["Secret"] == self.server.secret:
            return self._done(headers)
        self.send(block(Response="Error", ActionID=headers["ActionID"], Message="Authentication failed"))
        self.close()
        return b""

    def _queuestatus(self, headers: Headers) -> bytes:
        return self._list(headers, "QueueMember", self.server.members, "QueueStatusComplete")

    def _coreshowchannels(self, headers: Headers) -> bytes:
        return self._list(headers, "CoreShowChannel", self.server.channels, "CoreShowChannelsComplete")

    def _list(self, headers: Headers, event: str, rows: list[Headers], last: str) -> bytes:
        mine = headers["ActionID"]
        head = block(Response="Success", ActionID=mine, EventList="start", Message="List will follow")
        body = b"".join(block(Event=event, ActionID=mine, **row) for row in rows)
        return head + body + block(Event=last, ActionID=mine, EventList="Complete", ListItems=str(len(rows)))


@contextmanager
def fake_asterisk(secret: str = "right") -> Iterator[FakeAsterisk]:
    server = FakeAsterisk(secret)
    try:
        yield server
    finally:
        server.stop()


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until the condition holds; fail after a generous limit."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.005)
