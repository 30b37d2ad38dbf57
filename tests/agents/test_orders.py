"""A unit's tray and its share on the ticket's page: what is counted is listed, what was typed stays."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from cases import dispatch, logins, orders, passing, people, units
from cases.dispatch import Share
from cases.order_reply import Reply
from cases.orders import AT_WORK
from cases.states import ORDER, Order, State, Turn
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from routing.policy import Policy, load
from storage.staff import Person
from storage.tables import Ticket
from storage.viewer import Role, Viewer
from storage.work import SubOrder, UnitRequest
from tests.web.site import PASSWORD, POLICY, Site

COUNTY, OFFICE, POWER, GAS = "fucheng", "fucheng_tax", "power", "gas"
STAFF = (
    ("pai", Role.DISPATCHER, ""),
    ("pai2", Role.DISPATCHER, ""),
    ("shen", Role.REVIEWER, ""),
    ("county", Role.UNIT_CLERK, COUNTY),
    ("office", Role.UNIT_CLERK, OFFICE),
    ("power", Role.UNIT_CLERK, POWER),
    ("gas", Role.UNIT_CLERK, GAS),
)
ACCOUNT = "经现场核实，变压器容量不足，机主13812345678。"
PUBLIC = "已安排增容，本周内完成。"
REPLY = {
    "account": ACCOUNT,
    "public_reply": PUBLIC,
    "finding": "true",
    "solved": "yes",
    "contacted_how": "none",
    "why_unsolved": "",
    "contacted_at": "",
}


@dataclass
class Bench:
    """The site with the staff of a few units."""

    site: Site
    policy: Policy
    people: dict[str, Viewer]
    clients: dict[str, httpx.Client]

    def case(self, *to: str, sealed: bool = False, **form: Any) -> tuple[str, int]:
        """A ticket sent to these units: its number, and the id of the first one's share."""
        now = datetime.now(UTC)
        with self.site.database.session() as session:
            writer = self.people["sun" if sealed else "liu"]
            typed = TicketForm(**{"kind": "help", "content": "车间夜间停电", "sealed": sealed, **form})
            number = save_ticket(session, writer, typed, None, self.policy, now).number
            shares = [Share(unit, "assist" if index else "lead") for index, unit in enumerate(to)]
            sender = self.people["sun" if sealed else "pai"]
            return number, dispatch.send(session, sender, number, shares, self.policy, now)[0].id

    def order(self, order_id: int) -> SubOrder:
        with self.site.database.session() as session:
            found = session.get_one(SubOrder, order_id)
            session.expunge(found)
            return found

    def set(self, order_id: int, **values: Any) -> None:
        with self.site.database.session() as session:
            session.execute(update(SubOrder).where(SubOrder.id == order_id).values(**values))

    def post(self, who: str, order_id: int, act: str, **typed: str) -> httpx.Response:
        version = {"version": str(self.order(order_id).version)}
        return self.clients[who].post(f"/orders/{order_id}/{act}", data=version | typed)


@pytest.fixture(scope="module")
def bench(site: Site) -> Iterator[Bench]:
    policy = load(POLICY)
    with site.database.session(60) as session:
        units.sync(session, policy.units)
        for login, role, unit in STAFF:
            people.create_person(session, login, login, role, PASSWORD, unit=unit)
    with site.database.session() as session:
        staff = {
            person.login: logins.viewer_of(session, person) for person in session.scalars(select(Person))
        }
    logged_in = {login: site.client(login) for login in (*(each[0] for each in STAFF), "sun", "liu")}
    yield Bench(site, policy, staff, logged_in)
    for client in logged_in.values():
        client.close()


def form_of(text: str, order_id: int, act: str) -> str:
    """The form of this act on the page."""
    found = re.search(rf'<form[^>]*action="/orders/{order_id}/{act}".*?</form>', text, re.DOTALL)
    assert found, f"no form {act}"
    return unescape(found[0])


# -- the tray ---------------------------------------------------------------------------------------


