"""The pages of callers and enterprises: found, read, corrected, merged, given to the caller, erased."""

import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import select

from cases.people import create_person
from cases.states import State
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from routing.policy import load
from storage.parties import Caller, CallerNumber, Enterprise
from storage.tables import Journal, Ticket
from storage.viewer import Role, Viewer
from tests.web.site import PASSWORD, POLICY, Site, ring

CODE = "91510700MA6DEMAA5X"
"""Right by its check character; its entity's own code is nobody's."""


@pytest.fixture(scope="module")
def dispatcher(site: Site) -> httpx.Client:
    with site.database.session() as session:
        create_person(session, "song", "宋佳", Role.DISPATCHER, PASSWORD)
    return site.client("song")


def told(site: Site, number: str, **form: str) -> tuple[int, str]:
    """A call from this number and its ticket; the caller's id, and the ticket's number."""
    liu = Viewer(site.seed.people["liu"], Role.AGENT, "刘晓燕", "127.0.0.1")
    at = datetime.now(UTC) - timedelta(hours=3)
    with site.database.session() as session:
        call_id = ring(session, load(POLICY), number, "help", at, liu.person_id)
        said = TicketForm(kind="help", content="停电", **form)
        ticket = save_ticket(session, liu, said, call_id, load(POLICY), at)
        assert ticket.caller_id is not None
        return ticket.caller_id, ticket.number


def test_a_caller_is_found_by_number_name_company_and_code_and_shown_masked(site: Site) -> None:
    caller_id, _ = told(site, "13511110001", caller_name="王小敏", company="恒泰机械", uscc=CODE)
    agent = site.client("zhang")
    for query in (
        {"number": "135 1111 0001"},
        {"name": "王小敏"},
        {"company": "恒泰机械"},
        {"uscc": CODE.lower()},
    ):
        page = agent.get("/callers", params=query)
        assert f'href="/callers/{caller_id}"' in page.text, query
        assert "王**" in page.text and "13511110001" not in re.sub(r'value="[^"]*"', "", page.text)
    assert f"/callers/{caller_id}" not in agent.get("/callers", params={"name": "王小"}).text


def test_what_cannot_be_read_is_told_with_what_would_be_right(site: Site) -> None:
    page = site.client("zhang").get("/callers", params={"uscc": CODE[:-1] + "0"})
    assert page.status_code == 422
    assert f"最后一位应为 {CODE[-1]}" in page.text and CODE[:-1] + "0" in page.text
    assert site.client("zhang").get("/enterprises", params={"number": "1"}).status_code == 422


def test_the_ticket_form_tells_what_the_code_s_last_character_would_be(site: Site) -> None:
    _, number = told(site, "13511110002", caller_name="黄丽")
    agent = site.client("liu")
    form = {"kind": "help", "content": "停电", "version": "1", "uscc": CODE[:-1] + "0"}
    answer = agent.post(f"/tickets/{number}", data=form)
    assert answer.status_code == 422
    assert f"最后一位应为 {CODE[-1]}" in answer.text and CODE[:-1] + "0" in answer.text
    assert (
        agent.post(
            f"/tickets/{number}", data=form | {"uscc": "９１５１０７００ＭＡ６ＤＥＭＡＡ５Ｘ"}
        ).status_code
        == 303
    )
    with site.database.session() as session:
        assert session.scalars(select(Ticket.uscc).where(Ticket.number == number)).one() == CODE


def test_a_record_shows_the_history_and_in_full_only_on_record(site: Site) -> None:
    caller_id, number = told(site, "13511110003", caller_name="蒋大涛", contact_number="13511110003")
    agent = site.client("zhang")
    page = agent.get(f"/callers/{caller_id}").text
    assert f'href="/tickets/{number}"' in page and "/calls/" in page
    assert "蒋大涛" not in page and "135****0003" in page
    full = agent.post(f"/callers/{caller_id}/full")
    assert "蒋大涛" in full.text and "135 1111 0003" in full.text
    with site.database.session() as session:
        line = session.scalars(select(Journal).where(Journal.subject_kind == "caller")).all()[-1]
        assert (line.act, line.subject_id, line.rule) == (
            "personal.shown",
            str(caller_id),
            "agent/show_personal/all",
        )


