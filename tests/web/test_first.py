"""The first administrator in the browser: by the link alone, once, with a password of her own."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from agents.room import room
from cases import first
from routing.policy import load
from storage.database import Database
from storage.staff import Person
from tests.web.site import PASSWORD, POLICY, Site
from web.app import create_app
from web.services import Services

OURS = "http://testserver"
FORM = {"login": " Wang ", "name": "王芳", "password": PASSWORD, "again": PASSWORD}


@pytest.fixture
def empty(database: Database, tmp_path: Path) -> TestClient:
    """A hotline where nobody works yet."""
    app = create_app(Services(database, load(POLICY), tmp_path), [room()])
    headers = {"Origin": OURS, "Accept": "text/html"}
    return TestClient(app, base_url=OURS, headers=headers, follow_redirects=False)


@pytest.fixture
def link(database: Database) -> str:
    with database.session() as session:
        return f"/first/{first.new_link(session)}"


def test_she_is_made_and_logged_in_and_the_link_is_used_up(
    empty: TestClient, link: str, database: Database
) -> None:
    assert empty.get(link).status_code == 200
    assert empty.get(link).status_code == 200  # looking uses nothing up: chats look at links too
    answer = empty.post(link, data=FORM)
    assert (answer.status_code, answer.headers["location"]) == (303, "/people")
    assert empty.get("/people").status_code == 200
    with database.session() as session:
        person = session.query(Person).one()
        assert (person.login, person.role, person.demo) == ("wang", "administrator", False)
    assert empty.get(link).status_code == 404
    assert empty.post(link, data=FORM | {"login": "li"}).status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"login": ""}, "login"),
        ({"name": " "}, "name"),
        ({"password": "short", "again": "short"}, "password"),
        ({"again": "another one"}, "again"),
    ],
)
def test_a_slip_keeps_what_was_typed_and_the_link(
    empty: TestClient, link: str, change: dict[str, str], field: str
) -> None:
    answer = empty.post(link, data=FORM | change)
    assert answer.status_code == 422
    assert f'id="f-{field}-error"' in answer.text
    assert PASSWORD not in answer.text
    if field != "name":
        assert 'value="王芳"' in answer.text
    assert empty.post(link, data=FORM).status_code == 303


def test_a_guessed_link_opens_nothing(empty: TestClient, link: str) -> None:
    for guess in ("/first/x", link[:-1], link + "A"):
        assert empty.get(guess).status_code == 404
        assert empty.post(guess, data=FORM).status_code == 404


def test_where_people_work_no_link_opens(site: Site) -> None:
    client = site.client()
    assert client.get("/first/anything").status_code == 404
    assert client.post("/first/anything", data=FORM).status_code == 404
