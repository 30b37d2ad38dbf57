"""Transfers and consultations: the caller is never stranded, the record travels along, all three can talk."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.real.agi_stand_in import AgiStandIn
from tests.real.asterisk_lab import LINE, MUSIC, NOBODYS_NUMBER, PROMPTS, TRUNK, Lab
from tests.real.phone import Leg, Phone, answered
from tests.real.waiting import until

pytestmark = pytest.mark.real
MakePhone = Callable[..., Phone]
CALLER, AGENT, COLLEAGUE, LEADER = 1000, 1200, 1400, 1700


def hear_each_other(one: Leg, one_hz: float, other: Leg, other_hz: float) -> None:
    until(lambda: one.media.hears(other_hz), f"{other_hz:.0f} Hz at the one side")
    until(lambda: other.media.hears(one_hz), f"{one_hz:.0f} Hz at the other side")


@dataclass
class Talk:
    """A caller (1000 Hz) talking with the agent on phone 1 (1200 Hz); phone 2 is a colleague's (1400 Hz)."""

    lab: Lab
    caller: Leg
    agent: Phone
    leg: Leg
    colleague: Phone

    @property
    def call_id(self) -> str:
        return self.leg.header("X-Hotline-Call")

    def consult(self, number: str = "802") -> Leg:
        self.leg.hold()
        until(lambda: self.caller.media.hears(MUSIC), "music while held")
        return self.agent.dial(number)

    def with_colleague(self, offer: Leg) -> None:
        assert offer.header("X-Hotline-Call") == self.call_id
        assert offer.header("X-Hotline-Offer") == "token-1"
        hear_each_other(self.caller, CALLER, offer, COLLEAGUE)

    def back_at_the_agent(self) -> None:
        until(lambda: self.caller.media.hears(PROMPTS["transfer_failed"]), "the word that it failed")
        again = self.agent.ring()
        assert again.header("X-Hotline-Call") == self.call_id
        again.answer()
        hear_each_other(self.caller, CALLER, again, AGENT)

    def over(self, *expected: str) -> None:
        self.caller.hang_up()
        self.lab.assert_nothing_left()
        self.lab.assert_clean_log(*expected)


@pytest.fixture
def talk(lab: Lab, routed: AgiStandIn, caller: MakePhone, phone: MakePhone) -> Talk:
    agent = phone(1, AGENT)
    leg = answered(caller(CALLER).dial(LINE, "13812345678"))
    offer = agent.ring().answer()
    hear_each_other(leg, CALLER, offer, AGENT)
    return Talk(lab, leg, agent, offer, phone(2, COLLEAGUE, duty=False))


def test_a_blind_transfer_takes_caller_and_record_to_the_colleague(talk: Talk) -> None:
    talk.lab.enter(2)
    assert talk.leg.transfer("802") == 202
    offer = talk.colleague.ring()
    until(lambda: talk.caller.media.hears(MUSIC), "music while it rings")
    talk.with_colleague(offer.answer())
    until(lambda: talk.leg.ended, "the agent's leg to end")
    assert "paused:wrapup" in talk.lab.member(2)
    assert [row for row in talk.lab.events() if row[0] == "BLINDTRANSFER"]
    talk.over()


@pytest.mark.parametrize("answer", [486, 603, 480, None])
def test_a_blind_transfer_that_is_not_taken_comes_back_to_the_agent(talk: Talk, answer: int | None) -> None:
    talk.leg.transfer("802")
    offer = talk.colleague.ring()
    if answer:
        offer.reject(answer)
    talk.back_at_the_agent()
    talk.over()


def test_a_blind_transfer_to_somebody_away_or_busy_comes_back_to_the_agent(talk: Talk) -> None:
    talk.leg.transfer("805")  # configured, never registered
    talk.back_at_the_agent()
    talk.over()


def test_a_blind_transfer_to_nobodys_number_is_refused_and_the_talk_goes_on(talk: Talk) -> None:
    for number in ("899", "13812345678"):
        talk.leg.transfer(number)
        until(lambda: "SIP/2.0 404 Not Found" in talk.leg.notified, "a refusal")
        talk.leg.notified.clear()
    hear_each_other(talk.caller, CALLER, talk.leg, AGENT)
    talk.over(NOBODYS_NUMBER)


def test_a_transfer_that_nobody_takes_not_even_the_agent_ends_at_the_head_of_the_queue(
    talk: Talk, caller: MakePhone
) -> None:
    waiting = answered(caller().dial(LINE))
    talk.leg.transfer("802")
    talk.colleague.ring().reject(486)
    talk.agent.ring().reject(486)
    until(lambda: len(talk.lab.in_queue()) == 2, "both in the queue")
    talk.lab.enter(2)
    offer = talk.colleague.ring().answer()
    talk.with_colleague(offer)
    waiting.hang_up()
    talk.over()


