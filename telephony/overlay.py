"""A colleague's own voice, laid into the recording of the call that she was given (docs/decisions/0006).

Asterisk joins caller and colleague without a word to the dialplan, and may then leave her out of the call's
recording. Her own is whole. Where its frames belong in the call's is told by the times in the record, and
then to the sample by what both hold: the caller, whom she hears, and herself where the call has her too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from cases.recordings import Given
from telephony.wav import Leg, Piece, Samples

PAUSE_SECONDS = 0.2  # `hotline-next-voice` in the dialplan: nothing is recorded so long
SEARCH_SECONDS = (
    2.0  # how far the times may be wrong: a browser's sound sets in late, and a recording waits for it
)
LISTEN_SECONDS = 120.0  # where the loudest stretch is looked for
STRETCH_SECONDS = 4.0
CLEAR = 0.6  # of 1.0, two voices that are the same
AS_GOOD = 0.95  # of the best: a tone fits at each of its periods, and the nearest is meant


@dataclass(frozen=True, slots=True)
class Voices:
    """Both legs of a recording; one may be missing."""

    caller: Leg | None
    agent: Leg | None


def piece(call: Voices, began: Sequence[datetime], hers: Voices, given: Given) -> Piece | None:
    """Where her voice goes; None where she has none, or where it can't be told.

    `began`: when the call's recording began, and began anew after each pause. `hers`: `caller` is what she
    says, `agent` what she hears.
    """
    voice = hers.caller
    if voice is None or not voice.frames or not any(at <= given.at for at in began):
        return None
    at = _frame_at(given.at, began, voice.rate)
    first = at - _refine(at - _her_frame(voice, given), at, call, hers)
    return Piece(voice, max(first, 0), at + max(-first, 0))


def _frame_at(moment: datetime, began: Sequence[datetime], rate: int) -> int:
    """The call's frame at a moment."""
    before = [at for at in began if at <= moment]
    seconds = (moment - before[0]).total_seconds() - PAUSE_SECONDS * (len(before) - 1)
    return round(seconds * rate)


def _her_frame(voice: Leg, given: Given) -> int:
    """Her frame at the moment she was given the caller: from its end, as sound may have set in late."""
    if given.ended_at is not None:
        return voice.frames - round((given.ended_at - given.at).total_seconds() * voice.rate)
    return round((given.at - given.answered_at).total_seconds() * voice.rate)


def _refine(lag: int, at: int, call: Voices, hers: Voices) -> int:
    """`lag`, frames of the call before hers, set right by the first of two voices that fits clearly."""
    for her_leg, call_leg in ((hers.agent, call.caller), (hers.caller, call.agent)):
        if her_leg and call_leg:
            found = _fit(her_leg, max(at - lag, 0), call_leg, lag)
            if found is not None:
                return found
    return lag


def _fit(sought: Leg, first: int, place: Leg, lag: int) -> int | None:
    """The lag near `lag` at which the loudest stretch of `sought`, from `first` on, is found in `place`."""
    stretch, begin = _loudest(sought.read(first, round(LISTEN_SECONDS * sought.rate)), sought.rate)
    reach = round(SEARCH_SECONDS * sought.rate)
    begin += first
    from_frame = max(begin + lag - reach, 0)
    around = place.read(from_frame, begin + lag + len(stretch) + reach - from_frame).astype(np.float64)
    if len(around) < len(stretch) or not stretch.any():
        return None
    likeness = _likeness(stretch, around)
    if likeness.max() < CLEAR:
        return None
    lags = np.flatnonzero(likeness >= AS_GOOD * likeness.max()) + from_frame - begin
    return int(lags[np.abs(lags - lag).argmin()])


def _loudest(samples: Samples, rate: int) -> tuple[NDArray[np.float64], int]:
    """The loudest stretch, its mean taken off, and where it begins."""
    sound = samples.astype(np.float64)
    length = min(round(STRETCH_SECONDS * rate), len(sound))
    if not length:
        return sound, 0
    sound -= sound.mean()
    power = np.concatenate(([0.0], np.cumsum(sound**2)))
    begin = int(np.argmax(power[length:] - power[:-length]))
    stretch = sound[begin : begin + length]
    return stretch - stretch.mean(), begin


def _likeness(stretch: NDArray[np.float64], around: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normalised correlation of the stretch with each place in `around`, −1..1."""
    length = len(stretch)
    size = 1 << (len(around) + length).bit_length()
    spectrum = np.fft.rfft(around, size) * np.conj(np.fft.rfft(stretch, size))
    products = np.fft.irfft(spectrum, size)[: len(around) - length + 1]
    sums, squares = (np.concatenate(([0.0], np.cumsum(each))) for each in (around, around**2))
    here = squares[length:] - squares[:-length] - (sums[length:] - sums[:-length]) ** 2 / length
    power = np.sqrt(np.maximum(here, 1.0) * np.sum(stretch**2))
    return np.asarray(products / power)
