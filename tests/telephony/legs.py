"""Legs of a recording as Asterisk writes them, whole or killed."""

import wave
from pathlib import Path

import numpy as np

RATE = 8000


def write_leg(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples.astype("<i2").tobytes())
    return path


def tone(hertz: float, seconds: float) -> np.ndarray:
    return (8000 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)).astype(np.int16)


def kill_while_writing(path: Path) -> Path:
    """What Asterisk leaves when it is killed: both length fields zero."""
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = bytes(4)
    path.write_bytes(content)
    return path