def counted(text: str) -> dict[str, int]:
    return {name: int(n) for name, n in re.findall(r'data-count="(\w+)"[^>]*>(\d+)<', text)}


@pytest.mark.parametrize("who", ["county", "office", "power", "pai"])
def test_every_count_opens_a_list_as_long_as_it_says(bench: Bench, who: str) -> None:
    for _ in range(2):
        bench.case(COUNTY, POWER)
    _, child = bench.case(OFFICE)
    bench.set(child, way="phone", due_at=datetime.now(UTC) - timedelta(hours=3))
    client = bench.clients[who]
    counts = counted(client.get("/orders").text)
    assert counts["owed"]
    for name, count in counts.items():
        text = client.get("/orders", params={"list": name}).text
        assert text.count("data-row") == count, name
        assert f'href="/orders?list={name}" aria-current' in text


def test_the_rails_badge_is_what_she_has_to_do_herself(bench: Bench) -> None:
    bench.case(GAS)
    counts = counted(bench.clients["gas"].get("/orders").text)
    assert counts["to_take"] + counts["in_hand"] == counts["owed"] > 0
    assert "below" not in counts


def test_a_list_that_nobody_knows_is_the_first(bench: Bench) -> None:
    assert 'list=owed" aria-current' in bench.clients["gas"].get("/orders?list=nonsense").text


def test_taking_from_the_tray_leads_to_the_ticket(bench: Bench) -> None:
    number, order_id = bench.case(POWER)
    assert f'action="/orders/{order_id}/take"' in bench.clients["power"].get("/orders?list=to_take").text
    answer = bench.post("power", order_id, "take")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/tickets/{number}")
    assert bench.order(order_id).state == Order.TAKEN


# -- the page ---------------------------------------------------------------------------------------


def test_a_reply_is_on_the_page_for_those_who_may_read_it(bench: Bench) -> None:
    number, order_id = bench.case(POWER, GAS, caller_name="李晓明")
    assert bench.post("power", order_id, "reply", **REPLY).status_code == 303
    text = bench.clients["power"].get(f"/tickets/{number}").text
    assert PUBLIC in text
    assert "138****5678" in text
    assert "13812345678" not in text
    assert PUBLIC in bench.clients["liu"].get(f"/tickets/{number}").text
    assisting = bench.clients["gas"].get(f"/tickets/{number}").text
    assert "供电公司" in assisting
    assert PUBLIC not in assisting


def test_a_unit_below_reads_nothing_of_what_the_unit_above_writes(bench: Bench) -> None:
    number, order_id = bench.case(COUNTY)
    assert bench.post("county", order_id, "pass", unit=OFFICE, note="请核查").status_code == 303
    with bench.site.database.session() as session:
        child = session.scalars(select(SubOrder.id).where(SubOrder.parent_id == order_id)).one()
    assert bench.post("county", order_id, "progress", text="县里已开会").status_code == 303
    below = bench.clients["office"].get(f"/tickets/{number}").text
    assert "请核查" in below
    assert "由涪城区转办" in below
    assert "县里已开会" not in below
    form_of(below, child, "reply")
    assert "申请延期：这是上级单位转办的" in below


def test_the_forms_are_for_who_has_to_use_them(bench: Bench) -> None:
    number, order_id = bench.case(COUNTY)
    assert bench.post("county", order_id, "pass", unit=OFFICE).status_code == 303
    with bench.site.database.session() as session:
        child = session.scalars(select(SubOrder.id).where(SubOrder.parent_id == order_id)).one()
    above, dispatcher = (bench.clients[who].get(f"/tickets/{number}").text for who in ("county", "pai"))
    assert f"/orders/{child}/take_back" in above
    assert f"/orders/{child}/reply" not in above  # the office has an account
    assert f"/orders/{order_id}/reply" not in dispatcher
    bench.set(order_id, way="phone")
    form_of(bench.clients["pai"].get(f"/tickets/{number}").text, order_id, "reply")


