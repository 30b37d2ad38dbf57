"""An AGI server that behaves as a test says: routes, falls mute, dies. Our own handler is not in play."""

import contextlib
import socket
import threading
from collections.abc import Callable

Behaviour = Callable[["AgiCall"], None]


class AgiCall:
    """One connection: the environment Asterisk sent, and commands with their answers."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.file = connection.makefile("r", encoding="utf-8", errors="replace")
        self.environment: dict[str, str] = {}
        for line in self.file:
            if not line.strip():
                break
            name, _, value = line.rstrip("\n").partition(": ")
            self.environment[name] = value

    def do(self, command: str) -> str:
        self.connection.sendall(f"{command}\n".encode())
        return self.file.readline().strip()

    def set(self, **variables: str) -> None:
        for name, value in variables.items():
            self.do(f'SET VARIABLE {name} "{value}"')


def routing(queue: str, **variables: str) -> Behaviour:
    """Set the variables as the handler does, the route last."""

    def behave(call: AgiCall) -> None:
        call.set(**variables, HOTLINE_ROUTE=queue)

    return behave


class AgiStandIn:
    """Listens on the port; each call is given to `behaviour` in a thread, then closed."""

    def __init__(self, port: int, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.calls: list[AgiCall] = []
        self._held = threading.Event()
        self._server = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            call = AgiCall(connection)
            self.calls.append(call)
            with contextlib.suppress(OSError):  # the caller hung up
                self.behaviour(call)
                connection.shutdown(socket.SHUT_RDWR)

    def mute(self, call: AgiCall) -> None:
        """A behaviour: accept, then say nothing until closed."""
        self._held.wait(60)

    def close(self) -> None:
        self._held.set()
        self._server.close()
