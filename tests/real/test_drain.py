"""An upgrade with calls up: the menu is let finish, new callers are taken, and nobody is cut."""

import subprocess
from collections.abc import Iterator

import pytest

from cases.duty import set_wanted
from tests.real.town import NOTICE_HZ, PATIENCE_SECONDS, Town, a_town
from tests.real.waiting import until

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with a_town() as town:
        yield town


def queue(town: Town) -> int:
    """How many wait."""
    return int(town.asterisk.cli("queue show main").split("has ")[1].split()[0])


def drain(town: Town, *words: str) -> "subprocess.Popen[str]":
    argv = town.city._argv("drain", *words)
    return subprocess.Popen(argv, env=town.city.environment, stderr=subprocess.PIPE, text=True)


def test_nobody_is_cut_when_the_roles_are_restarted_under_calls(town: Town) -> None:
    _only, *others = town.phones
    with town.database.session() as session:
        for person in others:
            set_wanted(session, None, person, "off")
    talk = town.talk(1000)
    waiting = town.in_menu(1300)
    waiting.media.press("1")
    until(lambda: queue(town) == 1, "the caller who waits", PATIENCE_SECONDS)
    servers = {name: town.city.processes()[name] for name in ("asterisk", "postgres")}

    in_menu = town.in_menu(1500)
    draining = drain(town, "--leave", "--timeout", "60")
    assert draining.stderr is not None
    assert any("1 in the menu" in line for line in iter(draining.stderr.readline, ""))
    before = town.fallbacks()
    late = town.call(1700)
    until(lambda: late.media.hears(NOTICE_HZ), "the notice of the dialplan")
    until(lambda: town.fallbacks() == before + 1, "the new caller in the dialplan's queue")
    assert draining.poll() is None
    in_menu.media.press("2")
    assert draining.wait(PATIENCE_SECONDS) == 0, draining.stderr.read()

    assert town.up.process.wait(30) == 0
    assert town.city.processes() == servers
    until(lambda: talk.goes_on, "both to hear each other")
    assert queue(town) == 3
    town.up_again()
    assert {name: town.city.processes()[name] for name in servers} == servers
    assert not (town.home.path / "drain").exists()
    until(lambda: talk.goes_on, "both to hear each other")
    assert queue(town) == 3
    back_in_menu = town.in_menu(1900)
    back_in_menu.hang_up()

    talk.hang_up()
    town.assert_whole(talk)
    with town.database.session() as session:
        for person in others:
            set_wanted(session, None, person, "ready")
    callers = [(waiting, 1300.0), (in_menu, 1500.0), (late, 1700.0)]
    for each in town.put_through(callers):
        each.hang_up()
        told = town.told(each.call_id)
        assert (told.call.outcome, told.recording.state) == ("answered", "ready")


def test_a_drain_that_waits_too_long_says_for_what_and_can_be_taken_back(town: Town) -> None:
    leg = town.in_menu(1000)
    waited = drain(town, "--timeout", "4")  # the menu writes its figures once a second
    _, said = waited.communicate(timeout=PATIENCE_SECONDS)
    assert waited.returncode == 1
    assert "1 in the menu" in said
    assert "new callers go past the menu" in town.city.command("check").stdout
    assert "callers hear the menu again" in town.city.command("drain", "--off").stderr
    town.in_menu(1200).hang_up()
    leg.hang_up()
