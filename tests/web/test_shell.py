"""One shell that never reloads; strict headers; every fault told calmly."""

import re

import pytest
from fastapi import APIRouter

from storage.database import Database
from tests.web.site import Site
from web.guard import policy_header
from web.services import Services

HTMX = {"HX-Request": "true", "HX-Target": "main"}
PAGES = ("/desk", "/calls", "/tickets", "/recordings", "/me", "/nothing-here")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_by_address_is_the_shell_and_by_htmx_only_its_main(site: Site, path: str) -> None:
    client = site.client("chen")
    whole = client.get(path).text
    part = client.get(path, headers=HTMX).text
    assert 'id="phone"' in whole
    assert whole.count('id="main"') == 1
    assert 'id="phone"' not in part
    assert 'id="rail"' not in part
    assert "<title>" in part


@pytest.mark.parametrize("path", (*PAGES, "/login"))
def test_no_page_needs_inline_script_or_style(site: Site, path: str) -> None:
    client = site.client(None if path == "/login" else "chen")
    text = client.get(path).text
    assert not re.search(r"\sstyle\s*=", text)
    assert not re.search(r"\son[a-z]+\s*=\s*[\"']", text)
    assert "<style" not in text
    for attributes in re.findall(r"<script([^>]*)>", text):
        assert "src=" in attributes or "application/json" in attributes


def test_the_headers_keep_pages_ours(site: Site) -> None:
    for path in ("/login", "/static/web/shell.css", "/nothing-here"):
        headers = site.client().get(path).headers
        policy = headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"


def test_the_phone_may_dial_its_websocket_and_nothing_else() -> None:
    assert "connect-src 'self' wss://desk.example:8089;" in policy_header("wss://desk.example:8089/ws")


def test_pages_with_callers_words_are_never_cached(site: Site) -> None:
    assert site.client("chen").get("/calls").headers["cache-control"] == "no-store"


def test_static_files_are_kept_for_ever_under_their_hash_only(site: Site) -> None:
    client = site.client()
    address = re.findall(r'href="(/static/web/base\.css\?v=[0-9a-f]{12})"', client.get("/login").text)[0]
    assert "immutable" in client.get(address).headers["cache-control"]
    assert client.get("/static/web/base.css?v=000000000000").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["web/../app.py", "web/%2e%2e/app.py", "nowhere/x", "web/", "web", "web/%00", "web//etc/passwd"]
)
def test_static_gives_nothing_outside_its_folders(site: Site, path: str) -> None:
    assert site.client().get(f"/static/{path}").status_code == 404


def test_what_does_not_exist_is_told_with_a_remedy(site: Site) -> None:
    answer = site.client("liu").get("/tickets/000000")
    assert answer.status_code == 404
    assert "没有找到" in answer.text
    assert "请核对编号" in answer.text


def test_the_rail_shows_only_what_the_role_may_open(site: Site) -> None:
    assert 'href="/recordings"' not in site.client("liu").get("/calls").text
    assert 'href="/desk"' not in site.client("zhao").get("/calls").text


def test_an_unforeseen_error_shows_a_number_and_no_traceback(site: Site) -> None:
    router = APIRouter()

    @router.get("/broken")
    def broken() -> None:
        raise RuntimeError("a secret in a traceback")

    site.app.include_router(router)
    answer = site.client("liu").get("/broken")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert re.search(r"编号 [0-9a-f]{8}", answer.text)
    assert "content-security-policy" in answer.headers


def test_while_the_database_is_away_the_page_says_what_still_works(site: Site) -> None:
    client = site.client("liu")
    assert client.get("/calls").status_code == 200
    sessions = site.app.state.sessions
    kept, services = sessions._database, site.app.state.services
    away = Database("postgresql+psycopg://nobody@/none?host=/nowhere-at-all")
    site.app.state.services = Services(away, services.policy, services.recordings)
    sessions._database = away
    try:
        page = client.get("/calls")
        act = client.post("/me/language", data={"language": "en"}, headers=HTMX)
        stranger = site.client().get("/calls", headers={"Cookie": f"{next(iter(client.cookies.keys()))}=x"})
    finally:
        site.app.state.services, sessions._database = services, kept
        away.close()
    assert page.status_code == 503
    assert "暂时连不上数据库" in page.text
    assert "来电照常接听" in page.text
    assert 'id="phone"' in page.text
    assert "data-place" in page.text  # known from memory: the shell with its rail and phone
    assert act.status_code == 503
    assert act.headers["hx-retarget"] == "#notice"
    assert stranger.status_code == 503
