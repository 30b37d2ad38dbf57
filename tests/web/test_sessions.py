"""Where one is logged in: seen, ended here, ended by an administrator, and out at once in every process."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn
from fastapi.testclient import TestClient
from sqlalchemy import select

from agents.room import room
from cases import logins
from routing.policy import load
from storage.notify import listen
from storage.tables import Journal
from storage.viewer import Role, Viewer
from tests.web.site import POLICY, Site, wait_until_up
from web.app import create_app
from web.services import Services

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36"


@contextmanager
def another_process(site: Site) -> Iterator[str]:
    """A second desk on the same database, with an application, a memory and a listener of its own."""
    stop = threading.Event()
    services = Services(
        site.database, load(POLICY), site.folder, notes=lambda: listen(site.database.url, stop)
    )
    server = uvicorn.Server(uvicorn.Config(create_app(services, [room()]), log_level="warning"))
    door = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{door.getsockname()[1]}"
    wait_until_up(url)
    try:
        yield url
    finally:
        stop.set()
        server.should_exit = True
        thread.join(20)
        door.close()


def there(site: Site, client: httpx.Client, url: str) -> httpx.Client:
    """The same browser at another process, behind one name as a balancer has it: its cookie goes along."""
    token = client.cookies[f"hotline_session_{httpx.URL(site.url).port}"]
    cookies = {f"hotline_session_{httpx.URL(url).port}": token}
    return httpx.Client(base_url=url, cookies=cookies, headers={"Origin": url, "Accept": "text/html"})


def others(client: httpx.Client, page: str = "/me") -> list[int]:
    """The ids of the log-ins on a page that can be ended there."""
    return [int(found) for found in re.findall(r'name="session_id" value="(\d+)"', client.get(page).text)]


def told(stream: httpx.Response) -> list[str]:
    """The events of a stream until it ends."""
    return [json.loads(line[6:])["event"] for line in stream.iter_lines() if line.startswith("data: ")]


def events(client: httpx.Client) -> httpx.Response:
    asked = client.build_request("GET", "/events", headers={"Accept": "text/event-stream"}, timeout=30)
    return client.send(asked, stream=True)


def test_my_page_lists_where_i_am_logged_in_and_marks_this_one(site: Site) -> None:
    here, elsewhere = site.client("liu"), site.client()
    elsewhere.headers["User-Agent"] = CHROME
    elsewhere.post("/login", data={"name": "liu", "password": "correct horse"})
    page = here.get("/me").text
    assert "Chrome · Windows" in page
    assert "127.0.0.1" in page
    assert page.count("本次登录</span>") == 1
    (which,) = others(here)
    assert here.post("/me/sessions/end", data={"session_id": which}).status_code == 303
    assert elsewhere.get("/calls").status_code == 303
    assert here.get("/calls").status_code == 200
    assert others(here) == []
    here.post("/logout")


def test_nobody_ends_a_colleagues_and_the_one_in_use_is_left_by_logging_out(site: Site) -> None:
    liu, zhang = site.client("liu"), site.client("zhang")
    mine = others(site.client("zhang"))[0]
    assert liu.post("/me/sessions/end", data={"session_id": mine}).status_code == 404
    assert zhang.get("/calls").status_code == 200
    for nonsense in ("0", "-1", "x", str(2**63), str(2**62)):
        assert liu.post("/me/sessions/end", data={"session_id": nonsense}).status_code in (404, 422)
    site.client("liu").post("/me/sessions/end-others")
    assert liu.get("/calls").status_code == 303


def test_a_revoked_log_in_is_out_at_once_in_every_process_and_its_streams_say_so_and_end(site: Site) -> None:
    liu, admin = site.client("liu"), site.client("admin")
    with another_process(site) as url:
        liu_there = there(site, liu, url)
        assert liu_there.get("/calls").status_code == 200
        here, elsewhere = events(liu), events(liu_there)
        shown = [one for one in others(admin, "/people/sessions") if one in session_ids(site, "liu")]
        for which in shown:
            assert admin.post("/people/sessions/end", data={"session_id": which}).status_code == 303
        assert liu.get("/calls").status_code == 303
        assert liu_there.get("/calls").status_code == 303
        assert told(here)[-1] == "session.ended"
        assert told(elsewhere)[-1] == "session.ended"


def session_ids(site: Site, login: str) -> list[int]:
    with site.database.session() as session:
        who = Viewer(site.seed.people[login], Role.AGENT)
        return [one.id for one in logins.own_sessions(session, who)]


def test_what_an_administrator_ends_is_on_record_with_its_rule(site: Site) -> None:
    client = site.client("chen")
    admin = site.client("admin")
    person = {"person_id": site.seed.people["chen"]}
    for other in ("liu", "chen", "zhao", "sun"):
        assert site.client(other).post("/people/sessions/end-all", data=person).status_code == 403
    assert admin.post("/people/sessions/end-all", data=person).status_code == 303
    assert client.get("/calls").status_code == 303
    with site.database.session() as session:
        line = session.scalars(
            select(Journal).where(Journal.act == "session.ended").order_by(Journal.id.desc())
        ).first()
        assert line is not None
        assert (line.actor_id, line.subject_id, line.rule) == (
            site.seed.people["admin"],
            str(site.seed.people["chen"]),
            "administrator/manage_people/all",
        )


def test_a_browser_is_known_by_a_cookie_after_the_first_log_in(site: Site) -> None:
    client = site.client("liu")
    name = f"hotline_browser_{httpx.URL(site.url).port}"
    token = client.cookies[name]
    client.post("/logout")
    assert client.cookies[name] == token
    answer = client.post("/login", data={"name": "liu", "password": "correct horse"})
    browser = next(value for value in answer.headers.get_list("set-cookie") if value.startswith(name))
    assert token in browser
    assert "HttpOnly" in browser and "SameSite=lax" in browser


def test_under_https_the_cookies_are_bound_to_this_host(site: Site) -> None:
    client = TestClient(site.app, base_url="https://hotline.example", follow_redirects=False)
    form = {"name": "liu", "password": "correct horse"}
    answer = client.post("/login", data=form, headers={"Origin": "https://hotline.example"})
    cookies = answer.headers.get_list("set-cookie")
    assert len(cookies) == 2
    for cookie in cookies:
        assert cookie.startswith("__Host-hotline_")
        assert {"Secure", "HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
        assert "Domain" not in cookie
