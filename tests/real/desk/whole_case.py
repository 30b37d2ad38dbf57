"""A whole case through everybody's hands: what each does, as small acts that begin at her own page."""

import re
from dataclasses import dataclass
from datetime import datetime

from playwright.sync_api import Locator, Page, expect

from hotline.lab.browser import HEARS
from tests.real.asterisk_lab import TRUNK
from tests.real.desk.city import VOICE_HZ
from tests.real.desk.hall import CALLER_HZ, CHIEF, MENU_HZ, UNIT, UNIT_NAME, Hall
from tests.real.phone import Phone
from tests.real.sipp import SippCall
from tests.real.waiting import until

SPOKEN_DB = -45.0  # a browser that is short of breath turns a tone down


@dataclass(frozen=True)
class Matter:
    """What a caller has to say, as the agent types it. `accused`: it is about a unit's people."""

    number: str
    kind: str
    category: str
    caller: str
    company: str
    title: str
    content: str
    accused: bool = False


# ---- finding the way --------------------------------------------------------------------------------


def go(page: Page, address: str) -> Page:
    """By the rail, as she does; then by the list's own tab."""
    path, _, which = address.partition("?")
    follow(page, f"#rail a[href='{path}']", path)
    if which:
        follow(page, f".tray-lists a[href='{address}']", address)
    return page


def follow(page: Page, link: str, address: str) -> None:
    """Click, and wait until what it leads to has taken the old page's place."""
    page.evaluate("document.querySelector('#main').firstElementChild.dataset.old = 'yes'")
    page.click(link)
    expect(page.locator("#main > [data-old]")).to_have_count(0)
    expect(page).to_have_url(re.compile(re.escape(address) + "$"))


def row(page: Page, number: str) -> Locator:
    """The line of a tray that is about this case."""
    return page.locator("#main tr").filter(has=page.locator("a[data-row]", has_text=number))


def open_case(hall: Hall, login: str, address: str, number: str) -> Page:
    """From a tray to the case's own page."""
    page = go(hall.at(login).page, address)
    row(page, number).locator("a[data-row]").click()
    return on_case(page, number)


def on_case(page: Page, number: str) -> Page:
    expect(page.locator("#main .page-head .under")).to_contain_text(number)
    return page


def state(page: Page, word: str) -> None:
    """The case's page says so first."""
    expect(page.locator("#main .marks").first).to_contain_text(word)


# ---- the caller and the agent -----------------------------------------------------------------------


def take_call(hall: Hall, matter: Matter, key: str = "") -> SippCall:
    """来电: it rings at the agent's softphone, and she answers."""
    agent = hall.at("agent1")
    server = ("127.0.0.1", hall.whole.sip_port)
    call = SippCall(hall.folder, server, hall.line, matter.number, CALLER_HZ, TRUNK)
    hall.open.callback(call.close)
    call.answered()
    if key:
        until(lambda: call.media.hears(MENU_HZ), "the menu")
        call.press(key)
    agent.takes()
    until(lambda: call.media.hears(VOICE_HZ, above_db=SPOKEN_DB), "the caller to hear the agent")
    return call


def write_down(hall: Hall, matter: Matter) -> str:
    """登记, while they talk; the case's number."""
    agent = hall.at("agent1")
    work = agent.page.locator(".work:not([hidden])")
    expect(work.locator("[name=contact_number]")).not_to_have_value("")
    work.locator(f"[name=kind][value={matter.kind}]").check(force=True)
    work.locator("[name=caller_name]").fill(matter.caller)
    work.locator("[name=company]").fill(matter.company)
    work.locator("[name=category]").select_option(matter.category)
    work.locator("[name=title]").fill(matter.title)
    work.locator("[name=content]").fill(matter.content)
    if matter.accused:
        work.locator("[name=accused_unit]").select_option(UNIT)
    agent.page.keyboard.press("Control+s")
    expect(work.locator("[data-says=result]")).to_contain_text("已保存")
    address = work.locator("[data-saved]").get_attribute("href")
    assert address
    return address.removeprefix("/tickets/")


