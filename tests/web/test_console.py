"""Every page of every role in a real browser: the Content-Security-Policy stops nothing of ours, and the
console is silent. What stands in a page inline would be refused, and told here."""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, sync_playwright
from sqlalchemy import literal, select

from cases import logins
from cases.permissions import NOTHING, cell
from hotline import demo
from routing.policy import Policy
from storage.database import Database
from storage.knowledge import DirectoryEntry, KnowledgeEntry
from storage.notices import Notice
from storage.parties import Caller, Enterprise
from storage.server import EmbeddedServer
from storage.staff import Person
from storage.tables import Call, Recording, Ticket
from storage.viewer import STAFF, Role
from storage.work import SubOrder
from tests.web.site import Seed, Site, record, standing
from tests.web.test_routes import actions, app_of, routes

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]
WATCH = """
document.addEventListener("securitypolicyviolation", (e) => console.error(
  `refused by the policy: ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`));
"""
NO_PAGES = {
    "/events": "a stream",
    "/metrics": "figures",
    "/healthz": "a word",
    "/readyz": "data",
    "/phone/settings": "data",
    "/desk/duty": "data",
    "/hotline-ca.crt": "a file",
    "/banner": "a part of the shell",
    "/notices/badge": "a part of the shell",
    "/phone/strip": "a part of the shell",
    "/desk/day": "a part of the desk",
    "/desk/colleagues": "a part of the desk",
    "/knowledge/answers": "a part of a ticket's page",
    "/desk/calls/{call_id}": "a part of the desk",
    "/recordings/{recording_id}/audio": "a file",
    "/attachments/{attachment_id}": "a file",
    "/city/directory/export": "a file",
    "/call": "the public's page, which its own tests open",
}
# What stands in an address: the things of one kind, by what comes before them.
THINGS: dict[str, Any] = {
    "/callers/": Caller.id,
    "/calls/": Call.id,
    "/city/directory/": DirectoryEntry.id,
    "/enterprises/": Enterprise.id,
    "/first/": literal("nobodys"),
    "/knowledge/": KnowledgeEntry.id,
    "/me/notices/": literal("mail"),
    "/notices/": Notice.id,
    "/people/": Person.id,
    "/orders/": SubOrder.id,
    "/recordings/": Recording.id,
    "/tickets/": Ticket.number,
}
LOOKED_AT = 12


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def site(server: EmbeddedServer) -> Iterator[Site]:
    """The demo's city: it has somebody of each role, and things of every kind."""
    with standing(server, city) as site:
        yield site


def city(database: Database, folder: Path, policy: Policy, now: datetime) -> Seed:
    demo.lay_out(database, policy, folder, now)
    with database.session() as session:  # the ledger, which keeps those of the demo, does not run here
        answered = session.scalars(select(Call.id).where(Call.answered_at.is_not(None)).limit(1)).one()
        record(session, folder, answered, now)
    return Seed()


def pages(site: Site, role: str) -> list[str]:
    """The pattern of every page that the role may open, and two that no role or not this one may."""
    found = [
        path
        for name, route in routes(app_of())
        for method, path in [name.split(" ")]
        if method == "GET" and path not in NO_PAGES and not path.startswith("/static")
        if all(role and cell(Role(role), action) != NOTHING for action in actions(route))
    ]
    return [*found, "/nothing-here", "/people" if role != Role.ADMINISTRATOR else "/desk"]


def address(site: Site, context: BrowserContext, pattern: str) -> str:
    """The page of the first thing that its reader may see, of those that the pattern is for."""
    if "{" not in pattern:
        return site.url + pattern
    before, _, after = re.split("[{}]", pattern)
    with site.database.session() as session:
        ids = list(session.scalars(select(THINGS[before]).limit(LOOKED_AT)))
    them = [f"{site.url}{before}{each}{after}" for each in ids]
    return next((found for found in them if context.request.get(found).ok), them[0])


def entered(browser: Browser, site: Site, role: str) -> BrowserContext:
    context = browser.new_context(viewport={"width": 1280, "height": 720}, locale="zh-CN")
    context.add_init_script(WATCH)
    # Asterisk is not here: the phone dials a socket that takes it in and stays mute.
    context.route_web_socket("**/ws", lambda _socket: None)
    if role:
        with site.database.session() as session:
            person = session.query(Person).filter_by(role=role, active=True).order_by(Person.id).first()
            assert person is not None
            token = logins.start_session(session, person, "127.0.0.1")
        name = f"hotline_session_{urlsplit(site.url).port}"
        context.add_cookies([{"name": name, "value": token, "url": site.url}])
    return context


@pytest.mark.parametrize("role", ["", *(role.value for role in STAFF)])
def test_the_console_of_every_page_is_silent(browser: Browser, site: Site, role: str) -> None:
    context = entered(browser, site, role)
    page = context.new_page()
    told: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        # A page that is refused, by the role or for want of such a thing, is told by the browser as well.
        of_the_page = message.location.get("url") == page.url and "Failed to load resource" in message.text
        if message.type in ("error", "warning") and not of_the_page:
            told.append(f"{page.url}: {message.text}")

    page.on("console", hear)
    page.on("pageerror", lambda error: told.append(f"{page.url}: {error}"))
    opened = set()
    for pattern in pages(site, role):
        answer = page.goto(address(site, context, pattern), wait_until="load")
        assert answer is not None
        if answer.status == 200:
            opened.add(pattern)
    context.close()
    assert told == []
    assert len(opened) >= (1 if role in ("", Role.EDITOR.value) else 3), opened


def test_what_is_inline_would_be_told(browser: Browser, site: Site) -> None:
    context = entered(browser, site, "auditor")
    page = context.new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.goto(f"{site.url}/journal")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">x</p>')")
    page.evaluate(
        "document.head.append(Object.assign(document.createElement('script'), {text: 'window.x = 1'}))"
    )
    page.wait_for_function("true")
    context.close()
    assert any("refused by the policy: style-src" in text for text in told)
    assert any("refused by the policy: script-src" in text for text in told)
