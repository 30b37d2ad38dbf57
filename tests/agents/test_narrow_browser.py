"""Lists on a phone: nothing is wider than the screen, and each cell says what it is."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.web.site import Site
from tests.web.test_browser import browser, entered

__all__ = ["browser"]

pytestmark = pytest.mark.real
PHONE = (390, 844)
TOO_WIDE = """() => [document.documentElement, ...document.querySelectorAll(".scroll")]
    .filter((each) => each.scrollWidth > each.clientWidth + 1).map((each) => each.className)"""


def fits(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator("#main h1").first).to_be_visible()
    assert page.evaluate(TOO_WIDE) == [], address


@pytest.mark.parametrize(
    ("login", "pages"),
    [("liu", ("/calls", "/tickets")), ("zhao", ("/supervision", "/recordings")), ("admin", ("/city/units",))],
)
def test_no_list_and_no_phone_strip_is_wider_than_a_phone(
    browser: Browser, site: Site, login: str, pages: tuple[str, ...]
) -> None:
    page = entered(browser, site, login, *PHONE)
    for address in pages:
        fits(page, site.url + address)
    page.context.close()


def test_a_row_is_a_block_whose_cells_bear_their_heads(browser: Browser, site: Site) -> None:
    page = entered(browser, site, "zhao", *PHONE)
    page.goto(f"{site.url}/calls")
    head = page.locator("table.list thead th").nth(1).text_content()
    cell = page.locator("table.list tbody tr td").nth(1)
    told = cell.evaluate("cell => getComputedStyle(cell, '::before').content")
    assert told == f'"{head}"'
    first, second = (page.locator("table.list tbody tr td").nth(place).bounding_box() for place in (0, 1))
    assert first and second and second["y"] > first["y"]
    page.context.close()
