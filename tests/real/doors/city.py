"""The hotline with its public page: guests in browsers, guests that are programs, agents at their desks."""

import asyncio
import json
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
from playwright.sync_api import BrowserContext, Page, expect
from websockets.asyncio.client import ClientConnection, connect

from agents.room import room as agents
from doors.limits import Limits
from doors.relay import Door, Line
from doors.room import room as doors
from storage.database import Database
from telephony import guests
from telephony.config import Guests
from tests.real.asterisk_lab import LINE, Lab
from tests.real.desk.city import DeskCity
from tests.real.waiting import until
from web.services import Room

GUEST_HZ = 1700.0  # what a guest's fake microphone says

# What the page hears, by WebAudio: hears(hz) is the level of a tone in dB, its own clock and nothing else.
EARS = """
  const Real = RTCPeerConnection;
  window.RTCPeerConnection = class extends Real {
    constructor(...words) {
      super(...words);
      this.addEventListener("track", ({ track }) => {
        const context = new AudioContext(), analyser = context.createAnalyser();
        analyser.fftSize = 4096;
        analyser.smoothingTimeConstant = 0;
        context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
        const bins = new Float32Array(analyser.frequencyBinCount);
        window.hears = (hz) => {
          analyser.getFloatFrequencyData(bins);
          const bin = Math.round(hz * analyser.fftSize / context.sampleRate);
          return Math.max(...bins.slice(bin - 2, bin + 3));
        };
      });
    }
  };
"""
HEARS = "(hz) => window.hears !== undefined && hears(hz) > -60"


class GuestCity(DeskCity):
    """`limits` and `call_seconds`: of the door; Asterisk counts the lab's own seconds from the queue on."""

    limits = Limits()
    call_seconds = 600.0

    def __init__(self, lab: Lab, database: Database, url: str, folder: Path, limits: Limits) -> None:
        self.limits = limits
        super().__init__(lab, database, url, folder)

    def rooms(self) -> list[Room]:
        assert self.lab.guests
        door = Door(
            asterisk=f"ws://127.0.0.1:{self.lab.http_port}/ws",
            secret=self.lab.guests.secret,
            lines=(Line(LINE, "企业服务热线"),),
            phases=partial(guests.phases, self.acts),
            limits=self.limits,
            call_seconds=self.call_seconds,
            leaving=lambda: self.web.should_exit,
        )
        return [agents(), doors(door)]

    def guest_channels(self) -> list[list[str]]:
        return [channel for channel in self.lab.channels() if channel[0].startswith("PJSIP/guest-")]

    def sockets(self) -> int:
        """WebSockets that Asterisk's HTTP server holds open, the agents' among them."""
        connections = psutil.Process(self.lab.server.pid).net_connections("tcp")
        ours = [one for one in connections if one.laddr[1] == self.lab.http_port]
        return sum(one.status == psutil.CONN_ESTABLISHED for one in ours)

    def causes(self) -> list[str]:
        """Why each guest's channel ended, by Asterisk's numbers."""
        ended = [row for row in self.lab.events() if row[0] == "HANGUP" and row[4].startswith("PJSIP/guest-")]
        return [str(json.loads(row[10])["hangupcause"]) for row in ended]


class Visitor:
    """A guest in a browser, on the public page."""

    def __init__(self, context: BrowserContext, base: str) -> None:
        self.base = base
        self.page: Page = context.new_page()
        self.words: list[str] = []
        self.page.on("console", lambda message: self.words.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.words.append(f"error: {error}"))
        self.page.add_init_script(EARS)
        self.page.goto(f"{base}/call")

    def dial(self) -> "Visitor":
        self.page.click("[data-act=dial]")
        return self

    def says(self, words: str, limit_seconds: float = 20) -> None:
        expect(self.page.locator("[data-says=state]")).to_have_text(words, timeout=limit_seconds * 1000)

    def is_told(self, words: str) -> None:
        expect(self.page.locator("[data-fault]")).to_contain_text(words, timeout=20_000)

    def press(self, key: str) -> None:
        self.page.click(f"[data-digit='{key}']")

    def wait_to_hear(self, hz: float) -> None:
        """Each look runs the page's own loop; a bare sleep here would stop Playwright's."""
        self.page.wait_for_function(HEARS, arg=hz, timeout=30_000)


