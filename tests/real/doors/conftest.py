"""The hotline with its public page; two agents at browser phones."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from doors.limits import Limits
from hotline.lab import audio
from storage.database import Database
from tests.real.asterisk_lab import Lab, people, running_lab
from tests.real.desk.city import Seat, launch
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


@pytest.fixture
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture
def browser(playwright: Playwright, city: GuestCity) -> Iterator[Browser]:
    """The agents' browser, with their voice."""
    browser = launch(playwright, city.voice)
    yield browser
    browser.close()


@pytest.fixture
def seat(browser: Browser, city: GuestCity) -> Callable[..., Seat]:
    def sit(login: str = "agent1") -> Seat:
        context = browser.new_context(viewport={"width": 1280, "height": 720}, locale="zh-CN")
        context.add_init_script(EARS)
        return Seat(context, city.base, login).log_in()

    return sit


@pytest.fixture
def visitor(playwright: Playwright, city: GuestCity, tmp_path: Path) -> Iterator[Callable[..., Visitor]]:
    """A guest's browser with a voice of its own; visitor(locale="en-US") speaks another language."""
    voice = tmp_path / "guest.wav"
    syllable = np.concatenate([audio.tone(GUEST_HZ, 0.2), audio.tone(0, 0.2)])
    audio.write_wav(voice, np.tile(syllable, 25))
    browser = launch(playwright, voice)

    def come(**look: object) -> Visitor:
        return Visitor(browser.new_context(**{"locale": "zh-CN"} | look), city.base)  # type: ignore[arg-type]

    yield come
    browser.close()


@pytest.fixture
def run() -> Iterator[Loop]:
    """Runs a coroutine to its end: run(guest.enter()). What it opened stays open."""
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def program(city: GuestCity) -> Callable[..., Program]:
    return lambda address="127.0.0.1": Program(city.port, address)
