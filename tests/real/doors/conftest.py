"""The hotline with its public page; two agents at browser phones."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from doors.limits import Limits
from storage.database import Database
from tests.real.asterisk_lab import Lab, people, running_lab
from tests.real.desk.city import VOICE_HZ, Seat, launch, voice_file
from tests.real.doors.city import EARS, GUEST_HZ, LAB_GUESTS, GuestCity, Loop, Program, Visitor


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Two agents and the shift leader at browser phones. Other guests: indirect."""
    guests = getattr(request, "param", LAB_GUESTS)
    with running_lab(phones=people(0, browser=3), guests=guests) as lab:
        yield lab


@pytest.fixture
def limits() -> Limits:
    """Of the door; a module that wants others defines its own."""
    return Limits()


@pytest.fixture
def city(
    lab: Lab, database: Database, database_url: str, tmp_path: Path, limits: Limits
) -> Iterator[GuestCity]:
    city = GuestCity(lab, database, database_url, tmp_path, limits)
    city.start()
    yield city
    city.stop()


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def agents_chromium(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """With the agents' voice. One for all tests of a file: it takes longer to start than most of them."""
    chromium = launch(playwright, voice_file(tmp_path_factory.mktemp("voice") / "agent.wav", VOICE_HZ))
    yield chromium
    chromium.close()


@pytest.fixture(scope="module")
def guests_chromium(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """With a voice of its own."""
    chromium = launch(playwright, voice_file(tmp_path_factory.mktemp("voice") / "guest.wav", GUEST_HZ))
    yield chromium
    chromium.close()


@pytest.fixture
def browser(agents_chromium: Browser, city: GuestCity) -> Iterator[Browser]:
    """Whatever a test opens in it is closed before its city goes."""
    yield agents_chromium
    for context in agents_chromium.contexts:
        context.close()


@pytest.fixture
def seat(browser: Browser, city: GuestCity) -> Callable[..., Seat]:
    def sit(login: str = "agent1") -> Seat:
        context = browser.new_context(viewport={"width": 1280, "height": 720}, locale="zh-CN")
        context.add_init_script(EARS)
        return Seat(context, city.base, login).enter()

    return sit


@pytest.fixture
def visitor(guests_chromium: Browser, city: GuestCity) -> Iterator[Callable[..., Visitor]]:
    """A guest in a browser; visitor(locale="en-US") speaks another language."""

    def come(**look: object) -> Visitor:
        context = guests_chromium.new_context(**{"locale": "zh-CN"} | look)  # type: ignore[arg-type]
        return Visitor(context, city.base)

    yield come
    for context in guests_chromium.contexts:
        context.close()


@pytest.fixture
def run() -> Iterator[Loop]:
    """Runs a coroutine to its end: run(guest.enter()). What it opened stays open."""
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def program(city: GuestCity) -> Callable[..., Program]:
    return lambda address="127.0.0.1": Program(city.port, address)
