"""MixMonitor's legs: equal length, each voice in its own file, through hold and transfer."""

import time
import wave
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from cases import recordings
from hotline.lab import audio
from hotline.lab.audio import Samples
from hotline.settings import CHECKOUT
from routing.policy import load
from storage.database import Database
from storage.files import content
from storage.tables import Recording
from telephony.cel import CelReader
from telephony.ledger import Ledger
from tests.real.agi_stand_in import AgiStandIn
from tests.real.asterisk_lab import LINE, MUSIC, PROMPTS, Lab
from tests.real.levels import loudest, loudest_at
from tests.real.phone import Leg, Phone, answered
from tests.real.waiting import until

pytestmark = pytest.mark.real
MakePhone = Callable[..., Phone]
CALLER, AGENT, COLLEAGUE, LEADER, PRIVATE = 1000, 1200, 1400, 1700, 1850
THIRD, AGAIN = 1550, 1300
QUIETER_DB = 40.0
LOUD = 100  # of 32768
LATE_CHECK = r"channel.c: name must be provided"  # docs/reference/asterisk-lines.md


def legs(lab: Lab, name: str) -> tuple[audio.Samples, audio.Samples]:
    """The caller's and the agent's voice of a recording that is over."""
    lab.assert_recordings_closed()
    return audio.read_wav(lab.incoming / f"{name}.caller.wav"), audio.read_wav(
        lab.incoming / f"{name}.agent.wav"
    )


def seconds(samples: audio.Samples) -> float:
    return len(samples) / audio.RATE


def assert_apart(own: audio.Samples, voice: float, others: tuple[float, ...]) -> None:
    """The voice is in its own file, and each other's is 40 dB down in it all the way."""
    level = loudest(own, voice)
    assert level > -20
    for other in others:
        assert loudest(own, other) < level - QUIETER_DB


def talk(one: Leg, one_hz: float, other: Leg, other_hz: float) -> None:
    """Both hear each other for a whole second (the tone fills it): long enough to be found in a recording."""
    until(lambda: one.media.hears(other_hz, 1.0, -14.0), f"{other_hz:.0f} Hz at the one side")
    until(lambda: other.media.hears(one_hz, 1.0, -14.0), f"{one_hz:.0f} Hz at the other side")


def test_each_voice_has_its_own_file_of_equal_length_through_hold_consultation_and_transfers(
    lab: Lab, routed: AgiStandIn, caller: MakePhone, phone: MakePhone
) -> None:
    agent, colleague = phone(1, AGENT), phone(2, COLLEAGUE, duty=False)
    leg = answered(caller(CALLER).dial(LINE))
    offer = agent.ring()
    offer.media.sequence = 1000
    call_id = offer.answer().header("X-Hotline-Call")
    talk(leg, CALLER, offer, AGENT)
    offer.hold()
    until(lambda: leg.media.hears(MUSIC), "music while held")
    asking = agent.dial("802")
    answer = colleague.ring()
    answer.media.sequence = 20000  # where it begins lower, see the colleague's own recording below
    answer.answer()
    answered(asking)
    talk(asking, AGENT, answer, COLLEAGUE)
    offer.transfer_to(asking)
    talk(leg, CALLER, answer, COLLEAGUE)
    answer.transfer("801")
    again = agent.ring()
    until(lambda: leg.media.hears(MUSIC), "music while it rings")
    talk(leg, CALLER, again.answer(), AGENT)
    leg.hang_up()
    lab.assert_nothing_left()

    theirs, ours = legs(lab, call_id)
    assert abs(seconds(theirs) - seconds(ours)) < 0.1
    assert_apart(theirs, CALLER, (AGENT, COLLEAGUE, MUSIC))
    assert loudest(ours, AGENT) > -20
    assert loudest(ours, COLLEAGUE) > -20
    assert loudest(ours, CALLER) < loudest(ours, AGENT) - QUIETER_DB

    apart = [path.name.removesuffix(".caller.wav") for path in lab.incoming.glob("*-consult-*.caller.wav")]
    consultation = min(apart, key=lambda name: int(name.rpartition(".")[2]))  # the asking phone's
    asker, asked = legs(lab, consultation)
    assert abs(seconds(asker) - seconds(asked)) < 0.1
    assert_apart(asker, AGENT, (CALLER, COLLEAGUE))
    assert_apart(asked, COLLEAGUE, (CALLER, AGENT))
    lab.assert_clean_log()


