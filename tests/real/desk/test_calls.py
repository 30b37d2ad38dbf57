"""What an agent does with a caller on the line: hold, mute, transfers, the shift leader; all in browsers."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.real.desk.city import VOICE_HZ, DeskCity, Seat, talking
from tests.real.phone import Phone
from tests.real.waiting import until

pytestmark = pytest.mark.real
MUSIC_HZ = 400


def test_hold_mute_and_a_blind_transfer_that_takes_the_record_along(
    city: DeskCity, seat: Callable[..., Seat], caller: Callable[..., Phone]
) -> None:
    first, second = seat("agent1").go_ready(), seat("agent2")
    leg = talking(first, caller(1000))

    first.page.keyboard.press("h")
    first.says("保持中")
    until(lambda: leg.media.hears(MUSIC_HZ), "music on hold")
    first.page.keyboard.press("h")
    first.says("通话中")
    until(lambda: leg.media.hears(VOICE_HZ), "the agent again")

    first.page.keyboard.press("m")
    expect(first.page.locator("[data-act=mute]")).to_have_attribute("aria-pressed", "true")
    until(lambda: not leg.media.hears(VOICE_HZ), "silence while muted")
    first.page.keyboard.press("m")
    until(lambda: leg.media.hears(VOICE_HZ), "the agent after muting")

    first.pick("802", "blind")
    second.rings()
    expect(second.page.locator(".work .record-name")).to_contain_text("绵阳新星机械有限公司")
    first.says("话后处理")
    second.page.keyboard.press("a")
    second.says("通话中")
    until(lambda: leg.media.hears(VOICE_HZ), "the second agent")
    leg.hang_up()
    second.says("未上岗")


def test_a_consultation_is_completed_and_an_unanswered_transfer_comes_back(
    city: DeskCity, seat: Callable[..., Seat], caller: Callable[..., Phone]
) -> None:
    first, second = seat("agent1").go_ready(), seat("agent2")
    leg = talking(first, caller(1000))

    first.pick("802", "consult")
    first.says("正在呼叫")
    second.rings()
    expect(second.page.locator(".work .record-number")).to_have_text("139 8111 2233")
    second.page.keyboard.press("a")
    second.says("通话中")
    first.says("咨询中")
    first.page.keyboard.press("t")
    first.page.click("[data-panel=move] [data-act=complete]")
    first.says("话后处理")
    until(lambda: leg.media.hears(VOICE_HZ), "the colleague")
    expect(second.page.locator("[data-says=state]")).to_have_text("通话中")

    first.page.keyboard.press("w")
    first.says("就绪，等候来电")
    second.pick("803", "blind")  # the leader's phone is not there: the caller must come back
    second.takes()
    until(lambda: leg.media.hears(VOICE_HZ), "the second agent again")


def test_the_shift_leader_is_called_in(
    city: DeskCity, seat: Callable[..., Seat], caller: Callable[..., Phone]
) -> None:
    agent, leader = seat("agent1").go_ready(), seat("leader")
    leader.says("未上岗")
    talking(agent, caller(1000))
    agent.page.keyboard.press("l")
    agent.notice("已呼叫班长周班长")
    leader.rings()
    expect(leader.page.locator(".work .record-number")).to_have_text("139 8111 2233")
    leader.page.keyboard.press("a")
    leader.says("通话中")
    expect(agent.page.locator("[data-says=state]")).to_have_text("通话中")


def test_nobody_calls_the_leader_into_a_call_that_she_only_sees(
    city: DeskCity, seat: Callable[..., Seat], caller: Callable[..., Phone]
) -> None:
    agent, other, leader = seat("agent1").go_ready(), seat("agent2"), seat("leader")
    leader.says("未上岗")
    talking(agent, caller(1000))
    (call_id,) = [call.id for call in city.calls() if call.outcome == "live"]
    assert other.page.request.get(f"{city.base}/calls/{call_id}").ok
    refused = other.page.request.post(
        f"{city.base}/desk/calls/{call_id}/leader", headers={"Origin": city.base}
    )
    assert (refused.status, "您不在这个通话中" in refused.text()) == (409, True)
    agent.page.keyboard.press("l")
    agent.notice("已呼叫班长周班长")
    leader.rings()
