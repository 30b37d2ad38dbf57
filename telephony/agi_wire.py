"""The AGI wire format, both ways, as values: header, replies, quoting. No sockets here.

Asterisk copies a caller's name and number into the header as they came, so a header is not
to be trusted: whatever looks injected is refused, and the dialplan's own fallback takes the call.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_LINE_BYTES = 8192
MAX_HEADER_LINES = 64  # Asterisk 22 sends 22 and one for each argument
MAX_COMMAND_BYTES = 2000  # Asterisk reads commands into 2,048 bytes

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_KEY = re.compile(r"agi_[a-z0-9_]+")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s"\\]*')
_REPLY = re.compile(r"(\d{3})(?:([ -])(.*))?", re.DOTALL)
_RESULT = re.compile(r"result=(-?\w*)(?:\s+\((.*)\)|\s+endpos=(\d+))?")


class WireError(Exception):
    """The peer broke the protocol; the message says how, without quoting what the peer sent."""


class UnsafeArgument(ValueError):
    """A command argument that could end the line or start another command."""


@dataclass(frozen=True, slots=True)
class Request:
    """What Asterisk asks for: `agi://host/<script>,<args…>` and the channel's header (`agi_…` keys)."""

    script: str
    args: tuple[str, ...]
    env: dict[str, str]

    @property
    def number(self) -> str:
        """The caller's number as the trunk gave it, or ''."""
        value = self.env.get("agi_callerid", "")
        return "" if value == "unknown" else value

    @property
    def channel(self) -> str:
        """The caller's channel, e.g. `PJSIP/trunk-0000002a`, or ''."""
        return self.env.get("agi_channel", "")


@dataclass(frozen=True, slots=True)
class Reply:
    """`code` 200 fine, 510 unknown, 511 dead channel, 520 wrong usage; `result` as sent; `data`: what
    stood in brackets behind it, or the sample at which a sound ended."""

    code: int
    result: str = ""
    data: str = ""


class Lines:
    """Bytes in, whole lines out; a line that never ends is refused at MAX_LINE_BYTES."""

    def __init__(self, unread: bytes = b"") -> None:
        self._buffer = bytearray(unread)

    def feed(self, chunk: bytes) -> None:
        self._buffer += chunk

    def next(self) -> str | None:
        """The next line without its end, or None while it is incomplete. Raises WireError."""
        end = self._buffer.find(b"\n")
        if max(end, 0) > MAX_LINE_BYTES or (end < 0 and len(self._buffer) > MAX_LINE_BYTES):
            raise WireError(f"a line of more than {MAX_LINE_BYTES} bytes")
        if end < 0:
            return None
        line = self._buffer[:end].decode("utf-8", "replace")
        del self._buffer[: end + 1]
        return line.rstrip("\r")

    def rest(self) -> bytes:
        """What was fed and not yet read."""
        return bytes(self._buffer)


@dataclass(slots=True)
class Header:
    """Reads one AGI header piece by piece."""

    _lines: Lines = field(default_factory=Lines)
    _env: dict[str, str] = field(default_factory=dict)

    def feed(self, chunk: bytes) -> Request | None:
        """The request once the header is complete. Raises WireError on anything but one clean header."""
        self._lines.feed(chunk)
        while (line := self._lines.next()) is not None:
            if not line:
                return self._finish()
            self._keep(line)
        return None

    def _keep(self, line: str) -> None:
        key, colon, value = line.partition(":")
        if not colon or not _KEY.fullmatch(key):
            raise WireError("a header line that is not 'agi_…: …'")
        if key in self._env:
            raise WireError(f"{key} came twice")
        if len(self._env) >= MAX_HEADER_LINES:
            raise WireError(f"a header of more than {MAX_HEADER_LINES} lines")
        self._env[key] = _CONTROL.sub("", value.strip())

    def _finish(self) -> Request:
        if self._lines.rest():
            raise WireError("the header ends early")  # Asterisk is silent until we speak
        if "agi_network_script" not in self._env:
            raise WireError("a header without agi_network_script")
        return Request(self._env["agi_network_script"], tuple(_arguments(self._env)), dict(self._env))


def _arguments(env: dict[str, str]) -> Iterator[str]:
    number = 1
    while (value := env.get(f"agi_arg_{number}")) is not None:
        yield value
        number += 1


def parse_reply(line: str) -> tuple[Reply, bool]:
    """One reply line, and whether more lines of the same reply follow. Raises WireError."""
    found = _REPLY.fullmatch(line)
    if not found:
        raise WireError("a reply that does not begin with three digits")
    code, dash, text = found.groups()
    result = _RESULT.search(text or "")
    if result is None:
        return Reply(int(code)), dash == "-"
    return Reply(int(code), result[1], result[2] or result[3] or ""), dash == "-"


def quote(value: str | int | float) -> str:
    """One argument in double quotes, as Asterisk's parser undoes them. Raises UnsafeArgument."""
    text = str(value)
    _refuse_control(text)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def command_line(verb: str, *args: object) -> bytes:
    """A whole command with its newline. Each argument is one token, quoted or plain.

    Raises UnsafeArgument.
    """
    words = [verb, *map(str, args)]
    for word in words[1:]:
        _refuse_control(word)
        if not _TOKEN.fullmatch(word):
            raise UnsafeArgument(f"{verb}: an argument is neither quoted nor one plain word")
    line = " ".join(words).rstrip(" ")
    _refuse_control(line)
    encoded = line.encode("utf-8", "replace") + b"\n"
    if len(encoded) > MAX_COMMAND_BYTES:
        raise UnsafeArgument(f"{verb}: longer than {MAX_COMMAND_BYTES} bytes")
    return encoded


def _refuse_control(text: str) -> None:
    if _CONTROL.search(text):
        raise UnsafeArgument("line breaks and control characters cannot be sent to Asterisk; remove them")