@pytest.mark.parametrize("away", ["transferred", "lost"])
def test_the_next_agents_voice_is_recorded_though_her_packets_count_from_a_lower_number(
    lab: Lab, routed: AgiStandIn, caller: MakePhone, phone: MakePhone, away: str
) -> None:
    agent, colleague = phone(1, AGENT), phone(2, COLLEAGUE, duty=False)
    leg = answered(caller(CALLER).dial(LINE))
    offer = agent.ring()
    offer.media.sequence = 20000
    talk(leg, CALLER, offer.answer(), AGENT)
    if away == "transferred":
        offer.transfer("802")
    else:
        agent.die()
        lab.enter(2)
    answer = colleague.ring()
    answer.media.sequence = 1000
    talk(leg, CALLER, answer.answer(), COLLEAGUE)
    leg.hang_up()
    lab.assert_nothing_left()
    theirs, ours = legs(lab, offer.header("X-Hotline-Call"))
    assert abs(seconds(theirs) - seconds(ours)) < 0.1
    assert min(loudest(ours, AGENT), loudest(ours, COLLEAGUE)) > -20
    assert_apart(theirs, CALLER, (AGENT, COLLEAGUE))
    lab.assert_clean_log()


def kept(lab: Lab, database: Database, folder: Path, call_id: str) -> Samples:
    """The call's stereo recording as the ledger keeps it, shape [frames, 2]; once the call is over."""
    lab.assert_nothing_left()
    lab.assert_recordings_closed()
    policy = load(CHECKOUT / "policies/mianyang-962299.toml")
    CelReader(lab.cel, database, policy).read()
    ledger = Ledger(lab.incoming, folder, database, zone=policy.zone)
    assert ledger.sweep(datetime.now(UTC) + timedelta(hours=1)).waiting == 0
    assert not list(lab.incoming.glob("*.wav"))
    with database.session() as session:
        own = session.scalars(select(Recording).where(Recording.name == call_id)).one()
    return np.stack(audio.read_voices(content(recordings.sound(folder, own))), axis=1)


def consultation(agent: Phone, number: str, colleague: Phone, sequence: int) -> tuple[Leg, Leg]:
    """Words that are not for the caller; then the colleague is silent. Both legs of it."""
    asking = agent.dial(number)
    answer = colleague.ring()
    answer.media.sequence = sequence
    answer.media.say(PRIVATE)
    answer.answer()
    talk(answered(asking), agent.hz, answer, PRIVATE)
    answer.media.say(0)
    until(lambda: silent(asking), "the end of the private words")
    return asking, answer


def silent(leg: Leg) -> bool:
    """Packets came all the last half second, and nothing was in them."""
    sound = leg.media.last(0.5)
    return len(sound) > 0.3 * audio.RATE and int(np.abs(sound.astype(int)).max()) < LOUD


def first_sound(leg: Leg, since: float) -> float:
    """When the first packet with sound came in (time.monotonic())."""
    loud = np.flatnonzero(np.abs(leg.media.heard(since).astype(int)) >= LOUD)
    return leg.media.moment(since, int(loud[0]))


def bursts(one: Leg, one_hz: float, other: Leg, other_hz: float) -> list[float]:
    """Both speak up at about one time, four times; how much later the other was heard, seconds."""
    late = []
    for _ in range(4):
        one.media.say(0)
        other.media.say(0)
        until(lambda: silent(other) and silent(one), "silence")
        began = time.monotonic()
        one.media.say(one_hz)
        other.media.say(other_hz)
        talk(one, one_hz, other, other_hz)
        late.append(first_sound(one, began) - first_sound(other, began))
    return late


