"""A small SIP phone over UDP that a test holds in its hand: it registers, answers, holds, transfers, dies.

Only what a test of ours needs of SIP; the browser and SIPp are the real peers.
"""

import hashlib
import queue
import random
import re
import socket
import threading
import time
from dataclasses import dataclass, field, replace

from hotline.lab.media import Media, peer_of, sdp
from tests.real.waiting import until

ANYBODY = "13800000000"


@dataclass
class Message:
    """A request or response; headers keyed in lower case, the first of each kept."""

    start: str
    headers: dict[str, str]
    vias: list[str]
    body: str
    at: float = field(default_factory=time.monotonic)

    @classmethod
    def parse(cls, data: bytes) -> "Message":
        head, _, body = data.decode().partition("\r\n\r\n")
        start, *lines = head.split("\r\n")
        headers: dict[str, str] = {}
        vias = []
        for line in lines:
            name, _, value = line.partition(":")
            name = {"v": "via", "i": "call-id", "f": "from", "t": "to", "m": "contact"}.get(
                name.lower(), name.lower()
            )
            if name == "via":
                vias.append(value.strip())
            headers.setdefault(name, value.strip())
        return cls(start, headers, vias, body)

    @property
    def code(self) -> int:
        return int(self.start.split()[1]) if self.start.startswith("SIP/") else 0

    @property
    def method(self) -> str:
        return self.headers["cseq"].split()[1] if self.code else self.start.split()[0]


@dataclass(frozen=True)
class Request:
    """What is asked of the other side; `me` and `them` are From and To."""

    method: str
    uri: str
    me: str
    them: str
    call_id: str
    cseq: int
    extra: str = ""
    body: str = ""

    def text(self, contact: str, address: str, branch: str) -> str:
        """As it goes out from `address`, where `contact` is to be asked."""
        kind = "Content-Type: application/sdp\r\n" if self.body else ""
        return (
            f"{self.method} {self.uri} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch={branch};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: {self.me}\r\nTo: {self.them}\r\n"
            f"Call-ID: {self.call_id}\r\nCSeq: {self.cseq} {self.method}\r\n"
            f"Contact: <sip:{contact}@{address}>\r\n"
            f"{self.extra}{kind}Content-Length: {len(self.body)}\r\n\r\n{self.body}"
        )


def _token() -> str:
    return f"{random.getrandbits(64):016x}"


def _tag(value: str) -> str:
    match = re.search(r";tag=([^;>\s]+)", value)
    return match[1] if match else ""


def _uri(value: str) -> str:
    match = re.search(r"<([^>]+)>", value)
    return match[1] if match else value.split(";", maxsplit=1)[0]


class Leg:
    """One call at one phone. `state`: ringing, calling, up, ended. `code`: what our own call got."""

    def __init__(self, phone: "Phone", call_id: str, hz: float) -> None:
        self.phone, self.call_id = phone, call_id
        self.media = phone.ears(phone.address, hz)
        self.state = "calling"
        self.invite: Message | None = None
        self.code = 0
        self.local = self.remote = self.target = ""
        self.cseq = random.randrange(1000)
        self.version = 1
        self.ended_at = 0.0
        self.notified: list[str] = []

    @property
    def up(self) -> bool:
        return self.state == "up"

    @property
    def rings(self) -> bool:
        """Our own call rings at the other side."""
        return self.state == "calling" and bool(_tag(self.remote))

    @property
    def ended(self) -> bool:
        return self.state == "ended"

    def header(self, name: str) -> str:
        """A header of the INVITE that rang here."""
        assert self.invite
        return self.invite.headers.get(name.lower(), "")

    def answer(self) -> "Leg":
        assert self.invite
        self.media.peer = peer_of(self.invite.body)
        self.phone.reply(self.invite, 200, "OK", sdp(self.media), to=self.local)
        self.state = "up"
        return self

    def reject(self, code: int = 486) -> None:
        assert self.invite
        self.phone.reply(self.invite, code, "No", to=self.local)
        self.end()

    def hang_up(self) -> None:
        self.request("BYE")
        self.end()

    def hold(self) -> None:
        self._offer("sendonly")

    def resume(self) -> None:
        self._offer("sendrecv")

    def _offer(self, direction: str) -> None:
        self.version += 1
        answer = self.request("INVITE", body=sdp(self.media, direction, self.version))
        assert answer.code == 200, answer.start

    def transfer(self, extension: str) -> int:
        """Blind transfer; the code of the answer to REFER. What becomes of it is told in `notified`."""
        return self.request("REFER", f"Refer-To: <sip:{extension}@{self.phone.server[0]}>\r\n").code

    def transfer_to(self, other: "Leg") -> int:
        """Attended transfer: the far end of this leg to the far end of `other`, as REFER with Replaces."""
        replaces = f"{other.call_id}%3Bto-tag%3D{_tag(other.remote)}%3Bfrom-tag%3D{_tag(other.local)}"
        return self.request("REFER", f"Refer-To: <{_uri(other.remote)}?Replaces={replaces}>\r\n").code

    def request(self, method: str, extra: str = "", body: str = "") -> Message:
        """A request inside the call and its final answer."""
        self.cseq += 1
        request = Request(method, self.target, self.local, self.remote, self.call_id, self.cseq, extra, body)
        answer = self.phone.ask(request)
        if method == "INVITE":
            self.phone.ack(self, answer)
        return answer

    def end(self) -> None:
        if self.state != "ended":
            self.state, self.ended_at = "ended", time.monotonic()
            self.media.close()


