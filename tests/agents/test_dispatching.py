"""The dispatcher's page: what waits is listed and counted alike, many are sent and undone at once."""

import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import select, update

from agents.waiting import waiting
from cases import logins, people, units
from cases.sorting import LISTS
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from routing.policy import load
from storage.staff import Person
from storage.tables import Journal, Outbox, Ticket
from storage.viewer import Role, Viewer
from storage.work import SubOrder, TicketNote
from tests.web.site import PASSWORD, POLICY, Site

CITY = load(POLICY)
NEW = (
    ("dispatcher", "宋佳", Role.DISPATCHER, ""),
    ("second", "何敏", Role.DISPATCHER, ""),
    ("clerk", "许文博", Role.UNIT_CLERK, "power"),
)


@pytest.fixture(scope="module", autouse=True)
def _staff(site: Site) -> None:
    with site.database.session() as session:
        units.sync(session, CITY.units)
        for login, name, role, unit in NEW:
            people.create_person(session, login, name, role, PASSWORD, unit=unit)


def _new(site: Site, title: str = "厂区停电", **fields: str) -> str:
    liu = Viewer(site.seed.people["liu"], Role.AGENT, "刘晓燕", "127.0.0.1")
    with site.database.session() as session:
        form = TicketForm(kind="help", title=title, content=title, **fields)  # type: ignore[arg-type]
        return save_ticket(session, liu, form, None, CITY, datetime.now(UTC)).number


def _person(site: Site, login: str) -> Viewer:
    with site.database.session() as session:
        return logins.viewer_of(session, session.scalars(select(Person).where(Person.login == login)).one())


def _ticket(site: Site, number: str) -> Ticket:
    with site.database.session() as session:
        return session.scalars(select(Ticket).where(Ticket.number == number)).one()


def _share(site: Site, number: str) -> SubOrder:
    with site.database.session() as session:
        shares = select(SubOrder).join(Ticket, Ticket.id == SubOrder.ticket_id)
        return session.scalars(shares.where(Ticket.number == number)).one()


def _version(page: str) -> str:
    return str(re.findall(r'name="version" value="(\d+)"', page)[0])


def _send(site: Site, number: str, unit: str = "power", **fields: str) -> httpx.Response:
    dispatcher = site.client("dispatcher")
    version = str(_ticket(site, number).version)
    return dispatcher.post(f"/tickets/{number}/dispatch", data={"unit": unit, "version": version, **fields})


def test_each_list_has_as_many_rows_as_its_count_says(site: Site) -> None:
    waits, sent, back = _new(site), _new(site), _new(site)
    assert _send(site, sent).status_code == 303
    assert _send(site, back).status_code == 303
    page, share = f"/tickets/{back}", _share(site, back)
    recalled = site.client("dispatcher").post(
        f"{page}/shares/{share.id}/recall", data={"reason": "派错", "version": str(share.version)}
    )
    assert recalled.status_code == 303
    dispatcher = site.client("dispatcher")
    for which in LISTS:
        text = dispatcher.get("/dispatch", params={"list": which}).text
        count = int(re.findall(rf'data-count="{which}"[^>]*>(\d+)<', text)[0])
        assert len(re.findall("data-row", text)) == count, which
    for which, number in (("sort", waits), ("unacknowledged", sent), ("back", back)):
        assert number in dispatcher.get("/dispatch", params={"list": which}).text
    assert dispatcher.get("/dispatch", params={"list": "nonsense"}).status_code == 404


def test_what_waits_for_her_is_counted_as_her_lists_are_and_for_nobody_else(site: Site) -> None:
    _new(site)
    her, clerk = _person(site, "dispatcher"), _person(site, "clerk")
    with site.database.session() as session:
        counted = waiting(session, her, CITY)
        assert not [key for key in waiting(session, clerk, CITY) if key.startswith("dispatch.")]
    text = site.client("dispatcher").get("/dispatch").text
    assert str(counted["dispatch.sort"]) == re.findall(r'data-count="sort"[^>]*>(\d+)<', text)[0]


