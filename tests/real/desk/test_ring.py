"""The duty agent's browser is the phone: real Asterisk, real PostgreSQL, real Chromium."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect

from tests.real.desk.city import VOICE_HZ, DeskCity, Seat, call_in
from tests.real.phone import Phone
from tests.real.waiting import until

pytestmark = pytest.mark.real


def test_the_record_is_on_the_screen_before_the_agent_answers_and_the_ticket_is_saved(
    city: DeskCity, seat: Callable[..., Seat], caller: Callable[..., Phone]
) -> None:
    agent = seat().go_ready()
    leg = call_in(caller(1000), keys="2")
    agent.rings()
    work = agent.page.locator(".work")
    expect(work.locator(".record-number")).to_have_text("139 8111 2233")
    expect(work).to_contain_text("绵阳新星机械有限公司")
    expect(work.locator(".record-pressed")).to_contain_text("求助")
    record = work.locator(".record")
    for told in ("刘洋", "13981112233", "手机", "涪城区 临园路", "临时停靠"):
        expect(record).to_contain_text(told)
    expect(record.locator(".count")).to_have_text(["1", "2"])  # open tickets, earlier calls
    asked = "performance.getEntriesByType('resource').filter(({ name }) => name.includes('?offer=')).length"
    assert agent.page.evaluate(asked) == 1  # on its way before the phone had read the INVITE, and not again

    agent.page.keyboard.press("a")
    agent.says("通话中")
    until(lambda: leg.media.hears(VOICE_HZ), "the caller to hear the agent")

    work.locator("[name=content]").fill("厂区停水两天，影响生产，请尽快恢复。")
    agent.page.keyboard.press("Control+s")
    expect(work.locator("[data-says=result]")).to_contain_text("已保存")
    for link, title in ((".past a", "临时停靠"), ("[data-saved]", "厂区停水")):
        # Within the same page: another one would end the call.
        work.locator(link).first.click()
        expect(agent.page.locator("#main h1")).to_contain_text(title)
        agent.page.go_back()
        expect(work).to_be_visible()
    agent.says("通话中")

    agent.page.keyboard.press("Alt+x")
    until(lambda: leg.ended, "the caller to be released")
    agent.says("话后处理")
    agent.page.keyboard.press("Alt+w")
    agent.says("就绪，等候来电")


def test_the_key_that_answers_is_not_typed_into_the_form_she_saved_before(
    seat: Callable[..., Seat], caller: Callable[..., Phone]
) -> None:
    agent = seat().go_ready()
    leg = call_in(caller(1000), keys="2")
    agent.takes()
    work = agent.page.locator(".work")
    work.locator("[name=content]").fill("厂区停水")
    agent.page.keyboard.press("Control+s")
    expect(work.locator("[data-says=result]")).to_contain_text("已保存")
    leg.hang_up()
    agent.says("话后处理")
    agent.page.keyboard.press("Alt+w")
    records: list[Route] = []
    agent.page.route("**/desk/calls/*?offer=*", lambda route: records.append(route))  # on its way for a while
    call_in(caller(1100), keys="2")
    agent.takes()
    records[0].continue_()
    expect(work.locator("[name=content]")).to_have_value("")


def test_who_pauses_with_a_reason_is_left_in_peace_until_she_is_ready_again(
    city: DeskCity, seat: Callable[..., Seat], caller: Callable[..., Phone]
) -> None:
    agent = seat().go_ready()
    reason = city.policy.pause_reasons[1]
    agent.page.keyboard.press("p")
    agent.page.keyboard.press("2")
    agent.says(f"已暂停：{reason.name.say('zh')}")
    until(lambda: f"paused:{reason.code}" in city.lab.member(1), "the pause in the queue")
    call_in(caller(1000), keys="1")
    until(lambda: city.lab.in_queue(), "the caller to wait")
    agent.says(f"已暂停：{reason.name.say('zh')}")
    agent.page.keyboard.press("r")
    agent.takes()


def test_an_agent_at_a_hardware_phone_gets_the_record_in_her_browser(
    city: DeskCity, seat: Callable[..., Seat], caller: Callable[..., Phone], phone: Callable[..., Phone]
) -> None:
    handset = phone(3, 1400, duty=False)
    agent = seat("agent3")
    agent.page.keyboard.press("r")
    agent.says("就绪，等候来电")
    call_in(caller(1000), keys="3")
    leg = handset.ring()
    expect(agent.page.locator(".work .record-name")).to_contain_text("刘洋")
    expect(agent.page.locator(".work .record-head")).to_contain_text("保密件")
    leg.answer()
    agent.says("通话中")
    agent.page.keyboard.press("F3")
    expect(agent.page.locator("[data-says=result]")).to_contain_text("来电已结束：无声")
    leg.hang_up()
    agent.says("话后处理")


def test_a_call_that_comes_while_another_page_is_open_disturbs_nothing_there(
    city: DeskCity, seat: Callable[..., Seat], caller: Callable[..., Phone]
) -> None:
    agent = seat("agent1").go_ready()
    agent.page.click("#rail a[href='/calls']")
    field = agent.page.locator("#main .filters input").first
    field.fill("1398")
    call_in(caller(1000), keys="1")
    agent.rings()
    expect(agent.page.locator("[data-ring-card]")).to_contain_text("刘洋")
    expect(field).to_be_focused()
    expect(field).to_have_value("1398")
    agent.page.keyboard.press("Alt+a")
    agent.says("通话中")
    expect(agent.page.locator(".work [name=content]")).to_be_visible()
    agent.page.click("[data-back]")
    expect(field).to_have_value("1398")
