"""What another site may make a browser of ours do: nothing, on every route that there is."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from tests.web.site import Site
from tests.web.test_routes import app_of, routes
from web.guard import SAFE_METHODS

OURS = "http://testserver"
HOSTILE = {
    "another origin": {"Origin": "https://evil.example"},
    "another port": {"Origin": "http://testserver:8081"},
    "another scheme's host that begins alike": {"Origin": "http://testserver.evil.example"},
    "our name as a user": {"Origin": "http://testserver@evil.example"},
    "a sandboxed page": {"Origin": "null"},
    "an empty origin": {"Origin": ""},
    "no address": {"Origin": "http://["},
    "nothing said": {},
    "the browser says cross-site": {"Sec-Fetch-Site": "cross-site", "Origin": OURS},
    "a neighbour's name": {"Sec-Fetch-Site": "same-site", "Origin": OURS},
    "two words": {"Sec-Fetch-Site": "same-origin, cross-site", "Origin": OURS},
    "only a referrer": {"Referer": f"{OURS}/desk"},
}
NOBODY = {"session_id": "1", "name": "x", "password": "x", "wanted": "off", "content": "x"}


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """The application with every room and without a database: who gets past the guard, fails."""
    yield TestClient(app_of(), base_url=OURS, raise_server_exceptions=False)


def paths(safe: bool) -> list[tuple[str, str]]:
    """(method, path) of every route, its places filled in."""
    found = []
    for name, _ in routes(app_of()):
        method, path = name.split(" ")
        if method != "WS" and (method in SAFE_METHODS) is safe:
            plain = "/".join("1" if part.startswith("{") else part for part in path.split("/"))
            found.append((method, plain))
    return found


@pytest.mark.parametrize("said", HOSTILE, ids=str)
def test_no_act_of_the_application_is_done_for_another_site(client: TestClient, said: str) -> None:
    acts = paths(safe=False)
    assert len(acts) > 20
    for method, path in acts:
        answer = client.request(method, path, data=NOBODY, headers=HOSTILE[said])
        assert answer.status_code == 403, (method, path)
        assert "没有执行" in answer.text
        assert "set-cookie" not in answer.headers


def test_the_same_acts_get_past_the_guard_from_our_own_pages(client: TestClient) -> None:
    for said in ({"Origin": OURS}, {"Sec-Fetch-Site": "same-origin"}):
        stopped = [
            (method, path)
            for method, path in paths(safe=False)
            if "没有执行" in client.request(method, path, data=NOBODY, headers=said).text
        ]
        assert stopped == []


@pytest.mark.parametrize(
    "said",
    [
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "embed"},
    ],
)
def test_nothing_can_be_read_into_another_sites_page(client: TestClient, said: dict[str, str]) -> None:
    for method, path in paths(safe=True):
        answer = client.request(method, path, headers=said)
        assert answer.status_code == 403, (method, path)
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_another_site_may_link_here(client: TestClient) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert client.get("/login", headers=link).status_code == 200


@pytest.mark.parametrize("said", [each for each in HOSTILE.values() if "Sec-Fetch-Site" not in each], ids=str)
def test_no_socket_opens_for_another_site(client: TestClient, said: dict[str, str]) -> None:
    sockets = [name.split(" ")[1] for name, _ in routes(app_of()) if name.startswith("WS ")]
    assert sockets
    for path in sockets:
        with pytest.raises(WebSocketDisconnect), client.websocket_connect(path, ["sip"], headers=said):
            pass


def test_the_stream_of_events_is_not_for_another_sites_page(site: Site) -> None:
    client = site.client("liu")
    said = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
    with client.stream("GET", "/events", headers=said | {"Origin": "https://evil.example"}) as answer:
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers


def test_the_answer_to_a_preflight_allows_nothing(client: TestClient) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "PUT"}
    answer = client.options("/desk/duty", headers=asked)
    assert not [name for name in answer.headers if name.startswith("access-control-")]
