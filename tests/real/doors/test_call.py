"""A call from the public page: real browser, relay, Asterisk, PostgreSQL and an agent in another browser."""

from collections.abc import Callable

import pytest

from tests.real.asterisk_lab import PROMPTS
from tests.real.desk.city import VOICE_HZ, Seat
from tests.real.doors.city import GuestCity, Visitor, until_quiet

pytestmark = pytest.mark.real


def test_a_newcomer_hears_the_menu_presses_a_key_and_speaks_with_the_agent(
    city: GuestCity, seat: Callable[..., Seat], visitor: Callable[..., Visitor]
) -> None:
    agent = seat("agent1").go_ready()
    guest = visitor().dial()
    guest.says("正在听语音提示")
    guest.wait_to_hear(PROMPTS["menu"], "the menu")
    guest.press("2")
    agent.rings()
    agent.page.keyboard.press("a")
    agent.says("通话中")
    guest.says("正在与工作人员通话")
    guest.wait_to_hear(VOICE_HZ, "the agent")
    guest.page.click("[data-act=hangup]")
    guest.says("通话已结束")
    agent.says("话后处理")
    until_quiet(city)
    call = city.calls()[-1]
    assert (call.origin, call.kind, call.number, call.number_kind) == ("web", "help", None, "web")
    assert not [word for word in guest.words if word.startswith("error")]
    city.lab.assert_clean_log()
