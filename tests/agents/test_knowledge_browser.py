"""The knowledge box in a real browser: one key finds, one key puts it into the answer, nothing is lost."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from cases import knowledge
from cases.knowledge import KnowledgeForm
from routing.policy import load
from storage.knowledge import KnowledgeEntry
from storage.viewer import Role, Viewer
from tests.web.site import POLICY, Site, ring
from tests.web.test_browser import browser, entered
from web.render import now

__all__ = ["browser"]
pytestmark = pytest.mark.real
expect.set_options(timeout=20_000)  # the first page of a busy machine
BODY = "先发布遗失声明，再申请补领。\n补领不收费。"


@pytest.fixture(scope="module")
def entry_id(site: Site) -> int:
    policy = load(POLICY)
    today = now().astimezone(policy.zone).date()
    with site.database.session() as session:
        editor = Viewer(site.seed.people["admin"], Role.EDITOR, "编辑")
        ids = []
        for title, body in (("营业执照丢了怎么补领", BODY), ("执照年报", "每年6月30日前报送执照信息。")):
            entry = knowledge.write(session, editor, KnowledgeForm(title=title, body=body), policy, now())
            knowledge.publish(session, editor, entry.id, entry.version, today)
            ids.append(entry.id)
        return ids[0]


def answer_form(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/tickets/{site.seed.tickets[0]}/edit")
    page.wait_for_load_state("load")


def test_enter_puts_the_first_into_the_answer_after_what_was_typed(
    browser: Browser, site: Site, entry_id: int
) -> None:
    page = entered(browser, site, "liu")
    answer_form(page, site)
    page.fill("[name=answer]", "您好，")
    page.keyboard.press("Alt+q")
    expect(page.locator("[data-knowledge] input")).to_be_focused()
    page.keyboard.type("營業執照")
    page.keyboard.press("Enter")  # before anything is found: it waits
    expect(page.locator("[name=answer]")).to_have_value(f"您好，\n{BODY}")
    expect(page.locator("[name=answer]")).to_be_focused()
    expect(page.locator("[data-knowledge-said]")).to_have_text("已填入答复")
    assert page.evaluate("window.violations") == []
    page.context.close()


def test_arrows_choose_and_escape_goes_back_without_a_word(
    browser: Browser, site: Site, entry_id: int
) -> None:
    page = entered(browser, site, "liu")
    answer_form(page, site)
    box, answer = page.locator("[data-knowledge] input"), page.locator("[name=answer]")
    answer.fill("")
    box.fill("执照")
    expect(page.locator("[role=option]")).to_have_count(2)
    chosen = page.locator("[role=option][aria-selected=true] [data-insert]")
    first = chosen.inner_text()
    box.press("ArrowDown")
    assert chosen.inner_text() != first
    box.press("Escape")
    expect(answer).to_be_focused()
    expect(answer).to_have_value("")
    box.press("Enter")
    expect(answer).to_have_value(re.compile("遗失声明" if first == "执照年报" else "年报|报送"))
    page.context.close()


def test_on_the_desk_it_goes_into_that_call_s_answer_and_is_counted(
    browser: Browser, site: Site, entry_id: int
) -> None:
    page = entered(browser, site, "liu")
    with site.database.session() as session:
        used = session.get_one(KnowledgeEntry, entry_id).used
        at = now() - timedelta(minutes=9)
        call_id = ring(session, load(POLICY), "13700008888", "inquiry", at, site.seed.people["liu"])
    page.goto(f"{site.url}/desk")
    page.locator(f"[data-open-call='{call_id}']").first.click()
    work = page.locator(".work:not([hidden])")
    work.locator("[name=content]").fill("问执照")
    page.keyboard.press("Alt+q")
    page.keyboard.type("丢了")
    page.keyboard.press("Enter")
    expect(work.locator("[name=answer]")).to_have_value(BODY)
    page.keyboard.press("Control+s")
    expect(work.locator("[data-says=result]")).to_contain_text("已保存")
    with site.database.session() as session:
        assert session.get_one(KnowledgeEntry, entry_id).used == used + 1
    page.context.close()


def test_the_page_finds_as_one_types(browser: Browser, site: Site, entry_id: int) -> None:
    page = entered(browser, site, "zhao")
    page.goto(f"{site.url}/knowledge")
    page.evaluate("window.same = true")
    page.locator("#f-q").press_sequentially("补领")
    expect(page.locator(".entries > li")).to_have_count(1)
    expect(page.locator("#f-q")).to_be_focused()
    assert page.evaluate("window.same")
    assert page.evaluate("window.violations") == []
    page.context.close()
