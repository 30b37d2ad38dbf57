"""Speech made fit for the telephone."""

import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speech import polish

RATE = 24_000


def speech(level: float = 0.1) -> polish.Samples:
    """Half a second of silence, one of a tone, half of silence."""
    silence = np.zeros(RATE // 2, np.float32)
    tone = np.sin(2 * np.pi * 300 * np.arange(RATE) / RATE).astype(np.float32)
    return np.concatenate([silence, level * tone, silence])


def test_silence_around_is_trimmed_to_a_breath() -> None:
    audio = polish.for_telephone(speech(), RATE)
    assert len(audio) / polish.TELEPHONE_RATE == pytest.approx(1.12, abs=0.03)


@pytest.mark.parametrize("level", [0.001, 0.1, 0.9])
def test_loud_and_soft_voices_come_out_alike(level: float) -> None:
    audio = polish.for_telephone(speech(level), RATE)
    middle = audio[1000:-1000]
    assert 20 * np.log10(np.sqrt((middle**2).mean())) == pytest.approx(-20, abs=0.5)


def test_a_shout_is_bent_and_never_clipped() -> None:
    quiet = speech(0.02)
    quiet[RATE : RATE + 200] *= 50
    assert np.abs(polish.for_telephone(quiet, RATE)).max() < 0.95


def test_a_voice_that_says_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="said nothing"):
        polish.for_telephone(np.zeros(RATE, np.float32), RATE)


def test_what_is_written_is_a_telephone_wav(tmp_path: Path) -> None:
    polish.write(tmp_path / "zh" / "notice.wav", polish.for_telephone(speech(), RATE))
    with wave.open(str(tmp_path / "zh" / "notice.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
    assert [file.name for file in (tmp_path / "zh").iterdir()] == ["notice.wav"]
    assert soundfile.info(tmp_path / "zh" / "notice.wav").duration > 1