def test_a_batch_tells_each_ticket_s_result_and_keeps_what_was_typed_for_those_refused(site: Site) -> None:
    good, accused = _new(site), _new(site, accused_unit="power")
    ticks = [f"{number}:{_ticket(site, number).version}" for number in (good, accused)]
    answer = site.client("dispatcher").post(
        "/dispatch", data={"tick": ticks, "unit": "power", "note": "请速办", "list": "sort"}
    )
    assert answer.status_code == 200
    lines = re.findall(r'<li class="row".*?</li>', answer.text, re.S)
    assert any(good in line and "已派出" in line and "data-countdown" in line for line in lines)
    assert any(accused in line and "没有派出" in line and "被反映的单位" in line for line in lines)
    assert 'value="请速办"' in answer.text
    assert f'value="{ticks[1]}" data-tick' in answer.text
    assert re.search(rf'value="{ticks[1]}"[^>]*checked', answer.text)
    assert [_ticket(site, number).state for number in (good, accused)] == ["handling", "accepted"]


def test_nothing_ticked_is_told_and_the_note_stays(site: Site) -> None:
    _new(site)
    answer = site.client("dispatcher").post("/dispatch", data={"unit": "power", "note": "请速办"})
    assert answer.status_code == 422
    assert "还没有勾选工单" in answer.text
    assert 'value="请速办"' in answer.text


def test_each_goes_to_the_unit_proposed_for_it_where_none_is_chosen(site: Site) -> None:
    category = next(each for each in CITY.categories if CITY.category_unit(each.code))
    known, unknown = _new(site, category=category.code), _new(site, "无从判断", place="")
    ticks = [f"{number}:{_ticket(site, number).version}" for number in (known, unknown)]
    answer = site.client("dispatcher").post("/dispatch", data={"tick": ticks})
    assert answer.status_code == 200
    with site.database.session() as session:
        unit = units.by_code(session, CITY.category_unit(category.code))
    assert unit is not None
    assert _share(site, known).unit_id == unit.id
    assert _ticket(site, unknown).state == "accepted"


def test_what_was_sent_is_undone_in_one_go_and_late_it_is_told_so(site: Site) -> None:
    first, second = _new(site), _new(site)
    dispatcher = site.client("dispatcher")
    ticks = [f"{number}:{_ticket(site, number).version}" for number in (first, second)]
    dispatcher.post("/dispatch", data={"tick": ticks, "unit": "power"})
    undone = dispatcher.post("/dispatch/undo", data={"number": [first, second]})
    assert undone.text.count("已撤回，没有通知任何单位") == 2
    assert [_ticket(site, number).state for number in (first, second)] == ["accepted", "accepted"]
    shown = dispatcher.get(f"/tickets/{first}").text
    assert 'id="order-' not in shown and "派单后随即撤回" in shown  # told on its line of time alone
    with site.database.session() as session:
        owed = session.scalars(select(Outbox.payload).where(Outbox.kind == "order.sent")).all()
        assert not {_ticket(site, number).id for number in (first, second)} & {
            payload["ticket_id"] for payload in owed
        }
    late = _new(site)
    _send(site, late)
    with site.database.session() as session:
        past = datetime.now(UTC) - timedelta(minutes=5)
        session.execute(update(SubOrder).where(SubOrder.id == _share(site, late).id).values(sent_at=past))
    assert "已过撤回时间" in dispatcher.post("/dispatch/undo", data={"number": late}).text
    answer = dispatcher.post(f"/tickets/{late}/dispatch/undo")
    assert answer.status_code == 422
    assert "已过撤回时间" in answer.text


def test_on_the_ticket_s_page_a_leading_and_assisting_units_are_sent_with_their_notes(site: Site) -> None:
    number = _new(site)
    fields = {"note": "请牵头", "unit_2": "housing", "note_2": "请配合", "way_2": "paper"}
    assert _send(site, number, **fields).status_code == 303
    text = site.client("dispatcher").get(f"/tickets/{number}").text
    for words in ("主办", "协办", "纸质交办单", "data-countdown", "/dispatch/undo"):
        assert words in text
    assert number in site.client("clerk").get("/tickets").text