def test_links_lead_from_the_ticket_and_the_desk_to_the_records(site: Site) -> None:
    caller_id, number = told(site, "13511110004", caller_name="冯伟", company="绿源环保")
    agent = site.client("liu")
    ticket = agent.get(f"/tickets/{number}").text
    assert f'href="/callers/{caller_id}"' in ticket
    (enterprise_id,) = re.findall(r'href="/enterprises/(\d+)"', ticket)
    assert "绿源" in agent.get(f"/enterprises/{enterprise_id}").text
    with site.database.session() as session:
        call_id = ring(session, load(POLICY), "13511110004", "", datetime.now(UTC), site.seed.people["liu"])
    assert f'href="/callers/{caller_id}"' in agent.get(f"/desk/calls/{call_id}").text


def test_a_correction_that_is_refused_keeps_every_word(site: Site, dispatcher: httpx.Client) -> None:
    caller_id, _ = told(site, "13511110005", caller_name="唐静", place="涪城区")
    told(site, "13511110006", caller_name="另一位")
    page = dispatcher.get(f"/callers/{caller_id}/edit").text
    version = re.findall(r'name="version" value="(\d+)"', page)[0]
    typed = {"name": "唐小静", "place": "游仙区", "note": "可下午联系", "version": version, "tags": "care"}
    answer = dispatcher.post(f"/callers/{caller_id}", data=typed | {"add": "13511110006"})
    assert answer.status_code == 422
    assert all(
        word in answer.text for word in ("唐小静", "游仙区", "可下午联系", "13511110006", "另一份档案")
    )
    assert dispatcher.post(f"/callers/{caller_id}", data=typed).status_code == 303
    with site.database.session() as session:
        caller = session.get_one(Caller, caller_id)
        assert (caller.name, caller.place, caller.tags) == ("唐小静", "游仙区", ["care"])
        line = session.scalars(select(Journal).where(Journal.act == "caller.corrected")).one()
        assert line.detail == {"fields": ["name", "note", "place", "tags"]}
    late = dispatcher.post(f"/callers/{caller_id}", data=typed | {"note": "又一句"})
    assert late.status_code == 409 and "又一句" in late.text


def test_a_masked_form_that_is_left_alone_changes_nothing(site: Site, dispatcher: httpx.Client) -> None:
    caller_id, _ = told(
        site, "13511110007", caller_name="彭大磊", company="云帆软件", place="高新区火炬路1号"
    )
    page = dispatcher.get(f"/callers/{caller_id}/edit").text
    assert "彭大磊" not in page and "火炬路" not in page
    names = ("name", "company", "uscc", "place", "version")
    fields = {name: re.findall(rf'name="{name}"[^>]*value="([^"]*)"', page)[0] for name in names}
    assert dispatcher.post(f"/callers/{caller_id}", data=fields).status_code == 303
    with site.database.session() as session:
        caller = session.get_one(Caller, caller_id)
        assert (caller.name, caller.company, caller.place) == ("彭大磊", "云帆软件", "高新区火炬路1号")
        assert caller.enterprise_id is not None
        assert str(caller.version) == fields["version"]


