"""A spoken sentence made fit for the telephone: trimmed, levelled, 8 kHz, 16 bit.

Runs in the voices' own environment (numpy, soxr); nothing here knows what a prompt is.
"""

import wave
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

Samples = NDArray[np.float32]

TELEPHONE_RATE = 8000
SPEECH_LEVEL_DB = -20.0  # RMS over the spoken parts, relative to full scale
PEAK_LIMIT = 0.89  # -1 dBFS: room for the codec
FRAME_SECONDS = 0.01
SILENCE_DB = -35.0  # below the loudest frame
MARGIN_SECONDS = 0.06


def levels(samples: Samples, rate: int) -> Samples:
    """RMS of each 10 ms frame; shape [frames]."""
    size = int(rate * FRAME_SECONDS)
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    loudness: Samples = np.sqrt((frames.astype(np.float32) ** 2).mean(axis=1))
    return loudness


def spoken(samples: Samples, rate: int) -> NDArray[np.bool_]:
    """Which 10 ms frames hold speech; shape [frames]."""
    frames = levels(samples, rate)
    loudest = frames.max(initial=0.0)
    heard: NDArray[np.bool_] = frames > max(loudest * 10 ** (SILENCE_DB / 20), 1e-4)
    return heard


def trim(samples: Samples, rate: int) -> Samples:
    """Without the silence before and after, but for a breath of 60 ms; edges faded.

    Raises ValueError when nothing is spoken.
    """
    where = np.flatnonzero(spoken(samples, rate))
    if not len(where):
        raise ValueError("the voice said nothing")
    size, margin = int(rate * FRAME_SECONDS), int(rate * MARGIN_SECONDS)
    kept = samples[max(0, where[0] * size - margin) : (where[-1] + 1) * size + margin].copy()
    ramp = np.linspace(0, 1, margin // 2, dtype=np.float32)
    kept[: len(ramp)] *= ramp
    kept[-len(ramp) :] *= ramp[::-1]
    return kept


def level(samples: Samples, rate: int) -> Samples:
    """At -20 dBFS RMS over the spoken frames; peaks above -1 dBFS are bent, never cut square."""
    frames = levels(samples, rate)[spoken(samples, rate)]
    gain = 10 ** (SPEECH_LEVEL_DB / 20) / float(np.sqrt((frames**2).mean()))
    louder = samples * gain
    knee = PEAK_LIMIT * 0.7
    over = np.abs(louder) > knee
    room = PEAK_LIMIT - knee
    louder[over] = np.sign(louder[over]) * (knee + room * np.tanh((np.abs(louder[over]) - knee) / room))
    return louder.astype(np.float32)


def for_telephone(samples: Samples, rate: int) -> Samples:
    """Trimmed, at 8 kHz, levelled: what `write` puts in a file."""
    return level(soxr.resample(trim(samples, rate), rate, TELEPHONE_RATE, quality="VHQ"), TELEPHONE_RATE)


def write(path: Path, samples: Samples) -> None:
    """An 8 kHz 16-bit mono WAV, in place of what was there, all or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".part")
    with wave.open(str(half), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(TELEPHONE_RATE)
        out.writeframes((np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes())
    half.replace(path)