def test_what_the_policy_closes_is_said_instead_of_its_form(bench: Bench) -> None:
    number, order_id = bench.case(POWER)
    bench.set(order_id, designated=True, due_at=datetime.now(UTC) - timedelta(days=1))
    text = bench.clients["power"].get(f"/tickets/{number}").text
    assert "本单位是指定承办，不得退回" in text
    assert "本市规定须在到期前申请" in text
    assert f"/orders/{order_id}/object" not in text
    bench.set(order_id, designated=False, sent_at=datetime.now(UTC) - timedelta(days=30))
    assert "已过提出异议的时限" in bench.clients["power"].get(f"/tickets/{number}").text


# -- what was typed stays ---------------------------------------------------------------------------

GIVEN: dict[str, dict[str, str]] = {
    "reply": {**REPLY, "account": "", "public_reply": "只在这里写过的答复"},
    "progress": {"text": "很长" * 1500},
    "pass": {"unit": OFFICE, "note": "很长" * 1500},
    "object": {"choice": "", "unit": GAS, "ground": "只在这里写过的理由"},
    "extend": {"choice": "statutory", "law": "", "ground": "只在这里写过的缘由"},
}
FAULT = {
    "reply": "请填写这一项",
    "progress": "太长了",
    "pass": "太长了",
    "object": "请填写这一项",
    "extend": "请填写这一项",
}


@pytest.mark.parametrize("act", GIVEN)
def test_a_form_that_will_not_do_comes_back_with_every_word(bench: Bench, act: str) -> None:
    _, order_id = bench.case(COUNTY)
    answer = bench.post("county", order_id, act, **GIVEN[act])
    assert answer.status_code == 422
    form = form_of(answer.text, order_id, act)
    assert FAULT[act] in form
    for words in GIVEN[act].values():
        assert words in form
    assert bench.order(order_id).state == Order.SENT


RIGHT: dict[str, dict[str, str]] = {
    "take": {},
    "reply": REPLY,
    "progress": {"text": "已派人"},
    "pass": {"unit": OFFICE, "note": "请办"},
    "object": {"choice": "out_of_remit", "unit": "", "ground": "不归我们"},
    "extend": {"choice": "complex", "law": "", "ground": "要会商"},
    "send_back": {"text": "说得不清楚"},
    "take_back": {"text": "不用了"},
}


TURNS = {
    "take": Turn.TAKE,
    "reply": Turn.REPLY,
    "object": Turn.OBJECT,
    "send_back": Turn.REDO,
    "take_back": Turn.RECALL,
}
WHY = {
    Order.SENT: "还没有签收",
    Order.TAKEN: "正在办理",
    Order.OBJECTED: "异议正在等待裁定",
    Order.REPLIED: "已经回复",
    Order.DONE: "已经办结",
    Order.RETURNED: "已经退回",
    Order.RECALLED: "已经收回",
}


def has_place(act: str, state: Order) -> bool:
    return TURNS[act] in ORDER[state] if act in TURNS else state in AT_WORK


@pytest.mark.parametrize(
    ("act", "state"), [(act, state) for act in RIGHT for state in Order if not has_place(act, state)]
)
def test_a_step_that_the_state_forbids_is_refused_with_its_reason_and_the_words_stay(
    bench: Bench, act: str, state: Order
) -> None:
    _, above = bench.case(COUNTY)
    assert bench.post("county", above, "pass", unit=OFFICE).status_code == 303
    with bench.site.database.session() as session:
        child = session.scalars(select(SubOrder.id).where(SubOrder.parent_id == above)).one()
    order_id = child if act.endswith("_back") else above
    bench.set(order_id, state=state)
    answer = bench.post("county", order_id, act, **RIGHT[act])
    assert answer.status_code == 409
    form = form_of(answer.text, order_id, act)
    assert WHY[state] in form
    for words in RIGHT[act].values():
        assert words in form
    assert bench.order(order_id).state == state


