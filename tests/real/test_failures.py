"""No call is lost: each part of the whole hotline killed with calls up.

What can go on does, and afterwards all is in the record. PostgreSQL away for long: test_failures_database.py.
"""

import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.real.freezing import frozen
from tests.real.town import SWITCH_SECONDS, Town, a_town
from tests.real.waiting import until

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]
FLOOD = 2000


@pytest.fixture(scope="module")
def the_town() -> Iterator[Town]:
    with a_town() as town:
        yield town


@pytest.fixture
def town(the_town: Town) -> Town:
    the_town.wait_ready()
    return the_town


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * FLOOD), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_menu_that_dies_or_stalls_lets_its_callers_go_to_the_queue(town: Town, how: signal.Signals) -> None:
    other = town.talk(400)
    first, second = town.in_menu(450), town.in_menu(500)
    before = town.fallbacks()
    ivr = town.strike("ivr", how)
    until(lambda: town.fallbacks() == before + 2, "both callers in the queue", SWITCH_SECONDS)
    talks = town.put_through([(first, 450), (second, 500)])
    assert other.goes_on
    for talk in [other, *talks]:
        talk.hang_up()
    town.wait_back("ivr", ivr)
    town.assert_whole(other, "key")
    for talk in talks:
        town.assert_whole(talk, "fallback")


def test_calls_go_on_without_clock_and_desk_and_are_whole_in_the_record(town: Town) -> None:
    before = town.talk(400)
    clock = town.strike("clock", signal.SIGSTOP)
    desk = town.strike("desk")
    meanwhile = town.talk(450)
    assert before.goes_on
    before.hang_up()
    town.strike("clock")
    town.wait_back("desk", desk)
    town.wait_back("clock", clock)
    meanwhile.hang_up()
    for talk in (before, meanwhile):
        town.assert_whole(talk, "key")


def test_calls_that_die_with_asterisk_end_in_the_record_with_their_recordings(town: Town) -> None:
    talks = [town.talk(400), town.talk(450)]
    in_menu = town.in_menu(500)
    until(lambda: all(map(town.on_disk, talks)), "sound of both talks on the disk")
    asterisk = town.strike("asterisk")
    town.wait_back("asterisk", asterisk)
    for leg in (in_menu, *(each for talk in talks for each in (talk.caller, talk.agent))):
        leg.end()
    for phone in town.phones.values():
        phone.register()
    for talk in talks:
        town.assert_whole(talk, "key", cut=True)
    town.wait_ready()
    again = town.talk(400)
    again.hang_up()
    town.assert_whole(again)


def test_postgresql_killed_with_calls_up_costs_nothing(town: Town) -> None:
    talk, in_menu = town.talk(400), town.in_menu(450)
    postgres = town.strike("postgres")
    in_menu.media.press("1")
    (second,) = town.put_through([(in_menu, 450)])
    assert talk.goes_on
    town.wait_back("postgres", postgres)
    talk.hang_up()
    second.hang_up()
    for each in (talk, second):
        town.assert_whole(each, "key", "queue")


def test_a_frozen_postgresql_holds_up_no_caller_and_afterwards_all_is_told_once(town: Town) -> None:
    before, in_menu = town.talk(400), town.in_menu(450)
    with frozen(town.city.processes()["postgres"]):
        in_menu.media.press("3")
        (second,) = town.put_through([(in_menu, 450)])
        third = town.talk(500)
        assert before.goes_on
        before.hang_up()
        third.hang_up()
        assert len(list(town.home.spool.glob("*.json"))) == 2
    second.hang_up()
    for each in (before, second, third):
        told = town.assert_whole(each, "key", "queue")
        for step in ("key", "queue", "queued", "answer", "end"):
            assert told.steps.count(step) == 1, told.steps
        assert told.call.sealed == (each is second)
    assert not list(town.home.spool.iterdir())


def test_a_killed_up_ends_no_call_and_the_next_one_records_it(town: Town) -> None:
    talk = town.talk(400)
    town.up.kill()
    until(lambda: set(town.city.processes()) == {"asterisk", "postgres"}, "the end of the roles")
    unserved = town.call(450)
    (meanwhile,) = town.put_through([(unserved, 450)])
    assert talk.goes_on
    meanwhile.hang_up()
    town.up_again()
    assert talk.goes_on
    talk.hang_up()
    town.assert_whole(talk, "key")
    town.assert_whole(meanwhile, "fallback")


@pytest.mark.usefixtures("many_files")
def test_a_call_comes_through_two_thousand_idle_connections(town: Town) -> None:
    with ExitStack() as flood:
        for _ in range(FLOOD):
            door = ("127.0.0.1", town.city.ports["AGI_PORT"])
            flood.enter_context(socket.create_connection(door, timeout=30))
        talk = town.talk(400)
        talk.hang_up()
    town.assert_whole(talk, "key")
