"""What an agent does with two lines, and beyond the house: keys, swapping, 12345; in a real browser."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from tests.real.asterisk_lab import MUSIC, TRUNK
from tests.real.desk.city import VOICE_HZ, DeskCity, Seat, talking
from tests.real.phone import Phone
from tests.real.waiting import until

pytestmark = pytest.mark.real
CALLER_HZ, COLLEAGUE_HZ, OUTSIDE_HZ, FAILED_HZ = 1000, 1400, 1600, 750


def asked(seat: Callable[..., Seat], caller: Phone) -> tuple[Seat, Seat]:
    """An agent with a caller, and the colleague who speaks with her about it."""
    first, second = seat("agent1").go_ready(), seat("agent2")
    talking(first, caller)
    first.pick("802", "consult")
    second.takes()
    return first, second


def outward(agent: Seat) -> None:
    agent.pick("12345", "blind")
    agent.says("话后处理")


def offered(agent: Seat) -> list[bool]:
    """Whether the panel offers to ask first, and to transfer at once."""
    acts = [agent.page.locator(f"[data-panel=move] [data-act={act}]") for act in ("consult", "blind")]
    return [act.is_enabled() for act in acts]


@pytest.fixture
def outside(city: DeskCity) -> Iterator[Phone]:
    """The far end of the trunk."""
    phone = Phone(("127.0.0.1", city.lab.sip_port), "12345", "", OUTSIDE_HZ, TRUNK, city.lab.trunk_port)
    yield phone
    phone.close()


def test_keys_of_the_pad_arrive_where_the_agent_speaks_and_nowhere_else(
    city: DeskCity, seat: Callable[..., Seat], caller: Callable[..., Phone], phone: Callable[..., Phone]
) -> None:
    colleague = phone(3, COLLEAGUE_HZ, duty=False)
    agent = seat("agent1").go_ready()
    leg = talking(agent, caller(CALLER_HZ))
    agent.page.keyboard.press("d")
    for key in "159":
        agent.page.keyboard.press(key)
    for key in "0*#":
        agent.page.click(f"[data-panel=digits] [data-value='{key}']")
    until(lambda: leg.media.keys == "1590*#", "the keys at the caller's end")

    agent.pick("803", "consult")
    asked = colleague.ring().answer()
    agent.says("咨询中")
    agent.page.keyboard.press("d")
    agent.page.click("[data-panel=digits] [data-value='7']")
    until(lambda: asked.media.keys == "7", "the key at the colleague's end")
    assert leg.media.keys == "1590*#"


def test_swapping_lets_the_agent_speak_with_one_while_the_other_hears_music(
    city: DeskCity, seat: Callable[..., Seat], caller: Callable[..., Phone], phone: Callable[..., Phone]
) -> None:
    colleague = phone(3, COLLEAGUE_HZ, duty=False)
    agent = seat("agent1").go_ready()
    leg = talking(agent, caller(CALLER_HZ))
    agent.pick("803", "consult")
    asked = colleague.ring().answer()
    agent.says("咨询中")
    until(lambda: asked.media.hears(VOICE_HZ) and leg.media.hears(MUSIC), "the question beside music")

    agent.page.locator(".work [name=content]").focus()
    agent.page.keyboard.press("Alt+b")
    agent.says("通话中")
    until(lambda: leg.media.hears(VOICE_HZ) and asked.media.hears(MUSIC), "the caller beside music")

    agent.page.keyboard.press("Alt+t")
    agent.page.click("[data-act=swap]")
    agent.says("咨询中")
    until(lambda: asked.media.hears(VOICE_HZ) and leg.media.hears(MUSIC), "the colleague again")
    agent.page.keyboard.press("b")
    agent.says("通话中")
    agent.page.keyboard.press("c")
    agent.says("话后处理")
    expect(agent.page.locator("[data-panel=move]")).to_be_hidden()
    until(lambda: leg.media.hears(COLLEAGUE_HZ) and asked.media.hears(CALLER_HZ), "caller and colleague")


def test_who_takes_over_a_call_that_has_its_ticket_sees_the_ticket_and_no_form(
    city: DeskCity, seat: Callable[..., Seat], caller: Callable[..., Phone]
) -> None:
    first, second = asked(seat, caller(CALLER_HZ))
    expect(second.page.locator(".work form")).to_have_count(1)
    first.page.locator(".work [name=content]").fill("厂区停水两天，影响生产。")
    first.page.keyboard.press("Control+s")
    expect(first.page.locator("[data-says=result]")).to_contain_text("已保存")
    expect(second.page.locator(".work .ticket")).to_contain_text("厂区停水两天，影响生产。")
    expect(second.page.locator(".work form")).to_have_count(0)

    first.page.keyboard.press("Alt+t")
    first.page.click("[data-act=complete]")
    first.says("话后处理")
    second.page.click(".work .ticket-saved a")
    expect(second.page.locator("#main h1")).to_contain_text("厂区停水两天")
    second.says("通话中")


def test_what_a_colleague_typed_stays_beside_the_ticket_that_was_written_meanwhile(
    city: DeskCity, seat: Callable[..., Seat], caller: Callable[..., Phone]
) -> None:
    first, second = asked(seat, caller(CALLER_HZ))
    second.page.locator(".work [name=content]").fill("另有一事：路灯不亮。")
    first.page.locator(".work [name=content]").fill("厂区停水两天，影响生产。")
    first.page.keyboard.press("Control+s")
    expect(second.page.locator(".work .ticket-saved")).to_contain_text("这个来电已有工单")
    second.page.keyboard.press("F2")
    expect(second.page.locator("[data-says=result]")).to_have_text("这个来电已有工单")
    second.page.keyboard.press("Control+s")
    expect(second.page.locator("[data-says=result]")).to_contain_text("已保存")


def test_12345_is_one_click_on_the_list_and_the_caller_is_heard_there(
    city: DeskCity, seat: Callable[..., Seat], caller: Callable[..., Phone], outside: Phone
) -> None:
    agent = seat("agent1").go_ready()
    leg = talking(agent, caller(CALLER_HZ))
    outward(agent)
    far = outside.ring()
    assert far.invite
    assert far.invite.start.startswith("INVITE sip:12345@")
    far.answer()
    until(lambda: leg.media.hears(OUTSIDE_HZ) and far.media.hears(CALLER_HZ), "caller and 12345")
    leg.hang_up()
    until(lambda: far.ended, "12345 to be released")


def test_nobody_is_asked_first_beyond_the_house_and_enter_asks_whom_it_may(
    city: DeskCity, seat: Callable[..., Seat], caller: Callable[..., Phone], phone: Callable[..., Phone]
) -> None:
    colleague = phone(3, COLLEAGUE_HZ, duty=False)
    agent = seat("agent1").go_ready()
    talking(agent, caller(CALLER_HZ))
    agent.page.keyboard.press("t")
    agent.page.click("[data-fill='12345']")
    assert offered(agent) == [False, True]
    agent.page.fill("[name=target]", "803")
    assert offered(agent) == [True, True]
    agent.page.fill("[name=target]", "12345")
    assert offered(agent) == [False, True]
    agent.page.fill("[name=target]", "803")
    agent.page.keyboard.press("Enter")
    colleague.ring().answer()
    agent.says("咨询中")


def test_a_caller_whom_12345_does_not_take_comes_back_to_the_agent(
    city: DeskCity, seat: Callable[..., Seat], caller: Callable[..., Phone], outside: Phone
) -> None:
    agent = seat("agent1").go_ready()
    leg = talking(agent, caller(CALLER_HZ))
    outward(agent)
    outside.ring().reject(480)
    until(lambda: leg.media.hears(FAILED_HZ), "the word that it failed")
    agent.rings()
    expect(agent.page.locator(".work:not([hidden]) .record-number")).to_have_text("139 8111 2233")
    agent.page.keyboard.press("Alt+a")
    agent.says("通话中")
    until(lambda: leg.media.hears(VOICE_HZ), "the agent again")