def test_while_the_case_waits_for_its_audit_a_reply_is_refused_and_stays(bench: Bench) -> None:
    number, order_id = bench.case(POWER)
    with bench.site.database.session() as session:
        session.execute(update(Ticket).where(Ticket.number == number).values(state=State.REVIEW))
    answer = bench.post("power", order_id, "reply", **REPLY)
    assert answer.status_code == 409
    form = form_of(answer.text, order_id, "reply")
    assert "结案审核" in form
    assert PUBLIC in form


def test_who_was_slower_is_told_and_can_send_her_words_again(bench: Bench) -> None:
    number, order_id = bench.case(POWER)
    old = str(bench.order(order_id).version)
    assert bench.post("power", order_id, "take").status_code == 303
    answer = bench.clients["power"].post(f"/orders/{order_id}/reply", data={**REPLY, "version": old})
    assert answer.status_code == 409
    form = form_of(answer.text, order_id, "reply")
    assert PUBLIC in form
    assert "被别人办过一步" in form
    version = re.findall(r'name="version" value="(\d+)"', form)[0]
    again = bench.clients["power"].post(f"/orders/{order_id}/reply", data={**REPLY, "version": version})
    assert (again.status_code, again.headers["location"]) == (303, f"/tickets/{number}")


# -- who is kept out --------------------------------------------------------------------------------


@pytest.mark.parametrize("act", RIGHT)
def test_another_unit_a_unit_below_and_the_accused_find_no_such_share(bench: Bench, act: str) -> None:
    _, order_id = bench.case(COUNTY)
    _, sealed = bench.case(COUNTY, sealed=True)
    for who in ("power", "gas", "office"):
        assert bench.post(who, order_id, act, **RIGHT[act]).status_code == 404
    for who in ("office", "pai", "gas"):
        assert bench.post(who, sealed, act, **RIGHT[act]).status_code == 404
    with bench.site.database.session() as session:
        order = session.get_one(SubOrder, order_id)
        accused = update(Ticket).where(Ticket.id == order.ticket_id).values(accused_unit_id=order.unit_id)
        session.execute(accused)
    assert bench.post("county", order_id, act, **RIGHT[act]).status_code == 404
    assert bench.post("shen", order_id, act, **RIGHT[act]).status_code == 403


def test_no_tray_and_no_ruling_tells_of_a_sealed_share_to_who_is_not_named(bench: Bench) -> None:
    number, order_id = bench.case(OFFICE, sealed=True, title="只在保密件里的词")
    assert number in bench.clients["office"].get("/orders?list=to_take").text
    asked = bench.post("office", order_id, "object", choice="unclear", ground="材料不全", unit="")
    assert asked.status_code == 303
    assert number in bench.clients["sun"].get("/rulings").text
    for who in ("county", "power", "pai", "shen"):
        for path in ("/orders", "/orders?list=below", "/rulings"):
            answer = bench.clients[who].get(path)
            assert number not in answer.text, (who, path)
            assert "只在保密件里的词" not in answer.text, (who, path)


# -- rulings ----------------------------------------------------------------------------------------


def asked(bench: Bench, kind: str = "objection", by: str = "power", of: str = POWER) -> tuple[str, int]:
    number, order_id = bench.case(of)
    act = "object" if kind == "objection" else "extend"
    assert bench.post(by, order_id, act, **RIGHT[act]).status_code == 303
    return number, order_id


def ruled(bench: Bench, who: str, order_id: int, decision: str, remark: str, kind: str) -> httpx.Response:
    typed = {"kind": kind, "decision": decision, "remark": remark, "list": kind}
    return bench.clients[who].post(f"/orders/{order_id}/ruling", data=typed)


@pytest.mark.parametrize(("kind", "who"), [("objection", "pai"), ("extension", "shen")])
def test_a_ruling_needs_its_reason_and_what_was_written_stays(bench: Bench, kind: str, who: str) -> None:
    number, order_id = asked(bench, kind)
    listed = bench.clients[who].get(f"/rulings?list={kind}").text
    assert number in listed
    assert listed.count("data-row") == counted(listed)[kind]
    refused = ruled(bench, who, order_id, "refuse", "", kind)
    assert refused.status_code == 422
    assert "请填写这一项" in form_of(refused.text, order_id, "ruling")
    long = ruled(bench, who, order_id, "grant", "很长" * 1500, kind)
    assert long.status_code == 422
    assert "很长" * 1500 in form_of(long.text, order_id, "ruling")
    done = ruled(bench, who, order_id, "grant", "同意", kind)
    assert (done.status_code, done.headers["location"]) == (303, f"/rulings?list={kind}")
    assert number not in bench.clients[who].get(f"/rulings?list={kind}").text


