"""One guest's call in SIP, between her browser and Asterisk. Pure: text in, text out.

Nothing that a guest wrote is passed on but her session description and five tokens of narrow alphabets;
every message for Asterisk is written here anew. So there is no header to strip and no way to smuggle one.
"""

import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass

DOMAIN = "hotline.invalid"  # of every address on this path: none of them leads anywhere
MOST_CHARACTERS = 12_000  # of one message: an INVITE of today's browsers has some 3,000
MOST_MESSAGES = 40  # of one guest's call: call, thanks, hang up, answers
MOST_CANDIDATES = 32

_START = re.compile(r"([A-Z]{1,16}) (sip:[!-~]{1,200}) SIP/2\.0")
_STATUS = re.compile(r"SIP/2\.0 ([1-6]\d\d) [^\r\n]{0,200}")
_HEADER = re.compile(r"([A-Za-z][A-Za-z-]{0,40})[ \t]*:[ \t]*([^\x00-\x08\x0a-\x1f\x7f]{0,2000})")
_VIA = re.compile(r"SIP/2\.0/WSS? ([a-z0-9]{1,40}\.invalid);branch=(z9hG4bK[A-Za-z0-9]{1,60})")
_FROM = re.compile(r"[^;]{1,200};tag=([A-Za-z0-9]{1,60})")
_CALL_ID = re.compile(r"[A-Za-z0-9]{1,60}")
_CSEQ = re.compile(r"(\d{1,9}) ([A-Z]{1,16})")
_CONTACT = re.compile(r"<sip:([A-Za-z0-9]{1,40})@[a-z0-9]{1,40}\.invalid[!-:;=?-~]{0,100}>")
_SDP = re.compile(r"application/sdp")
_TAG = re.compile(r";tag=([!-~]{1,100}?)\s*(?:;|$)")
_TARGET = re.compile(r"<(sip:[!-=?-~]{1,200})>")
_SDP_LINE = re.compile(r"[a-z]=[^\x00-\x1f\x7f]{0,1000}")

# How the answering side's requests are answered; the guest's browser is only ever told of the end.
_ANSWERS = {"BYE": "200 OK", "OPTIONS": "200 OK"}


class Refused(ValueError):
    """Not part of a guest's call. The text says why, for the log; it never holds what the guest wrote."""


