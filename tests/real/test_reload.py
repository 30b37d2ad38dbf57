"""A running Asterisk takes up new people and settings: no call is dropped, the log stays clean."""

import re
from collections.abc import Callable

import pytest

from cases.phones import digest
from hotline import logs
from telephony.config import RELOADS, modules
from tests.real.agi_stand_in import AgiStandIn
from tests.real.asterisk_lab import LINE, MUSIC, Lab, people, secret_of
from tests.real.phone import Phone, answered
from tests.real.waiting import until

pytestmark = pytest.mark.real
MakePhone = Callable[..., Phone]
CALLER, AGENT, NEWCOMER = 1000, 1200, 1400


def test_a_person_added_during_a_talk_can_take_over_the_caller_and_nothing_is_dropped(
    lab: Lab, routed: AgiStandIn, caller: MakePhone, phone: MakePhone
) -> None:
    agent = phone(1, AGENT)
    leg = answered(caller(CALLER).dial(LINE))
    offer = agent.ring().answer()
    until(lambda: leg.media.hears(AGENT), "the agent")
    waiting = answered(caller().dial(LINE))
    until(lambda: waiting.media.hears(MUSIC), "music")

    lab.phones = people(6)
    lab.reload()
    newcomer = phone(6, NEWCOMER, duty=False)
    until(lambda: leg.media.hears(AGENT), "the agent still")
    assert offer.up
    assert not waiting.ended
    assert "paused:wrapup" in lab.member(1)

    offer.transfer("806")
    newcomer.ring().answer()
    until(lambda: leg.media.hears(NEWCOMER), "the newcomer")
    leg.hang_up()
    waiting.hang_up()
    lab.assert_nothing_left()
    lab.assert_clean_log()


def test_a_hardware_phones_new_secret_is_good_at_once_and_the_one_before_refused(lab: Lab) -> None:
    def register(secret: str) -> bool:
        one = Phone(("127.0.0.1", lab.sip_port), lab.phones[0].endpoint, secret)
        try:
            one.register()
        except AssertionError:
            return False
        finally:
            one.close()
        return True

    assert register(secret_of(1))
    renewed = digest(lab.phones[0].endpoint, "the-new-one")
    lab.phones = (lab.phones[0].model_copy(update={"digest": renewed}), *lab.phones[1:])
    lab.reload()
    assert register("the-new-one")
    assert not register(secret_of(1))
    lab.assert_clean_log()


def test_somebody_taken_off_the_list_cannot_register_and_the_rest_of_the_talk_is_hers(
    lab: Lab, routed: AgiStandIn, caller: MakePhone, phone: MakePhone
) -> None:
    agent = phone(1, AGENT)
    leg = answered(caller(CALLER).dial(LINE))
    agent.ring().answer()
    until(lambda: leg.media.hears(AGENT), "the agent")
    lab.phones = lab.phones[1:]
    lab.reload()
    until(lambda: leg.media.hears(AGENT), "the agent still")
    with pytest.raises(AssertionError):
        agent.register()
    leg.hang_up()
    lab.assert_nothing_left()


def test_asterisk_writes_on_in_its_log_that_was_cut(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "KEPT_BYTES", 1)
    before = lab.log_file.read_text()
    logs.shorten(lab.log_file)
    assert lab.log_file.with_name("asterisk.log.1").read_text() == before
    stranger = Phone(("127.0.0.1", lab.sip_port), lab.phones[0].endpoint, "a-wrong-secret")
    with pytest.raises(AssertionError):
        stranger.register()
    stranger.close()
    until(lambda: "Failed to authenticate" in lab.log_file.read_text(), "word of the stranger")
    assert lab.log_file.read_text().startswith("[20")


def test_what_is_loaded_is_what_is_named_and_all_of_it_runs(lab: Lab) -> None:
    shown = re.findall(r"^(\w+)\.so .* (Running|Not Running)", lab.cli("module show"), re.MULTILINE)
    assert dict(shown) == dict.fromkeys(modules(lab.facts()), "Running")


def test_every_reload_command_is_quiet(lab: Lab) -> None:
    for command in RELOADS.values():
        assert "No such" not in lab.cli(command), command
    lab.assert_clean_log()
