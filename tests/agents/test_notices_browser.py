"""The counts in the rail, in a real browser: they come by themselves and move nothing."""

import pytest
from playwright.sync_api import Browser, expect

from tests.agents.test_notices import tell
from tests.web.site import Site
from tests.web.test_browser import browser, entered

__all__ = ["browser"]
pytestmark = pytest.mark.real
expect.set_options(timeout=30_000)  # the machine may be busy with other tests


def test_a_count_comes_by_itself_and_moves_nothing(browser: Browser, site: Site) -> None:
    page = entered(browser, site, "zhao")
    badge, parts = page.locator("#badge-notices"), ("#rail nav", "#main", "#rail a[href='/notices']")
    expect(badge).to_be_empty()
    before = [page.locator(part).bounding_box() for part in parts]
    page.evaluate("document.getElementById('notice').innerHTML = '<p>told</p>'")
    tell(site, "zhao")
    expect(badge).to_contain_text("1")
    expect(badge.locator(".unseen")).to_have_text("1条未读提醒")
    assert [page.locator(part).bounding_box() for part in parts] == before
    expect(page.locator("#notice")).to_have_text("told")
    page.click("#rail a[href='/notices']")
    page.click("main td a")
    expect(page).to_have_url(f"{site.url}/tickets/{site.seed.tickets[0]}")
    expect(badge).to_be_empty(timeout=20_000)
    assert page.evaluate("window.violations") == []
    page.context.close()