def test_two_records_become_one_and_two_again(site: Site, dispatcher: httpx.Client) -> None:
    kept, _ = told(site, "13511110008", caller_name="石磊", contact_number="13511110009")
    gone, number = told(site, "13511110009", caller_name="石大磊")
    page = dispatcher.get(f"/callers/{kept}").text
    assert f'name="other" value="{gone}"' in page  # proposed: her contact number is the other's
    assert dispatcher.post(f"/callers/{kept}/merge", data={"other": str(gone)}).status_code == 303
    assert dispatcher.get(f"/callers/{gone}").headers["location"] == f"/callers/{kept}"
    merged = dispatcher.get(f"/callers/{kept}").text
    assert f'href="/tickets/{number}"' in merged and "135****0009" in merged
    again = dispatcher.post(f"/callers/{kept}/merge", data={"number": "13511110009"})
    assert again.status_code == 422 and "同一份档案" in again.text
    assert dispatcher.post(f"/callers/{kept}/undo").status_code == 303
    assert dispatcher.get(f"/callers/{gone}").status_code == 200
    assert f'href="/tickets/{number}"' not in dispatcher.get(f"/callers/{kept}").text
    assert dispatcher.post(f"/callers/{kept}/undo").status_code == 409


def test_an_enterprise_is_corrected_and_its_code_stands_in_one_record(
    site: Site, dispatcher: httpx.Client
) -> None:
    told(site, "13511110010", company="众诚建筑")
    told(site, "13511110011", company="宏远零部件", uscc="91510700MA6DEMAA74")
    with site.database.session() as session:
        enterprise = session.scalars(select(Enterprise).where(Enterprise.name == "众诚建筑")).one()
    address = f"/enterprises/{enterprise.id}"
    typed = {"name": "众诚建筑工程", "scale": "small", "industry": "E", "contact_number": "08162223344"}
    typed |= {"version": str(enterprise.version)}
    answer = dispatcher.post(address, data=typed | {"uscc": "91510700MA6DEMAA74"})
    assert answer.status_code == 422 and "另一份档案" in answer.text and "众诚建筑工程" in answer.text
    assert dispatcher.post(address, data=typed | {"uscc": ""}).status_code == 303
    page = dispatcher.post(f"{address}/full").text
    assert all(word in page for word in ("众诚建筑工程", "小型", "建筑业", "0816-2223344"))


def test_the_sheet_has_all_that_is_held_and_is_on_record(site: Site) -> None:
    caller_id, number = told(site, "13511110012", caller_name="田野", place="经开区", answer="已告知条件")
    agent = site.client("zhang")
    sheet = agent.post(f"/callers/{caller_id}/sheet")
    for word in ("田野", "135 1111 0012", "经开区", "停电", "已告知条件", number, "第四十五条", "730"):
        assert word in sheet.text, word
    with site.database.session() as session:
        lines = session.scalars(select(Journal).where(Journal.act == "personal.sheet")).all()
        assert [line.subject_id for line in lines] == [str(caller_id)]


def test_erasing_is_offered_to_who_may_refused_with_reasons_and_done(site: Site) -> None:
    caller_id, number = told(site, "13511110013", caller_name="廖建国", company="建国养殖场")
    assert "erasure" not in site.client("zhang").get(f"/callers/{caller_id}").text
    supervisor = site.client("zhao")
    assert f"/callers/{caller_id}/erasure" in supervisor.get(f"/callers/{caller_id}").text
    refused = supervisor.post(f"/callers/{caller_id}/erasure")
    assert refused.status_code == 409 and "还没有办结" in refused.text
    with site.database.session() as session:
        session.scalars(select(Ticket).where(Ticket.number == number)).one().state = State.WITHDRAWN
    assert "现在不能抹除" not in supervisor.get(f"/callers/{caller_id}/erasure").text
    assert supervisor.post(f"/callers/{caller_id}/erasure").status_code == 303
    with site.database.session() as session:
        assert session.get_one(Caller, caller_id).name == ""
        known = select(CallerNumber).where(CallerNumber.caller_id == caller_id)
        assert session.scalars(known).all() == []
    assert "廖" not in supervisor.post(f"/callers/{caller_id}/full").text


def test_who_may_only_read_is_offered_no_change(site: Site) -> None:
    caller_id, _ = told(site, "13511110014", caller_name="范晓峰")
    page = site.client("zhang").get(f"/callers/{caller_id}").text
    assert "/edit" not in page and "/merge" not in page and "/erasure" not in page
    assert site.client("admin").get("/callers").status_code == 403
