"""The desk's door under TLS: one port for HTTPS, and a way to it for those who typed http://.

The certificate is looked at now and then; a renewed one is for the connections that come next, and
those that are open stay.
"""

import asyncio
import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import structlog
from uvicorn.protocols.http.auto import AutoHTTPProtocol

LOOK_SECONDS = 2.0
FIRST_WORD_SECONDS = 10.0
TLS_HANDSHAKE = 0x16  # the first byte of every TLS connection
LONGEST_HEAD = 16_384
LINE = re.compile(rb"(?:GET|HEAD) (/[!-~]*) HTTP/1\.[01]\r\n")
HOST = re.compile(rb"\r\nHost:[ \t]*([A-Za-z0-9.:\[\]-]+)[ \t]*\r\n", re.IGNORECASE)
ELSEWHERE = b"HTTP/1.1 %s\r\nConnection: close\r\nCache-Control: no-store\r\nContent-Length: 0\r\n%s\r\n"

log = structlog.get_logger(__name__)


def context(file: Path) -> ssl.SSLContext:
    """TLS 1.2 and later under the key and chain in `file`."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(file)
    return made


def speaking(context: ssl.SSLContext) -> type[asyncio.Protocol]:
    """uvicorn's HTTP, each connection under TLS; a plain one is sent to the same address by https.

    For asyncio's own loop: uvloop reads before it can be asked to wait.
    """

    class Door(_Door):
        tls = context

    return Door


class _Door(asyncio.Protocol):
    """Looks at the first byte without taking it, then hands the connection on."""

    tls: ClassVar[ssl.SSLContext]

    def __init__(self, **words: Any) -> None:
        self._words = words  # uvicorn's, for its protocol behind the door
        self._head = b""
        self._under_tls = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._coming_in = asyncio.get_running_loop().create_task(self._come_in())

    async def _come_in(self) -> None:
        self._transport.pause_reading()  # not in connection_made: older Pythons begin to read after it
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(FIRST_WORD_SECONDS):
                first = await self._first_byte()
            if first != TLS_HANDSHAKE:
                self._transport.resume_reading()  # what is said arrives in data_received
                loop.call_later(FIRST_WORD_SECONDS, self._transport.abort)  # who never says it all
                return
            self._under_tls = True
            secure = await loop.start_tls(self._transport, self, self.tls, server_side=True)
            if secure is None or secure.is_closing():  # gone meanwhile
                return
            behind = AutoHTTPProtocol(**self._words)
            secure.set_protocol(behind)
            behind.connection_made(secure)
            if self._head:
                behind.data_received(self._head)
        except (OSError, EOFError, TimeoutError):  # a scanner, or a browser without our authority
            self._transport.abort()

    async def _first_byte(self) -> int:
        """Waits on a descriptor of its own: the transport's is the loop's."""
        loop, there = asyncio.get_running_loop(), asyncio.Event()
        with socket.socket(fileno=_duplicate(self._transport)) as look:
            loop.add_reader(look, there.set)
            try:
                await there.wait()
                found = look.recv(1, socket.MSG_PEEK)
            finally:
                loop.remove_reader(look)
        if not found:
            raise EOFError
        return found[0]

    def data_received(self, data: bytes) -> None:
        self._head += data
        if self._under_tls:  # said while the handshake was ending
            return
        if b"\r\n\r\n" not in self._head and len(self._head) < LONGEST_HEAD:
            return
        line, host = LINE.match(self._head), HOST.search(self._head)
        if line and host:
            place = b"Location: https://%s%s\r\n" % (host[1], line[1])
            self._transport.write(ELSEWHERE % (b"307 Temporary Redirect", place))
        else:
            self._transport.write(ELSEWHERE % (b"400 HTTPS Only", b""))
        self._transport.close()


def _duplicate(transport: asyncio.Transport) -> int:
    fileno: int = transport.get_extra_info("socket").fileno()
    with socket.socket(fileno=fileno) as borrowed:
        copy = borrowed.dup()
        borrowed.detach()
    return copy.detach()


def watch(file: Path, tls: ssl.SSLContext | None, stop: threading.Event, leave: Callable[[], None]) -> None:
    """Until `stop`: a renewed certificate is taken up; `leave` when one came or went, as the desk then
    starts anew in the other way. A thread of its own."""
    seen = _mark(file)
    while not stop.wait(LOOK_SECONDS):
        now = _mark(file)
        if now == seen:
            continue
        seen = now
        if (tls is None) != (now is None):
            log.warning("a certificate came or went: the desk starts anew", https=now is not None)
            leave()
            return
        if tls is not None:
            try:
                tls.load_cert_chain(file)
                log.info("renewed certificate taken up")
            except (OSError, ssl.SSLError) as why:
                log.error("the certificate cannot be used; the one before stays", why=str(why))


def _mark(file: Path) -> tuple[int, int] | None:
    with contextlib.suppress(OSError):
        found = file.stat()
        return found.st_ino, found.st_mtime_ns
    return None