def test_who_rules_too_late_is_told_and_keeps_what_she_wrote(bench: Bench) -> None:
    _, order_id = asked(bench)
    assert ruled(bench, "pai", order_id, "refuse", "由你单位承办", "objection").status_code == 303
    late = ruled(bench, "pai2", order_id, "grant", "只在这里写过的意见", "objection")
    assert late.status_code == 409
    assert "只在这里写过的意见" in late.text
    assert "刚才已经裁定" in late.text


def test_nobody_rules_on_what_she_asked_herself(bench: Bench) -> None:
    number, order_id = asked(bench, by="pai", of="water_supply")
    listed = bench.clients["pai"].get("/rulings").text
    assert number in listed
    assert f"/orders/{order_id}/ruling" not in listed
    answer = ruled(bench, "pai", order_id, "grant", "自己批自己", "objection")
    assert answer.status_code == 422
    assert "请由另一位同事裁定" in unescape(answer.text)
    assert "自己批自己" in answer.text
    assert ruled(bench, "pai2", order_id, "grant", "", "objection").status_code == 303


def test_a_unit_with_accounts_enters_its_own_words_and_one_without_is_entered_for(bench: Bench) -> None:
    (_, with_them), (_, without) = bench.case(POWER), bench.case("water_supply")
    for act in ("take", "reply", "object", "extend"):
        refused = bench.post("pai", with_them, act, **RIGHT[act])
        assert (refused.status_code, "有自己的账号" in refused.text) == (409, True), act
    assert bench.post("pai", without, "reply", **RIGHT["reply"]).status_code == 303


def test_whose_decision_it_is_not_is_kept_out(bench: Bench) -> None:
    _, order_id = asked(bench)
    assert ruled(bench, "shen", order_id, "grant", "", "objection").status_code == 403
    assert ruled(bench, "power", order_id, "grant", "", "objection").status_code == 403
    with bench.site.database.session() as session:
        assert session.scalars(
            select(UnitRequest.decision).where(UnitRequest.order_id == order_id)
        ).all() == [""]


def test_the_units_page_tells_of_its_request_and_of_the_ruling(bench: Bench) -> None:
    number, order_id = asked(bench, "extension")
    page = bench.clients["power"].get(f"/tickets/{number}").text
    assert "情况复杂延期" in page
    assert "等待裁定" in page
    assert "延期申请正在等待裁定" in page
    assert ruled(bench, "shen", order_id, "refuse", "请按期办结", "extension").status_code == 303
    page = bench.clients["power"].get(f"/tickets/{number}").text
    assert "不同意延期" in page
    assert "请按期办结" in page


def test_english_is_whole(bench: Bench) -> None:
    number, order_id = asked(bench)
    _, above = bench.case(COUNTY)
    with bench.site.database.session() as session:
        passing.pass_down(session, bench.people["county"], above, OFFICE, "", datetime.now(UTC))
        orders.reply(
            session,
            bench.people["power"],
            bench.case(POWER)[1],
            Reply(account="a", public_reply="b", finding="true", solved="yes", contacted_how="none"),
            bench.policy,
            datetime.now(UTC),
        )
        session.execute(update(Person).where(Person.login.in_(("pai", "power"))).values(language="en"))
    for who, path in (("pai", "/rulings"), ("power", "/orders"), ("power", f"/tickets/{number}")):
        text = bench.site.client(who).get(path).text
        assert re.findall(r">((?:orders|rulings|fault|act)\.[\w.]+)", text) == [], path
    with bench.site.database.session() as session:
        session.execute(update(Person).values(language="zh"))
    assert order_id
