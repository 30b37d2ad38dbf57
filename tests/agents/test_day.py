"""The day's page: whose it is, its figures open their lists, what is typed wrongly comes back, paper."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import select

from cases import dispatch, logins, people, units
from cases.dispatch import Share
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from routing.policy import load
from storage.staff import Person
from storage.viewer import Role, Viewer
from tests.web.site import PASSWORD, POLICY, Site, ring

CITY = load(POLICY)
TODAY = datetime.now(UTC).astimezone(CITY.zone).date()


@pytest.fixture(scope="module")
def staff(site: Site) -> dict[str, Viewer]:
    """A leader of the line and one of another, a secretary, a dispatcher, a clerk; a case with a unit."""
    with site.database.session() as session:
        units.sync(session, CITY.units)
        for login, shown, role, unit, lines in (
            ("zhou", "周明", Role.LEADER, "", ["962299"]),
            ("other", "郑伟", Role.LEADER, "", ["962298"]),
            ("wu", "吴秘书", Role.SECRETARY, "", ["962299"]),
            ("pai", "派单员", Role.DISPATCHER, "", []),
            ("power", "供电经办", Role.UNIT_CLERK, "power", []),
        ):
            people.create_person(session, login, shown, role, PASSWORD, unit=unit, lines=lines)
        found = {one.login: logins.viewer_of(session, one) for one in session.scalars(select(Person))}
    now = datetime.now(UTC)
    with site.database.session() as session:
        call_id = ring(session, CITY, "13955551111", "help", now, found["liu"].person_id)
        form = TicketForm(kind="help", title="王芳家停电", content="停电", caller_name="王芳")
        ticket = save_ticket(session, found["liu"], form, call_id, CITY, now)
        dispatch.send(session, found["pai"], ticket.number, [Share("power", "lead")], CITY, now)
    return found


@pytest.fixture
def read(site: Site, staff: dict[str, Viewer]) -> Callable[..., httpx.Response]:
    def ask(login: str, **asked: str) -> httpx.Response:
        return site.client(login).get("/day", params=asked)

    return ask


Read = Callable[..., httpx.Response]


def counts(page: httpx.Response) -> dict[str, tuple[str, int]]:
    """Each figure of the day: where it leads, and what it says."""
    links = re.findall(
        r'<a href="([^"]+)"(?: class="soft")?[^>]*data-count="([\w-]+)"[^>]*>(\d+)</a>', page.text
    )
    grouped = re.findall(r'<a href="([^"]+)"><span>[^<]*</span> <strong data-count="(\w+)">(\d+)<', page.text)
    return {name: (address.replace("&amp;", "&"), int(n)) for address, name, n in (*links, *grouped)}


def test_every_figure_opens_the_very_list_it_counts(site: Site, read: Read) -> None:
    pai = site.client("pai")
    found = counts(read("pai"))
    assert {"calls", "offered", "answered", "accepted", "sent", "reopened", "take", "rated-satisfied"} <= set(
        found
    )
    assert found["sent"][1] == found["take"][1] == 1
    for name, (address, n) in found.items():
        page = pai.get(address)
        assert page.status_code == 200, name
        assert page.text.count("data-row") == n, name


def test_the_sheet_says_whose_it_is_which_day_and_how_its_figures_are_reckoned(read: Read) -> None:
    text = read("pai").text
    for words in (
        CITY.name,
        TODAY.isoformat(),
        "值班室（全部）",
        "派单员 打印于",
        "接通率＝接通÷接入",
        "data-print",
    ):
        assert words in text, words
    assert "供电公司" in text or "供电" in text  # whom the case awaits
    assert "王芳" not in text  # it is for handing round


def test_a_day_on_which_nobody_called_says_so(read: Read) -> None:
    page = read("pai", date="2026-01-04")
    assert page.status_code == 200
    assert "当天没有来电" in page.text and "当天没有受理或办理工单" in page.text
    assert {n for _, n in counts(page).values()} == {0}
    assert "待办" not in re.sub(r"(?s)<nav.*?</nav>", "", page.text)  # who is awaited is told of now only


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"date": "yesterday"}, "日期没有看懂"),
        ({"date": (TODAY + timedelta(days=2)).isoformat()}, "这一天还没有到"),
        ({"date": "0001-01-01"}, "日期没有看懂"),
        ({"line": "12345"}, "不在您可看的范围内"),
        ({"list": "nonsense"}, "没有这个清单"),
    ],
)
def test_what_cannot_be_read_comes_back_with_its_remedy(
    read: Read, asked: dict[str, str], fault: str
) -> None:
    page = read("pai", **asked)
    assert page.status_code == 422
    assert fault in page.text
    assert asked.get("date", "") in page.text


def test_a_leader_reads_of_his_own_line_and_of_no_other(read: Read) -> None:
    his, all_lines = counts(read("zhou")), counts(read("pai"))
    assert his["answered"] == all_lines["answered"]  # all came by his
    assert {n for _, n in counts(read("other")).values()} == {0}
    assert read("other", line="962299").status_code == 422
    assert read("wu", line="962299").status_code == 200


@pytest.mark.parametrize(("login", "status"), [("liu", 403), ("power", 403), ("admin", 403), ("chen", 200)])
def test_it_is_the_duty_rooms_and_the_leaders(read: Read, login: str, status: int) -> None:
    assert read(login).status_code == status


def test_a_sealed_matter_is_on_nobodys_sheet(site: Site, read: Read) -> None:
    for login in ("pai", "zhou", "chen"):
        for asked in ({}, {"list": "calls"}, {"list": "cases"}, {"list": "sort"}):
            text = read(login, **asked).text
            assert site.seed.calls[2] not in text
            assert site.seed.tickets[2] not in text


def test_the_leaders_page_and_the_rail_lead_there(site: Site, staff: dict[str, Viewer]) -> None:
    text = site.client("zhou").get("/leader").text
    assert 'class="button plain" href="/day"' in text
    assert 'href="/day" data-place' in text
