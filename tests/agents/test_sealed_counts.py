"""No count tells of a sealed matter: whole lists are the same before one came in and after it was acted on.

The hunt (test_sealed_hunt.py) looks for a matter's own words; a count has none, so pages are compared.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from cases import dispatch, notices, orders, people, supervision
from cases.dispatch import Share
from cases.logins import viewer_of
from routing.policy import Policy, load
from storage.staff import Person
from storage.viewer import Role, Viewer
from tests.agents.hunted import HUNTERS, NOW, hire, house, matter, plant
from tests.agents.hunting import RECIPES
from tests.web.site import PASSWORD, POLICY, Site
from web.services import Operations

pytestmark = pytest.mark.timeout(300)  # the first of them walks every list twice for everybody
OF_NO_MATTER = {
    "GET /metrics": "every call's traffic, for operators (cases/figures.py)",
    "GET /journal": "it grows with every page that the others read; hunted by words",
    "GET /notices/lost": "messages that failed: to whom and why, never of what (cases/receipts.py)",
}
LISTS = [name for name in RECIPES if name.startswith("GET") and "{" not in name and name not in OF_NO_MATTER]
OF_THE_MOMENT = re.compile(
    r'play=[\w-]+|<span class="state" .*?</span></span>|<time .*?</time>|(打印于|截至) [-:\d ]+', re.DOTALL
)
UNIT = "gas"
READERS = [login for login in HUNTERS if login not in ("clerk_accused", "clerk_below", "outsider")]
"""One of each role who is named for nothing, and the accused unit's own discipline officer."""

Pages = Mapping[str, str]


def read(client: httpx.Client) -> Pages:
    """Every list's page, with its counts and those of the lists beside it."""
    paths = [name.removeprefix("GET ") for name in LISTS]
    return {path: OF_THE_MOMENT.sub("", _answer(client, path)) for path in paths}


def _answer(client: httpx.Client, path: str) -> str:
    """A busy machine may take longer than a page waits for the database: asked again then."""
    for _ in range(5):
        answer = client.get(path)
        if answer.status_code != 503:
            break
    return answer.text


def acted_on(session: Session, policy: Policy, number: str, sun: Viewer, clerk: Viewer, at: datetime) -> None:
    """A unit has it and objects to it, it is urged and supervised, and all who are named learn of it."""
    (order,) = dispatch.send(session, sun, number, [Share(UNIT, "assist")], policy, at)
    orders.object_(session, clerk, order.id, "unclear", "材料不全", "", policy, at)
    supervision.urge(session, sun, number, "请抓紧", at)
    session.flush()
    while notices.plan(session, policy, ["email"], at + timedelta(days=1)):
        session.flush()


@pytest.fixture(scope="module")
def pages(site: Site) -> dict[str, tuple[Pages, Pages]]:
    """What everybody who is not named reads, before and after."""
    policy = load(POLICY)
    with site.database.session(60) as session:
        hire(session, policy)
        people.create_person(session, "gas_clerk", "gas_clerk", Role.UNIT_CLERK, PASSWORD, unit=UNIT)
    with site.database.session(60) as session:
        staff = {person.login: person for person in session.scalars(select(Person))}
        ids = {login: person.id for login, person in staff.items()}
        liu, sun, clerk = (viewer_of(session, staff[login]) for login in ("liu", "sun", "gas_clerk"))
        plant(session, site.folder, policy, ids, NOW)
        while notices.plan(session, policy, ["email"], NOW + timedelta(days=1)):
            session.flush()
    with house(site.database, policy, site.folder, Operations()) as walked:
        clients = {login: walked.client(login) for login in READERS}
        before = {login: read(client) for login, client in clients.items()}
        with site.database.session(60) as session:
            for hours in (3, 5):
                came = matter(
                    session, site.folder, policy, liu, sun, NOW - timedelta(hours=hours), "complaint"
                )
                acted_on(session, policy, came.number, sun, clerk, NOW)
        after = {login: read(client) for login, client in clients.items()}
        sees = walked.client("sun")
        assert came.number in sees.get("/supervision?list=supervised").text
        for client in (*clients.values(), sees):
            client.close()
    return {login: (before[login], after[login]) for login in READERS}


@pytest.mark.parametrize("login", READERS)
def test_every_list_and_figure_is_as_if_it_had_never_come(
    pages: dict[str, tuple[Pages, Pages]], login: str
) -> None:
    before, after = pages[login]
    assert len(before) > 20
    assert [address for address, text in before.items() if after[address] != text] == []
