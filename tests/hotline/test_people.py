"""`hotline people` on a running hotline: who comes can phone at once, who leaves no longer."""

import os
import re
from collections.abc import Callable, Iterator

import httpx
import pytest
from click.testing import Result
from sqlalchemy import update
from typer.testing import CliRunner

from hotline.cli import app
from hotline.home import Home
from storage.database import Database
from storage.server import EmbeddedServer
from storage.staff import Person
from tests.hotline.city import City, Running
from tests.real.phone import Phone

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]
People = Callable[..., Result]


@pytest.fixture
def ours(city_up: tuple[City, Running]) -> Iterator[None]:
    """The people of the city are taken for real ones: into the demo nobody else is let."""
    home = Home(city_up[0].home)
    database = Database(EmbeddedServer(home.postgres_data, home.run, "hotline").url, pool_size=1)
    with database.session() as session:
        demo = session.scalars(
            update(Person).where(Person.demo).values(demo=False).returning(Person.id)
        ).all()
    yield
    with database.session() as session:
        session.execute(update(Person).where(Person.id.in_(demo)).values(demo=True))
    database.close()


@pytest.fixture
def people(city_up: tuple[City, Running], monkeypatch: pytest.MonkeyPatch) -> People:
    """`hotline people` on the running hotline, in this process: a new one spends its time on imports."""
    for name in [name for name in os.environ if name.startswith("HOTLINE_")]:
        monkeypatch.delenv(name)
    for name, value in city_up[0].environment.items():
        monkeypatch.setenv(name, value)

    def run(*words: str, password: str = "") -> Result:
        return CliRunner().invoke(app, ["people", *words], input=password)

    return run


def test_somebody_new_can_phone_at_once_and_no_longer_when_they_leave(
    city_up: tuple[City, Running], people: People, ours: None
) -> None:
    city, _ = city_up
    added = people(
        *("add", "night1", "--name", "钱进", "--extension", "8050", "--phone", "hardware"),
        password="a long night\n",
    )
    assert added.exit_code == 0, added.stderr
    found = re.search(r"registers as (e[0-9a-f]{8}) with the secret (\S+)", added.stderr)
    assert found
    phone = Phone(("127.0.0.1", city.ports["SIP_PORT"]), found[1], found[2])
    phone.register()
    again = people("phone", "night1")
    renewed = re.search(r"with the secret (\S+)", again.stderr)
    assert renewed and renewed[1] != found[2]
    with pytest.raises(AssertionError, match=r"40[13]"):
        phone.register()
    phone.secret = renewed[1]
    phone.register()
    listed = people("list").stdout
    assert re.search(r"night1\s+钱进\s+agent\s+8050\s+hardware", listed)

    assert people("leave", "night1").exit_code == 0
    with pytest.raises(AssertionError, match=r"40[134]"):
        phone.register()
    assert "night1" not in people("list").stdout


def test_when_asterisk_cannot_be_told_what_was_kept_and_what_is_left_to_do_is_said(
    people: People, ours: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOTLINE_ASTERISK", "/nowhere/asterisk")
    added = people("add", "night2", "--name", "孙立", "--extension", "8051", password="a long night\n")
    assert added.exit_code == 1
    assert "this is kept, but Asterisk has not been told" in added.stderr
    assert "hotline config --reload" in added.stderr
    assert "night2" in people("list").stdout


def test_nobody_real_is_let_into_the_demo_city(people: People) -> None:
    refused = people("add", "wang", "--name", "王芳", password="a long night\n")
    assert refused.exit_code == 1
    assert "HOTLINE_DEMO=false" in refused.stderr
    assert people("first").exit_code == 1


def test_somebody_is_logged_out_everywhere_by_command(city_up: tuple[City, Running], people: People) -> None:
    base = f"http://127.0.0.1:{city_up[0].ports['WEB_PORT']}"
    with httpx.Client(base_url=base, headers={"Origin": base, "Accept": "text/html"}) as browser:
        browser.post("/login", data={"name": "agent1", "password": "hotline-demo"})
        assert browser.get("/calls").status_code == 200
        assert "1 log-ins ended" in people("log-out", "agent1").stderr
        assert browser.get("/calls").status_code == 303


def test_a_slip_is_told_with_its_remedy_and_changes_nothing(people: People, ours: None) -> None:
    slip = people("add", "agent1", "--name", "双", "--extension", "80", password="short\n")
    assert slip.exit_code == 1
    assert "login: somebody logs in so already" in slip.stderr
    assert "extension: write 3 to 6 digits" in slip.stderr
    assert "password: write at least 8 characters" in slip.stderr
    nobody = people("password", "nobody9", password="long enough\n")
    assert (nobody.exit_code, "nobody logs in so" in nobody.stderr) == (1, True)
    assert "双" not in people("list").stdout
