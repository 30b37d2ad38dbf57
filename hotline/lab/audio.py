"""Sound at 8 kHz: A-law, tones, how loud one is in what was heard, and whether a prompt is in it."""

import wave
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

RATE = 8000
FRAME = 160  # samples in 20 ms
SOUNDS_ABOVE_DB = -50.0  # of full scale; a line's own silence lies below
Samples = npt.NDArray[np.int16]


def _decode_table() -> Samples:
    codes = np.arange(256, dtype=np.int32) ^ 0x55
    exponent, mantissa = (codes >> 4) & 7, codes & 15
    magnitude = np.where(
        exponent == 0, (mantissa << 4) + 8, ((mantissa << 4) + 0x108) << np.maximum(exponent - 1, 0)
    )
    return np.where(codes & 0x80, magnitude, -magnitude).astype(np.int16)


ALAW = _decode_table()
_ORDER = np.argsort(ALAW, kind="stable")
_MIDDLES = (ALAW[_ORDER][1:].astype(np.int32) + ALAW[_ORDER][:-1]) / 2


def decode(payload: bytes) -> Samples:
    """A-law bytes → 16-bit samples."""
    return ALAW[np.frombuffer(payload, dtype=np.uint8)]


def encode(samples: Samples) -> bytes:
    """16-bit samples → the nearest A-law bytes."""
    return _ORDER[np.searchsorted(_MIDDLES, samples)].astype(np.uint8).tobytes()


def tone(hz: float, seconds: float, amplitude: int = 8000) -> Samples:
    """A sine; hz 0 is silence."""
    t = np.arange(int(seconds * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * hz * t)).astype(np.int16)


def voice(hz: float, seconds: float = 2.0) -> Samples:
    """A tone in syllables: a steady one is taken for noise by whatever cleans sound on the way."""
    syllable = np.concatenate([tone(hz, 0.3), tone(0, 0.1)])
    return np.tile(syllable, round(seconds / 0.4))


def level_db(samples: Samples, hz: float) -> float:
    """How loud the tone is (Goertzel), in dB below full scale; −120 for nothing at all."""
    if len(samples) == 0:
        return -120.0
    t = np.arange(len(samples)) / RATE
    window = np.hanning(len(samples))
    amplitude = 2 * np.abs(np.sum(samples * window * np.exp(-2j * np.pi * hz * t))) / window.sum()
    return float(20 * np.log10(max(amplitude / 32768, 1e-6)))


def sounding(samples: Samples) -> npt.NDArray[np.bool_]:
    """Of each 20 ms: is there a sound in it?"""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    rms = np.sqrt((frames**2).mean(axis=1)) / 32768
    return np.asarray(20 * np.log10(np.maximum(rms, 1e-6)) > SOUNDS_ABOVE_DB)


def sound_seconds(samples: Samples) -> float:
    return float(sounding(samples).sum()) * FRAME / RATE


def opening(samples: Samples, seconds: float) -> Samples:
    """The first `seconds` from where the sound begins: by these a prompt is known."""
    sounds = np.flatnonzero(sounding(samples))
    begin = int(sounds[0]) * FRAME if len(sounds) else 0
    return samples[begin : begin + int(seconds * RATE)]


def loudest(samples: Samples, seconds: float) -> Samples:
    """The `seconds` with most sound in them; all of it if shorter."""
    length = int(seconds * RATE)
    if len(samples) <= length:
        return samples
    power = np.concatenate([[0.0], np.cumsum(samples.astype(np.float64) ** 2)])
    begin = int(np.argmax(power[length:] - power[:-length]))
    return samples[begin : begin + length]


class Haystack:
    """A sound in which others are looked for, again and again."""

    def __init__(self, samples: Samples) -> None:
        whole = samples.astype(np.float64)
        self._length = len(samples)
        self._size = 1 << max(self._length - 1, 1).bit_length()
        self._spectrum = np.fft.rfft(whole, self._size)
        self._power = np.concatenate([[0.0], np.cumsum(whole**2)])

    def find(self, wanted: Samples) -> tuple[float, int]:
        """Where it is most like `wanted`: how like (1 is the same, 0 nothing), from which sample on."""
        length = len(wanted)
        if length == 0 or self._length < length:
            return 0.0, 0
        part = wanted.astype(np.float64)
        product = np.fft.irfft(self._spectrum * np.conj(np.fft.rfft(part, self._size)), self._size)
        energy = np.maximum(self._power[length:] - self._power[:-length], 1.0)
        energy *= max(float((part**2).sum()), 1.0)
        likeness = product[: self._length - length + 1] / np.sqrt(energy)
        at = int(np.argmax(likeness))
        return float(likeness[at]), at


def find(wanted: Samples, samples: Samples) -> tuple[float, int]:
    """As a Haystack's, which is made for this once."""
    return Haystack(samples).find(wanted)


def read_sound(path: Path) -> Samples:
    """Any sound file that libsndfile reads, as one channel at 8 kHz.

    Raises OSError, soundfile.SoundFileError.
    """
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono: npt.NDArray[np.float32] = soxr.resample(samples.mean(axis=1), rate, RATE)
    return (np.clip(mono, -1, 1) * 32767).astype(np.int16)


def read_wav(path: Path) -> Samples:
    """One channel of 16-bit sound, (frames,), or several, (frames, channels). 8 kHz."""
    with wave.open(str(path)) as file:
        assert file.getframerate() == RATE
        assert file.getsampwidth() == 2
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)
        return samples if file.getnchannels() == 1 else samples.reshape(-1, file.getnchannels())


def read_voices(sound: BinaryIO) -> tuple[Samples, Samples]:
    """A kept recording: caller and agent. Raises soundfile.SoundFileError."""
    samples, _ = soundfile.read(sound, dtype="int16", always_2d=True)
    return samples[:, 0], samples[:, -1]


def write_wav(path: Path, samples: Samples) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
