"""The queue: offers, wrap-up, the place told, and a phone that dies in mid-call."""

import time
from collections.abc import Callable

import pytest

from tests.real.agi_stand_in import AgiCall, AgiStandIn, Behaviour, routing
from tests.real.asterisk_lab import LINE, MUSIC, PROMPTS, THREE, Lab
from tests.real.phone import Leg, Phone, answered
from tests.real.waiting import until

pytestmark = pytest.mark.real
MakePhone = Callable[..., Phone]


def talk(leg: Leg, other: Leg, hz: float, other_hz: float) -> None:
    until(lambda: leg.media.hears(other_hz), f"{other_hz:.0f} Hz at the one side")
    until(lambda: other.media.hears(hz), f"{hz:.0f} Hz at the other side")


def test_the_ring_carries_the_call_and_the_offer_and_wrap_up_begins_with_the_talk(
    lab: Lab, routed: AgiStandIn, caller: MakePhone, phone: MakePhone
) -> None:
    agent = phone(1, 1200)
    leg = answered(caller(1000).dial(LINE, "13812345678"))
    offer = agent.ring()
    call_id = routed.calls[0].environment["agi_arg_1"]
    assert (offer.header("X-Hotline-Call"), offer.header("X-Hotline-Offer")) == (call_id, "token-1")
    assert "13812345678" in offer.header("From")
    assert "paused" not in lab.member(1)
    offer.answer()
    talk(leg, offer, 1000, 1200)
    assert "paused:wrapup" in lab.member(1)
    offer.hang_up()
    until(lambda: leg.ended, "the caller to be let go")
    assert "paused:wrapup" in lab.member(1)
    lab.assert_nothing_left()
    lab.assert_clean_log()


def test_an_unanswered_ring_pauses_the_agent_and_the_caller_goes_to_the_next(
    lab: Lab, routed: AgiStandIn, caller: MakePhone, phone: MakePhone
) -> None:
    first, second = phone(1), phone(2, 1200, duty=False)
    leg = answered(caller(1000).dial(LINE))
    began = time.monotonic()
    unanswered = first.ring()
    lab.enter(2)
    offer = second.ring(25)
    assert time.monotonic() - began >= 14
    assert unanswered.ended
    assert "paused:Auto-Pause" in lab.member(1)
    talk(leg, offer.answer(), 1000, 1200)
    leg.hang_up()
    lab.assert_nothing_left()
    lab.assert_clean_log()


@pytest.mark.parametrize("code", [486, 603, 480])
def test_a_refused_ring_pauses_the_agent_and_the_caller_goes_to_the_next(
    lab: Lab, routed: AgiStandIn, caller: MakePhone, phone: MakePhone, code: int
) -> None:
    first, second = phone(1), phone(2, duty=False)
    leg = answered(caller().dial(LINE))
    first.ring().reject(code)
    until(lambda: "paused:Auto-Pause" in lab.member(1), "the pause")
    assert not leg.ended
    lab.enter(2)
    second.ring()
    leg.hang_up()
    lab.assert_nothing_left()
    lab.assert_clean_log()


def test_a_caller_who_gives_up_while_it_rings_pauses_nobody(
    lab: Lab, routed: AgiStandIn, caller: MakePhone, phone: MakePhone
) -> None:
    agent = phone(1)
    leg = answered(caller().dial(LINE))
    offer = agent.ring()
    leg.hang_up()
    until(lambda: offer.ended, "the ring to stop")
    lab.assert_nothing_left()
    assert "paused" not in lab.member(1)
    lab.assert_clean_log()


def test_who_waits_hears_music_and_the_true_place(
    lab: Lab, routed: AgiStandIn, caller: MakePhone, phone: MakePhone
) -> None:
    first = answered(caller().dial(LINE))
    until(lambda: first.media.hears(PROMPTS["you_are_next"]), "'you are next'")
    second = answered(caller().dial(LINE))
    third = answered(caller().dial(LINE))
    until(lambda: third.media.hears(PROMPTS["there_are"]), "'there are'")
    until(lambda: third.media.hears(THREE, 0.3), "'three'")
    until(lambda: third.media.hears(PROMPTS["callers_ahead"]), "what follows the number")
    until(lambda: third.media.hears(MUSIC), "music")
    first.hang_up()
    second.hang_up()
    until(lambda: third.media.hears(PROMPTS["you_are_next"]), "the news that he is next", 45)
    third.hang_up()
    lab.assert_nothing_left()
    lab.assert_clean_log()


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_place_can_be_spoken_with_the_sounds_there_are(
    lab: Lab, agi: Callable[[Behaviour], AgiStandIn], caller: MakePhone, language: str
) -> None:
    said: list[str] = []

    def counts(call: AgiCall) -> None:
        call.set(**{"CHANNEL(language)": language, "TIMEOUT(absolute)": "60"})
        said.extend(call.do(f'SAY NUMBER {place} ""') for place in (2, 10, 11, 20, 25, 100, 111, 120))

    agi(counts)
    leg = answered(caller().dial(LINE))
    until(lambda: len(said) == 8, "all numbers", 60)
    leg.hang_up()
    lab.assert_nothing_left()
    assert set(said) == {"200 result=0"}
    lab.assert_clean_log()


def test_a_phone_that_dies_in_mid_call_brings_the_caller_back_to_the_head_of_the_queue(
    lab: Lab, routed: AgiStandIn, caller: MakePhone, phone: MakePhone
) -> None:
    agent, other = phone(1, 1200), phone(2, 1300, duty=False)
    leg = answered(caller(1000).dial(LINE))
    offer = agent.ring().answer()
    talk(leg, offer, 1000, 1200)
    waiting = answered(caller().dial(LINE))
    until(lambda: len(lab.in_queue()) == 1, "another caller in the queue")
    agent.die()
    died = time.monotonic()
    until(lambda: leg.media.hears(PROMPTS["apology"]), "the apology", 15)
    assert time.monotonic() - died < 10
    until(lambda: len(lab.in_queue()) == 2, "both in the queue")
    until(lambda: "paused:phone_lost" in lab.member(1), "the pause")
    lab.enter(2)
    again = other.ring()
    assert again.header("X-Hotline-Call") == offer.header("X-Hotline-Call")
    talk(leg, again.answer(), 1000, 1300)
    leg.hang_up()
    waiting.hang_up()
    lab.assert_nothing_left()
    assert {row[0] for row in lab.events()} >= {"HOTLINE_PHONE_LOST", "HOTLINE_HEAD"}
    lab.assert_clean_log()


def test_the_agent_who_knows_the_caller_is_tried_first_and_then_anybody(
    lab: Lab, agi: Callable[[Behaviour], AgiStandIn], caller: MakePhone, phone: MakePhone
) -> None:
    agi(routing("main", HOTLINE_OFFER="token-1", HOTLINE_PREFERRED=lab.phones[1].endpoint))
    anybody, known = phone(1), phone(2)
    leg = answered(caller().dial(LINE))
    offer = known.ring()
    assert offer.header("X-Hotline-Offer") == "token-1"
    offer.reject(486)
    anybody.ring().answer()
    leg.hang_up()
    lab.assert_nothing_left()
    assert "paused:Auto-Pause" in lab.member(2)
    lab.resume(2)
    leg = answered(caller().dial(LINE))
    known.ring().answer()
    until(lambda: "paused:wrapup" in lab.member(2), "wrap-up")
    leg.hang_up()
    lab.assert_nothing_left()
    lab.assert_clean_log()