def hang_up(hall: Hall, call: SippCall) -> None:
    call.hang_up()
    agent = hall.at("agent1")
    agent.says("话后处理")
    agent.page.keyboard.press("Alt+w")
    agent.says("就绪，等候来电", 60)


def hand_over(hall: Hall, number: str) -> None:
    """移交: what is sealed is the discipline office's now, and hers no longer."""
    page = hall.at("agent1").page
    page.locator(".work:not([hidden]) [data-saved]").first.click()
    on_case(page, number).get_by_role("button", name="移交纪检监察").click()
    expect(page.locator("#main")).to_contain_text("您不再看到这件事项")


# ---- sorting and handling ---------------------------------------------------------------------------


def dispatch(hall: Hall, number: str) -> None:
    """派单, to whom the directory proposes."""
    page = go(hall.at("dispatcher").page, "/dispatch")
    expect(row(page, number)).to_contain_text(UNIT_NAME)
    row(page, number).locator("[data-tick]").check()
    page.fill("#f-note", "请尽快核实恢复。")
    page.get_by_role("button", name="派出勾选的").click()
    expect(page.locator(".told")).to_contain_text(number)
    expect(row(page, number)).to_have_count(0)


def accept(hall: Hall, number: str) -> None:
    """签收."""
    page = go(hall.at("clerk").page, "/orders?list=to_take")
    row(page, number).get_by_role("button", name="签收").click()
    state(on_case(page, number), "办理中")


def reply(hall: Hall, number: str, account: str, answer: str) -> None:
    """回复: what was done, for the house, and what the caller is told."""
    page = open_case(hall, "clerk", "/orders", number)
    share = page.locator("#orders .share")
    share.get_by_text("填写回复").click()
    for name, value in (("finding", "true"), ("solved", "yes"), ("contacted_how", "phone")):
        share.locator(f"[name={name}][value={value}]").check(force=True)
    now = datetime.now(hall.policy.zone)
    share.locator("[name=contacted_at]").fill(f"{now:%Y-%m-%dT%H:%M}")
    share.locator("[name=account]").fill(account)
    share.locator("[name=public_reply]").fill(answer)
    share.get_by_role("button", name="提交回复").click()
    expect(share.locator(".marks")).to_contain_text("已回复")


def close(hall: Hall, number: str, answer: str) -> None:
    """报结案: the form holds what the unit has replied."""
    page = on_case(hall.at("clerk").page, number)
    form = page.locator("#closing form")
    expect(form.locator("[name=public_reply]")).to_have_value(answer)
    form.get_by_role("button", name="报结案").click()
    state(page, "待审核")


def audit(hall: Hall, number: str) -> None:
    """审核: somebody else approves it."""
    page = open_case(hall, "reviewer", "/review", number)
    page.get_by_role("button", name="通过").click()
    state(page, "待回访")


# ---- time, supervision, leaders -----------------------------------------------------------------------


def find_late(hall: Hall, number: str, told: str) -> None:
    """逾期: on the unit's own tray, and on the case's page, with what the clock has done."""
    page = go(hall.at("clerk").page, "/orders?list=late")
    expect(row(page, number)).to_contain_text("已超")
    page = open_case(hall, "supervisor", "/supervision?list=late", number)
    expect(page.locator("#story")).to_contain_text(told)
    state(page, "已超")
    expect(page.locator("#orders .share .marks")).to_contain_text("已超")


def supervise(hall: Hall, number: str, demand: str) -> None:
    """列入督办, from the row of the board."""
    page = go(hall.at("supervisor").page, "/supervision?list=late")
    row(page, number).get_by_role("link", name="督办").click()
    page.locator("[name=demand]").fill(demand)
    page.get_by_role("button", name="列入督办").click()
    expect(row(page, number)).to_contain_text("督办中")


