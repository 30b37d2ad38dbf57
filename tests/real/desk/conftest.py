"""The whole hotline with agents in browsers: an Asterisk with browser phones, the desk, Chromium."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from cases.phones import digest
from storage.database import Database
from tests.real.asterisk_lab import Lab, people, running_lab, secret_of
from tests.real.desk.city import VOICE_HZ, DeskCity, Seat, launch, voice_file

expect.set_options(timeout=20_000)  # milliseconds; a loaded machine is no fault of the desk


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Two agents at browser phones, a third at a hardware phone, and the shift leader."""
    *browsers, third, leader = people(0, browser=4)
    third = third.model_copy(update={"kind": "hardware", "digest": digest(third.endpoint, secret_of(3))})
    with running_lab(phones=(*browsers, third, leader)) as lab:
        yield lab


@pytest.fixture
def city(lab: Lab, database: Database, database_url: str, tmp_path: Path) -> Iterator[DeskCity]:
    city = DeskCity(lab, database, database_url, tmp_path).start()
    yield city
    city.stop()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One for all tests of a file: it takes longer to start than most of them."""
    with sync_playwright() as playwright:
        chromium = launch(playwright, voice_file(tmp_path_factory.mktemp("voice") / "agent.wav", VOICE_HZ))
        yield chromium
        chromium.close()


@pytest.fixture
def browser(chromium: Browser, city: DeskCity) -> Iterator[Browser]:
    """Whatever a test opens in it is closed before its city goes."""
    yield chromium
    for context in chromium.contexts:
        context.close()


@pytest.fixture
def seat(browser: Browser, city: DeskCity) -> Callable[..., Seat]:
    def sit(login: str = "agent1", **look: object) -> Seat:
        size = {"width": 1280, "height": 720}
        context = browser.new_context(viewport=size, locale="zh-CN", **look)  # type: ignore[arg-type]
        return Seat(context, city.base, login).enter()

    return sit
