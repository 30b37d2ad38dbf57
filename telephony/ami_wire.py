"""The bytes of one AMI connection: framing, correlation of replies, and what may be sent.

panoramisk's protocol, action and message, with the parts replaced that lose characters, grow without
bound or send twice. Reconnecting, watching and order of events live in telephony/ami.py.
"""

import asyncio
import codecs
from collections.abc import Callable, Iterator, Mapping
from time import monotonic
from typing import Any
from uuid import uuid4

from panoramisk.actions import Action
from panoramisk.ami_protocol import AMIProtocol
from panoramisk.message import Message

MESSAGE_LIMIT = 1 << 20  # characters in one message; a long `Command` reply stays well below
BANNER_LIMIT = 200
REPLY_LIMIT = 200_000  # messages in one reply
UNSENT_LIMIT = 1 << 20  # bytes waiting for a peer that does not read
LINE_LIMIT = 1000  # bytes of one header line: Asterisk reads lines into 1,025 and drops longer ones
END = "\r\n\r\n"
NAMES = ("Event", "Response", "ActionID", "CommandID", "EventList")  # what must stand once in a message

HeaderValue = str | int | bool | list[str]


class AmiError(Exception):
    """Something that kept an action from being done."""


class AmiDown(AmiError):
    """The link is not up. `sent` tells that the action had left: it may have been done all the same."""

    def __init__(self, why: str, *, sent: bool = False) -> None:
        super().__init__(why)
        self.sent = sent


class AmiTimeout(AmiError):
    """No answer in time: the action may have been done all the same."""


class AmiRefused(AmiError):
    """Asterisk said no; the text is its own."""


class AmiSecretWrong(AmiRefused):
    """Asterisk does not know this user or secret."""


class AmiGarbage(AmiError):
    """The peer sends what no Asterisk sends; the connection is given up."""


class Wire:
    """Bytes in, messages out, the same however the bytes are cut."""

    def __init__(self) -> None:
        self.banner: str | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, data: bytes) -> Iterator[Message]:
        """Messages completed by `data`. Raises AmiGarbage for one that passes MESSAGE_LIMIT."""
        seen = max(0, len(self._rest) - len(END) + 1)
        self._rest += self._decoder.decode(data)
        if self.banner is None:
            if not self._read_banner():
                return
            seen = 0
        start, end = 0, self._rest.find(END, seen)
        while end >= 0:
            message = _message(self._rest[start:end])
            start = end + len(END)
            if message is not None:
                yield message
            end = self._rest.find(END, start)
        self._rest = self._rest[start:]
        _bound(len(self._rest) - len(END) + 1, MESSAGE_LIMIT)

    def _read_banner(self) -> bool:
        line, ending, rest = self._rest.partition("\r\n")
        _bound(len(line) if ending else len(line) - 1, BANNER_LIMIT)
        if not ending:
            return False
        if not line.startswith("Asterisk Call Manager"):
            raise AmiGarbage(f"not an Asterisk manager: it greeted with {line[:60]!r}")
        self.banner, self._rest = line, rest
        return True


def _bound(length: int, limit: int) -> None:
    if length > limit:
        raise AmiGarbage(f"more than {limit} characters without an end")


def _message(block: str) -> Message | None:
    """One message; None for what is neither event nor reply, or names itself twice."""
    _bound(len(block), MESSAGE_LIMIT)
    message = Message.from_line(block.strip("\r\n"))
    if message is None or any(isinstance(message.get(key), list) for key in NAMES):
        return None
    return message


class Request(Action):  # type: ignore[misc]
    """An action that knows by `EventList` alone how long its reply is.

    panoramisk guesses from the wording and waits for ever after "Added interface to queue".
    """

    @property
    def multi(self) -> bool:
        return bool(self.responses[0].eventlist.lower() == "start")

    @property
    def completed(self) -> bool:
        return not self.multi or bool(self.responses[-1].eventlist.lower() in ("complete", "cancelled"))

    def add_message(self, message: Message) -> bool:
        if len(self.responses) >= REPLY_LIMIT:
            raise AmiGarbage(f"a reply of more than {REPLY_LIMIT} messages to {self['Action']}")
        return bool(super().add_message(message))


