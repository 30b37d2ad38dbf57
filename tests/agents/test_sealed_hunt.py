"""Sealed matters hunted through every door: nothing tells of one, and no address of one answers.

Every route has its recipe in hunting.py; a route without one fails the run. Everybody who is not
named walks all of them, with the ids of sealed matters and with ids that never were: the two answers must be
the same to the byte, after the same number of questions to the database.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from ipaddress import ip_network

import httpx
import pytest
from sqlalchemy import select

from cases.export import export_calls, export_tickets
from cases.permissions import NOTHING, Action, cell, may
from hotline.figures import Figures
from hotline.home import Home
from routing.policy import load
from storage.notify import Note
from storage.staff import Person
from storage.tables import Outbox
from storage.viewer import COMMAND_LINE, Role, Viewer
from tests.agents.hunted import (
    CALLING,
    HUNTERS,
    NOW,
    WORDS,
    Ground,
    House,
    Ids,
    hire,
    house,
    notes_of,
    plant,
    row_ids,
)
from tests.agents.hunting import OF_NO_MATTER, RECIPES, Form
from tests.web.site import POLICY, Site
from tests.web.test_routes import actions, app_of, routes
from web.services import Operations

LOOKS_OF_ANSWERS: tuple[Form, ...] = (
    {"Accept": "text/html"},
    {"Accept": "application/json"},
    {"Accept": "text/html", "HX-Request": "true"},
)
UNTOLD = {"date", "server", "set-cookie"}  # headers that differ from answer to answer
NEEDED = {name: actions(route) for name, route in routes(app_of())}
NONCES = re.compile(r"play=[\w-]+")


@dataclass(frozen=True)
class Hunt:
    """The house with what is hidden in it, and the browsers of those who must not find it."""

    house: House
    ground: Ground
    hunters: Mapping[str, httpx.Client]
    people: Mapping[str, int]
    rows: list[int]  # ids of the sealed tickets' rows
    notes: list[Note]
    roles: Mapping[str, Role]

    def may(self, login: str, name: str) -> bool:
        """Whether a route's action is somebody's at all."""
        if login not in self.roles:
            return False
        return all(cell(self.roles[login], action) != NOTHING for action in NEEDED[name])


@pytest.fixture(scope="module")
def hunt(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hunt]:
    policy = load(POLICY)
    home = Home(tmp_path_factory.mktemp("home"))
    home.prepare()
    figures = Figures(home, site.database)
    operations = Operations(metrics=figures.text, readers=(ip_network("127.0.0.0/8"),))
    with notes_of(site.database.url) as notes:
        with site.database.session(60) as session:
            hire(session, policy)
        with site.database.session(60) as session:
            staff = session.scalars(select(Person)).all()
            people = {person.login: person.id for person in staff}
            ground = plant(session, site.folder, policy, people, NOW)
        with site.database.session(60) as session:
            rows = row_ids(session, ground)
    with house(site.database, policy, site.folder, operations) as walked, ExitStack() as open_still:
        hunters = {login: walked.client(None if login == "outsider" else login) for login in HUNTERS}
        for client in hunters.values():
            open_still.callback(client.close)
        roles = {person.login: Role(person.role) for person in staff}
        yield Hunt(walked, ground, hunters, people, rows, notes, roles)


def test_every_route_has_a_recipe_or_a_reason() -> None:
    there = {name for name, _ in routes(app_of()) if not name.split(" ")[1].startswith("/me/")}
    assert there - set(RECIPES) - set(OF_NO_MATTER) == set(), (
        "hunt there too: how is it asked about a matter?"
    )
    assert (set(RECIPES) | set(OF_NO_MATTER)) - there == set(), "these are no more"


def ask(hunt: Hunt, client: httpx.Client, name: str, query: Form, ids: Ids, how: Form) -> httpx.Response:
    method, path = name.split(" ")
    recipe, known = RECIPES[name], {**ids.__dict__, "liu": str(hunt.people["liu"])}
    fill = {key: value.format(**known) for key, value in query.items()}
    sent = {key: value.format(**known) for key, value in recipe.data.items()}
    files = {"file": ("a.txt", b"plain words", "text/plain")} if recipe.file else None
    return client.request(
        method,
        path.format(**known),
        params=fill,
        data=sent or None,
        json=recipe.json,
        files=files,
        headers=dict(how),
    )


def shown(answer: httpx.Response, ids: Ids) -> tuple[int, list[tuple[str, str]], str]:
    """All of an answer, with the ids that were asked for left out."""
    text = NONCES.sub("play=", answer.text)
    headers = sorted((key, value) for key, value in answer.headers.items() if key not in UNTOLD)
    for each in ids.all():
        text = text.replace(each, "*" * len(each))
        headers = [(key, value.replace(each, "*" * len(each))) for key, value in headers]
    return answer.status_code, headers, text


def cases(hunt: Hunt, asked: Mapping[str, Sequence[Form]], login: str) -> list[tuple[str, Form, Form]]:
    """Every way to ask: route, query, look of the answer.

    The looks are the same code for everybody and every query; who may not ask at all is turned away before
    a query is read, and here no page is painted for that.
    """
    page, *others = LOOKS_OF_ANSWERS
    found: list[tuple[str, Form, Form]] = []
    for name, queries in asked.items():
        if not hunt.may(login, name):
            found.append((name, queries[0], others[0]))
            continue
        found += [(name, query, page) for query in queries]
        found += [(name, queries[0], look) for look in others if login in ("zhang", "zhao")]
    return found


def of_one(name: str) -> list[Form]:
    """The queries that ask a route about one matter; others are the same question for any."""
    queries = RECIPES[name].query
    return list(queries) if "{" in name else [query for query in queries if ID.search(str([*query.values()]))]


ID = re.compile(rf"{{({'|'.join(each.name for each in fields(Ids))})}}")
ABOUT_ONE = {name: queries for name in RECIPES if (queries := of_one(name))}


@pytest.mark.parametrize("login", HUNTERS)
def test_an_address_of_a_sealed_matter_answers_as_one_that_never_was(hunt: Hunt, login: str) -> None:
    client = hunt.hunters[login]
    for name, query, how in cases(hunt, ABOUT_ONE, login):
        never = answered(hunt, client, name, query, hunt.ground.sealed.never(), how)
        there = (hunt.ground.sealed, hunt.ground.sealed_later)
        for ids in there if hunt.may(login, name) else there[:1]:
            for _ in range(3):  # what differs by chance, as a session's minute that is over, does so once
                told = answered(hunt, client, name, query, ids, how)
                if told == never:
                    break
                never = answered(hunt, client, name, query, ids.never(), how)
            assert told == never, (name, query, how)
            assert "{" not in name or told[0] >= 300, name


def answered(
    hunt: Hunt, client: httpx.Client, name: str, query: Form, ids: Ids, how: Form
) -> tuple[int, object, str, int]:
    """All of an answer without the ids that were asked for, and how often the database was asked."""
    hunt.house.statements.clear()
    status, headers, text = shown(ask(hunt, client, name, query, ids, how), ids)
    return status, headers, text, len(hunt.house.statements)


@pytest.mark.parametrize("login", HUNTERS)
def test_no_page_tells_of_it(hunt: Hunt, login: str) -> None:
    lists = {
        name: recipe.query for name, recipe in RECIPES.items() if name.startswith("GET") and "{" not in name
    }
    for name, query, how in cases(hunt, lists, login):
        answer = ask(hunt, hunt.hunters[login], name, query, hunt.ground.sealed.never(), how)
        told = answer.text + str(answer.headers)
        traces = set(hunt.ground.traces) - set(query.values())  # what she typed herself stands there
        assert [trace for trace in traces if trace in told] == [], (name, query)


def test_the_same_pages_tell_of_it_to_who_is_named(hunt: Hunt) -> None:
    """Else the hunt above would look in the wrong places."""
    sun = hunt.house.client("sun")
    how = LOOKS_OF_ANSWERS[0]
    for name in ("GET /calls", "GET /tickets", "GET /looks"):
        text = ask(hunt, sun, name, {}, hunt.ground.sealed, how).text
        assert hunt.ground.sealed.call_id in text or hunt.ground.sealed.number in text, name
    for name in ("GET /calls/{call_id}", "GET /tickets/{number}", "GET /recordings/{recording_id}"):
        assert ask(hunt, sun, name, {}, hunt.ground.sealed, how).status_code == 200, name
    assert WORDS[0] in ask(hunt, sun, "GET /tickets/{number}", {}, hunt.ground.sealed_later, how).text


def test_the_record_inside_a_ring_of_the_same_caller_does_not_tell_of_it(hunt: Hunt) -> None:
    """The pop: her earlier calls, her open tickets, her name."""
    zhang = hunt.hunters["zhang"]
    calls = re.findall(r'href="/calls/([^"?]+)"', zhang.get("/calls", params={"number": CALLING}).text)
    assert len(set(calls)) == 2
    for call_id in calls:
        for path in (f"/desk/calls/{call_id}", f"/calls/{call_id}"):
            text = zhang.get(path).text
            assert [trace for trace in hunt.ground.traces if trace in text] == []


def test_the_record_of_the_same_caller_does_not_tell_of_it(hunt: Hunt) -> None:
    """Her page: two ordinary calls with their tickets, and nothing that a sealed one said of her."""
    zhang = hunt.hunters["zhang"]
    (path,) = set(re.findall(r"/callers/\d+", zhang.get("/callers", params={"number": CALLING}).text))
    for text in (zhang.get(path).text, zhang.post(f"{path}/full").text, zhang.post(f"{path}/sheet").text):
        assert [trace for trace in hunt.ground.traces if trace in text] == []
    page = zhang.get(path).text
    assert len(set(re.findall(r'href="(/tickets/\d+)"', page))) == 2
    assert len(set(re.findall(r'href="(/calls/[^"?]+)"', page))) == 2


def test_no_export_has_it(hunt: Hunt, site: Site) -> None:
    with site.database.session() as session:
        people = session.scalars(select(Person).where(Person.login.in_(hunt.hunters))).all()
        viewers = [COMMAND_LINE, *(Viewer(one.id, Role(one.role), one.name) for one in people)]
        for viewer in viewers:
            if viewer.role is not Role.DISCIPLINE and may(viewer, Action.EXPORT):
                told = str([*export_calls(session, viewer), *export_tickets(session, viewer)])
                assert [trace for trace in hunt.ground.traces if trace in told] == [], viewer


def test_no_note_tells_those_who_are_not_named(hunt: Hunt) -> None:
    named = {f"person:{hunt.people[login]}" for login in ("liu", "sun")}
    hers: set[int | str | None] = {hunt.ground.sealed.call_id, hunt.rows[0]}
    about = [note for note in hunt.notes if hers & set(note.data.values())]
    # Until the ticket says whom it accuses, the accused unit's own discipline officer is named as well.
    accused = next(at for at, note in enumerate(about) if hunt.rows[0] in note.data.values())
    early = {f"person:{hunt.people['discipline_accused']}"}
    assert [note for note in about[:accused] if note.topic not in named | early] == []
    assert [note for note in about[accused:] if note.topic not in named] == []


def test_no_message_is_owed_for_it(hunt: Hunt, site: Site) -> None:
    with site.database.session() as session:
        owed = [str(row.payload) for row in session.scalars(select(Outbox))]
        assert [one for one in owed if str(hunt.rows[0]) in re.findall(r"\d+", one)] == []
