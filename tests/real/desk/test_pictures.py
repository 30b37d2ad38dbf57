"""The desk as people see it: nothing jumps when a call comes, nothing is cut off; the pictures.

`script/pictures` runs this with HOTLINE_PICTURES naming the folder they go to.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.real.desk.city import DeskCity, Seat, call_in
from tests.real.phone import Phone

pytestmark = pytest.mark.real

SIZES = {"1280": (1280, 720), "1920": (1920, 1080), "200-percent": (640, 360)}


def places(page: Page) -> list[object]:
    """Where every key of the strip and the page beside the desk are."""
    boxes: list[object] = page.evaluate("""
        [...document.querySelectorAll('.phone-keys > *, .phone-duty > *, #main')].map((element) => {
          const box = element.getBoundingClientRect();
          return [box.x, box.y, box.width];
        })""")
    return boxes


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def fills_the_window(page: Page) -> bool:
    """The call in hand, but for rail and day, has the window's width."""
    desk = page.locator("#desk").bounding_box()
    return desk is not None and desk["width"] > page.evaluate("innerWidth") / 2


def test_nothing_jumps_and_nothing_is_cut_off_when_a_call_comes(
    city: DeskCity, seat: Callable[..., Seat], caller: Callable[..., Phone], tmp_path: Path
) -> None:
    folder = Path(os.environ.get("HOTLINE_PICTURES", tmp_path))
    agent = seat("agent1").go_ready()
    quiet = places(agent.page)
    call_in(caller(1000), keys="2")
    agent.rings()
    expect(agent.page.locator(".work .record-name")).to_contain_text("绵阳新星机械有限公司")
    assert places(agent.page) == quiet
    agent.picture(folder / "desk-ring.png")
    for name, (width, height) in SIZES.items():
        for scheme in ("light", "dark"):
            agent.page.set_viewport_size({"width": width, "height": height})
            agent.page.emulate_media(color_scheme=scheme)
            assert fits(agent.page), f"{name} {scheme} must be scrolled sideways"
            assert fills_the_window(agent.page), f"{name} {scheme}"
            agent.picture(tmp_path / f"{name}-{scheme}.png")
    agent.page.set_viewport_size({"width": 1280, "height": 720})
    agent.page.request.post(
        f"{city.base}/me/language", form={"language": "en"}, headers={"Origin": city.base}
    )
    agent.page.reload()
    closing = agent.page.locator(".work [data-reason]")
    expect(closing.first).to_contain_text("Answered at once")
    rows = closing.evaluate_all("keys => new Set(keys.map((key) => key.offsetTop)).size")
    assert rows <= 2, "the keys that close a call crowd out the form"
    assert not [word for word in agent.words if word.startswith("error")]
