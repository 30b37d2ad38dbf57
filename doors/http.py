"""One POST to another house: a limit on the wait, no redirects, no more than a little of the answer read."""

import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException

from cases.sending import NotSent, PerhapsSent

LIMIT_SECONDS = 10.0
MOST_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes


class _Nowhere(urllib.request.HTTPRedirectHandler):
    """What an address answers must not send us to another one, which nobody allowed."""

    def redirect_request(self, *_asked: object) -> None:
        return None


_opener = urllib.request.build_opener(_Nowhere)


def post(address: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Whatever it answers. Raises NotSent when it was not reached, PerhapsSent when it is mute."""
    if not address.startswith(("https://", "http://")):
        raise NotSent("unsafe", final=True)
    request = urllib.request.Request(address, body, dict(headers), method="POST")  # noqa: S310 - checked above
    try:
        with _opener.open(request, timeout=LIMIT_SECONDS) as answer:
            return Answer(answer.status, answer.read(MOST_BYTES))
    except urllib.error.HTTPError as why:
        with why:
            return Answer(why.code, b"")
    except urllib.error.URLError as why:
        if isinstance(why.reason, TimeoutError | ConnectionResetError | BrokenPipeError):
            raise PerhapsSent("timeout") from why
        raise NotSent("unreachable", final=False) from why
    except (OSError, HTTPException) as why:  # it broke off after the request was out
        raise PerhapsSent("timeout") from why
