"""Where a colleague's own voice belongs in the recording of the call that she was given."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from cases.recordings import Given
from telephony.overlay import Voices, piece
from telephony.wav import Leg, Piece, read_leg
from tests.telephony.legs import RATE, tone, write_leg

BEGAN = datetime(2026, 9, 18, 17, 30, tzinfo=UTC)
ANSWERED, GIVEN, LEFT, OVER = 8, 12, 26, 30  # seconds of the call


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def voice(seed: int) -> np.ndarray:
    """Somebody who speaks in bursts all the call long; never quite zero, as A-law is."""
    random = np.random.default_rng(seed)
    noise = random.normal(0, 3000, OVER * RATE)
    bursts = np.repeat(random.random(OVER * 4) < 0.5, RATE // 4)
    return np.where(bursts, noise, 8).astype(np.int16)


CALLER, COLLEAGUE, ASKER = voice(1), voice(2), voice(3)
SILENT = np.full(OVER * RATE, 8, np.int16)


class Desk:
    """A call and a consultation, recorded. `lost`: seconds before her sound sets in; her file lacks them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def leg(self, name: str, samples: np.ndarray) -> Leg:
        return read_leg(write_leg(self.folder / f"{name}.wav", samples))

    def piece(
        self,
        caller: np.ndarray = CALLER,
        agent: np.ndarray = SILENT,
        lost: float = 0,
        ended: bool = True,
        began: tuple[float, ...] = (0,),
    ) -> Piece | None:
        hers = slice(round((ANSWERED + lost) * RATE), LEFT * RATE)
        call = Voices(self.leg("caller", caller), self.leg("agent", agent))
        heard = np.concatenate([ASKER[: GIVEN * RATE], caller[GIVEN * RATE :]])
        own = Voices(self.leg("says", COLLEAGUE[hers]), self.leg("hears", heard[hers]))
        given = Given("1.2", at(ANSWERED), at(GIVEN), at(LEFT) if ended else None)
        return piece(call, [at(each) for each in began], own, given)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def frames(found: Piece | None) -> tuple[int, int]:
    """Her first frame, and the call's frame where it goes."""
    assert found
    return found.first, found.at


def test_she_is_laid_in_from_the_moment_she_was_given_the_caller(desk: Desk) -> None:
    assert frames(desk.piece()) == ((GIVEN - ANSWERED) * RATE, GIVEN * RATE)


@pytest.mark.parametrize("ended", [True, False])
def test_sound_that_set_in_late_is_set_right_by_what_she_hears(desk: Desk, ended: bool) -> None:
    found = frames(desk.piece(lost=0.7, ended=ended))
    assert found == (round((GIVEN - ANSWERED - 0.7) * RATE), GIVEN * RATE)


def test_beside_a_silent_caller_the_end_of_her_recording_tells(desk: Desk) -> None:
    found = frames(desk.piece(caller=SILENT, lost=0.7))
    assert found == (round((GIVEN - ANSWERED - 0.7) * RATE), GIVEN * RATE)


def test_beside_a_silent_caller_she_is_found_where_the_call_has_her_too(desk: Desk) -> None:
    found = frames(desk.piece(caller=SILENT, agent=COLLEAGUE, lost=0.7, ended=False))
    assert found == (round((GIVEN - ANSWERED - 0.7) * RATE), GIVEN * RATE)


def test_what_repeats_itself_does_not_lead_astray(desk: Desk) -> None:
    first, place = frames(desk.piece(caller=tone(1000, OVER)))
    assert place == GIVEN * RATE
    assert abs(first - (GIVEN - ANSWERED) * RATE) < 8  # a period


def test_pauses_of_the_calls_own_recording_are_reckoned_with(desk: Desk) -> None:
    assert frames(desk.piece(caller=SILENT, began=(0, 3, 5, 20)))[1] == round((GIVEN - 0.4) * RATE)


def test_there_is_nothing_to_lay_in_without_her_voice_or_before_the_recording_began(desk: Desk) -> None:
    assert desk.piece(began=()) is None
    assert desk.piece(began=(GIVEN + 1,)) is None
    given = Given("1.2", at(ANSWERED), at(GIVEN), at(LEFT))
    assert piece(Voices(None, None), [BEGAN], Voices(None, desk.leg("hears", CALLER)), given) is None
    assert piece(Voices(None, None), [BEGAN], Voices(desk.leg("says", CALLER[:0]), None), given) is None