def request(name: str, headers: Mapping[str, HeaderValue]) -> Request:
    """The action ready to send. Raises ValueError naming the header that cannot be sent as it is."""
    for key, value in {"Action": name, **headers}.items():
        for item in value if isinstance(value, list) else [value]:
            _check_header(key, str(item))
    return Request(
        {"Action": name, "ActionID": uuid4().hex, **headers}
    )  # panoramisk's ids are not thread-safe


def _check_header(key: str, value: str) -> None:
    if not (key.isascii() and key.isidentifier()):
        raise ValueError(f"AMI header name {key!r}: use letters and digits")
    if any(character in value for character in "\r\n\0"):
        raise ValueError(f"AMI header {key}: a line break is not allowed in its value")
    line = f"{key}: {value}".encode(errors="replace")
    if line.decode() != f"{key}: {value}":
        raise ValueError(f"AMI header {key}: not valid text")
    if len(line) > LINE_LIMIT:
        raise ValueError(f"AMI header {key}: longer than {LINE_LIMIT} bytes")


class SafeProtocol(AMIProtocol):  # type: ignore[misc]
    """One connection. Events go to `on_event`; when it is over, `lost` holds the fault."""

    encoding = "utf-8"

    def __init__(self, on_event: Callable[[Message], None]) -> None:
        self.dispatch = on_event  # panoramisk calls factory.dispatch for each event
        self.lost: asyncio.Future[AmiError] = asyncio.get_running_loop().create_future()
        self.greeted = asyncio.Event()
        self.heard_at = monotonic()
        self.closed = False
        self.wire = Wire()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.factory = self

    def data_received(self, data: bytes) -> None:
        self.heard_at = monotonic()
        try:
            for message in self.wire.feed(data):
                self.handle_message(message)
        except AmiGarbage as fault:
            self.give_up(fault)
        except Exception as fault:  # whatever panoramisk trips over, asyncio need not see
            self.give_up(AmiGarbage(repr(fault)))
        if self.wire.banner is not None:
            self.greeted.set()

    def handle_message(self, message: Message) -> None:
        if message.event.lower() == "shutdown":  # panoramisk would take the link down within the read
            self.dispatch(message)
        else:
            super().handle_message(message)

    async def ask(self, action: Request, timeout_seconds: float) -> list[Message]:
        """Send once, wait for the whole reply. Raises AmiDown, AmiTimeout or AmiRefused."""
        if self.closed:
            raise AmiDown("the link was lost")
        if self.transport.get_write_buffer_size() > UNSENT_LIMIT:
            raise AmiDown("the peer does not read")
        self.send(action)
        try:
            reply = await asyncio.wait_for(action.future, timeout_seconds)
        except TimeoutError:
            raise AmiTimeout(f"no answer to {action['Action']} within {timeout_seconds:g} s") from None
        finally:
            self.responses.pop(action.id, None)
        messages: list[Message] = reply if isinstance(reply, list) else [reply]
        if not messages[0].success:
            raise AmiRefused(f"{action['Action']}: {messages[0].message or messages[0].response}")
        return messages

    def connection_lost(self, exc: Any) -> None:
        self.give_up(AmiDown(f"the link was lost: {exc}" if exc else "the peer closed the link"))

    def close(self) -> None:
        """panoramisk's would queue unanswered actions to be sent again; ours never does."""
        self.give_up(AmiDown("the link was closed"))

    def give_up(self, fault: AmiError) -> None:
        if self.closed:
            return
        self.closed = True
        for action in {id(a): a for a in self.responses.values()}.values():
            if not action.future.done():
                action.future.set_exception(AmiDown(str(fault), sent=True))
        self.responses.clear()
        self.lost.set_result(fault)
        self.transport.abort()
