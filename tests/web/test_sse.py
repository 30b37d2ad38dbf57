"""The event stream: ids only, each to whom it belongs, slow clients dropped."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx

from storage.notify import notify
from storage.viewer import Role, Viewer
from tests.web.site import Site
from web.sessions import Login
from web.sse import WAITING_EVENTS, Hub


def login(person_id: int) -> Login:
    viewer = Viewer(person_id, Role.AGENT)
    return Login(viewer, "x", "zh", None, None, "none", person_id, f"hash{person_id}", datetime.now(UTC))


def messages(lines: Iterator[str]) -> Iterator[dict[str, object]]:
    """What is told, but for the one resync that the start of the process brings."""
    for line in lines:
        told = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {"event": "resync"}
        if told["event"] != "resync":
            yield told


def listening(client: httpx.Client) -> httpx.Response:
    request = client.build_request("GET", "/events", headers={"Accept": "text/event-stream"}, timeout=30)
    return client.send(request, stream=True)


def test_a_note_reaches_the_person_it_is_for_and_nobody_else(site: Site) -> None:
    liu, zhang = listening(site.client("liu")), listening(site.client("zhang"))
    heard_by_liu, heard_by_zhang = messages(liu.iter_lines()), messages(zhang.iter_lines())
    assert next(heard_by_liu)["event"] == "hello"
    assert next(heard_by_zhang)["event"] == "hello"
    with site.database.session() as session:
        notify(session, f"person:{site.seed.people['liu']}", "offer", call_id="c1")
    with site.database.session() as session:
        notify(session, "board", "call", call_id="c1")
    assert [next(heard_by_liu) for _ in range(2)] == [
        {"event": "person.offer", "data": {"call_id": "c1"}},
        {"event": "board.call", "data": {"call_id": "c1"}},
    ]
    assert next(heard_by_zhang) == {"event": "board.call", "data": {"call_id": "c1"}}
    liu.close()
    zhang.close()


def test_logging_out_ends_the_stream(site: Site) -> None:
    client = site.client("sun")
    stream = listening(client)
    heard = messages(stream.iter_lines())
    assert next(heard)["event"] == "hello"
    site.client("sun").post("/logout")  # another session of hers: this one goes on
    with site.database.session() as session:
        notify(session, "board", "call", call_id="c2")
    assert next(heard)["event"] == "board.call"
    client.post("/logout")
    assert list(heard) == [{"event": "session.ended", "data": {}}]


def test_nobody_listens_without_a_session(site: Site) -> None:
    answer = site.client().get("/events", headers={"Accept": "text/event-stream"})
    assert answer.status_code == 401


def test_a_client_that_does_not_read_is_dropped_and_the_others_go_on() -> None:
    async def scene() -> None:
        hub = Hub()
        slow, quick = hub.open(login(1)), hub.open(login(2))
        for number in range(WAITING_EVENTS + 1):
            hub.publish("board", "call", {"call_id": str(number)})
            await asyncio.sleep(0)
            quick.queue.get_nowait()
        assert slow.dropped
        assert not quick.dropped
        hub.close(slow)
        assert hub.streams == 1

    asyncio.run(scene())


def test_a_resync_is_told_to_everybody_by_its_own_name() -> None:
    async def scene() -> None:
        hub = Hub()
        one = hub.open(login(1))
        hub.publish("*", "resync", {})
        await asyncio.sleep(0)
        assert json.loads(one.queue.get_nowait() or "") == {"event": "resync", "data": {}}

    asyncio.run(scene())
