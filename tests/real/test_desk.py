"""The duty agent's browser is the phone: real Asterisk, real PostgreSQL, real Chromium."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from storage.database import Database
from tests.real.asterisk_lab import Lab, people, short_folder
from tests.real.desk_city import VOICE_HZ, DeskCity, Seat, call_in, launch
from tests.real.phone import Phone
from tests.real.waiting import until

pytestmark = pytest.mark.real


@pytest.fixture
def lab() -> Iterator[Lab]:
    folder = short_folder()
    lab = Lab(folder, phones=people(0, browser=3))
    try:
        yield lab.start()
    finally:
        lab.stop()


@pytest.fixture
def city(lab: Lab, database: Database, database_url: str, tmp_path: Path) -> Iterator[DeskCity]:
    city = DeskCity(lab, database, database_url, tmp_path).start()
    city.secret_to(lab)
    yield city
    city.stop()


@pytest.fixture
def browser(city: DeskCity) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch(playwright, city.voice)
        yield browser
        browser.close()


@pytest.fixture
def seat(browser: Browser, city: DeskCity) -> Callable[..., Seat]:
    def sit(login: str = "agent1", **look: object) -> Seat:
        size = {"width": 1280, "height": 720}
        context = browser.new_context(viewport=size, locale="zh-CN", **look)  # type: ignore[arg-type]
        return Seat(context, city.base, login).log_in()

    return sit


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
