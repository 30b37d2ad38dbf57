"""Every page of every role in a real browser: the Content-Security-Policy stops nothing of ours, and the
console is silent. What stands in a page inline would be refused, and told here."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, sync_playwright

from cases import logins, people, units
from cases.permissions import NOTHING, cell
from storage.staff import Person
from storage.viewer import STAFF, Role
from tests.web.site import PASSWORD, Site
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
    "/phone/strip": "a part of the shell",
    "/desk/day": "a part of the desk",
    "/desk/colleagues": "a part of the desk",
    "/desk/calls/{call_id}": "a part of the desk",
    "/recordings/{recording_id}/audio": "a file",
    "/attachments/{attachment_id}": "a file",
    "/call": "the public's page, which its own tests open",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module", autouse=True)
def staff(site: Site) -> None:
    """One of each role, named after it; those who take calls have a phone."""
    with site.database.session(limit_seconds=60) as session:  # each password costs its hash
        units.sync(session, site.app.state.services.policy.units)
        for number, role in enumerate(STAFF):
            phone = str(8100 + number) if role in (Role.AGENT, Role.SHIFT_LEADER) else None
            unit = "power" if role is Role.UNIT_CLERK else ""
            lines = ("962299",) if role in (Role.LEADER, Role.SECRETARY) else ()
            people.create_person(
                session, role.value, role.value, role, PASSWORD, phone, unit=unit, lines=lines
            )


def pages(site: Site, role: str) -> list[str]:
    """The address of every page that the role may open; ids are those of the seed.

    One that it may not is the same page everywhere, and comes once.
    """
    ids = {
        "call_id": site.seed.calls[0],
        "number": site.seed.tickets[0],
        "recording_id": str(site.seed.recordings[0]),
        "token": "nobodys",
    }
    found = [
        path.format(**ids)
        for name, route in routes(app_of())
        for method, path in [name.split(" ")]
        if method == "GET" and path not in NO_PAGES and not path.startswith("/static")
        if all(role and cell(Role(role), action) != NOTHING for action in actions(route))
    ]
    return [*found, "/nothing-here", "/people" if role != Role.ADMINISTRATOR else "/desk"]


def entered(browser: Browser, site: Site, role: str) -> BrowserContext:
    context = browser.new_context(viewport={"width": 1280, "height": 720}, locale="zh-CN")
    context.add_init_script(WATCH)
    # Asterisk is not here: the phone dials a socket that takes it in and stays mute.
    context.route_web_socket("**/ws", lambda _socket: None)
    if role:
        with site.database.session() as session:
            person = session.query(Person).filter_by(login=role).one()
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
    for path in pages(site, role):
        answer = page.goto(site.url + path, wait_until="load")
        assert answer is not None
        if answer.status == 200:
            opened.add(path)
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
