"""AmiLink: Asterisk's manager interface made safe. A thread with its own loop, and a plain facade.

Events reach subscribers on one consumer thread, in order; what is lost is counted and repaired by a
snapshot. Framing and sending live in telephony/ami_wire.py, the meaning of events in telephony/live.py.
"""

import asyncio
import random
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Any

import structlog
from panoramisk.message import Message
from prometheus_client import Counter, Gauge

from telephony.ami_inbox import Inbox
from telephony.ami_wire import (
    AmiDown,
    AmiError,
    AmiGarbage,
    AmiRefused,
    AmiSecretWrong,
    AmiTimeout,
    HeaderValue,
    SafeProtocol,
    request,
)

__all__ = [
    "AmiDown",
    "AmiError",
    "AmiGarbage",
    "AmiLink",
    "AmiRefused",
    "AmiSecretWrong",
    "AmiTimeout",
    "Figures",
    "Message",
    "Patience",
    "Snapshot",
]

log = structlog.get_logger("ami")

CONNECTED = Gauge("hotline_ami_connected", "Is Asterisk's manager reached (1) or not (0)", ["link"])
LOGINS = Counter(
    "hotline_ami_logins", "Log-ins at Asterisk's manager; each after the first is a reconnect", ["link"]
)
FAULTS = Counter("hotline_ami_faults", "Lost or failed manager links, by class of fault", ["fault"])


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each thing may take, in seconds."""

    connect: float = 5.0  # TCP, greeting and login, each
    ping: float = 5.0  # between pings
    mute: float = 5.0  # a peer silent this long after a ping is gone
    snapshot: float = 10.0
    redraw: float = 60.0  # between snapshots when nothing asks for one
    retry_first: float = 0.25
    retry_most: float = 5.0
    retry_refused: float = 30.0  # wrong secret: a person must act


USUAL = Patience()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What Asterisk says is so: queues, members and waiting callers (QueueStatus), channels.

    Whatever was so at `asked_at` (UTC) and lasts is in it.
    """

    asked_at: datetime
    queues: tuple[Message, ...]
    channels: tuple[Message, ...]


@dataclass(slots=True)
class Figures:
    """Counted since start, for `hotline check` and the metrics."""

    logins: int = 0
    snapshots: int = 0
    faults: dict[str, int] = field(default_factory=dict)  # by class of fault


