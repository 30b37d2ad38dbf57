"""A call from the public page: real browser, relay, Asterisk, PostgreSQL and an agent in another browser."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Playwright, expect

from doors.limits import Limits
from hotline.lab import audio
from telephony.config import Guests
from tests.real.asterisk_lab import PROMPTS, Lab
from tests.real.desk.city import VOICE_HZ, Seat
from tests.real.doors.city import GUEST_HZ, HEARS, GuestCity, Loop, Program, Visitor, until_quiet

pytestmark = pytest.mark.real


def test_a_newcomer_hears_the_menu_presses_a_key_and_speaks_with_the_agent(
    city: GuestCity, seat: Callable[..., Seat], visitor: Callable[..., Visitor]
) -> None:
    agent = seat("agent1").go_ready()
    guest = visitor().dial()
    guest.says("正在听语音提示")
    guest.wait_to_hear(PROMPTS["menu"])
    guest.press("2")
    agent.rings()
    expect(agent.page.locator(".record-number")).to_have_text("网页来电")
    expect(agent.page.locator(".record")).to_contain_text("没有号码可回拨")
    agent.page.keyboard.press("a")
    agent.says("通话中")
    guest.says("正在与工作人员通话")
    guest.wait_to_hear(VOICE_HZ)
    agent.page.wait_for_function(HEARS, arg=GUEST_HZ)
    guest.page.click("[data-act=mute]")
    agent.page.wait_for_function(f"(hz) => !({HEARS})(hz)", arg=GUEST_HZ)
    guest.page.click("[data-act=hangup]")
    guest.says("通话已结束")
    agent.says("话后处理")
    until_quiet(city)
    call = city.calls()[-1]
    assert (call.origin, call.kind, call.number, call.number_kind) == ("web", "help", None, "web")
    assert not [word for word in guest.words if word.startswith("error")]
    city.lab.assert_clean_log(r"File hotline/\w+ does not exist")  # the lab has few sounds


def test_a_guest_is_handed_on_as_any_caller_is(
    city: GuestCity, seat: Callable[..., Seat], visitor: Callable[..., Visitor]
) -> None:
    first, second = seat("agent1").go_ready(), seat("agent2")
    guest = visitor().dial()
    guest.wait_to_hear(PROMPTS["menu"])
    guest.press("1")
    first.rings()
    first.page.keyboard.press("a")
    guest.says("正在与工作人员通话")
    first.pick("802", "blind")
    second.rings()
    guest.says("正在等候工作人员")
    expect(second.page.locator(".record-number")).to_have_text("网页来电")
    second.page.keyboard.press("a")
    guest.says("正在与工作人员通话")
    guest.wait_to_hear(VOICE_HZ)
    second.page.wait_for_function(HEARS, arg=GUEST_HZ)
    guest.page.close(run_before_unload=False)
    second.says("未上岗")
    until_quiet(city)


@pytest.mark.parametrize("lab", [Guests(secret="secret-of-the-relay", call_seconds=5)], indirect=True)
def test_asterisk_ends_a_guests_call_whose_time_is_up(
    city: GuestCity, visitor: Callable[..., Visitor]
) -> None:
    guest = visitor().dial()
    guest.wait_to_hear(PROMPTS["menu"])
    guest.press("1")
    guest.says("正在等候工作人员")
    guest.says("通话已结束")
    until_quiet(city)


class TestLongNotice:
    """The notice is a sentence and not a beep: its beginning and its end are told apart."""

    BEGIN_HZ, END_HZ = 2000.0, 2400.0

    @pytest.fixture
    def lab(self, lab: Lab) -> Lab:
        notice = np.concatenate([audio.tone(self.BEGIN_HZ, 8.0), audio.tone(self.END_HZ, 2.0)])
        for language in ("zh", "en"):
            audio.write_wav(lab.folder / f"lib/sounds/{language}/hotline/notice.wav", notice)
        return lab

    def test_who_presses_during_the_notice_hears_it_out_is_spared_the_menu_and_reaches_the_agent(
        self, city: GuestCity, seat: Callable[..., Seat], visitor: Callable[..., Visitor]
    ) -> None:
        agent = seat("agent1").go_ready()
        guest = visitor().dial()
        guest.wait_to_hear(self.BEGIN_HZ)
        guest.page.evaluate(
            "(hz) => { window.loudest = -99; setInterval(() => loudest = Math.max(loudest, hears(hz)), 50) }",
            PROMPTS["menu"],
        )
        expect(guest.page.locator("[data-says=clock]")).to_have_text(re.compile("0:0[67]"), timeout=20_000)
        guest.press("2")
        guest.wait_to_hear(self.END_HZ)
        agent.rings()
        agent.page.keyboard.press("a")
        guest.says("正在与工作人员通话")
        guest.wait_to_hear(VOICE_HZ)
        agent.page.wait_for_function(HEARS, arg=GUEST_HZ)
        assert guest.page.evaluate("loudest") < -45, "the menu was played"
        guest.page.click("[data-act=hangup]")
        agent.says("话后处理")
        until_quiet(city)
        assert city.calls()[-1].kind == "help"


class TestOneLine:
    """With a single place for guests, and browsers of several kinds."""

    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(calls=1)

    def test_who_cannot_call_is_told_why_and_what_to_do(
        self,
        city: GuestCity,
        playwright: Playwright,
        visitor: Callable[..., Visitor],
        program: Callable[..., Program],
        run: Loop,
    ) -> None:
        for flags, words in (
            (["--no-sandbox"], "这台设备没有找到麦克风"),
            (["--no-sandbox", "--use-fake-device-for-media-stream"], "麦克风没有获得允许"),
        ):
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
            guest = Visitor(browser.new_context(locale="zh-CN"), city.base).dial()
            guest.is_told(words)
            guest.says("没有接通")
            browser.close()
        up = run(program("127.0.0.9").call())
        guest = visitor(locale="en-US").dial()
        guest.is_told("Too many people are calling from the page")
        run(up.close())
        until_quiet(city)
        city.lab.server.stop()
        guest.dial().is_told("The hotline cannot be reached right now")
        city.lab.server.start()
