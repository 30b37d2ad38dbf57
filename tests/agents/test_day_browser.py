"""The day's page on paper, in a real browser."""

import pytest
from playwright.sync_api import Browser, expect

from tests.web.site import Site
from tests.web.test_browser import browser, entered

__all__ = ["browser"]

pytestmark = pytest.mark.real


def test_it_prints_without_the_shell_and_light_and_asks_for_the_printer(browser: Browser, site: Site) -> None:
    page = entered(browser, site, "zhao")  # she has no phone to complain
    page.get_by_role("link", name="日报").click()
    expect(page.locator(".sheet.day")).to_be_visible()
    page.evaluate("window.print = () => document.body.dataset.printed = 'yes'")
    page.get_by_role("button", name="打印").click()
    expect(page.locator("body[data-printed=yes]")).to_have_count(1)
    page.emulate_media(media="print", color_scheme="dark")
    for part in ("#rail", "#phone", ".page-head", ".filters"):
        expect(page.locator(part).first).to_be_hidden()
    ground = page.locator(".sheet").evaluate("sheet => getComputedStyle(sheet).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
