"""One file out of a form as it is sent, piece by piece: neither in memory nor plain on the disk at any time.

Starlette's own reader lays files of more than a megabyte, unsealed, into the system's temporary folder.
"""

import re
from collections import deque
from collections.abc import Iterator

import anyio
import anyio.from_thread
from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from web.faults import Refused

PIECE_SECONDS = 30  # without a byte, and whoever sends is gone
_FILE_NAME = re.compile(rb'filename="((?:[^"\\]|\\.)*)"')


class Upload:
    """The first file of a form. Only in a handler that runs in a thread (`def`)."""

    def __init__(self, request: Request, most_bytes: int) -> None:
        """`most_bytes`: of the whole form. Raises Refused when it is none, or says it is longer."""
        kind, options = parse_options_header(request.headers.get("content-type", ""))
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not boundary or len(boundary) > 200:
            raise Refused("error.input", field="file", name="file")
        self._stream = request.stream()
        self._most_bytes, self._come = most_bytes, 0
        self._ready: deque[bytes] = deque()
        self._header, self._value = bytearray(), bytearray()
        self._is_file = self._over = False
        self.name = ""  # as sent; known once the first piece is here
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin_part,
                "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                "on_header_end": self._end_header,
                "on_part_data": self._data,
                "on_part_end": self._end_part,
            },
        )

    def pieces(self) -> Iterator[bytes]:
        """The file. Raises Refused: too long, broken off, or no form."""
        while (received := self._next()) is not None:
            self._come += len(received)
            if self._come > self._most_bytes:
                raise Refused("attachments.too_big", status=413, size=self._most_bytes >> 20)
            try:
                self._parser.write(received)
            except MultipartParseError as why:
                raise Refused("error.input", field="file", name="file") from why
            while self._ready:
                yield self._ready.popleft()
        if not self._over:
            raise Refused("attachments.broken_off", status=400)

    def drain(self) -> None:
        """Hear out what still comes, within reason: a browser shows no answer while it sends."""
        while self._come < 4 * self._most_bytes and (received := self._next()) is not None:
            self._come += len(received)

    def _next(self) -> bytes | None:
        async def receive() -> bytes | None:
            with anyio.fail_after(PIECE_SECONDS):
                return await anext(self._stream, None)

        try:
            return anyio.from_thread.run(receive)
        except TimeoutError as why:
            raise Refused("attachments.broken_off", status=408) from why

    def _begin_part(self) -> None:
        self._is_file = False
        self._header.clear()
        self._value.clear()

    def _end_header(self) -> None:
        name = _FILE_NAME.search(bytes(self._value))
        if self._header.lower() == b"content-disposition" and name and not self._over:
            self._is_file = True
            self.name = name[1].decode("utf-8", "replace").replace("%22", '"')
        self._header.clear()
        self._value.clear()

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._ready.append(data[start:end])

    def _end_part(self) -> None:
        self._over |= self._is_file
        self._is_file = False
