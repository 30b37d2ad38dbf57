"""GET /healthz: this process lives. GET /readyz: callers and agents would be served, part by part.

Both without log-in, for balancers and monitors, so they tell no version, name or number; and cheap, so
that they are no lever: the parts are asked at most once a second, however many ask us.
"""

import asyncio
import time
from typing import Any

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.concurrency import run_in_threadpool

from web.answers import file_of, json_of
from web.login import services

KEPT_SECONDS = 1.0
HEADERS = {"Cache-Control": "no-store"}
WHOLE: dict[str, Any] = {
    "description": "Each part, and whether all are ready",
    "content": json_of(ready="boolean", parts="object"),
}

log = structlog.get_logger()
router = APIRouter()


class Readiness:
    """The last answer, and who waits for the next."""

    def __init__(self) -> None:
        self._asking = asyncio.Lock()
        self._asked_at = -KEPT_SECONDS
        self._parts: dict[str, bool] = {}

    async def parts(self, request: Request) -> dict[str, bool]:
        """Each part's state, at most a second old."""
        async with self._asking:
            if time.monotonic() - self._asked_at >= KEPT_SECONDS:
                self._parts = await run_in_threadpool(services(request).operations.ready)
                self._asked_at = time.monotonic()
            return self._parts


@router.get("/healthz", responses=file_of("It lives", "text/plain"))
async def alive() -> Response:
    """200 as long as the event loop turns; asks nobody."""
    return PlainTextResponse("ok\n", headers=HEADERS)


@router.get("/readyz", responses={200: WHOLE, 503: WHOLE})
async def ready(request: Request) -> Response:
    """200 when every part is ready, else 503; JSON with each part either way."""
    readiness: Readiness = request.app.state.readiness
    parts = await readiness.parts(request)
    whole = all(parts.values())
    body = {"ready": whole, "parts": parts}
    return JSONResponse(body, status_code=200 if whole else 503, headers=HEADERS)
