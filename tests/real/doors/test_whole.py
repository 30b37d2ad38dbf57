"""The public page of the complete hotline, as `hotline up` serves it."""

from collections.abc import Iterable, Iterator

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.real.doors.city import Loop, Program
from tests.real.whole import Whole, running_whole

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]


@pytest.fixture
def closed() -> Iterator[Whole]:
    """A hotline that takes no calls from the page."""
    with running_whole(guest_calls="0") as whole:
        yield whole


@pytest.fixture
def behind() -> Iterator[Whole]:
    """A hotline behind a proxy that it trusts."""
    with running_whole(trusted_proxies="127.0.0.1") as whole:
        yield whole


def ask(whole: Whole, came_by: str) -> httpx.Response:
    """A visit with a proxy's word on where it comes from."""
    headers = {"Origin": whole.url, "X-Forwarded-For": came_by}
    return httpx.post(f"{whole.url}/call/visit", headers=headers)


def asked_by(whole: Whole, came_by: str) -> int:
    return ask(whole, came_by).status_code


def is_stopped(whole: Whole, addresses: Iterable[str]) -> bool:
    """Lets the first in and, by all the minute's visits and those that were saved up since, one no more."""
    first, *others = addresses
    assert asked_by(whole, first) == 200
    return 429 in (asked_by(whole, each) for each in others)


def test_a_guest_of_the_running_hotline_hears_the_menu_and_nobody_elses_word_on_addresses_counts(
    whole: Whole, run: Loop
) -> None:
    assert f"{whole.url}/call" in whole.output.read_text()
    guest = Program(whole.web_port)
    socket = run(guest.call())
    run(guest.phase(socket, "menu"))
    run(socket.close())
    assert is_stopped(whole, (f"10.0.0.{n}" for n in range(250)))


def test_behind_a_proxy_each_visitor_has_limits_of_her_own(behind: Whole, run: Loop) -> None:
    assert {asked_by(behind, f"10.0.0.{n}") for n in range(1, 41)} == {200}
    # The last address is the proxy's word, whatever the visitor wrote before it.
    assert is_stopped(behind, (f"6.6.6.{n}, 10.0.0.99" for n in range(250)))

    async def socket(token: str, came_by: str) -> None:
        headers = {"X-Forwarded-For": came_by}
        async with await Program(behind.web_port).socket(token, additional_headers=headers):
            pass

    token = ask(behind, "10.0.1.1").json()["token"]
    with pytest.raises(InvalidStatus):
        run(socket(token, "10.0.1.2"))
    run(socket(ask(behind, "10.0.1.1").json()["token"], "10.0.1.1"))


def test_a_closed_door_shows_the_numbers_and_asterisk_knows_no_guests(closed: Whole) -> None:
    page = httpx.get(f"{closed.url}/call", headers={"Accept-Language": "en"}).text
    assert "Calls from the page are switched off" in page
    assert 'href="tel:962299"' in page
    assert asked_by(closed, "10.0.0.1") == 503
    assert "guest" not in closed.server.cli("pjsip show endpoints")
    assert f"{closed.url}/call" not in closed.output.read_text()
