"""A stored file over HTTP, the whole or the part that a player asks for (RFC 9110, sections 13 and 14)."""

import re
from collections.abc import Iterator

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from storage.files import Plain, Sealed

_ONE_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)


class BeyondTheEnd(Exception):
    """No byte of the range is there: 416."""


def wanted(header: str, size: int) -> tuple[int, int] | None:
    """First byte and the one behind the last of what a Range header asks for; raises BeyondTheEnd.

    None is the whole: without a header, and where the standard lets a server ignore one, that is for
    another unit, for several ranges at once and for what is no range.
    """
    found = _ONE_RANGE.fullmatch(header.strip())
    if found is None:
        return None
    first, last = found[1], found[2]
    if not first and not last:
        return None
    if not first:
        if int(last) == 0 or size == 0:
            raise BeyondTheEnd
        return max(size - int(last), 0), size
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise BeyondTheEnd
    return int(first), min(int(last) + 1, size) if last else size


def answer(
    request: Request, source: Sealed | Plain, media_type: str, etag: str, headers: dict[str, str]
) -> Response:
    """200, 206, 304 or 416; `source` is closed when the answer is over. `etag` comes in its quotes."""
    told = {"ETag": etag, "Accept-Ranges": "bytes", **headers}
    if etag in request.headers.get("if-none-match", ""):
        source.close()
        return Response(status_code=304, headers=told)
    asked = request.headers.get("range", "")
    if request.headers.get("if-range", etag) != etag:
        asked = ""
    try:
        part = wanted(asked, source.size)
    except BeyondTheEnd:
        source.close()
        return Response(status_code=416, headers={**told, "Content-Range": f"bytes */{source.size}"})
    start, stop = part or (0, source.size)
    told["Content-Length"] = str(stop - start)
    if part:
        told["Content-Range"] = f"bytes {start}-{stop - 1}/{source.size}"
    return StreamingResponse(
        _pieces(source, start, stop), 206 if part else 200, headers=told, media_type=media_type
    )


def _pieces(source: Sealed | Plain, start: int, stop: int) -> Iterator[bytes]:
    try:
        yield from source.read(start, stop)
    finally:
        source.close()
