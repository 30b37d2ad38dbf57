"""The music on hold: calm, seamless, and the very piece that is committed."""

from pathlib import Path

import numpy as np
import soundfile

from speech import music

COMMITTED = Path(__file__).resolve().parents[2] / "ivr" / "sounds"


def test_the_committed_piece_is_what_the_script_makes() -> None:
    committed, rate = soundfile.read(COMMITTED / "moh" / "waiting.wav")
    made = music.music()
    assert rate == music.RATE
    assert len(committed) == len(made)
    assert np.abs(committed - made).max() < 2 / 32768  # another processor rounds a sine otherwise


def test_it_is_calm() -> None:
    piece = music.music()
    seconds = np.sqrt((piece.reshape(-1, music.RATE) ** 2).mean(axis=1))
    assert 60 <= len(seconds) <= 90
    assert np.abs(20 * np.log10(seconds) - music.LEVEL_DB).max() < 6
    assert np.abs(piece).max() < music.PEAK_LIMIT


def test_it_begins_where_it_ends() -> None:
    piece = music.music()
    steps = np.abs(np.diff(piece))
    assert abs(piece[0] - piece[-1]) <= steps.max()
