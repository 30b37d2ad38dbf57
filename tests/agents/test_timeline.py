"""The line of time on a ticket's page: all that can happen to a case, as each reader has it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from cases import (
    answering,
    closing,
    dispatch,
    instructions,
    joining,
    journal,
    logins,
    orders,
    people,
    rulings,
    supervision,
    units,
    visits,
)
from cases.dispatch import Share
from cases.tickets import save_ticket
from routing.policy import load
from storage.tables import Ticket
from storage.viewer import Role, Viewer
from tests.cases.office import ANGRY, FORM, NOBODY, PLEASED
from tests.cases.office import REPLY as CALLED
from tests.web.site import PASSWORD, POLICY, Site

CITY = load(POLICY)
NUMBER, MASKED = "13911112222", "139****2222"
REPLY = replace(CALLED, contacted_how="none", contacted_at="")


@pytest.fixture(scope="module")
def staff(site: Site) -> Mapping[str, Viewer]:
    """By log-in; two are of the power company and the water works."""
    with site.database.session() as session:
        units.sync(session, CITY.units)
        roles = (
            ("writer", Role.AGENT, ""),
            ("sorter", Role.DISPATCHER, ""),
            ("power", Role.UNIT_CLERK, "power"),
            ("water", Role.UNIT_CLERK, "water"),
            ("audits", Role.REVIEWER, ""),
            ("asks", Role.VISITOR, ""),
            ("watches", Role.SUPERVISOR, ""),
            ("leads", Role.LEADER, ""),
        )
        found = {}
        for login, role, unit in roles:
            lines = ["962299"] if role is Role.LEADER else []
            person = people.create_person(
                session, login, f"某{login}", role, PASSWORD, unit=unit, lines=lines
            )
            found[login] = logins.viewer_of(session, person)
        return found


@pytest.fixture(scope="module")
def case(site: Site, staff: Mapping[str, Viewer]) -> Ticket:
    """All that can happen to a case that units handle; the last word is that it is done."""
    at = datetime.now(UTC) - timedelta(hours=3)
    with site.database.session() as session:
        ticket = save_ticket(session, staff["writer"], FORM, None, CITY, at)
        number, who = ticket.number, staff
        both = [Share("power", "lead", "先恢复供电"), Share("water", "assist", "配合停水")]
        power, water = dispatch.send(session, who["sorter"], number, both, CITY, at)
        orders.take(session, who["power"], power.id, at)
        orders.note_progress(session, who["water"], water.id, f"已联系{NUMBER}", at)
        ground = CITY.handling.objection_grounds[0].code
        orders.object_(session, who["water"], water.id, ground, "不属我方", "power", CITY, at)
        rulings.rule_objection(session, who["sorter"], water.id, False, "属你方", CITY, at)
        extension = CITY.handling.extensions[0].code
        asked = extension, "需停电施工", "《行政许可法》第四十二条"
        orders.ask_extension(session, who["power"], power.id, *asked, CITY, at)
        rulings.rule_extension(session, who["audits"], power.id, True, "", CITY, at)
        supervision.urge(session, who["watches"], number, "请从速", at, order_id=water.id)
        reason = CITY.handling.supervision_grounds[0].code
        supervision.supervise(session, who["watches"], number, reason, "三日办结", CITY, at)
        leader = who["leads"].person_id
        row = instructions.report_up(session, who["watches"], number, leader, "久拖不决", at)
        instructions.instruct(session, who["leads"], number, "请抓紧", CITY, at, report_id=row.id)
        instructions.fulfil(session, who["watches"], number, row.id, "已落实", at)
        supervision.end(session, who["watches"], number, "已办结", at)
        told = {"of": "ticket", "level": "gone", "told": False}
        journal.append(session, None, "ticket.rung", "ticket", ticket.id, **told)
        moved = {"old": at.isoformat(), "new": at.isoformat(), "provisional": True}
        journal.append(session, None, "ticket.reckoned", "ticket", ticket.id, **moved)
        _closed(session, staff, ticket, (power.id, water.id), at)
        visits.record(session, who["asks"], number, NOBODY, CITY, at)
        visits.record(session, who["asks"], number, ANGRY, CITY, at)
        _closed(session, staff, ticket, (power.id, water.id), at)
        visits.record(session, who["asks"], number, PLEASED, CITY, at)
        return ticket


def _closed(
    session: Session, who: Mapping[str, Viewer], ticket: Ticket, order_ids: tuple[int, ...], at: datetime
) -> None:
    """Sent back once, then approved."""
    for verdict in ("send_back", "approve"):
        for order_id in order_ids:
            orders.reply(session, who["sorter"], order_id, REPLY, CITY, datetime.now(UTC))
        closing.submit(session, who["power"], ticket.number, REPLY, CITY, datetime.now(UTC))
        closing.audit(session, who["audits"], ticket.number, verdict, "再核实", CITY, at)


def test_everything_that_happened_is_told_with_who_and_what_was_said(site: Site, case: Ticket) -> None:
    text = site.client("watches").get(f"/tickets/{case.number}").text
    story = text[text.index('id="story"') :]
    for words in (
        *("登记", "派单", "主办", "协办", "先恢复供电", "签收", "提出异议", "不属我方", "属你方", "申请延期"),
        *("同意延期", "催办", "请从速", "列入督办", "三日办结", "报领导", "久拖不决", "领导批示", "请抓紧"),
        *("落实批示", "解除督办", "已办结", "到达时限节点", "期限重算", "单位回复", "报结案", "再核实"),
        *("结案退回重办", "结案通过", "回访未接通", "回访不满意", "又停电了", "回访满意", "某watches"),
    ):
        assert words in story, words


def test_numbers_in_what_was_said_are_masked_till_she_asks(site: Site, case: Ticket) -> None:
    client = site.client("watches")
    plain, full = client.get(f"/tickets/{case.number}"), client.post(f"/tickets/{case.number}/full")
    assert MASKED in plain.text
    assert NUMBER not in plain.text
    assert NUMBER in full.text


def test_a_clerk_has_no_other_units_words_and_nothing_of_what_leaders_are_told(
    site: Site, case: Ticket
) -> None:
    text = site.client("power").get(f"/tickets/{case.number}").text
    assert "先恢复供电" in text
    for words in ("配合停水", "不属我方", "属你方", MASKED, "久拖不决", "到达时限节点"):
        assert words not in text, words


def test_each_other_end_of_a_case_is_told(site: Site, staff: Mapping[str, Viewer]) -> None:
    at, handling, who = datetime.now(UTC), CITY.handling, staff
    with site.database.session() as session:

        def new() -> str:
            return save_ticket(session, who["writer"], FORM, None, CITY, at).number

        refused, moved, answered, repeat, lead = (new() for _ in range(5))
        ground = handling.refusal_grounds[0].code
        answering.refuse(session, who["sorter"], refused, ground, "已进入诉讼", CITY, at)
        answering.reopen(session, who["writer"], refused, "新的材料", CITY, at)
        reason = handling.withdrawal_grounds[0].code
        answering.withdraw(session, who["writer"], refused, reason, "来电人撤回", CITY, at)
        outside = handling.transfer_grounds[0].code
        answering.transfer(session, who["sorter"], moved, outside, "请12345办理", CITY, at)
        answering.note_receipt(session, who["sorter"], moved, "渝-0042", at)
        answering.answer_directly(session, who["writer"], answered, "可网上办理", at)
        joining.merge(session, who["sorter"], repeat, lead, CITY, at)
        joining.split(session, who["sorter"], repeat, at)
    pages = {
        refused: ("不予受理", "已进入诉讼", "重新办理", "新的材料", "撤销", "来电人撤回"),
        moved: ("转出", "请12345办理", "对方回执", "渝-0042"),
        answered: ("办结", "可网上办理"),
        repeat: ("并入别的工单", f'href="/tickets/{lead}"', "拆分出来"),
        lead: ("别的工单并入", f'href="/tickets/{repeat}"'),
    }
    client = site.client("sorter")
    for number, said in pages.items():
        text = client.get(f"/tickets/{number}").text
        story = text[text.index('id="story"') :]
        for words in said:
            assert words in story, (number, words)
