"""The pages of those who supervise, lead, and look into officials: counts, acts, words kept, sealed."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from cases import instructions, logins, people, units, unsealing
from cases.board import LISTS
from cases.states import State
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from routing.policy import load
from storage.staff import Person
from storage.tables import Ticket
from storage.viewer import Role, Viewer
from storage.work import Instruction, SubOrder, TicketNote
from tests.web.site import PASSWORD, POLICY, Site, ring

NOW = datetime.now(UTC)
CITY = load(POLICY)


@pytest.fixture(scope="module")
def people_of(site: Site) -> dict[str, Viewer]:
    """A leader of the line, his secretary, a dispatcher, a clerk; and those of the site by log-in."""
    with site.database.session() as session:
        units.sync(session, CITY.units)
        for login, shown, role, unit, lines in (
            ("zhou", "周明", Role.LEADER, "", ["962299"]),
            ("wu", "吴秘书", Role.SECRETARY, "", ["962299"]),
            ("pai", "派单员", Role.DISPATCHER, "", []),
            ("power", "供电经办", Role.UNIT_CLERK, "power", []),
        ):
            people.create_person(session, login, shown, role, PASSWORD, unit=unit, lines=lines)
        return {one.login: logins.viewer_of(session, one) for one in session.scalars(select(Person))}


@pytest.fixture
def case(site: Site, people_of: dict[str, Viewer]) -> Callable[..., str]:
    """A case that came by the line an hour ago, that the power company has and is late with."""

    def make(title: str = "厂区停电", kind: str = "help", late: bool = True) -> str:
        with site.database.session() as session:
            at = datetime.now(UTC) - timedelta(hours=1)
            number = f"139{at.microsecond:06d}{len(title) % 100:02d}"[:11]
            call_id = ring(session, CITY, number, "", at, people_of["liu"].person_id)
            form = TicketForm(kind=kind, title=title, content=f"{title}，请尽快处理。")
            ticket = save_ticket(session, people_of["liu"], form, call_id, CITY, at)
            ticket.state = State.HANDLING
            due = NOW + timedelta(days=-2 if late else 9)
            unit = units.by_code(session, "power")
            assert unit is not None
            ticket.due_at = due
            session.add(SubOrder(ticket_id=ticket.id, unit_id=unit.id, due_at=due, state="taken"))
            return ticket.number

    return make


def _one(session: Session, number: str) -> Ticket:
    return session.scalars(select(Ticket).where(Ticket.number == number)).one()


def _counts(page: httpx.Response) -> dict[str, int]:
    return {name: int(n) for name, n in re.findall(r'data-count="(\w+)"[^>]*>(\d+)<', page.text)}


def _rows(page: httpx.Response) -> list[str]:
    return re.findall(r'href="/tickets/(\d+)[^"]*" data-row', page.text)


def test_every_count_of_the_board_opens_the_very_list(site: Site, case: Callable[..., str]) -> None:
    number, zhao = case(), site.client("zhao")
    counts = _counts(zhao.get("/supervision"))
    assert set(counts) == set(LISTS) and counts["late"] >= 1
    for which in LISTS:
        assert len(_rows(zhao.get("/supervision", params={"list": which}))) == counts[which], which
    assert number in _rows(zhao.get("/supervision?list=late"))


def test_a_unit_is_urged_from_the_row(site: Site, case: Callable[..., str]) -> None:
    number, zhao = case(), site.client("zhao")
    answer = zhao.post(f"/tickets/{number}/urging", data={"list": "late"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/supervision?list=late")
    assert "催办1次" in zhao.get("/supervision?list=late").text
    with site.database.session() as session:
        assert session.scalars(
            select(TicketNote.kind).where(TicketNote.ticket_id == _one(session, number).id)
        ).all() == ["urging"]


def test_a_case_is_supervised_and_that_ended_from_the_row_and_what_was_typed_stays(
    site: Site, case: Callable[..., str]
) -> None:
    number, zhao = case(), site.client("zhao")
    assert 'name="demand"' in zhao.get(f"/supervision?list=late&act={number}").text
    refused = zhao.post(
        f"/tickets/{number}/supervision", data={"list": "late", "ground": "", "demand": "三日内恢复供电"}
    )
    assert refused.status_code == 422
    assert "三日内恢复供电</textarea>" in refused.text and "请填写这一项" in refused.text
    told = {"list": "late", "ground": "late", "demand": "三日内恢复供电"}
    assert zhao.post(f"/tickets/{number}/supervision", data=told).status_code == 303
    assert number in _rows(zhao.get("/supervision?list=supervised"))
    again = zhao.post(f"/tickets/{number}/supervision", data=told | {"demand": "再限一日"})
    assert again.status_code == 409 and "再限一日</textarea>" in again.text
    over = zhao.post(f"/tickets/{number}/supervision/end", data={"list": "supervised", "outcome": "已恢复"})
    assert over.status_code == 303
    assert number not in _rows(zhao.get("/supervision?list=supervised"))
    late = zhao.post(f"/tickets/{number}/supervision/end", data={"list": "supervised", "outcome": "又恢复"})
    assert late.status_code == 409 and "又恢复</textarea>" in late.text


def test_the_tickets_page_tells_and_offers_each_what_is_hers(
    site: Site, case: Callable[..., str], people_of: dict[str, Viewer]
) -> None:
    number, chief = case(), people_of["zhou"].person_id
    zhao, zhou, clerk = site.client("zhao"), site.client("zhou"), site.client("power")
    zhao.post(f"/tickets/{number}/urging", data={"words": "请于今日答复"})
    zhao.post(f"/tickets/{number}/supervision", data={"ground": "hard", "demand": "限期恢复供电"})
    answer = zhao.post(
        f"/tickets/{number}/report", data={"leader": str(chief), "report": "多次停电，内部情况"}
    )
    assert answer.status_code == 303
    at_unit = clerk.get(f"/tickets/{number}").text
    assert "请于今日答复" in at_unit and "限期恢复供电" in at_unit
    assert (
        "内部情况" not in at_unit
        and f"/{number}/supervision" not in at_unit
        and f"/{number}/report" not in at_unit
    )
    assert "内部情况" in zhou.get(f"/tickets/{number}").text
    report = _report(site, number)
    zhou.post(f"/tickets/{number}/instruction", data={"report": str(report), "words": "由供电公司三日办结"})
    assert "由供电公司三日办结" in clerk.get(f"/tickets/{number}").text
    done = f"/tickets/{number}/instructions/{report}/outcome"
    refused = zhao.post(done, data={"outcome": ""})
    assert refused.status_code == 422 and 'id="f-fulfil-' in refused.text
    assert zhao.post(done, data={"outcome": "已换变压器"}).status_code == 303
    assert "已换变压器" in zhou.get(f"/tickets/{number}").text


def _report(site: Site, number: str) -> int:
    with site.database.session() as session:
        mine = select(Instruction.id).where(Instruction.ticket_id == _one(session, number).id)
        return session.scalars(mine).one()


def test_a_leader_writes_his_word_where_the_report_stands_and_it_stays_when_it_is_refused(
    site: Site, case: Callable[..., str], people_of: dict[str, Viewer]
) -> None:
    number, zhou = case("变压器老化"), site.client("zhou")
    with site.database.session() as session:
        instructions.report_up(session, people_of["zhao"], number, people_of["zhou"].person_id, "请批示", NOW)
    page = zhou.get("/leader")
    counts, report = _counts(page), _report(site, number)
    assert page.text.count("data-report=") == counts["waiting"] >= 1
    told = {"report": str(report), "from": "leader", "words": "一周内更换", "unit": "nowhere"}
    refused = zhou.post(f"/tickets/{number}/instruction", data=told)
    assert refused.status_code == 422 and "一周内更换</textarea>" in refused.text
    answer = zhou.post(f"/tickets/{number}/instruction", data=told | {"unit": "power"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/leader")
    page = zhou.get("/leader")
    assert _counts(page)["running"] == counts["running"] + 1 and "指定 供电公司 办理" in page.text
    late = zhou.post(f"/tickets/{number}/instruction", data=told | {"unit": "", "words": "另批一句"})
    assert late.status_code == 409 and "另批一句</textarea>" in late.text


def test_a_secretary_enters_it_and_the_page_says_so(
    site: Site, case: Callable[..., str], people_of: dict[str, Viewer]
) -> None:
    number, wu = case("路灯不亮"), site.client("wu")
    with site.database.session() as session:
        instructions.report_up(session, people_of["zhao"], number, people_of["zhou"].person_id, "请批示", NOW)
    told = {"report": str(_report(site, number)), "from": "leader", "words": "请住建局办理"}
    assert wu.post(f"/tickets/{number}/instruction", data=told).status_code == 303
    assert "由 吴秘书 代录" in site.client("zhou").get("/leader").text


def test_todays_calls_of_his_line_stand_on_the_leaders_page(site: Site, case: Callable[..., str]) -> None:
    case("今日来电一")
    page = site.client("zhou").get("/leader")
    assert len(re.findall(r'<li><a href="/calls/', page.text)) == _counts(page)["calls"] >= 1


def test_the_discipline_office_counts_what_it_lists_and_nobody_elses(
    site: Site, case: Callable[..., str], people_of: dict[str, Viewer]
) -> None:
    number, plain = case("索要好处", "report"), case()
    sun = site.client("sun")
    counts = _counts(sun.get("/discipline"))
    for which, count in counts.items():
        rows = _rows(sun.get("/discipline", params={"list": which}))
        assert len(rows) == count and plain not in rows, which
    assert number in _rows(sun.get("/discipline?list=young")) and number in _rows(
        sun.get("/discipline?list=late")
    )
    with site.database.session() as session:
        unsealing.ask(session, people_of["sun"], number, "线索已移送，可公开办理", NOW)
    page = sun.get("/discipline").text
    assert "线索已移送" in page and "刘晓燕 仍能看到" in page
    for login in ("zhao", "chen", "zhou", "liu"):
        assert site.client(login).get("/discipline").status_code == 403


def test_a_sealed_case_is_on_no_board_but_of_those_who_are_named(
    site: Site, case: Callable[..., str]
) -> None:
    number = case("举报收受礼金", "report")
    zhao, sun, zhou = site.client("zhao"), site.client("sun"), site.client("zhou")
    for which in LISTS:
        page = zhao.get("/supervision", params={"list": which}).text
        assert number not in page and "收受礼金" not in page
    assert number in _rows(sun.get("/supervision?list=late"))
    assert "收受礼金" not in zhou.get("/leader").text
    assert zhao.post(f"/tickets/{number}/urging", data={"list": "late"}).status_code == 404


def test_what_nobody_can_read_of_a_choice_is_no_crash(site: Site, case: Callable[..., str]) -> None:
    number, zhao = case(), site.client("zhao")
    for data in ({"leader": "x", "report": "y"}, {"leader": "9" * 30, "report": "y"}):
        assert zhao.post(f"/tickets/{number}/report", data=data).status_code == 422
    assert zhao.post(f"/tickets/{number}/urging", data={"order": "9" * 30}).status_code in (303, 409)
    assert zhao.get("/supervision?list=nonsense").status_code == 200
    assert zhao.post(
        f"/tickets/{number}/instructions/{9**20}/outcome", data={"outcome": "x"}
    ).status_code in (
        404,
        422,
    )
