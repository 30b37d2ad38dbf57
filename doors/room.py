"""The public's pages as one room of the web application; joined by hotline/wiring."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, WebSocket
from fastapi.responses import JSONResponse, Response

from doors.limits import TooMuch
from doors.relay import Door, Relay
from doors.sip import DOMAIN
from routing.numbers import display
from web.answers import json_of
from web.guard import names_us
from web.login import address
from web.render import page
from web.services import Room

SUBPROTOCOL = "sip"
TOKEN: dict[str, Any] = {"description": "For one socket", "content": json_of(token="string")}  # noqa: S106
WAIT: dict[str, Any] = {"description": "Not now", "content": json_of(why="string")}


def room(door: Door) -> Room:
    """The page that calls from the browser, its visits, and the way to Asterisk."""
    relay = Relay(door)
    router = APIRouter()

    @router.get("/call")
    def call_page(request: Request) -> Response:
        """The public page; nobody logs in here, and no database is asked."""
        return page(
            request,
            "call.html",
            lines=door.lines,
            line_options=[(line.number, f"{line.name}　{display(line.number)}") for line in door.lines],
            domain=DOMAIN,
            is_open=bool(door.limits.calls),
            minutes=round(door.call_seconds / 60),
        )

    @router.post("/call/visit", responses={200: TOKEN, 429: WAIT, 503: WAIT})
    async def visit(request: Request) -> Response:
        """A token for one socket: {"token": …}, or 429/503 {"why": "often" | "busy" | "closed"}."""
        try:
            return JSONResponse({"token": relay.turnstile.visit(address(request))})
        except TooMuch as much:
            return JSONResponse({"why": much.why}, status_code=429 if much.why == "often" else 503)

    @router.websocket("/call/phone")
    async def phone(guest: WebSocket, visit: str = "") -> None:
        """SIP of one guest. Another site's page, another protocol and a used token get no socket (403)."""
        peer = guest.client.host if guest.client else ""
        speaks = SUBPROTOCOL in guest.scope["subprotocols"]
        if not (names_us(guest.headers) and speaks and relay.turnstile.admit(visit, peer)):
            await guest.close()
            return
        await guest.accept(SUBPROTOCOL)
        await relay.serve(guest, peer)

    return Room(name="doors", folder=Path(__file__).parent, routers=(router,))