def test_a_refused_sending_comes_back_with_every_word_at_its_own_field(site: Site) -> None:
    number = _new(site, accused_unit="housing")
    page = site.client("dispatcher").get(f"/tickets/{number}").text
    assert '<option value="power"' in page
    assert not re.search(r'<select id="f-dispatch-unit".*?value="housing"', page, re.S)
    fields = {"note": "请牵头办理", "unit_3": "housing", "note_3": "请配合办理"}
    answer = _send(site, number, **fields)
    assert answer.status_code == 422
    assert 'id="f-dispatch-unit_3-error"' in answer.text
    for words in ("请牵头办理", "请配合办理"):
        assert words in answer.text


def test_of_two_dispatchers_on_one_page_the_second_is_told_and_loses_no_word(site: Site) -> None:
    number = _new(site)
    second = site.client("second")
    version = _version(second.get(f"/tickets/{number}").text)
    assert _send(site, number).status_code == 303
    answer = second.post(
        f"/tickets/{number}/dispatch", data={"unit": "housing", "note": "请从速", "version": version}
    )
    assert answer.status_code == 409
    assert "请从速" in answer.text


def test_a_recall_needs_a_reason_and_the_ticket_comes_back_to_be_sorted(site: Site) -> None:
    number = _new(site)
    _send(site, number)
    share, dispatcher = _share(site, number), site.client("dispatcher")
    address = f"/tickets/{number}/shares/{share.id}/recall"
    refused = dispatcher.post(address, data={"reason": " ", "version": str(share.version)})
    assert refused.status_code == 422
    assert "请填写这一项" in refused.text
    other = _new(site)
    foreign = dispatcher.post(
        f"/tickets/{other}/shares/{share.id}/recall", data={"reason": "x", "version": "1"}
    )
    assert foreign.status_code == 404
    dispatcher.post(address, data={"reason": "派错了", "version": str(share.version)})
    assert _ticket(site, number).state == "accepted"
    assert site.client("clerk").get(f"/tickets/{number}").status_code == 404


def test_who_was_told_by_telephone_is_noted_on_the_page(site: Site) -> None:
    number = _new(site)
    _send(site, number, way="phone")
    address = f"/tickets/{number}/shares/{_share(site, number).id}/told"
    dispatcher = site.client("dispatcher")
    refused = dispatcher.post(address, data={"told": "王强", "call": "no-such-call"})
    assert refused.status_code == 422
    assert "王强" in refused.text
    assert dispatcher.post(address, data={"told": "王强", "call": site.seed.calls[0]}).status_code == 303
    with site.database.session() as session:
        note = session.scalars(select(TicketNote).where(TicketNote.kind == "charge")).one()
        assert (note.text, note.call_id) == ("王强", site.seed.calls[0])
    assert f'action="{address}"' in dispatcher.get(f"/tickets/{number}").text
    with site.database.session() as session:
        session.execute(update(SubOrder).values(state="replied"))
    late = dispatcher.post(address, data={"told": "值班员老周", "call": ""})
    assert late.status_code == 409
    assert "这份交办已经回复" in late.text
    assert "值班员老周" in late.text
    assert f'action="{address}"' not in late.text


def test_the_sheet_for_a_unit_is_masked_until_it_is_asked_for_in_full_on_record(site: Site) -> None:
    number = _new(site, caller_name="王小芳", contact_number="13812345678")
    _send(site, number, way="paper", note="请于期限内书面答复")
    address, dispatcher = f"/orders/{_share(site, number).id}/print", site.client("dispatcher")
    sheet = dispatcher.get(address).text
    assert "交办单" in sheet
    assert "请于期限内书面答复" in sheet
    assert "王小芳" not in sheet
    full = dispatcher.post(address)
    assert "王小芳" in full.text
    with site.database.session() as session:
        asked = select(Journal).where(Journal.act == "personal.shown")
        assert str(_ticket(site, number).id) in [row.subject_id for row in session.scalars(asked)]
    assert site.client("clerk").get(address).status_code == 200
    assert dispatcher.get("/orders/1/print").status_code == 404


