"""Sound for the real suite: A-law, tones, and how loud a tone is in what was heard or recorded."""

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

RATE = 8000
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


def level_db(samples: Samples, hz: float) -> float:
    """How loud the tone is (Goertzel), in dB below full scale; −120 for nothing at all."""
    if len(samples) == 0:
        return -120.0
    t = np.arange(len(samples)) / RATE
    window = np.hanning(len(samples))
    amplitude = 2 * np.abs(np.sum(samples * window * np.exp(-2j * np.pi * hz * t))) / window.sum()
    return float(20 * np.log10(max(amplitude / 32768, 1e-6)))


def read_wav(path: Path) -> Samples:
    """One channel of 16-bit sound, (frames,), or several, (frames, channels). 8 kHz."""
    with wave.open(str(path)) as file:
        assert file.getframerate() == RATE
        assert file.getsampwidth() == 2
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)
        return samples if file.getnchannels() == 1 else samples.reshape(-1, file.getnchannels())


def write_wav(path: Path, samples: Samples) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
