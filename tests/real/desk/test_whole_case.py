"""A whole case for each city, through everybody's hands in their browsers, and a sealed one beside it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import httpx
import pytest
from playwright.sync_api import Browser, expect

from hotline.settings import CHECKOUT
from storage.viewer import Role
from tests.real.desk.hall import STAFF, Hall, hall_of, let_pass
from tests.real.desk.unseen import counted, telling, turn_all
from tests.real.desk.whole_case import (
    Matter,
    accept,
    audit,
    close,
    dispatch,
    end_supervision,
    find_late,
    hand_over,
    hang_up,
    instruct,
    reply,
    report_up,
    story,
    supervise,
    take_call,
    tell_fulfilled,
    visit,
    write_down,
)

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

POWER_CUT = Matter(
    number="13981112233",
    kind="help",
    category="power_supply",
    caller="王敏",
    company="恒泰机械制造有限公司",
    title="厂区反复停电",
    content="厂区一周停电三次，生产线停摆，请查明原因，尽快恢复。",
)
REPORT = Matter(
    number="13833334444",
    kind="report",
    category="",
    caller="欧阳知秋",
    company="鑫鑫建材经营部",
    title="抄表员索要好处费",
    content="抄表员每月上门索要好处费，不给就拉闸，请查处。",
    accused=True,
)
TRACES = ("13833334444", "138 3333 4444", "138****4444", "欧阳", "鑫鑫", "抄表员", "好处费")
SEALED_NOTICE = "有一件事项等您处理"

BEGUN = ["来电 已接", "登记", "派单 供电公司", "签收 供电公司"]
CLOSED = ["单位回复 供电公司", "报结案", "单位办结 供电公司", "结案通过，待回访", "去电 已接"]
TWICE = [*CLOSED, "回访不满意，重办", "退回单位重办 供电公司", *CLOSED, "回访满意，办结"]


def test_in_mianyang_a_late_case_is_supervised_and_instructed_by_people_reopened_and_closed(
    chromium: Browser,
) -> None:
    with hall_of(_policy("mianyang-962299"), chromium) as hall:
        number = begin(hall, "2")
        hidden = seal_beside(hall, "3", "integrity")
        let_pass(hall, number, "urged")
        find_late(hall, number, "逾期催办")
        supervise(hall, number, "三日内恢复供电。")
        report_up(hall, number, "企业停产，单位逾期未办结。")
        instruct(hall, number, "企业停产", "限两日办结，结果报我。")
        close_twice(hall, number)
        end_supervision(hall, number, "供电恢复，企业满意。")
        late = ["到期提醒", "逾期催办", "催办 供电公司", "列入督办", "报领导", "领导批示"]
        assert story(hall, number) == [*BEGUN, *late, *TWICE, "落实批示", "解除督办"]
        nothing_is_amiss(hall, hidden)


def test_in_nanning_the_clock_itself_has_a_late_case_supervised_and_tells_the_leader_of_the_line(
    chromium: Browser,
) -> None:
    # Its lines are open on working days till 22:00; who runs this has another calendar.
    always_open = _policy("nanning-direct-line").replace('menu = false\nhours = "direct"\n', "menu = false\n")
    with hall_of(always_open, chromium) as hall:
        number = begin(hall)
        hidden = seal_beside(hall, "", "bribery")
        let_pass(hall, number, "reported")
        find_late(hall, number, "报分管领导")
        instruct(hall, number, "系统按时限报送", "限一日办结，结果报我。")
        close_twice(hall, number)
        late = ["到期提醒", "逾期催办", "专班督办", "列入督办", "报分管领导", "报领导", "领导批示"]
        # What the clock began ends with the case, without anybody's word.
        assert story(hall, number) == [*BEGUN, *late, *TWICE, "解除督办", "落实批示"]
        nothing_is_amiss(hall, hidden)


def _policy(name: str) -> str:
    return (CHECKOUT / f"policies/{name}.toml").read_text(encoding="utf-8")


def begin(hall: Hall, key: str = "") -> str:
    """A call becomes a ticket, which a unit has in hand."""
    hall.at("agent1").go_ready()
    call = take_call(hall, POWER_CUT, key)
    number = write_down(hall, POWER_CUT)
    hang_up(hall, call)
    dispatch(hall, number)
    accept(hall, number)
    return number


def close_twice(hall: Hall, number: str) -> None:
    """The caller is not satisfied with what was done first."""
    rounds = (
        (
            "已更换老化线路和变压器。",
            "停电是线路老化所致，现已更换。",
            "dissatisfied",
            "昨天又停了一次。",
            "办理中",
        ),
        ("已加装备用回路，企业当面确认。", "已为厂区加装备用回路。", "satisfied", "", "已办结"),
    )
    for account, answer, grade, words, then in rounds:
        reply(hall, number, account, answer)
        close(hall, number, answer)
        audit(hall, number)
        visit(hall, number, POWER_CUT, grade, words, then)
    tell_fulfilled(hall, number, "供电恢复，企业满意。")


# ---- the sealed one -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hidden:
    """What tells of it, and the log-ins of all who must find nothing of that."""

    traces: Sequence[str]
    clients: Mapping[str, httpx.Client]


def seal_beside(hall: Hall, key: str, category: str) -> Hidden:
    """A report about the very unit that has the other case: the discipline office has it, and nobody else."""
    clients = {each.login: hall.client(each.login) for each in STAFF if each.role is not Role.DISCIPLINE}
    others = {login: client for login, client in clients.items() if login != "agent1"}
    hall.wait_recorded()
    before = {login: counted(turn_all(client)) for login, client in others.items()}
    report = replace(REPORT, category=category)
    call = take_call(hall, report, key)
    call_id = hall.at("agent1").page.locator(".work:not([hidden])").get_attribute("data-call")
    number = write_down(hall, report)
    hang_up(hall, call)
    hand_over(hall, number)
    reader = hall.at("discipline").page
    reader.locator("#main a[data-row]", has_text=number).click()
    expect(reader.locator("#main .facts").first).to_contain_text(report.content)

    hidden = Hidden((*TRACES, SEALED_NOTICE, number, str(call_id)), clients)
    assert not telling(turn_all(clients["agent1"]), hidden.traces)
    for login, client in others.items():
        pages = turn_all(client)
        assert not telling(pages, hidden.traces), login
        assert counted(pages) == before[login], login
        is_unknown_to(client, number)
    return hidden


def is_unknown_to(client: httpx.Client, number: str) -> None:
    """As one that never was."""
    never = f"{number[:6]}{(int(number[6:]) + 1) % 1_000_000:06}"
    theirs, nobodys = (client.get(f"/tickets/{each}") for each in (number, never))
    assert theirs.status_code == nobodys.status_code
    assert theirs.status_code in (403, 404)
    assert theirs.text.replace(number, never) == nobodys.text


# ---- in the end ---------------------------------------------------------------------------------------


def nothing_is_amiss(hall: Hall, hidden: Hidden) -> None:
    """No page failed or showed the sealed one, no notice and no sheet of the day tells of it, and what was
    written into the journal is what was done."""
    assert not hall.amiss
    for login, client in hidden.clients.items():
        pages = {address: client.get(address).text for address in ("/notices", "/day")}
        assert not telling(pages, hidden.traces), login
    for login, seat in hall.seats.items():
        assert login == "discipline" or not telling({login: seat.page.content()}, hidden.traces)
    hall.wait_sealed()
    verified = json.loads(hall.whole.run("journal", "verify", "--json").stdout)
    assert verified["ok"], verified
    assert verified["lines"]
