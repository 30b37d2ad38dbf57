"""PostgreSQL gone for a while, and not ours to start again: what lives on, and what is known afterwards."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar

import pytest

from hotline.demo import DEMO_PASSWORD
from storage.database import DatabaseAway
from storage.server import EmbeddedServer
from storage.tables import Call
from tests.hotline.city import City
from tests.real.town import Town, a_home, a_town
from tests.real.waiting import until

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]
AWAY_SECONDS = 60.0


@pytest.fixture
def server() -> Iterator[EmbeddedServer]:
    """The operator's own PostgreSQL."""
    with a_home() as folder:
        server = EmbeddedServer(folder / "postgres/data", folder / "run", "hotline", durable=False)
        server.start()
        yield server
        server.stop()


class Desk:
    """A person at the desk, as her browser asks."""

    def __init__(self, town: Town) -> None:
        self.base = f"http://127.0.0.1:{town.city.ports['WEB_PORT']}"
        self._cookies = urllib.request.HTTPCookieProcessor(CookieJar())

    def log_in(self, login: str) -> "Desk":
        status, _ = self.ask("/login", name=login, password=DEMO_PASSWORD, next="/me")
        assert status == 200
        return self

    def ask(self, path: str, accept: str = "text/html", **typed: str) -> tuple[int, str]:
        """Status and body of a page, or of an act when something is `typed`."""
        request = urllib.request.Request(
            self.base + path,
            data=urllib.parse.urlencode(typed).encode() if typed else None,
            headers={"Accept": accept, "Origin": self.base},
        )
        try:
            with urllib.request.build_opener(self._cookies).open(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()


def call_seen(town: Town, call_id: str) -> Call | None:
    try:
        with town.database.session() as session:
            return session.get(Call, call_id)
    except DatabaseAway:
        return None


def test_calls_are_taken_for_a_minute_without_the_database_and_are_whole_in_the_record_afterwards(
    server: EmbeddedServer,
) -> None:
    with a_town(HOTLINE_DATABASE_URL=server.url, HOTLINE_DATABASE_OWNER_URL=server.owner_url) as town:
        desk = Desk(town).log_in("agent1")
        before = town.talk(400)
        server.stop()
        away_since = time.monotonic()

        talks = [town.talk(450, key="3")]
        complaint = talks[0]
        while len(talks) + 1 < len(town.phones):
            talks.append(town.talk(500 + 50 * len(talks)))
        # Every agent talks now: who comes next waits, and is taken by her who comes back from her wrap-up.
        waiting = town.in_menu(850)
        waiting.media.press("1")
        until(lambda: "No Callers" not in town.asterisk.cli("queue show main"), "a caller to wait")
        gone = town.in_menu(900)
        gone.hang_up()
        assert before.goes_on
        before.hang_up()
        talks += town.put_through([(waiting, 850)])
        complaint.hang_up()
        talks.append(town.talk(750))
        assert len(list(town.home.spool.iterdir())) == len(talks) + 1
        assert_the_desk_says_calmly_what_works(desk)
        assert_check_names_the_database(town)
        until(lambda: time.monotonic() > away_since + AWAY_SECONDS, "a minute to pass", AWAY_SECONDS)
        short = talks.pop()
        assert short.goes_on
        short.hang_up()
        talks += [town.talk(750)]

        server.start()
        first_seen = until(lambda: call_seen(town, complaint.call_id), "the complaint in the record")
        assert (first_seen.kind, first_seen.sealed) == ("complaint", True)
        for talk in talks:
            if talk is not complaint:
                assert talk.goes_on
                talk.hang_up()
        for talk in (before, short, *talks):
            town.assert_whole(talk, "key", "queue")
        assert not list(town.home.spool.iterdir())
        assert desk.ask("/desk")[0] == 200


def assert_the_desk_says_calmly_what_works(desk: Desk) -> None:
    status, page = desk.ask("/desk")
    assert status == 503
    assert "暂时连不上数据库" in page
    assert "来电照常接听" in page
    status, said = desk.ask("/desk/duty", "application/json", wanted="ready")
    assert status == 503
    assert json.loads(said)["error"]["message"] == "暂时连不上数据库"
    status, page = desk.ask("/login", name="agent2", password=DEMO_PASSWORD)
    assert status == 503
    assert "暂时连不上数据库" in page


def assert_check_names_the_database(town: Town) -> None:
    checked = town.city.command("check", "--json")
    assert checked.returncode == 1
    faults = [one for one in json.loads(checked.stdout)["findings"] if not one["ok"]]
    assert [one["subject"] for one in faults if one["subject"] != "disk"] == ["database"]


def test_a_start_without_the_operators_database_is_one_line_with_the_remedy() -> None:
    with a_home() as home:
        url = "postgresql://hotline@/hotline?host=/nowhere"
        refused = City(home).command("up", HOTLINE_DATABASE_URL=url)
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith("fault: HOTLINE_DATABASE_URL: ")
    assert line.endswith("start that server, or correct the setting")
