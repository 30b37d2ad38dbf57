"""The duty agent's browser is the phone: real Asterisk, real PostgreSQL, real Chromium."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

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

    agent.page.keyboard.press("a")
    agent.says("通话中")
    until(lambda: leg.media.hears(VOICE_HZ), "the caller to hear the agent")

    work.locator("[name=content]").fill("厂区停水两天，影响生产，请尽快恢复。")
    agent.page.keyboard.press("Control+s")
    expect(work.locator("[data-says=result]")).to_contain_text("已保存")

    agent.page.keyboard.press("Alt+x")
    until(lambda: leg.ended, "the caller to be released")
    agent.says("话后处理")
    agent.page.keyboard.press("Alt+w")
    agent.says("就绪，等候来电")
