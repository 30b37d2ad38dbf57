"""The dispatcher's tray by keyboard, in a real browser."""

from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, expect

from cases import people, units
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from routing.policy import load
from storage.viewer import Role, Viewer
from tests.web.site import PASSWORD, POLICY, Site
from tests.web.test_browser import browser, entered

__all__ = ["browser"]

CITY = load(POLICY)
pytestmark = pytest.mark.real


@pytest.fixture(scope="module", autouse=True)
def _tickets(site: Site) -> None:
    liu = Viewer(site.seed.people["liu"], Role.AGENT, "刘晓燕", "127.0.0.1")
    with site.database.session() as session:
        units.sync(session, CITY.units)
        people.create_person(session, "dispatcher", "宋佳", Role.DISPATCHER, PASSWORD)
    for title in ("厂区停电", "道路破损"):
        with site.database.session() as session:
            form = TicketForm(kind="help", title=title, content=title)
            save_ticket(session, liu, form, None, CITY, datetime.now(UTC))


def test_rows_are_ticked_by_key_sent_and_undone_while_the_seconds_run(browser: Browser, site: Site) -> None:
    page = entered(browser, site, "dispatcher")
    expect(page).to_have_url(f"{site.url}/dispatch")
    rows = page.locator("[data-row]").count()
    for key in ("j", "s", "j", "s"):
        page.keyboard.press(key)
    expect(page.locator("[data-tick]:checked")).to_have_count(2)
    page.select_option("#f-unit", "power")
    page.fill("#f-note", "请从速办理")
    page.get_by_text("派出勾选的").click()
    expect(page.locator(".told li")).to_have_count(2)
    expect(page.locator("[data-row]")).to_have_count(rows - 2)
    seconds = page.locator("[data-countdown]").first
    first = int(seconds.inner_text())
    page.wait_for_function(
        "first => Number(document.querySelector('[data-countdown]').textContent) < first", arg=first
    )
    page.get_by_text("全部撤回").click()
    expect(page.locator("[data-row]")).to_have_count(rows)
    expect(page.locator(".told")).to_contain_text("没有通知任何单位")
    assert page.evaluate("window.violations") == []


def test_the_button_to_undo_goes_with_its_time(browser: Browser, site: Site) -> None:
    page = entered(browser, site, "dispatcher")
    page.locator("[data-tick]").first.check()
    page.select_option("#f-unit", "power")
    page.clock.install()
    page.get_by_text("派出勾选的").click()
    runs = "([each]) => each && each.textContent < each.dataset.countdown"
    page.wait_for_function(f"() => ({runs})(document.querySelectorAll('[data-countdown]'))")
    page.clock.fast_forward(61_000)
    expect(page.locator("[data-countdown]")).to_have_count(0)


def test_a_button_to_undo_that_came_a_moment_ago_is_not_taken_for_one_whose_time_is_over(
    browser: Browser, site: Site
) -> None:
    page = entered(browser, site, "dispatcher")
    page.evaluate(
        """document.querySelector("#main").insertAdjacentHTML(
            "beforeend", '<form id="new"><span data-countdown="60">60</span></form>')"""
    )
    page.wait_for_function("() => Number(document.querySelector('#new span')?.textContent ?? 60) < 60")


def test_the_sheet_for_a_unit_prints_without_the_shell_and_light(browser: Browser, site: Site) -> None:
    page = entered(browser, site, "dispatcher")
    page.locator("[data-row]").first.click()
    page.select_option("#f-dispatch-unit", "housing")
    page.locator("#dispatch").get_by_role("button", name="派单").click()
    page.get_by_role("link", name="交办单").click()
    expect(page.locator(".sheet")).to_be_visible()
    page.emulate_media(media="print", color_scheme="dark")
    for part in ("#rail", "#phone", ".page-head"):
        expect(page.locator(part)).to_be_hidden()
    ground = page.locator(".sheet").evaluate("sheet => getComputedStyle(sheet).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
