"""The public page of the complete hotline, as `hotline up` serves it."""

import shutil
from collections.abc import Iterator

import httpx
import pytest

from tests.real.asterisk_lab import short_folder
from tests.real.doors.city import Loop, Program
from tests.real.whole import Whole

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]


@pytest.fixture
def run() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def closed() -> Iterator[Whole]:
    """A hotline that takes no calls from the page, behind a proxy that it trusts."""
    folder = short_folder()
    whole = Whole(folder, guest_calls="0", trusted_proxies="127.0.0.1")
    try:
        yield whole.start()
    finally:
        whole.stop()
        shutil.rmtree(folder, ignore_errors=True)


def asked_by(whole: Whole, address: str) -> int:
    """How a visit is answered that says of itself where it comes from."""
    headers = {"Origin": whole.url, "X-Forwarded-For": address}
    return httpx.post(f"{whole.url}/call/visit", headers=headers).status_code


def test_a_guest_of_the_running_hotline_hears_the_menu_and_nobody_elses_word_on_addresses_counts(
    whole: Whole, run: Loop
) -> None:
    assert f"{whole.url}/call" in whole.output.read_text()
    guest = Program(whole.web_port)
    socket = run(guest.call())
    run(guest.phase(socket, "menu"))
    run(socket.close())
    answers = [asked_by(whole, f"10.0.0.{n}") for n in range(25)]
    assert answers[0] == 200
    assert answers[-1] == 429


def test_a_closed_door_shows_the_numbers_and_asterisk_knows_no_guests(closed: Whole) -> None:
    page = httpx.get(f"{closed.url}/call", headers={"Accept-Language": "en"}).text
    assert "Calls from the page are switched off" in page
    assert 'href="tel:962299"' in page
    assert asked_by(closed, "10.0.0.1") == 503
    assert "guest" not in closed.server.cli("pjsip show endpoints")
    assert f"{closed.url}/call" not in closed.output.read_text()
