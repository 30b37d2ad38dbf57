"""What goes wrong at a desk, and what the agent is told: nothing typed is lost, no caller is left alone."""

import os
import signal
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.real.desk.city import VOICE_HZ, DeskCity, Seat, call_in, talking
from tests.real.phone import Phone
from tests.real.waiting import until

pytestmark = pytest.mark.real
APOLOGY_HZ = 700


def test_an_unanswered_ring_pauses_the_agent_and_the_caller_goes_on(
    city: DeskCity, seat: Callable[..., Seat], caller: Callable[..., Phone]
) -> None:
    first = seat("agent1").go_ready()
    leg = call_in(caller(1000), keys="0")
    first.rings()
    second = seat("agent2").go_ready()
    second.rings()
    first.says("已暂停：未接听")
    first.notice("振铃超时未接")
    expect(first.page.locator(".work")).to_have_count(0)
    second.page.keyboard.press("a")
    second.says("通话中")
    until(lambda: leg.media.hears(VOICE_HZ), "the second agent")


def test_a_browser_that_dies_brings_the_caller_back_and_its_agent_finds_herself_paused(
    city: DeskCity, seat: Callable[..., Seat], caller: Callable[..., Phone]
) -> None:
    agent = seat("agent1").go_ready()
    leg = talking(agent, caller(1000), keys="0")
    agent.context.close()
    until(lambda: leg.media.hears(APOLOGY_HZ), "the apology", 12)
    again = seat("agent1")
    again.says("已暂停：话机失联")
    again.page.keyboard.press("r")
    again.rings()
    expect(again.page.locator(".work .record-number")).to_have_text("139 8111 2233")
    assert len([call for call in city.calls() if call.outcome == "live"]) == 1


def test_a_lost_network_is_told_and_mends_by_itself(seat: Callable[..., Seat]) -> None:
    agent = seat("agent1").go_ready()
    agent.context.set_offline(True)
    agent.says("网络已断开")
    agent.notice("网络断了")
    agent.context.set_offline(False)
    agent.says("就绪，等候来电", 40)


def test_a_duty_that_cannot_be_told_at_once_is_asked_for_until_it_is(seat: Callable[..., Seat]) -> None:
    agent = seat("agent1")
    agent.says("未上岗")
    duty = "**/desk/duty"
    agent.page.route(duty, lambda route: route.fulfill(status=503, json={}))
    agent.page.reload()
    agent.says("值班状态未知")
    agent.page.unroute(duty)
    agent.says("未上岗")


def test_an_answer_that_was_overtaken_is_old_news(
    seat: Callable[..., Seat], caller: Callable[..., Phone]
) -> None:
    agent = seat("agent1").go_ready()
    leg = call_in(caller(1000), keys="0")
    agent.takes()
    leg.hang_up()
    agent.says("话后处理")

    def late(route: Route) -> None:
        said = route.fetch().json() | {"live": "wrapup"}  # as before the telephone system has told
        agent.says("就绪，等候来电")
        route.fulfill(json=said)

    agent.page.route("**/desk/wrapup/end", late)
    with agent.page.expect_response("**/desk/wrapup/end") as answer:
        agent.page.keyboard.press("Alt+w")
    answer.value.finished()
    agent.page.evaluate("() => new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)))")
    agent.says("就绪，等候来电", 1)


def test_the_telephone_system_killed_in_mid_call_is_told_and_mends_by_itself(
    city: DeskCity, seat: Callable[..., Seat], caller: Callable[..., Phone]
) -> None:
    agent = seat("agent1").go_ready()
    call_in(caller(1000), keys="0")
    agent.takes()
    assert city.lab.server.pid is not None
    os.kill(city.lab.server.pid, signal.SIGKILL)
    agent.notice("网络中断，这个通话已断开", 40)
    agent.says("电话断线，正在自动重连")
    city.lab.start()
    expect(agent.page.locator("[data-says=state]")).not_to_have_text("电话断线，正在自动重连", timeout=60_000)


def test_a_second_tab_says_so_and_takes_the_phone_only_when_told(
    city: DeskCity, seat: Callable[..., Seat]
) -> None:
    first = seat("agent1").go_ready()
    second = Seat(first.context, city.base, "agent1")
    second.page.goto(f"{city.base}/desk")
    second.says("电话在另一个标签页")
    expect(first.page.locator("[data-says=state]")).to_have_text("就绪，等候来电")
    second.page.click("[data-act=take]")
    second.says("就绪，等候来电")
    first.says("电话已被另一个标签页接管")
    second.page.close()
    first.says("电话空着，没有标签页在用")
    first.page.click("[data-act=take]")
    first.says("就绪，等候来电")


def test_what_is_typed_outlives_a_server_away_and_a_reload(
    city: DeskCity, seat: Callable[..., Seat], caller: Callable[..., Phone]
) -> None:
    agent = seat("agent1").go_ready()
    leg = call_in(caller(1000), keys="2")
    agent.takes()
    content = agent.page.locator(".work [name=content]")
    draft = agent.page.locator("[data-says=draft]")

    content.fill("厂区停水")
    expect(draft).to_have_text("草稿已保存")
    agent.page.route("**/desk/calls/**", lambda route: route.abort())
    content.fill("厂区停水两天")
    expect(draft).to_have_text("服务器连不上，草稿暂存本机")
    agent.page.keyboard.press("Control+s")
    expect(agent.page.locator("[data-says=result]")).to_contain_text("服务器暂时连不上")
    expect(content).to_have_value("厂区停水两天")

    leg.hang_up()
    agent.says("话后处理")
    agent.page.unroute("**/desk/calls/**")
    agent.page.reload()
    expect(content).to_have_value("厂区停水两天")
    expect(draft).to_have_text("草稿已保存")
    agent.page.keyboard.press("Control+s")
    expect(agent.page.locator("[data-says=result]")).to_contain_text("已保存")


def test_with_the_manager_link_down_the_record_still_comes_with_the_ring(
    city: DeskCity, seat: Callable[..., Seat], caller: Callable[..., Phone]
) -> None:
    agent = seat("agent1").go_ready()
    city.eyes.stop()
    city.acts.stop()
    call_in(caller(1000), keys="2")
    agent.rings()
    expect(agent.page.locator(".work .record-name")).to_contain_text("绵阳新星机械有限公司")
    agent.page.keyboard.press("a")
    agent.says("通话中")
    assert agent.mark("pop-painted") < agent.sent("SIP/2.0 200", "INVITE")
    agent.page.keyboard.press("p")
    agent.page.keyboard.press("1")
    agent.notice("电话系统暂时连不上")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("NotFoundError", "没有找到麦克风"),
        ("NotAllowedError", "麦克风被拒绝"),
        ("NotReadableError", "被别的程序占用"),
    ],
)
def test_without_a_microphone_nobody_goes_on_duty_and_the_remedy_is_told(
    browser: Browser, city: DeskCity, error: str, words: str
) -> None:
    agent = Seat(browser.new_context(locale="zh-CN"), city.base, "agent1")
    refuse = f"navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', '{error}'))"
    agent.page.add_init_script(refuse)
    agent.log_in().says("未上岗")
    agent.page.keyboard.press("r")
    agent.notice(words)
    agent.says("未上岗")