@pytest.mark.parametrize(
    ("login", "starts"),
    [("dispatcher", "/dispatch"), ("liu", "/desk"), ("admin", "/people")],
)
def test_everybody_begins_with_her_own_work(site: Site, login: str, starts: str) -> None:
    assert site.client(login).get("/").headers["location"] == starts


def test_what_is_sealed_is_sorted_by_who_is_named_for_it_and_in_nobody_else_s_lists(site: Site) -> None:
    number, discipline = site.seed.tickets[2], site.client("sun")
    assert number in discipline.get("/dispatch").text
    assert number not in site.client("dispatcher").get("/dispatch").text
    tick = f"{number}:{_ticket(site, number).version}"
    nobody = discipline.post("/dispatch", data={"tick": tick, "unit": "housing"})
    assert "没有能看保密工单的经办人账号" in nobody.text
    sent = discipline.post("/dispatch", data={"tick": tick, "unit": "power"})
    assert "已派出" in sent.text
    assert site.client("clerk").get(f"/tickets/{number}").status_code == 200
    sheet = f"/orders/{_share(site, number).id}/print"
    assert site.client("dispatcher").get(sheet).status_code == 404
    assert discipline.get(sheet).status_code == 200
    discipline.post("/dispatch/undo", data={"number": number})
    assert site.client("clerk").get(f"/tickets/{number}").status_code == 404


@pytest.mark.parametrize(
    ("address", "fields"),
    [
        ("/dispatch", {"tick": "x", "unit": "power"}),
        ("/dispatch", {"tick": "\0:1", "unit": "power"}),
        ("/dispatch", {"tick": "260101000000:99999999999", "unit": "\0"}),
        ("/dispatch", {"tick": "260101000000:1", "unit": "power", "way": "pigeon", "list": "sort"}),
        ("/dispatch", {"tick": "260101000000:1", "list": "\0"}),
        ("/dispatch/undo", {"number": "\0"}),
        ("/tickets/{number}/dispatch", {"unit": "\0", "note_9": "x", "version": "1"}),
        ("/tickets/{number}/dispatch", {"unit": "power", "choice": "\0", "version": "1"}),
        ("/tickets/{number}/shares/99999999999999999999/recall", {"reason": "x", "version": "1"}),
        ("/orders/99999999999999999999/print", {}),
    ],
)
def test_a_form_that_we_never_sent_is_told_calmly(site: Site, address: str, fields: dict[str, str]) -> None:
    answer = site.client("dispatcher").post(address.format(number=_new(site)), data=fields)
    assert answer.status_code < 500, answer.text


def test_the_rail_has_no_decision_that_the_city_gives_to_somebody_else(site: Site) -> None:
    rail = site.client("dispatcher").get("/me").text
    assert 'href="/rulings" data-place' in rail  # she rules on objections here
    assert 'href="/review" data-place' not in rail
    assert "badge-review" not in site.client("dispatcher").get("/notices/badge").text


def test_a_clerk_is_led_to_the_sheet_of_her_own_unit_alone(site: Site) -> None:
    number = _new(site)
    both = {"unit": "housing", "unit_1": "power", "version": str(_ticket(site, number).version)}
    assert site.client("dispatcher").post(f"/tickets/{number}/dispatch", data=both).status_code == 303
    page = site.client("clerk").get(f"/tickets/{number}").text
    sheets = re.findall(r'href="(/orders/\d+/print)"', page)
    assert [site.client("clerk").get(sheet).status_code for sheet in sheets] == [200]


def test_a_clerk_of_another_unit_gets_no_sheet(site: Site) -> None:
    number = _new(site)
    _send(site, number, unit="housing")
    assert site.client("clerk").get(f"/orders/{_share(site, number).id}/print").status_code == 404
