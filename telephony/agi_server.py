"""The door Asterisk's AGI() knocks on: accepts, reads the header, gives each call a thread.

Headers are read by one thread for all, so a peer that stalls costs a socket, not a thread.
Whoever is turned away is simply closed: the dialplan then goes on to its fallback queue.
"""

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog
from asterisk.agi import AGIHangup
from prometheus_client import Counter, Gauge

from telephony.agi_wire import Header, Request, WireError
from telephony.line import Line, LineError, PromptSeconds, assume_prompt_seconds

Handler = Callable[[Line, Request], None]

LIVE = Gauge("hotline_agi_live", "Calls that are being handled", ["script"])
ENDED = Counter(
    "hotline_agi_dialogues",
    "How handled calls ended: done, gone, broken, failed or refused",
    ["script", "end"],
)

BACKLOG = 4096
ROUND_SECONDS = 1.0  # the door is looked at so often even when nobody knocks
FULL_PAUSE_SECONDS = 0.05  # while the process has no file descriptor left


@dataclass(slots=True)
class _Waiting:
    """A connection whose header is not complete."""

    sock: socket.socket
    until: float
    header: Header = field(default_factory=Header)
    spoke: bool = False


class AgiServer:
    """Serves `agi://host:port/<script>` by `handlers[script]`, one thread for each live call.

    `max_live` calls at once and `max_waiting` incomplete headers, each for `header_seconds`;
    keep their sum below the process's limit of open files. `port` 0 picks a free one.
    """

    def __init__(
        self,
        host: str,
        port: int,
        handlers: Mapping[str, Handler],
        *,
        prompt_seconds: PromptSeconds = assume_prompt_seconds,
        max_live: int = 400,
        max_waiting: int = 400,
        header_seconds: float = 5.0,
        each_round: Callable[[], None] = lambda: None,
    ) -> None:
        """`each_round` is called at the door, once a round: whoever is called so knows that it is open."""
        self._each_round = each_round
        self._address = (host, port)
        self._handlers = handlers
        self._prompt_seconds = prompt_seconds
        self._max_live = max_live
        self._max_waiting = max_waiting
        self._header_seconds = header_seconds
        self._log = structlog.get_logger(__name__)
        self._waiting: dict[int, _Waiting] = {}  # oldest first: all wait equally long
        self._live: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._listener: socket.socket | None = None
        self._door: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port in use, once started."""
        assert self._listener is not None
        return int(self._listener.getsockname()[1])

    @property
    def live(self) -> int:
        """How many calls are being handled."""
        with self._lock:
            return len(self._live)

    def start(self) -> None:
        """Listen and serve in the background. Raises OSError when the address is taken."""
        listener = socket.create_server(self._address, backlog=BACKLOG)
        listener.setblocking(False)
        self._listener = listener
        self._wake, wake_end = socket.socketpair()
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(wake_end, selectors.EVENT_READ)
        self._door = threading.Thread(target=self._watch_door, args=(wake_end,), name="agi-door", daemon=True)
        self._door.start()

    def stop(self, grace_seconds: float = 5.0) -> None:
        """Take no more calls; let handlers finish for so long, then drop the rest to the dialplan's queue."""
        if self._door is None:
            return
        self._stopping.set()
        self._wake.close()
        self._door.join()
        self._door = None
        until = time.monotonic() + grace_seconds
        for thread in self._live_threads():
            thread.join(max(0.0, until - time.monotonic()))
        self._cut_live()
        for thread in self._live_threads():
            thread.join(2.0)

    def _live_threads(self) -> list[threading.Thread]:
        with self._lock:
            return list(self._live)

    def _cut_live(self) -> None:
        with self._lock:
            for sock in self._live.values():
                _shut(sock)

    # The door: one thread.

    def _watch_door(self, wake_end: socket.socket) -> None:
        assert self._listener is not None
        while not self._stopping.is_set():
            self._each_round()
            for key, _ in self._selector.select(self._next_deadline()):
                if key.fileobj is self._listener:
                    self._accept_all(self._listener)
                elif isinstance(key.data, _Waiting):
                    self._read_header(key.data)
            self._drop_late()
        for waiting in list(self._waiting.values()):
            self._forget(waiting).close()
        self._selector.close()
        self._listener.close()
        wake_end.close()

    def _next_deadline(self) -> float:
        oldest = next(iter(self._waiting.values()), None)
        left = ROUND_SECONDS if oldest is None else oldest.until - time.monotonic()
        return min(ROUND_SECONDS, max(0.0, left))

    def _accept_all(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as full:
                self._log.error("agi_cannot_accept", error=str(full), remedy="raise the limit of open files")
                time.sleep(FULL_PAUSE_SECONDS)
                return
            self._admit(sock)

    def _admit(self, sock: socket.socket) -> None:
        if len(self._waiting) >= self._max_waiting:
            self._make_room(next(iter(self._waiting.values())))
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        waiting = _Waiting(sock, time.monotonic() + self._header_seconds)
        self._waiting[sock.fileno()] = waiting
        self._selector.register(sock, selectors.EVENT_READ, waiting)

    def _make_room(self, oldest: _Waiting) -> None:
        """Asterisk speaks at once: who has waited longest and has not spoken by now is the least missed."""
        self._read_header(oldest)
        if oldest.sock.fileno() in self._waiting:
            self._refuse(self._forget(oldest), "too many connections without a header")

    def _read_header(self, waiting: _Waiting) -> None:
        if waiting.sock.fileno() not in self._waiting:
            return
        try:
            chunk = waiting.sock.recv(4096)
            waiting.spoke = waiting.spoke or bool(chunk)
            request = waiting.header.feed(chunk)
        except (BlockingIOError, InterruptedError):
            return
        except (WireError, OSError) as bad:
            self._refuse(self._forget(waiting), str(bad))
            return
        if request is not None:
            self._hand_over(self._forget(waiting), request)
        elif not chunk:
            said = "closed within its header" if waiting.spoke else "closed without a word"
            self._refuse(self._forget(waiting), said)

    def _drop_late(self) -> None:
        now = time.monotonic()
        while (oldest := next(iter(self._waiting.values()), None)) and oldest.until <= now:
            self._refuse(self._forget(oldest), f"no header within {self._header_seconds:g} s")

    def _forget(self, waiting: _Waiting) -> socket.socket:
        del self._waiting[waiting.sock.fileno()]
        self._selector.unregister(waiting.sock)
        return waiting.sock

    def _refuse(self, sock: socket.socket, why: str, **who: str) -> None:
        ENDED.labels("", "refused").inc()
        self._log.warning("agi_refused", why=why, **who)
        sock.close()

    def _hand_over(self, sock: socket.socket, request: Request) -> None:
        handler = self._handlers.get(request.script)
        if handler is None:
            self._refuse(sock, "no such script", call=_call(request))
            return
        if self.live >= self._max_live:
            self._refuse(sock, f"{self._max_live} calls are being handled", call=_call(request))
            return
        thread = threading.Thread(target=self._serve, args=(sock, request, handler), name="agi", daemon=True)
        with self._lock:
            self._live[thread] = sock
        try:
            thread.start()
        except RuntimeError as full:
            self._leave(thread)
            self._refuse(sock, str(full), call=_call(request))

    # One thread for each live call.

    def _serve(self, sock: socket.socket, request: Request, handler: Handler) -> None:
        live = LIVE.labels(request.script)
        live.inc()
        end = "failed"
        with structlog.contextvars.bound_contextvars(call=_call(request)):
            try:
                line = Line(sock, request, self._prompt_seconds)
                line.greet()
                handler(line, request)
                end = "done"
            except AGIHangup:
                end = "gone"  # the end of the call is CEL's to tell
            except LineError as broken:
                end = "broken"
                self._log.warning("agi_line_broken", why=str(broken))
            except Exception:
                self._log.exception("agi_handler_failed")
            finally:
                live.dec()
                ENDED.labels(request.script, end).inc()
                self._leave(threading.current_thread())
                sock.close()

    def _leave(self, thread: threading.Thread) -> None:
        with self._lock:
            self._live.pop(thread, None)


def _shut(sock: socket.socket) -> None:
    """Cut a connection under a thread that reads it: the thread wakes and sees the end."""
    with contextlib.suppress(OSError):  # it was already gone
        sock.shutdown(socket.SHUT_RDWR)


def _call(request: Request) -> str:
    return request.args[0] if request.args else ""
