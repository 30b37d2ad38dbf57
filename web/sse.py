"""GET /events: one stream per open shell, fed by one thread that LISTENs. Events carry ids only.

Each message is `{"event": "<topic kind>.<event>", "data": {ids}}` (`person.offer`, `board.calls`);
`hello` opens each stream, `beat` comes every 15 s so that the page itself can notice silence.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Request
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from storage.database import DatabaseAway
from storage.notify import Note
from web.answers import file_of
from web.login import address, cookie_name, signed_in
from web.sessions import Login, Sessions

BEAT_SECONDS = 15.0
BEATS_PER_CHECK = 4  # the session is looked up again once a minute
WAITING_EVENTS = 200  # a client further behind is dropped and comes back by itself
log = structlog.get_logger()
router = APIRouter()


def message(event: str, data: dict[str, Any]) -> str:
    """One event as the page gets it."""
    return json.dumps({"event": event, "data": data})


class Subscriber:
    """One open stream."""

    def __init__(self, login: Login) -> None:
        self.topics = {f"person:{login.viewer.person_id}", f"session:{login.session_id}", "board", "*"}
        self.session_id = login.session_id
        self.queue: asyncio.Queue[str | None] = asyncio.Queue(WAITING_EVENTS)
        self.dropped = False

    def put(self, item: str | None) -> None:
        """Queue an event (None: the stream ends); a full queue drops the client."""
        try:
            self.queue.put_nowait(item)
        except asyncio.QueueFull:
            self.dropped = True


class Hub:
    """All open streams of this process. `publish` may be called from any thread."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._subscribers: set[Subscriber] = set()

    def open(self, login: Login) -> Subscriber:
        """A new stream; from the event loop only."""
        self._loop = asyncio.get_running_loop()
        subscriber = Subscriber(login)
        self._subscribers.add(subscriber)
        return subscriber

    def close(self, subscriber: Subscriber) -> None:
        """The stream has ended."""
        self._subscribers.discard(subscriber)

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return len(self._subscribers)

    def publish(self, topic: str, event: str, data: dict[str, Any]) -> None:
        """Give an event to everybody who may have its topic; the topic "*" is everybody's."""
        name = event if topic == "*" else f"{topic.partition(':')[0]}.{event}"
        self._soon(self._deliver, topic, message(name, data))

    def close_session(self, session_id: int) -> None:
        """End the streams of a session that is over; each is told so first."""
        self.publish(f"session:{session_id}", "ended", {})
        self._soon(self._end, session_id)

    def close_all(self) -> None:
        """End every stream (the process stops)."""
        self._soon(self._end, None)

    def feed(self, notes: Iterable[Note], session_ended: Callable[[int], None]) -> None:
        """Publish notes for ever, in a thread of its own; `notes` reconnects by itself."""

        def run() -> None:
            for note in notes:
                kind, _, which = note.topic.partition(":")
                if kind == "session":
                    session_ended(int(which))
                    self.close_session(int(which))
                else:
                    self.publish(note.topic, note.event, note.data)

        threading.Thread(target=run, name="notes", daemon=True).start()

    def _soon(self, function: Any, *arguments: Any) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)

    def _deliver(self, topic: str, item: str) -> None:
        for subscriber in self._subscribers:
            if topic in subscriber.topics:
                subscriber.put(item)

    def _end(self, session_id: int | None) -> None:
        for subscriber in self._subscribers:
            if session_id in (None, subscriber.session_id):
                subscriber.put(None)


async def stream(request: Request, hub: Hub, login: Login) -> AsyncIterator[ServerSentEvent]:
    """The events of one shell until it goes, falls behind, or its session ends."""
    subscriber = hub.open(login)
    beats = 0
    try:
        yield ServerSentEvent(data=message("hello", {}), retry=2000)
        while not subscriber.dropped:
            try:
                item = await asyncio.wait_for(subscriber.queue.get(), BEAT_SECONDS)
            except TimeoutError:
                beats += 1
                if beats % BEATS_PER_CHECK == 0 and not await still_valid(request):
                    return
                yield ServerSentEvent(data=message("beat", {}))
                continue
            if item is None:
                return
            yield ServerSentEvent(data=item)
        log.warning("slow event stream dropped", person=login.viewer.person_id)
    finally:
        hub.close(subscriber)


async def still_valid(request: Request) -> bool:
    """False once the session has ended; a database that is away ends nothing."""
    sessions: Sessions = request.app.state.sessions
    token = request.cookies.get(cookie_name(request), "")
    try:
        return await run_in_threadpool(sessions.find, token, address(request)) is not None
    except DatabaseAway:
        return True


@router.get("/events", responses=file_of("Notes, for as long as it is open", "text/event-stream"))
async def events(request: Request, login: Annotated[Login, Depends(signed_in)]) -> EventSourceResponse:
    """The stream itself (text/event-stream)."""
    hub: Hub = request.app.state.hub
    return EventSourceResponse(
        stream(request, hub, login), headers={"Cache-Control": "no-store"}, send_timeout=30, ping=3600
    )
