"""A desk in a browser whose log-in is ended: its call goes on, its phone leaves after it and comes back."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from cases import logins
from storage.notify import notify
from tests.real.asterisk_lab import MUSIC, Lab
from tests.real.desk.city import PASSWORD, VOICE_HZ, DeskCity, Seat, talking
from tests.real.phone import Phone
from tests.real.waiting import until

pytestmark = pytest.mark.real


def end_all(city: DeskCity, login: str) -> None:
    with city.database.session() as session:
        assert logins.end_all(session, city.person(login).id)


def is_registered(lab: Lab, number: int) -> bool:
    return f"Contact:  {lab.phones[number - 1].endpoint}" in lab.cli(
        f"pjsip show endpoint {lab.phones[number - 1].endpoint}"
    )


def test_a_call_goes_on_when_its_log_in_is_ended_and_the_phone_leaves_after_it(
    city: DeskCity, lab: Lab, seat: Callable[..., Seat], caller: Callable[..., Phone]
) -> None:
    agent = seat("agent1").go_ready()
    leg = talking(agent, caller(1000))
    end_all(city, "agent1")
    agent.notice("这个通话继续")
    until(lambda: not is_registered(lab, 1), "the end of the registration")
    agent.page.click("[data-act=hold]")
    until(lambda: leg.media.hears(MUSIC), "music")
    agent.page.click("[data-act=hold]")
    until(lambda: leg.media.hears(VOICE_HZ), "the agent again")
    agent.page.click("[data-act=hangup]")
    until(lambda: leg.ended, "the caller's end: nobody puts her back into the queue")
    agent.says("已退出登录")

    other = agent.context.new_page()
    other.goto(f"{city.base}/login")
    other.fill("[name=name]", "agent1")
    other.fill("[name=password]", PASSWORD)
    other.click("button[type=submit]")
    until(lambda: is_registered(lab, 1), "the phone to come back by itself")


def test_a_secret_that_ends_during_a_call_is_replaced_by_the_tab_itself_and_nothing_is_cut(
    city: DeskCity, lab: Lab, seat: Callable[..., Seat], caller: Callable[..., Phone]
) -> None:
    agent = seat("agent1").go_ready()
    leg = talking(agent, caller(1000))
    # Asterisk forgets what it knew of this log-in, as when its database is lost, and she has to register.
    lab.cli("database deltree hotline")
    with city.database.session() as session:
        notify(session, f"person:{city.person('agent1').id}", "register")
    agent.notice("正在取新的密钥")
    expect(agent.page.locator("[data-says=notice]")).not_to_contain_text("密钥")
    assert leg.media.hears(VOICE_HZ)
    agent.page.click("[data-act=hangup]")
    until(lambda: leg.ended, "the end")
    until(lambda: is_registered(lab, 1), "the registration of today")