@dataclass(slots=True)
class GuestCall:
    """The call of one visit. `numbers`: what may be dialled; `secret`: by which Asterisk knows the relay."""

    numbers: Collection[str]
    secret: str
    visit: str
    answered: bool = False
    over: bool = False
    _uri: str = ""  # what was dialled
    _host: str = ""  # the browser's name for itself
    _call_id: str = ""
    _tag: str = ""
    _branch: str = ""
    _cseq: int = 0
    _remote_tag: str = ""
    _target: str = ""  # where requests in the call go
    _messages: int = 0

    @property
    def begun(self) -> bool:
        """The browser has asked for a call."""
        return bool(self._call_id)

    def from_guest(self, text: str) -> str | None:
        """What Asterisk is sent for a message of the browser; None for its answers, which we gave already.

        Raises Refused.
        """
        self._messages += 1
        if self._messages > MOST_MESSAGES:
            raise Refused("too many messages")
        start, headers, body = _read(text)
        if _STATUS.fullmatch(start):
            return None
        request = _START.fullmatch(start)
        if request is None:
            raise Refused("neither request nor answer")
        method, uri = request.groups()
        cseq = _match(_CSEQ, headers, "cseq")
        if cseq[2] != method:
            raise Refused("CSeq names another method")
        via = _match(_VIA, headers, "via")
        if method == "INVITE":
            contact = _match(_CONTACT, headers, "contact")[1]
            self._begin(uri, headers, body)
            self._host, self._branch, self._cseq = via[1], via[2], int(cseq[1])
            return self._invite(contact, body)
        if not self.begun or _match(_CALL_ID, headers, "call-id")[0] != self._call_id:
            raise Refused("belongs to no call of this visit")
        return self._follow(method, via[2], int(cseq[1]))

    def from_asterisk(self, text: str) -> tuple[str | None, str | None]:
        """What the browser is told of a message of Asterisk's, and what Asterisk is answered at once.

        Raises Refused for what cannot be read.
        """
        if not text.strip():  # Asterisk keeps connections alive so
            return None, None
        start, headers, _body = _read(text)
        status = _STATUS.fullmatch(start)
        if status is None:
            request = _START.fullmatch(start)
            if request is None:
                raise Refused("Asterisk sent what is neither request nor answer")
            return self._asked(request[1], text)
        self._answered(int(status[1]), headers)
        return text, None

    def farewell(self) -> str | None:
        """What Asterisk must still be told when the browser has gone; None when the call is over."""
        if not self.begun or self.over:
            return None
        if not self.answered:
            return self._request("CANCEL", self._branch, self._cseq)
        self._cseq += 1
        return self._request("BYE", f"z9hG4bK{secrets.token_hex(8)}", self._cseq)

    # ---- what the guest asks ------------------------------------------------------------------------

    def _begin(self, uri: str, headers: dict[str, list[str]], body: str) -> None:
        if self.begun:
            raise Refused("a second call in one visit")
        number = uri.removeprefix("sip:").removesuffix(f"@{DOMAIN}")
        if uri != f"sip:{number}@{DOMAIN}" or number not in self.numbers:
            raise Refused("a number that is not published")
        _match(_SDP, headers, "content-type")
        _require_plain_sound(body)
        tag, call_id = _match(_FROM, headers, "from")[1], _match(_CALL_ID, headers, "call-id")[0]
        self._uri, self._target, self._tag, self._call_id = uri, uri, tag, call_id

    def _follow(self, method: str, branch: str, cseq: int) -> str:
        if method == "BYE" and self.answered and cseq > self._cseq:
            self._cseq = cseq
        elif method not in ("ACK", "CANCEL") or cseq != self._cseq or (method == "CANCEL" and self.answered):
            raise Refused(f"{method} is not part of a guest's call as it stands")
        return self._request(method, branch, cseq)

    # ---- what Asterisk says -------------------------------------------------------------------------

    def _answered(self, status: int, headers: dict[str, list[str]]) -> None:
        method = _match(_CSEQ, headers, "cseq")[2]
        if method == "BYE" and status >= 200:
            self.over = True
        if method != "INVITE" or status < 200 or self.answered:
            return
        self._remote_tag = _match(_TAG, headers, "to", whole=False)[1]
        if status < 300:
            self.answered, self._target = True, _match(_TARGET, headers, "contact", whole=False)[1]
        else:
            self.over = True

    def _asked(self, method: str, text: str) -> tuple[str | None, str | None]:
        echoed = [line for line in text.split("\r\n\r\n", 1)[0].split("\r\n")[1:] if _ECHOED.match(line)]
        status = _ANSWERS.get(method, "488 Not Acceptable Here")
        answer = None if method == "ACK" else _message(f"SIP/2.0 {status}", echoed)
        if method != "BYE":
            return None, answer
        self.over = True
        return text, answer

    # ---- what Asterisk is sent ----------------------------------------------------------------------

    def _invite(self, contact: str, body: str) -> str:
        return self._request(
            "INVITE",
            self._branch,
            self._cseq,
            f"Contact: <sip:{contact}@{self._host};transport=ws>",
            f"X-Hotline-Visit: {self.visit}",
            "Content-Type: application/sdp",
            body=body,
        )

    def _request(self, method: str, branch: str, cseq: int, *more: str, body: str = "") -> str:
        to_tag = f";tag={self._remote_tag}" if self._remote_tag and method != "CANCEL" else ""
        target = self._uri if method == "CANCEL" else self._target
        headers = [
            f"Via: SIP/2.0/WS {self._host};branch={branch}",
            "Max-Forwards: 70",
            f"From: <sip:guest@{DOMAIN}>;tag={self._tag}",
            f"To: <{self._uri}>{to_tag}",
            f"Call-ID: {self._call_id}",
            f"CSeq: {cseq} {method}",
            f"X-Hotline-Guest: {self.secret}",
            *more,
        ]
        return _message(f"{method} {target} SIP/2.0", headers, body)


_ECHOED = re.compile(r"(Via|v|From|f|To|t|Call-ID|i|CSeq)[ \t]*:", re.IGNORECASE)
_LONG = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "c": "content-type"}


def _message(start: str, headers: list[str], body: str = "") -> str:
    length = len(body.encode())
    return "\r\n".join([start, *headers, f"Content-Length: {length}", "", body])


def _read(text: str) -> tuple[str, dict[str, list[str]], str]:
    """Start line, headers by lower-case name, body. Raises Refused."""
    if len(text) > MOST_CHARACTERS:
        raise Refused("a message too long")
    head, found, body = text.partition("\r\n\r\n")
    if not found:
        raise Refused("a message without an end")
    start, *lines = head.split("\r\n")
    headers: dict[str, list[str]] = {}
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None:
            raise Refused("a line that is no header")
        name = header[1].lower()
        headers.setdefault(_LONG.get(name, name), []).append(header[2].strip())
    return start, headers, body


def _match(
    pattern: re.Pattern[str], headers: dict[str, list[str]], name: str, whole: bool = True
) -> re.Match[str]:
    """The one header of this name, as the pattern has it. Raises Refused."""
    values = headers.get(name, [])
    found = (pattern.fullmatch if whole else pattern.search)(values[0]) if len(values) == 1 else None
    if found is None:
        raise Refused(f"{name} is missing, twice, or not as a browser writes it")
    return found


def _require_plain_sound(sdp: str) -> None:
    """One stream of sound, in lines; what it means is Asterisk's to judge. Raises Refused."""
    lines = sdp.removesuffix("\r\n").split("\r\n")
    if not all(_SDP_LINE.fullmatch(line) for line in lines):
        raise Refused("a session description that is none")
    streams = [line for line in lines if line.startswith("m=")]
    if len(streams) != 1 or not streams[0].startswith("m=audio "):
        raise Refused("something else than one stream of sound")
    if sum(line.startswith("a=candidate:") for line in lines) > MOST_CANDIDATES:
        raise Refused("too many addresses in the session description")