def onsets(voice: Samples) -> list[float]:
    """Where sound follows half a second of silence or more, seconds from the end of the recording."""
    frames = np.abs(voice[: len(voice) // 80 * 80].astype(int)).reshape(-1, 80).max(1) > LOUD
    sound = np.flatnonzero(frames)
    return [float(at - len(frames)) * 0.01 for at in sound[1:][np.diff(sound) > 40]]


@pytest.mark.parametrize(("first", "second"), [(1000, 20000), (20000, 1000)], ids=["rise", "fall"])
def test_the_recording_is_whole_through_an_attended_transfer(
    lab: Lab,
    routed: AgiStandIn,
    caller: MakePhone,
    phone: MakePhone,
    database: Database,
    tmp_path: Path,
    first: int,
    second: int,
) -> None:
    agent, colleague = phone(1, AGENT), phone(2, COLLEAGUE, duty=False)
    leg = answered(caller(CALLER).dial(LINE))
    offer = agent.ring()
    offer.media.sequence = first
    talk(leg, CALLER, offer.answer(), AGENT)
    offer.hold()
    asking, answer = consultation(agent, "802", colleague, second)
    offer.transfer_to(asking)
    answer.media.say(COLLEAGUE)
    talk(leg, CALLER, answer, COLLEAGUE)
    late = bursts(leg, CALLER, answer, COLLEAGUE)
    leg.hang_up()
    call_id = offer.header("X-Hotline-Call")
    both = kept(lab, database, tmp_path, call_id)

    theirs, ours = both[:, 0], both[:, 1]
    assert_apart(theirs, CALLER, (AGENT, COLLEAGUE, PRIVATE))
    assert min(loudest(ours, AGENT), loudest(ours, COLLEAGUE)) > -20
    assert max(loudest(ours, PRIVATE), loudest(ours, CALLER)) < loudest(ours, AGENT) - QUIETER_DB
    measured = [min((her - his for her in onsets(ours)), key=abs) for his in onsets(theirs)[-4:]]
    # A busy machine's recorder is late by itself; to the sample: tests/telephony/test_overlay.py
    assert abs(np.median(measured) - np.median(late)) < 0.3
    assert len(list(tmp_path.rglob(f"{call_id}-consult-*.wav"))) == 2
    lab.assert_clean_log()


def test_the_recording_is_whole_through_two_attended_transfers_and_a_blind_one(
    lab: Lab, routed: AgiStandIn, caller: MakePhone, phone: MakePhone, database: Database, tmp_path: Path
) -> None:
    agent = phone(1, AGENT)
    colleague, third = phone(2, COLLEAGUE, duty=False), phone(3, THIRD, duty=False)
    leg = answered(caller(CALLER).dial(LINE))
    offer = agent.ring()
    offer.media.sequence = 20000  # and each next one's lower: the call itself loses them all
    talk(leg, CALLER, offer.answer(), AGENT)
    asking, second = consultation(agent, "802", colleague, 10000)
    offer.transfer_to(asking)
    second.media.say(COLLEAGUE)
    talk(leg, CALLER, second, COLLEAGUE)
    second.media.say(0)
    asking, last = consultation(colleague, "803", third, 1000)
    second.transfer_to(asking)
    last.media.say(THIRD)
    talk(leg, CALLER, last, THIRD)
    last.transfer("801")
    again = agent.ring()
    again.media.sequence = 0
    again.media.say(AGAIN)
    talk(leg, CALLER, again.answer(), AGAIN)
    leg.hang_up()

    both = kept(lab, database, tmp_path, offer.header("X-Hotline-Call"))
    theirs, ours = both[:, 0], both[:, 1]
    assert_apart(theirs, CALLER, (AGENT, COLLEAGUE, THIRD, AGAIN, PRIVATE))
    heard = [loudest_at(ours, hz) for hz in (AGENT, COLLEAGUE, THIRD, AGAIN)]
    assert heard == sorted(heard)
    assert min(loudest(ours, hz) for hz in (AGENT, COLLEAGUE, THIRD, AGAIN)) > -20
    assert max(loudest(ours, PRIVATE), loudest(ours, CALLER)) < loudest(ours, AGENT) - QUIETER_DB
    lab.assert_clean_log(LATE_CHECK)


def test_a_colleague_who_is_given_the_caller_while_she_rings_is_in_the_recording(
    lab: Lab, routed: AgiStandIn, caller: MakePhone, phone: MakePhone, database: Database, tmp_path: Path
) -> None:
    agent, colleague = phone(1, AGENT), phone(2, COLLEAGUE, duty=False)
    leg = answered(caller(CALLER).dial(LINE))
    offer = agent.ring()
    offer.media.sequence = 20000
    talk(leg, CALLER, offer.answer(), AGENT)
    asking = agent.dial("802")
    answer = colleague.ring()
    answer.media.sequence = 1000
    until(lambda: asking.rings, "ringing at the agent")
    offer.transfer_to(asking)
    until(lambda: offer.ended and asking.ended, "the agent's legs to end")
    talk(leg, CALLER, answer.answer(), COLLEAGUE)
    leg.hang_up()

    both = kept(lab, database, tmp_path, offer.header("X-Hotline-Call"))
    theirs, ours = both[:, 0], both[:, 1]
    assert_apart(theirs, CALLER, (AGENT, COLLEAGUE))
    assert min(loudest(ours, AGENT), loudest(ours, COLLEAGUE)) > -20
    assert loudest(ours, CALLER) < loudest(ours, COLLEAGUE) - QUIETER_DB
    lab.assert_clean_log()


def test_a_lost_phone_leaves_one_recording_that_goes_on_with_the_next_agent(
    lab: Lab, routed: AgiStandIn, caller: MakePhone, phone: MakePhone
) -> None:
    agent, other = phone(1, AGENT), phone(2, COLLEAGUE, duty=False)
    leg = answered(caller(CALLER).dial(LINE))
    offer = agent.ring().answer()
    talk(leg, CALLER, offer, AGENT)
    agent.die()
    until(lambda: leg.media.hears(PROMPTS["apology"]), "the apology", 15)
    lab.enter(2)
    talk(leg, CALLER, other.ring().answer(), COLLEAGUE)
    leg.hang_up()
    lab.assert_nothing_left()
    names = {path.name.split(".caller")[0] for path in lab.incoming.glob("*.caller.wav")}
    assert names == {offer.header("X-Hotline-Call")}
    theirs, ours = legs(lab, names.pop())
    assert abs(seconds(theirs) - seconds(ours)) < 0.1
    assert min(loudest(ours, AGENT), loudest(ours, COLLEAGUE)) > -20
    assert_apart(theirs, CALLER, (AGENT, COLLEAGUE))


def test_the_leaders_voice_is_recorded_apart(
    lab: Lab, routed: AgiStandIn, caller: MakePhone, phone: MakePhone
) -> None:
    agent, leader = phone(1, AGENT), phone(3, LEADER, duty=False)
    leg = answered(caller(CALLER).dial(LINE))
    offer = agent.ring().answer()
    call_id = offer.header("X-Hotline-Call")
    channel = next(c[0] for c in lab.channels() if c[0].startswith("PJSIP/trunk-"))
    lab.call_leader(3, channel, call_id)
    comes = leader.ring().answer()
    talk(leg, CALLER, comes, LEADER)
    talk(offer, AGENT, comes, LEADER)
    leg.hang_up()
    lab.assert_nothing_left()
    lab.assert_recordings_closed()
    own = next(lab.incoming.glob(f"{call_id}-consult-*.caller.wav"))
    assert_apart(audio.read_wav(own), LEADER, (CALLER, AGENT))
    lab.assert_clean_log()


def test_recordings_are_plain_8_khz_16_bit_files_of_their_own(
    lab: Lab, routed: AgiStandIn, caller: MakePhone, phone: MakePhone
) -> None:
    leg = answered(caller(CALLER).dial(LINE))
    until(lambda: leg.media.hears(MUSIC), "music")
    leg.hang_up()
    lab.assert_nothing_left()

    def shape(path: Path) -> tuple[int, int, int]:
        with wave.open(str(path)) as file:
            return file.getnchannels(), file.getsampwidth(), file.getframerate()

    files = sorted(lab.incoming.iterdir())
    call_id = routed.calls[0].environment["agi_arg_1"]
    assert [path.name for path in files] == [f"{call_id}.{end}" for end in ("agent.wav", "caller.wav")]
    assert {shape(path) for path in files} == {(1, 2, 8000)}
