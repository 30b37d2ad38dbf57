"""`hotline people` on a running hotline: who comes can phone at once, who leaves no longer."""

import re
import subprocess

import pytest

from tests.hotline.city import City, Running
from tests.real.phone import Phone

pytestmark = pytest.mark.real


def people(city: City, *words: str, password: str = "") -> "subprocess.CompletedProcess[str]":
    return city.command("people", *words, typed=password)


def test_somebody_new_can_phone_at_once_and_no_longer_when_they_leave(
    city_up: tuple[City, Running],
) -> None:
    city, _ = city_up
    added = people(
        city,
        *("add", "night1", "--name", "钱进", "--extension", "8050", "--phone", "hardware"),
        password="a long night\n",
    )
    assert added.returncode == 0, added.stderr
    found = re.search(r"registers as (e[0-9a-f]{8}) with the secret (\S+)", added.stderr)
    assert found
    phone = Phone(("127.0.0.1", city.ports["SIP_PORT"]), found[1], found[2])
    phone.register()
    listed = people(city, "list").stdout
    assert re.search(r"night1\s+钱进\s+agent\s+8050\s+hardware", listed)

    assert people(city, "leave", "night1").returncode == 0
    with pytest.raises(AssertionError, match=r"40[134]"):
        phone.register()
    assert "night1" not in people(city, "list").stdout


def test_when_asterisk_cannot_be_told_what_was_kept_and_what_is_left_to_do_is_said(
    city_up: tuple[City, Running],
) -> None:
    city, _ = city_up
    city.environment["HOTLINE_ASTERISK"] = "/nowhere/asterisk"
    try:
        added = people(
            city, *("add", "night2", "--name", "孙立", "--extension", "8051"), password="a long night\n"
        )
    finally:
        del city.environment["HOTLINE_ASTERISK"]
    assert added.returncode == 1
    assert "this is kept, but Asterisk has not been told" in added.stderr
    assert "hotline config --reload" in added.stderr
    assert "night2" in people(city, "list").stdout


def test_a_slip_is_told_with_its_remedy_and_changes_nothing(city_up: tuple[City, Running]) -> None:
    city, _ = city_up
    slip = people(city, "add", "agent1", "--name", "双", "--extension", "80", password="short\n")
    assert slip.returncode == 1
    assert "login: somebody logs in so already" in slip.stderr
    assert "extension: write 3 to 6 digits" in slip.stderr
    assert "password: write at least 8 characters" in slip.stderr
    nobody = people(city, "password", "nobody9", password="long enough\n")
    assert (nobody.returncode, "nobody logs in so" in nobody.stderr) == (1, True)
    assert "双" not in people(city, "list").stdout