def test_a_colleague_whose_phone_dies_after_a_blind_transfer_loses_the_caller_to_the_queue(
    talk: Talk,
) -> None:
    talk.lab.enter(2)
    talk.leg.transfer("802")
    talk.with_colleague(talk.colleague.ring().answer())
    talk.colleague.die()
    until(lambda: talk.caller.media.hears(PROMPTS["apology"]), "the apology", 15)
    until(lambda: "paused:phone_lost" in talk.lab.member(2), "the colleague's pause")
    assert "phone_lost" not in talk.lab.member(1)
    talk.lab.resume(1)
    talk.agent.ring().answer()
    talk.over()


def test_12345_can_be_reached_by_transfer_and_by_nothing_else(talk: Talk, phone: MakePhone) -> None:
    dialled = talk.consult("12345")
    until(lambda: dialled.ended, "a refusal")
    assert dialled.code == 404
    talk.leg.resume()
    city = Phone(
        ("127.0.0.1", talk.lab.sip_port), "12345", hz=COLLEAGUE, address=TRUNK, port=talk.lab.trunk_port
    )
    assert talk.leg.transfer("12345") == 202
    offer = city.ring()
    assert offer.invite
    assert offer.invite.start.startswith("INVITE sip:12345@127.0.0.2")
    offer.answer()
    hear_each_other(talk.caller, CALLER, offer, COLLEAGUE)
    city.close()
    talk.over()


def test_12345_not_answering_brings_the_caller_back(talk: Talk) -> None:
    city = Phone(("127.0.0.1", talk.lab.sip_port), "12345", address=TRUNK, port=talk.lab.trunk_port)
    talk.leg.transfer("12345")
    city.ring().reject(486)
    talk.back_at_the_agent()
    city.close()
    talk.over()


def test_an_attended_transfer_joins_caller_and_colleague(talk: Talk) -> None:
    talk.lab.enter(2)
    asking = talk.consult()
    offer = talk.colleague.ring().answer()
    answered(asking)
    hear_each_other(asking, AGENT, offer, COLLEAGUE)
    assert talk.leg.transfer_to(asking) == 202
    talk.with_colleague(offer)
    until(lambda: talk.leg.ended and asking.ended, "the agent's legs to end")
    assert "paused:wrapup" in talk.lab.member(2)
    assert [row for row in talk.lab.events() if row[0] == "ATTENDEDTRANSFER"]
    offer.hang_up()
    until(lambda: talk.caller.ended, "the caller to be let go")
    talk.lab.assert_nothing_left()
    talk.lab.assert_clean_log()


def test_a_colleague_whose_phone_dies_after_an_attended_transfer_loses_the_caller_to_the_queue(
    talk: Talk,
) -> None:
    talk.lab.enter(2)
    asking = talk.consult()
    offer = talk.colleague.ring().answer()
    answered(asking)
    talk.leg.transfer_to(asking)
    talk.with_colleague(offer)
    talk.colleague.die()
    until(lambda: talk.caller.media.hears(PROMPTS["apology"]), "the apology", 15)
    until(lambda: "paused:phone_lost" in talk.lab.member(2), "the colleague's pause")
    assert "phone_lost" not in talk.lab.member(1)
    talk.over()


@pytest.mark.parametrize(("number", "code"), [("802", 486), ("805", 486), ("899", 404)])
def test_a_consultation_that_is_refused_leaves_the_caller_with_the_agent(
    talk: Talk, number: str, code: int
) -> None:
    asking = talk.consult(number)
    if number == "802":
        talk.colleague.ring().reject(486)
    until(lambda: asking.ended, "a refusal")
    assert asking.code == code
    talk.leg.resume()
    hear_each_other(talk.caller, CALLER, talk.leg, AGENT)
    talk.over()


@pytest.mark.parametrize("taken", [True, False])
def test_a_consultation_let_go_while_it_rings_ends_with_the_colleague_or_back_at_the_agent(
    talk: Talk, taken: bool
) -> None:
    asking = talk.consult()
    offer = talk.colleague.ring()
    until(lambda: asking.rings, "ringing at the agent")
    assert talk.leg.transfer_to(asking) == 202
    until(lambda: talk.leg.ended and asking.ended, "the agent's legs to end")
    if taken:
        talk.with_colleague(offer.answer())
    else:
        offer.reject(486)
        talk.back_at_the_agent()
    talk.over()


def test_the_leader_comes_in_and_all_three_hear_and_speak(talk: Talk, phone: MakePhone) -> None:
    leader = phone(3, LEADER, duty=False)
    channel = next(c[0] for c in talk.lab.channels() if c[0].startswith("PJSIP/trunk-"))
    talk.lab.call_leader(3, channel, talk.call_id)
    offer = leader.ring()
    assert offer.header("X-Hotline-Call") == talk.call_id
    offer.answer()
    hear_each_other(talk.caller, CALLER, offer, LEADER)
    hear_each_other(talk.leg, AGENT, offer, LEADER)
    hear_each_other(talk.caller, CALLER, talk.leg, AGENT)
    offer.hang_up()
    until(lambda: len(talk.lab.channels()) == 2, "the leader gone")
    hear_each_other(talk.caller, CALLER, talk.leg, AGENT)
    talk.over()
