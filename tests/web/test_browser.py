"""The shell in a real browser: it never reloads, keeps what is typed, and fits a zoomed screen."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from sqlalchemy import func, select

from storage.tables import Journal
from tests.web.site import Site, let_in

pytestmark = pytest.mark.real
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (e) => window.violations.push(e.violatedDirective));
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"],
        )
        yield chromium
        chromium.close()


def entered(browser: Browser, site: Site, login: str, width: int = 1280, height: int = 720) -> Page:
    """A page of a logged-in person, on her first page."""
    page = browser.new_context(viewport={"width": width, "height": height}, locale="zh-CN").new_page()
    page.set_default_timeout(20_000)
    page.add_init_script(WATCH)
    let_in(page.context, site.url, login)
    page.goto(site.url)
    expect(page.locator("#rail")).to_be_visible()
    page.wait_for_load_state("load")  # from here on every link stays in the shell
    return page


def test_the_shell_stays_while_pages_change(browser: Browser, site: Site) -> None:
    page = entered(browser, site, "zhao")
    page.evaluate("window.same = true; document.getElementById('phone').dataset.same = 'yes'")
    page.click("#rail >> text=工单")
    expect(page).to_have_url(f"{site.url}/tickets")
    expect(page.locator("h1")).to_have_text("工单")
    expect(page.locator("#rail [aria-current]")).to_have_text("工单")
    page.click(f"text={site.seed.tickets[0]}")
    expect(page).to_have_title(re.compile(site.seed.tickets[0]))
    page.go_back()
    expect(page.locator("h1")).to_have_text("工单")
    places = page.locator("#rail nav a, #rail li a").all_inner_texts()
    page.keyboard.press(f"Alt+Digit{1 + [place.strip() for place in places].index('录音')}")
    expect(page.locator("h1")).to_have_text("录音")
    page.select_option("#f-line", "962299")
    page.click("button:has-text('筛选')")
    expect(page).to_have_url(re.compile(r"line=962299"))
    assert page.evaluate("window.same && document.getElementById('phone').dataset.same") == "yes"
    assert page.evaluate("window.violations") == []
    page.context.close()


def test_language_and_theme_change_in_place(browser: Browser, site: Site) -> None:
    page = entered(browser, site, "zhao")
    page.evaluate("window.same = true")
    page.click("#rail .rail-me")
    page.click("text=深色")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate("matchMedia(document.getElementById('dark').media).matches")
    page.click("main >> text=English")
    expect(page.locator("#rail >> text=Tickets")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.click("main >> text=中文")
    page.click("#rail >> text=工单")
    expect(page.locator("h1")).to_have_text("工单")
    assert page.evaluate("window.same")
    page.context.close()


def test_what_was_typed_comes_back_after_a_wrong_click_and_a_reload(browser: Browser, site: Site) -> None:
    page = entered(browser, site, "liu")
    edit = f"{site.url}/tickets/{site.seed.tickets[0]}/edit"
    page.goto(edit)
    page.fill("#f-content", "说到一半的内容")
    page.click("#rail >> text=通话")
    expect(page.locator("h1")).to_have_text("通话")
    page.go_back()
    expect(page.locator("#f-content")).to_have_value("说到一半的内容")
    page.reload()
    expect(page.locator("#f-content")).to_have_value("说到一半的内容")
    expect(page.locator("[data-kept]")).to_be_visible()
    page.click("text=保存修改")
    expect(page.locator("main")).to_contain_text("说到一半的内容")
    page.goto(edit)
    expect(page.locator("[data-kept]")).to_be_hidden()
    page.context.close()


def test_a_lost_network_is_told_in_the_corner_and_the_words_stay(browser: Browser, site: Site) -> None:
    page = entered(browser, site, "liu")
    page.goto(f"{site.url}/tickets/{site.seed.tickets[0]}/edit")
    page.fill("#f-answer", "当场说的话")
    page.context.set_offline(True)
    page.click("text=保存修改")
    expect(page.locator("#notice")).to_contain_text("与服务器的连接断了")
    expect(page.locator("#f-answer")).to_have_value("当场说的话")
    page.context.set_offline(False)
    page.click("text=保存修改")
    expect(page.locator("main")).to_contain_text("当场说的话")
    page.context.close()


def test_a_recording_plays_from_where_one_clicks_and_is_one_play(browser: Browser, site: Site) -> None:
    page = entered(browser, site, "zhao")
    page.click("#rail >> text=录音")
    expect(page.locator("h1")).to_have_text("录音")
    page.click("tbody tr:first-child a[data-row]")
    wave = page.locator("#dock [data-wave] svg")
    expect(wave).to_be_visible()
    box = wave.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + 10)
    sound = page.locator("#dock audio")
    expect(sound).to_have_js_property("ended", True, timeout=20_000)
    heard_from = sound.evaluate("audio => audio.played.start(0)")
    assert 2.5 <= heard_from <= 3.5  # three quarters of four seconds
    assert float(page.locator("#dock .playhead").get_attribute("x1") or 0) > 590
    sound.evaluate("audio => audio.pause()")
    page.click("#dock [data-wave] svg", position={"x": 5, "y": 5})
    expect(sound).to_have_js_property("ended", False, timeout=20_000)
    expect(sound).to_have_js_property("ended", True, timeout=20_000)
    with site.database.session() as session:
        query = select(func.count(Journal.id)).where(
            Journal.act == "recording.played", Journal.actor_id == site.seed.people["zhao"]
        )
        assert session.scalar(query) == 1
    page.context.close()


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (640, 360)])
def test_nothing_is_cut_off_at_1280_and_at_200_percent(
    browser: Browser, site: Site, width: int, height: int
) -> None:
    page = entered(browser, site, "chen", width, height)
    ticket = site.seed.tickets[0]
    for path in ("/calls", "/tickets", "/recordings", f"/tickets/{ticket}", f"/tickets/{ticket}/edit", "/me"):
        page.goto(site.url + path)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, path
    page.context.close()


def test_the_keyboard_reaches_filter_and_rows(browser: Browser, site: Site) -> None:
    page = entered(browser, site, "zhao")
    page.goto(f"{site.url}/calls")
    page.keyboard.press("/")
    expect(page.locator("#f-number")).to_be_focused()
    page.keyboard.press("Tab")
    page.locator("main").focus()
    page.keyboard.press("j")
    expect(page.locator("[data-row]").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("通话 ·")
    expect(page.locator("main")).to_be_focused()
    page.context.close()