class AmiLink:
    """A link that keeps itself up. `watch=False` is for acts only: no events, no snapshots."""

    def __init__(
        self,
        host: str,
        port: int,
        user: str,
        secret: str,
        *,
        watch: bool = True,
        capacity: int = 20_000,
        patience: Patience = USUAL,
    ) -> None:
        self._peer = (host, port)
        self._peer_name = f"{host}:{port}"
        self._credentials = {"Username": user, "Secret": secret, "Events": "on" if watch else "off"}
        self._watch = watch
        self._use = "events" if watch else "acts"
        self._patience = patience
        self._inbox: Inbox[Message, Snapshot] = Inbox(capacity, self._want_snapshot)
        self._on_event: list[Callable[[Message], None]] = []
        self._on_snapshot: list[Callable[[Snapshot], None]] = []
        self._protocol: SafeProtocol | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._snapshot_wanted = asyncio.Event()
        self._threads: list[threading.Thread] = []
        self._said = ""
        self.figures = Figures()

    # ---- the facade, for any thread -------------------------------------------------------

    def start(self) -> None:
        """Begin to connect; returns at once. Subscribe before."""
        ready = threading.Event()
        self._threads = [
            threading.Thread(target=lambda: asyncio.run(self._run(ready)), name="ami-link", daemon=True),
            threading.Thread(target=self._consume, name="ami-events", daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        ready.wait()

    def stop(self) -> None:
        """Close the link and end both threads; waiting actions get AmiDown."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._inbox.close()
        for thread in self._threads:
            thread.join(timeout=5)

    @property
    def connected(self) -> bool:
        """Logged in, and not known to be lost."""
        return self._protocol is not None

    @property
    def dropped(self) -> int:
        """Events not handed to subscribers for want of room; a snapshot followed."""
        return self._inbox.dropped

    def subscribe(self, callback: Callable[[Message], None]) -> None:
        """Call `callback(event)` for every event, in order, on the consumer thread."""
        self._on_event.append(callback)

    def on_snapshot(self, callback: Callable[[Snapshot], None]) -> None:
        """Call `callback(snapshot)` after each login, after lost events and every minute, in order."""
        self._on_snapshot.append(callback)

    def redraw(self) -> None:
        """Ask for a snapshot soon."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._snapshot_wanted.set)

    def action(self, name: str, /, timeout: float = 5.0, **headers: HeaderValue) -> list[Message]:
        """Send one action, once; the reply's messages, the response first.

        Raises AmiDown, AmiRefused, AmiTimeout, or ValueError for a header that cannot be sent.
        """
        loop, protocol = self._loop, self._protocol
        if loop is None or protocol is None:
            raise AmiDown("the telephone system cannot be reached")

        async def ask() -> list[Message]:
            return await protocol.ask(request(name, headers), timeout)

        try:
            asked = asyncio.run_coroutine_threadsafe(ask(), loop)
        except RuntimeError:
            raise AmiDown("the link is stopped") from None
        try:
            return asked.result(timeout + 1)
        except TimeoutError:
            asked.cancel()
            raise AmiTimeout(f"no answer to {name} within {timeout:g} s") from None
        except CancelledError:
            raise AmiDown("the link was stopped", sent=True) from None

    # ---- the connection, on the link's own loop ----------------------------------------------

    async def _run(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        keeper = asyncio.create_task(self._keep_connected())
        ready.set()
        await self._stopping.wait()
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)

    async def _keep_connected(self) -> None:
        tries = 0
        while True:
            began = monotonic()
            fault = await self._one_connection()
            self._say(fault)
            if monotonic() - began > self._patience.retry_most:
                tries = 0
            pause = min(self._patience.retry_most, self._patience.retry_first * 2 ** min(tries, 16))
            if isinstance(fault, AmiSecretWrong):
                pause = self._patience.retry_refused
            tries += 1
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 -- jitter, not a secret

    async def _one_connection(self) -> AmiError:
        """Connect, log in, watch until it ends; the fault that ended it."""
        protocol: SafeProtocol | None = None
        try:
            protocol = await self._log_in()
            self._protocol = protocol
            self.figures.logins += 1
            LOGINS.labels(self._use).inc()
            CONNECTED.labels(self._use).set(1)
            self._said = ""
            log.info("ami.connected", peer=self._peer_name, banner=protocol.wire.banner)
            return await self._tend(protocol)
        except AmiError as fault:
            return fault
        except (OSError, TimeoutError) as fault:
            return AmiDown(str(fault) or "no connection in time")
        except Exception as fault:
            log.exception("ami.unexpected")
            return AmiDown(repr(fault))
        finally:
            self._protocol = None
            CONNECTED.labels(self._use).set(0)
            if protocol is not None:
                protocol.close()

    async def _log_in(self) -> SafeProtocol:
        connecting = asyncio.get_running_loop().create_connection(
            lambda: SafeProtocol(self._arrived), *self._peer
        )
        _, protocol = await asyncio.wait_for(connecting, self._patience.connect)
        try:
            await asyncio.wait_for(protocol.greeted.wait(), self._patience.connect)
            await protocol.ask(request("Login", self._credentials), self._patience.connect)
        except AmiRefused as fault:
            protocol.close()
            raise AmiSecretWrong(str(fault)) from None
        except BaseException:
            protocol.close()
            raise
        return protocol

    async def _tend(self, protocol: SafeProtocol) -> AmiError:
        """Ping and redraw until the connection is over."""
        tending = [self._ping(protocol), self._draw(protocol)] if self._watch else [self._ping(protocol)]
        tasks = [asyncio.create_task(job) for job in tending]
        for task in tasks:
            task.add_done_callback(lambda ended: protocol.give_up(_fault_of(ended)))
        try:
            return await protocol.lost
        finally:
            for task in tasks:
                task.cancel()

    async def _ping(self, protocol: SafeProtocol) -> None:
        """Raise AmiDown when the peer has gone mute; a busy one that still talks gets three chances."""
        missed = 0
        while True:
            await asyncio.sleep(self._patience.ping)
            try:
                await protocol.ask(request("Ping", {}), self._patience.mute)
                missed = 0
            except AmiTimeout:
                missed += 1
                silent = monotonic() - protocol.heard_at
                if silent >= self._patience.mute or missed >= 3:
                    raise AmiDown(f"the peer is mute: nothing for {silent:.0f} s, {missed} pings") from None

    async def _draw(self, protocol: SafeProtocol) -> None:
        """A snapshot now, when wanted, and every `redraw` seconds. Events meanwhile wait their turn."""
        while True:
            self._snapshot_wanted.clear()
            self._inbox.hold()
            asked_at = datetime.now(UTC)
            queues = await protocol.ask(request("QueueStatus", {}), self._patience.snapshot)
            channels = await protocol.ask(request("CoreShowChannels", {}), self._patience.snapshot)
            self._inbox.release(Snapshot(asked_at, tuple(queues[1:]), tuple(channels[1:])))
            self.figures.snapshots += 1
            await asyncio.sleep(min(0.2, self._patience.redraw))  # a storm of losses asks for few snapshots
            try:
                await asyncio.wait_for(self._snapshot_wanted.wait(), self._patience.redraw)
            except TimeoutError:
                continue

    def _want_snapshot(self) -> None:
        self._snapshot_wanted.set()

    def _arrived(self, event: Message) -> None:
        if not self._watch:
            return
        if event.event == "FullyBooted" and self.figures.snapshots:
            self._snapshot_wanted.set()
        self._inbox.put(event)

    def _say(self, fault: AmiError) -> None:
        """One line per change, not per try."""
        kind = type(fault).__name__
        self.figures.faults[kind] = self.figures.faults.get(kind, 0) + 1
        FAULTS.labels(kind).inc()
        if str(fault) == self._said:
            return
        self._said = str(fault)
        facts: dict[str, Any] = {"peer": self._peer_name, "fault": str(fault)}
        if isinstance(fault, AmiSecretWrong):
            facts["remedy"] = (
                "the secret differs from Asterisk's manager.conf: render the configuration and reload"
            )
        log.warning("ami.lost", **facts)

    # ---- the consumer thread -------------------------------------------------------------------

    def _consume(self) -> None:
        for item in self._inbox:
            callbacks: list[Callable[[Any], None]] = (
                list(self._on_snapshot) if isinstance(item, Snapshot) else list(self._on_event)
            )
            for callback in callbacks:
                try:
                    callback(item)
                except Exception:
                    log.exception("ami.subscriber_failed")


def _fault_of(task: asyncio.Task[None]) -> AmiError:
    """Why a task that never ends by itself has ended."""
    fault = None if task.cancelled() else task.exception()
    return fault if isinstance(fault, AmiError) else AmiDown(f"stopped tending: {fault!r}")
