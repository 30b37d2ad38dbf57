"""What stands before every handler: no act from another site, and the headers that keep pages ours.

Plain ASGI, so that streams (events, audio) pass through untouched.
"""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from web.services import PhoneServer

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OF_A_CALL = re.compile(r"/(?:desk/)?calls/([0-9A-Za-z.-]{3,80})(?:/|$)")
log = structlog.get_logger()


def same_site(headers: Headers) -> bool:
    """True when the browser says that the request comes from our own pages.

    Sec-Fetch-Site where it is sent (HTTPS and localhost), else Origin against Host. Neither: refused,
    every browser of the last years sends Origin with an unsafe method.
    """
    fetch = headers.get("sec-fetch-site")
    if fetch is not None:
        return fetch in ("same-origin", "none")
    return names_us(headers)


def only_links_here(headers: Headers) -> bool:
    """True when a read comes from our own pages, or from a browser that opens a page by a link.

    Another site may lead a person here; it may not load what we serve into a page of its own.
    """
    if headers.get("sec-fetch-site") not in ("cross-site", "same-site"):
        return True
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"


def names_us(headers: Headers) -> bool:
    """Is Origin the very address that was asked?"""
    try:
        origin = urlsplit(headers.get("origin", "")).netloc
    except ValueError:  # `http://[`, say
        return False
    return bool(origin) and origin == headers.get("host", "")


def place(request: Request) -> str:
    """Where a request went, for the log: a ticket's number is not for everybody who reads logs."""
    path = getattr(request.scope.get("route"), "path", "")
    return path or f"/{request.url.path.split('/')[1]}"


def policy_header(phone_ws: str) -> str:
    """The Content-Security-Policy: our own files only; the phone may dial its WebSocket."""
    phone = f" {phone_ws.removesuffix('/ws')}" if phone_ws else ""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "media-src 'self' blob:",
            f"connect-src 'self'{phone}",
            "manifest-src 'self'",
            "worker-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


class Guard:
    """Wraps the application; `forbidden` and `unforeseen` make the answers to what it stops."""

    def __init__(
        self,
        app: ASGIApp,
        phone: PhoneServer,
        forbidden: Callable[[Request], Response],
        unforeseen: Callable[[Request, Exception], Response],
    ) -> None:
        self.app = app
        self.forbidden = forbidden
        self.unforeseen = unforeseen
        self.phone = phone
        self.headers = {
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), payment=(), usb=()",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and not names_us(Headers(scope=scope)):
            await WebSocketClose()(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False
        request = Request(scope, receive)

        async def with_headers(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                answered = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    answered.setdefault(name, value)
                phone_ws = self.phone.address(request.url)
                answered.setdefault("Content-Security-Policy", policy_header(phone_ws))
            await send(message)

        headers = Headers(scope=scope)
        is_ours = only_links_here(headers) if scope["method"] in SAFE_METHODS else same_site(headers)
        if not is_ours:
            log.warning("request from another site refused", path=place(request))
            answer = await run_in_threadpool(self.forbidden, request)
            await answer(scope, receive, with_headers)
            return
        concerns = OF_A_CALL.match(request.url.path)
        with structlog.contextvars.bound_contextvars(**({"call": concerns[1]} if concerns else {})):
            try:
                await self.app(scope, receive, with_headers)
            except Exception as error:
                if begun:
                    raise
                answer = await run_in_threadpool(self.unforeseen, request, error)
                await answer(scope, receive, with_headers)