SDP = "\r\n".join(
    [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 8 101",
        "c=IN IP4 0.0.0.0",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:abcdefghijklmnopqrstuvwx",
        "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
        "a=setup:actpass",
        "a=mid:0",
        "a=rtcp-mux",
        "a=sendrecv",
        "",
    ]
)


def request(
    method: str, number: str = LINE, call_id: str = "c1", cseq: int = 1, extra: str = "", body: str = ""
) -> str:
    """A guest's request as a browser writes it."""
    length = len(body)
    kind = "Content-Type: application/sdp\r\n" if body else ""
    return (
        f"{method} sip:{number}@hotline.invalid SIP/2.0\r\n"
        f"Via: SIP/2.0/WS abc.invalid;branch=z9hG4bK{method}{cseq}\r\nMax-Forwards: 69\r\n"
        f"To: <sip:{number}@hotline.invalid>\r\nFrom: <sip:guest@hotline.invalid>;tag=mine\r\n"
        f"Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:me@abc.invalid;transport=ws;ob>\r\n"
        f"{extra}{kind}Content-Length: {length}\r\n\r\n{body}"
    )


@dataclass
class Program:
    """A guest that is a program, from an address of its own."""

    port: int
    address: str = "127.0.0.1"
    heard: list[str] = field(default_factory=list)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def visit(self) -> httpx.Response:
        transport = httpx.AsyncHTTPTransport(local_address=self.address, verify=False)
        async with httpx.AsyncClient(transport=transport, timeout=20) as client:
            return await client.post(f"{self.base}/call/visit", headers={"Origin": self.base})

    async def token(self) -> str:
        return str((await self.visit()).json()["token"])

    async def socket(
        self, token: str, origin: str = "", protocol: str = "sip", **words: Any
    ) -> ClientConnection:
        """Raises websockets' InvalidStatus when we are not let in. `words`: more for its `connect`."""
        if protocol:
            words["subprotocols"] = [protocol]
        return await connect(
            f"ws://127.0.0.1:{self.port}/call/phone?visit={token}",
            origin=origin or self.base,  # type: ignore[arg-type]
            local_addr=(self.address, 0),
            proxy=None,
            open_timeout=20,
            **words,
        )

    async def enter(self) -> ClientConnection:
        return await self.socket(await self.token())

    async def call(self, call_id: str = "c1") -> ClientConnection:
        """A call that Asterisk has taken."""
        socket = await self.enter()
        await socket.send(request("INVITE", call_id=call_id, body=SDP))
        await self.answer(socket, "SIP/2.0 200")
        await socket.send(request("ACK", call_id=call_id))
        return socket

    async def answer(self, socket: ClientConnection, start: str) -> str:
        """The next message that begins so; what comes before is kept in `heard`."""
        async with asyncio.timeout(20):
            while True:
                text = str(await socket.recv())
                self.heard.append(text)
                if text.startswith(start):
                    return text

    async def phase(self, socket: ClientConnection, phase: str) -> None:
        while json.loads(await self.answer(socket, "{"))["phase"] != phase:
            pass

    async def closed(self, socket: ClientConnection) -> int:
        """The code with which we are shut out."""
        async with asyncio.timeout(20):
            await socket.wait_closed()
        return socket.close_code or 0


def until_quiet(city: GuestCity) -> None:
    until(lambda: not city.guest_channels(), "the guests' channels to be gone")


Found = TypeVar("Found")


class Loop:
    """An event loop on a thread of its own: Playwright has the test's."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def __call__(self, work: Coroutine[Any, Any, Found]) -> Found:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(120)

    def close(self) -> None:
        self(self._let_go())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)

    async def _let_go(self) -> None:
        """Whatever a test left open ends here, and not in complaints of the interpreter's."""
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


LAB_GUESTS = Guests(secret="secret-of-the-relay", call_seconds=600)