def report_up(hall: Hall, number: str, words: str) -> None:
    """报领导."""
    page = open_case(hall, "supervisor", "/supervision?list=supervised", number)
    leaders = page.locator("#leaders")
    leaders.locator("summary", has_text="报领导").click()
    leaders.locator("[name=leader]").select_option(label=CHIEF)
    leaders.locator("[name=report]").fill(words)
    leaders.get_by_role("button", name="报送").click()
    expect(leaders).to_contain_text("待批示")


def instruct(hall: Hall, number: str, reported: str, words: str) -> None:
    """批示, on his telephone, where the report stands."""
    page = go(hall.at("chief").page, "/leader")
    report = page.locator("#waiting article").filter(has_text=number)
    expect(report).to_contain_text(reported)
    report.locator("[name=words]").fill(words)
    report.get_by_role("button", name="签批").click()
    expect(page.locator("#running")).to_contain_text(words)
    expect(page.locator("#waiting article")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def tell_fulfilled(hall: Hall, number: str, outcome: str) -> None:
    """落实批示: how his word was carried out."""
    page = open_case(hall, "supervisor", "/supervision?list=instructed", number)
    leaders = page.locator("#leaders")
    leaders.locator("summary", has_text="落实情况").click()
    leaders.locator("[name=outcome]").fill(outcome)
    leaders.get_by_role("button", name="报告落实").click()
    expect(leaders).to_contain_text("已落实")


def end_supervision(hall: Hall, number: str, outcome: str) -> None:
    """解除督办: what came of her demand."""
    page = open_case(hall, "supervisor", "/supervision?list=supervised", number)
    watched = page.locator("#supervision")
    watched.locator("summary", has_text="解除督办").click()
    watched.locator("[name=outcome]").fill(outcome)
    watched.get_by_role("button", name="解除督办").click()
    expect(watched).to_contain_text("已解除")


# ---- the return visit ---------------------------------------------------------------------------------


def visit(hall: Hall, number: str, matter: Matter, grade: str, words: str, then: str) -> None:
    """回访: the caller is called from the page, hears her, and says how it went."""
    seat = hall.at("visitor")
    page = open_case(hall, "visitor", "/visits", number)
    seat.says("电话就绪")
    theirs = Phone(
        ("127.0.0.1", hall.whole.sip_port),
        matter.number,
        hz=CALLER_HZ,
        address=TRUNK,
        port=hall.whole.trunk_port,
    )
    try:
        page.click("button[data-dial]")
        seat.says("正在呼叫")
        leg = theirs.ring().answer()
        seat.says("通话中")
        until(lambda: leg.media.hears(VOICE_HZ, above_db=SPOKEN_DB), "the caller to hear the visitor")
        until(lambda: page.evaluate(HEARS, CALLER_HZ), "the visitor to hear the caller")
        form = page.locator("#visit form")
        for name in ("reached", "true", "contacted", "solved"):
            form.locator(f"[name={name}][value=yes]").check(force=True)
        form.locator(f"[name=satisfied][value={grade}]").check(force=True)
        form.locator("[name=words]").fill(words)
        page.keyboard.press("Alt+x")
        until(lambda: leg.ended, "the caller to be released")
        seat.says("电话就绪")
    finally:
        theirs.close()
    form.get_by_role("button", name="记下").click()
    state(page, then)


# ---- what is told of it -------------------------------------------------------------------------------


def story(hall: Hall, number: str) -> list[str]:
    """The lines of the case's whole story, as the supervisor reads them, without times and names.

    A level that was reached is told by the name that it has in the policy.
    """
    page = hall.at("supervisor").page
    hall.wait_recorded()
    page.goto(f"{hall.whole.url}/tickets/{number}")
    expect(page.locator("#story audio")).to_have_count(3)  # the call, and two visits
    return page.locator("#story li").evaluate_all(
        """lines => lines.map((line) => {
             const first = line.querySelector('p').cloneNode(true);
             for (const aside of first.querySelectorAll('.soft')) aside.remove();
             const what = first.textContent.trim().replace(/\\s+/g, ' ');
             return what === '到达时限节点' ? line.querySelector('.sub').textContent.split(' · ')[0] : what;
           })"""
    )
