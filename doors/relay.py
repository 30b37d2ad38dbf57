"""The way from a guest's browser to Asterisk: one WebSocket each, and doors/sip.py between them.

Asterisk is dialled only when the guest really calls, so that idle guests cost it nothing and the agents'
places in its HTTP server are never taken. Runs on the web server's event loop and never waits without limit.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog
from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect, WebSocketState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from doors.limits import Limits, TooMuch, Turnstile
from doors.sip import MOST_CHARACTERS, GuestCall, Refused

IDLE_SECONDS = 60.0  # a socket that asks for no call
REACH_SECONDS = 4.0  # for Asterisk to take the connection
SEND_SECONDS = 5.0  # for the guest to read a few hundred bytes
PARTING_SECONDS = 2.0  # for Asterisk to answer the end of a call
MENU_SECONDS = 300.0  # before the queue, from when on Asterisk itself counts
PHASE_SECONDS = 1.0

# How a guest's socket is closed; the page has words for each.
REFUSED, IDLE, TIME_UP, OFTEN, BUSY, AWAY = 4400, 4408, 4409, 4429, 4430, 4503
_TOO_MUCH = {"often": OFTEN, "busy": BUSY, "closed": BUSY}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Line:
    """A published number and its name."""

    number: str
    name: str


@dataclass(frozen=True, slots=True)
class Door:
    """`asterisk`: its WebSocket address on loopback; `secret`: by which it knows us; `phases`: visit → where
    its call is (menu, waiting, talking), asked on a thread, {} when it cannot be known; `leaving`: is this
    process about to end?"""

    asterisk: str
    secret: str
    lines: tuple[Line, ...]
    phases: Callable[[], Mapping[str, str]]
    limits: Limits = field(default_factory=Limits)
    call_seconds: float = 1800.0
    leaving: Callable[[], bool] = bool


class Closed(Exception):
    """The guest's socket is to be closed with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Relay:
    """Serves all guests of this process."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.turnstile = Turnstile(door.limits)
        self._phases = _Phases(door.phases)

    async def serve(self, guest: WebSocket, address: str) -> None:
        """One guest's socket, accepted already, until it is closed. A guest's faults raise nothing."""
        code = 1000
        try:
            with self.turnstile.socket(address):
                await self._serve(guest, address)
        except TooMuch as much:
            code = _TOO_MUCH[much.why]
        except Closed as closed:
            code = closed.code
        except Refused as why:
            log.info("guest_refused", why=str(why))
            code = REFUSED
        except (OSError, TimeoutError, WebSocketException) as why:
            log.warning("guest_without_asterisk", why=str(why) or type(why).__name__)
            code = AWAY
        except WebSocketDisconnect:
            return
        if guest.client_state is WebSocketState.CONNECTED:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
                await asyncio.wait_for(guest.close(code), SEND_SECONDS)

    async def _serve(self, guest: WebSocket, address: str) -> None:
        call = GuestCall({line.number for line in self.door.lines}, self.door.secret, secrets.token_hex(8))
        try:
            first = await asyncio.wait_for(_next(guest), IDLE_SECONDS)
        except TimeoutError:
            raise Closed(IDLE) from None
        invite = call.from_guest(first)
        if invite is None:
            raise Refused("an answer to nothing")
        with self.turnstile.call(address):
            async with connect(
                self.door.asterisk,
                subprotocols=["sip"],  # type: ignore[list-item]
                open_timeout=REACH_SECONDS,
                close_timeout=1.0,
                ping_interval=None,
                compression=None,
                proxy=None,
                max_size=4 * MOST_CHARACTERS,
            ) as asterisk:
                await asterisk.send(invite)
                await self._join(guest, asterisk, call)

    async def _join(self, guest: WebSocket, asterisk: ClientConnection, call: GuestCall) -> None:
        """Until either side or the time ends it; then Asterisk is told whatever it does not know yet.

        When it is we who end, an answered call is left to Asterisk: its sound does not come by us.
        """
        ways = [
            asyncio.create_task(way)
            for way in (
                _upward(guest, asterisk, call),
                _downward(guest, asterisk, call),
                self._tell_phases(guest, call),
            )
        ]
        try:
            limit = self.door.call_seconds + MENU_SECONDS
            done, _ = await asyncio.wait(ways, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                raise Closed(TIME_UP)
            for way in done:
                way.result()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            if not (call.answered and self.door.leaving()):
                with contextlib.suppress(ConnectionClosed, TimeoutError, Refused):
                    await asyncio.wait_for(_part(asterisk, call), PARTING_SECONDS)

    async def _tell_phases(self, guest: WebSocket, call: GuestCall) -> None:
        told = ""
        while True:
            await asyncio.sleep(PHASE_SECONDS)
            phase = await self._phases.of(call.visit)
            if phase and phase != told:
                await asyncio.wait_for(guest.send_json({"phase": phase}), SEND_SECONDS)
                told = phase


class _Phases:
    """Where the guests' calls are, asked at most once a second however many there are."""

    def __init__(self, look: Callable[[], Mapping[str, str]]) -> None:
        self._look = look
        self._lock = asyncio.Lock()
        self._known: Mapping[str, str] = {}
        self._at = float("-inf")

    async def of(self, visit: str) -> str:
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if now - self._at >= PHASE_SECONDS:
                self._known = await asyncio.to_thread(self._look)
                self._at = now
        return self._known.get(visit, "")


async def _next(guest: WebSocket) -> str:
    """The guest's next message. Raises WebSocketDisconnect, Refused for what is not text."""
    message = await guest.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    text = message.get("text")
    if not isinstance(text, str):
        raise Refused("a message that is not text")
    return text


async def _upward(guest: WebSocket, asterisk: ClientConnection, call: GuestCall) -> None:
    while not call.over:
        text = call.from_guest(await _next(guest))
        if text is not None:
            await asterisk.send(text)


async def _downward(guest: WebSocket, asterisk: ClientConnection, call: GuestCall) -> None:
    """Returns when the call is over; the guest is sent Asterisk's last word first."""
    while not call.over:
        message = await asterisk.recv(decode=True)
        for_guest, for_asterisk = call.from_asterisk(message)
        if for_asterisk is not None:
            await asterisk.send(for_asterisk)
        if for_guest is not None:
            await asyncio.wait_for(guest.send_text(for_guest), SEND_SECONDS)


async def _part(asterisk: ClientConnection, call: GuestCall) -> None:
    """Hang up what is still up: a socket that is gone would leave the call in the queue."""
    was_answered = call.answered
    farewell = call.farewell()
    while farewell is not None:
        await asterisk.send(farewell)
        while not call.over and call.answered == was_answered:
            _, answer = call.from_asterisk(await asterisk.recv(decode=True))
            if answer is not None:
                await asterisk.send(answer)
        was_answered, farewell = call.answered, call.farewell()
