"""What the browser does for an agent who looks or listens elsewhere: devices, desktop notifications."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.real.desk.city import KNOWN_NUMBER, DeskCity, Seat, call_in
from tests.real.phone import Phone
from tests.real.waiting import until

pytestmark = pytest.mark.real

# What is played, and on which device the browser put it.
PLAYED = """
  window.played = [];
  const play = HTMLMediaElement.prototype.play;
  HTMLMediaElement.prototype.play = function () {
    played.push([this.srcObject ? "voice" : this.loop ? "ring" : "once", this.sinkId]);
    return play.call(this);
  };
"""
# The tests' browser calls every tab visible, and shows its notifications nowhere.
ELSEWHERE = """
  window.elsewhere = false;
  window.told = [];
  Object.defineProperty(document, "hidden", { get: () => elsewhere });
  const Real = Notification;
  window.Notification = class extends Real {
    constructor(head, options) {
      super(head, options);
      this.text = `${head} ${options.body}`;
      told.push(this.text);
    }
    close() {
      told.splice(told.indexOf(this.text), 1);
      super.close();
    }
  };
"""


def device(agent: Seat, use: str, label: str) -> str:
    """Choose a device for a use; its id."""
    select = agent.page.locator(f"select[name={use}]")
    expect(select.locator("option", has_text=label)).to_have_count(1)
    select.select_option(select.locator("option", has_text=label).get_attribute("value"))
    return select.input_value()


def test_ring_and_voice_come_from_the_devices_that_were_chosen_before_a_reload(
    city: DeskCity, seat: Callable[..., Seat], caller: Callable[..., Phone]
) -> None:
    agent = seat("agent1")
    agent.page.add_init_script(PLAYED)
    agent.page.reload()
    speaker, ringer = device(agent, "speaker", "Output 1"), device(agent, "ringer", "Output 2")
    assert speaker != ringer
    agent.page.click("[data-test=ringer]")
    agent.page.click("[data-test=speaker]")
    until(lambda: len(agent.page.evaluate("played")) == 2, "both tests")
    assert agent.page.evaluate("played") == [["once", ringer], ["once", speaker]]

    agent.page.reload()
    expect(agent.page.locator("select[name=speaker]")).to_have_value(speaker)
    expect(agent.page.locator("select[name=ringer]")).to_have_value(ringer)
    agent.go_ready()
    call_in(caller(1000), keys="1")
    agent.takes()
    until(lambda: len(agent.page.evaluate("played")) == 2, "the ring and the voice")
    assert agent.page.evaluate("played") == [["ring", ringer], ["voice", speaker]]


def test_a_device_that_was_unplugged_gives_way_to_the_standard_one(
    seat: Callable[..., Seat], city: DeskCity, caller: Callable[..., Phone]
) -> None:
    agent = seat("agent1")
    agent.page.add_init_script(PLAYED)
    agent.page.evaluate(
        """localStorage.setItem("hotline.devices", '{"ringer":"gone","microphone":"gone"}')"""
    )
    agent.page.reload()
    expect(agent.page.locator("select[name=ringer]")).to_have_value("")
    agent.go_ready()
    call_in(caller(1000), keys="1")
    agent.rings()
    until(lambda: agent.page.evaluate("played") == [["ring", ""]], "the ring")


@pytest.mark.parametrize("key", ["1", "3"], ids=["an-inquiry", "a-sealed-report"])
def test_a_ring_behind_another_window_is_told_without_naming_the_caller(
    city: DeskCity, seat: Callable[..., Seat], caller: Callable[..., Phone], key: str
) -> None:
    agent = seat("agent1")
    agent.page.add_init_script(ELSEWHERE)
    agent.context.grant_permissions(["notifications"])
    agent.page.reload()
    agent.page.click("[data-test=notification]")
    expect(agent.page.locator("[data-says=notification]")).to_contain_text("已发出测试通知")
    agent.page.reload()
    agent.go_ready()
    agent.page.evaluate("elsewhere = true")
    leg = call_in(caller(1000), keys=key)
    agent.rings()
    until(lambda: agent.page.evaluate("told"), "the notification")
    assert agent.page.evaluate("told") == ["来电振铃 点此回到接听台"]
    assert KNOWN_NUMBER not in agent.page.title()
    assert agent.page.title().startswith("● 来电振铃")
    leg.hang_up()
    until(lambda: agent.page.evaluate("told") == [], "the notification to go")
    assert "来电" not in agent.page.title()


def test_a_browser_that_refuses_notifications_says_so_in_the_device_test(
    seat: Callable[..., Seat], city: DeskCity
) -> None:
    agent = seat("agent1")
    asked = "Notification.requestPermission = async () => 'denied'; window.asked = true"
    agent.page.add_init_script(asked)
    agent.page.reload()
    agent.page.click("[data-test=notification]")
    expect(agent.page.locator("[data-says=notification]")).to_contain_text("浏览器不允许通知")