class Phone:
    """`hz`: the tone it speaks. `account` '' for a trunk caller, who is known by address alone."""

    ears: type[Media] = Media

    def __init__(
        self,
        server: tuple[str, int],
        account: str = "",
        secret: str = "",
        hz: float = 0.0,
        address: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.server, self.account, self.secret, self.hz = server, account, secret, hz
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, port))
        self.address, self.port = self.socket.getsockname()
        self.rung: queue.Queue[Leg] = queue.Queue()
        self.legs: dict[str, Leg] = {}
        self.dead = False
        self._answers: dict[str, queue.Queue[Message]] = {}
        self._open = True
        self._register_id, self._register_cseq = _token(), 0
        threading.Thread(target=self._run, daemon=True).start()

    # ---- what a test does ------------------------------------------------------------------------

    def register(self, expires: int = 300) -> "Phone":
        me = f"<sip:{self.account}@{self.server[0]}>"
        uri = f"sip:{self.server[0]}:{self.server[1]}"
        extra = f"Expires: {expires}\r\n"
        cseq = self._register_cseq + 1
        request = Request("REGISTER", uri, f"{me};tag={_token()}", me, self._register_id, cseq, extra)
        answer, self._register_cseq = self._ask_with_digest(request)
        assert answer.code == 200, answer.start
        return self

    def dial(self, number: str, caller: str = "", extra: str = "") -> Leg:
        """Call; returns at the first provisional answer or the final one, see Leg.state and Leg.code."""
        leg = Leg(self, _token(), self.hz)
        self.legs[leg.call_id] = leg
        leg.target = f"sip:{number}@{self.server[0]}:{self.server[1]}"
        leg.local = f"<sip:{caller or self.account or ANYBODY}@{self.server[0]}>;tag={_token()}"
        leg.remote = f"<sip:{number}@{self.server[0]}>"
        threading.Thread(target=self._dial, args=(leg, extra), daemon=True).start()
        return leg

    def ring(self, limit_seconds: float = 30.0) -> Leg:
        """The next call that rings here."""
        try:
            return self.rung.get(timeout=limit_seconds)
        except queue.Empty:
            raise AssertionError(f"{self.account} did not ring in {limit_seconds:.0f} s") from None

    def die(self) -> None:
        """As when the plug is pulled: nothing more is sent, nothing answered."""
        self.dead = True
        for leg in self.legs.values():
            leg.media.muted = True

    def close(self) -> None:
        self._open = False
        for leg in self.legs.values():
            leg.end()

    # ---- the wire ----------------------------------------------------------------------------------

    def _dial(self, leg: Leg, extra: str) -> None:
        request = Request(
            "INVITE", leg.target, leg.local, leg.remote, leg.call_id, leg.cseq + 1, extra, sdp(leg.media)
        )
        answer, leg.cseq = self._ask_with_digest(request)
        leg.code, leg.remote = answer.code, answer.headers["to"]
        if answer.code == 200:
            leg.target = _uri(answer.headers["contact"])
            leg.media.peer = peer_of(answer.body)
            self.ack(leg, answer)
            leg.state = "up"
        else:
            self.ack(leg, answer)
            leg.end()

    def _ask_with_digest(self, request: Request) -> tuple[Message, int]:
        """The final answer, and the number of the request that got it."""
        answer = self.ask(request)
        if answer.code not in (401, 407):
            return answer, request.cseq
        if request.method == "INVITE":
            self._send_ack(request, answer.headers["to"], answer.headers["branch"])
        extra = request.extra + self._credentials(answer, request.method, request.uri)
        again = replace(request, cseq=request.cseq + 1, extra=extra)
        return self.ask(again), again.cseq

    def _credentials(self, answer: Message, method: str, uri: str) -> str:
        challenge = answer.headers.get("www-authenticate") or answer.headers["proxy-authenticate"]
        asked = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
        cnonce, nc = _token(), "00000001"

        def md5(*parts: str) -> str:
            return hashlib.md5(":".join(parts).encode()).hexdigest()

        secret = md5(self.account, asked["realm"], self.secret)
        response = md5(secret, asked["nonce"], nc, cnonce, "auth", md5(method, uri))
        return (
            f'Authorization: Digest username="{self.account}", realm="{asked["realm"]}", '
            f'nonce="{asked["nonce"]}", '
            f'uri="{uri}", response="{response}", algorithm=MD5, cnonce="{cnonce}", nc={nc}, qop=auth'
            + (f', opaque="{asked["opaque"]}"' if "opaque" in asked else "")
            + "\r\n"
        )

    def ask(self, request: Request) -> Message:
        """Send a request until its final answer comes; header `branch` of the answer is our own."""
        branch = f"z9hG4bK{_token()}"
        answers = self._answers[branch] = queue.Queue()
        heard = False
        for _ in range(120):
            if not heard:
                self._ask(request, branch)
            try:
                answer = answers.get(timeout=0.5)
            except queue.Empty:
                continue
            heard = True
            if answer.code >= 200:
                answer.headers["branch"] = branch
                return answer
        raise AssertionError(f"no final answer to {request.method} {request.uri}")

    def ack(self, leg: Leg, answer: Message) -> None:
        branch = answer.headers["branch"] if answer.code >= 300 else f"z9hG4bK{_token()}"
        invite = Request("INVITE", leg.target, leg.local, leg.remote, leg.call_id, leg.cseq)
        self._send_ack(invite, answer.headers["to"], branch)

    def _send_ack(self, invite: Request, them: str, branch: str) -> None:
        self._ask(replace(invite, method="ACK", them=them, extra="", body=""), branch)

    def _ask(self, request: Request, branch: str) -> None:
        address = f"{self.address}:{self.port}"
        self._send(request.text(self.account or "caller", address, branch), self.server)

    def reply(self, request: Message, code: int, words: str, body: str = "", to: str = "") -> None:
        kind = "Content-Type: application/sdp\r\n" if body else ""
        vias = "".join(f"Via: {via}\r\n" for via in request.vias)
        text = (
            f"SIP/2.0 {code} {words}\r\n{vias}From: {request.headers['from']}\r\n"
            f"To: {to or request.headers['to']}\r\n"
            f"Call-ID: {request.headers['call-id']}\r\nCSeq: {request.headers['cseq']}\r\n"
            f"Contact: <sip:{self.account or 'caller'}@{self.address}:{self.port}>\r\n"
            f"{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        )
        self._send(text, self.server)

    def _send(self, text: str, to: tuple[str, int]) -> None:
        if self._open and not self.dead:
            self.socket.sendto(text.encode(), to)

    def _run(self) -> None:
        self.socket.settimeout(0.2)
        while self._open:
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                continue
            if self.dead or not data.strip():
                continue
            message = Message.parse(data)
            if message.code:
                branch = message.vias[0].partition("branch=")[2].partition(";")[0]
                if branch in self._answers:
                    self._answers[branch].put(message)
                if message.method == "INVITE":
                    self._progress(message)
            else:
                self._requested(message)
        self.socket.close()

    def _progress(self, message: Message) -> None:
        """A provisional answer names the dialog; a final one comes again when our ACK was lost or late."""
        leg = self.legs.get(message.headers["call-id"])
        if leg and leg.state == "calling" and 100 < message.code < 200:
            leg.remote = message.headers["to"]
        if leg and leg.up and int(message.headers["cseq"].split()[0]) == leg.cseq and message.code == 200:
            message.headers["branch"] = ""
            self.ack(leg, message)

    def _requested(self, request: Message) -> None:
        leg = self.legs.get(request.headers["call-id"])
        match request.method:
            case "INVITE" if leg is None:
                self._rings(request)
            case "INVITE" if leg and leg.up:
                leg.media.peer = peer_of(request.body) or leg.media.peer
                leg.version += 1
                self.reply(request, 200, "OK", sdp(leg.media, version=leg.version))
            case "CANCEL" if leg and leg.invite:
                self.reply(request, 200, "OK")
                self.reply(leg.invite, 487, "Request Terminated", to=leg.local)
                leg.end()
            case "BYE":
                self.reply(request, 200, "OK")
                if leg:
                    leg.end()
            case "NOTIFY" if leg:
                told = request.body.strip()
                leg.notified.append(told)  # which the test may empty at any moment
                self.reply(request, 200, "OK")
                if leg.up and told.startswith("SIP/2.0 2"):  # transferred: a phone lets go now
                    threading.Thread(target=leg.hang_up, daemon=True).start()
            case "ACK" | "INVITE":
                pass
            case _:
                self.reply(request, 200, "OK")

    def _rings(self, request: Message) -> None:
        leg = Leg(self, request.headers["call-id"], self.hz)
        leg.invite, leg.state = request, "ringing"
        leg.local = f"{request.headers['to']};tag={_token()}"
        leg.remote, leg.target = request.headers["from"], _uri(request.headers["contact"])
        self.legs[leg.call_id] = leg
        self.reply(request, 180, "Ringing", to=leg.local)
        self.rung.put(leg)


def is_refused(phone: Phone) -> bool:
    """It may not register."""
    try:
        phone.register()
    except AssertionError:
        return True
    return False


def answered(leg: Leg, limit_seconds: float = 20.0) -> Leg:
    """Wait until our own call is answered; AssertionError with the code if it is refused."""
    until(lambda: leg.up or leg.ended, "an answer", limit_seconds)
    assert leg.up, f"refused: {leg.code}"
    return leg
