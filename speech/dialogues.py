"""Dialogues of two voices: reading what is said, and laying the spoken turns on the two sides of a line.

Nothing here speaks (speech/render.py does) or knows what a call is.
"""

import hashlib
import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]  # mono, 8 kHz, -1..1
Frames = NDArray[np.int16]  # shape [n, 2]: caller left, agent right

RATE = 8000
SIDES = ("caller", "agent")
LEAD_SECONDS, TAIL_SECONDS = 0.6, 0.7
THINKING_SECONDS = (0.3, 0.75)  # between two turns
ROOM_DB = {"caller": -58.0, "agent": -64.0}  # RMS: hers is a shop or a street, his an office
HUM_SAMPLES = 6  # a room is duller than white noise
CALLERS_BAND = (250, 3400)  # Hz: what is left of a voice behind a mobile's microphone
STEP = 16  # A-law's finest; it makes the files a third smaller, too


@dataclass(frozen=True, slots=True)
class Turn:
    """Words of one side, or (`side` '') silence for `seconds`."""

    side: str
    text: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Dialogue:
    """`voices`: by side, a voice and its speed, "zf_xiaoyi 1.0"."""

    name: str
    voices: dict[str, str]
    turns: tuple[Turn, ...]

    @property
    def fingerprint(self) -> str:
        """Changes when anything that can be heard does."""
        heard = [self.voices, [[turn.side, turn.text, turn.seconds] for turn in self.turns]]
        return hashlib.sha256(json.dumps(heard, ensure_ascii=False, sort_keys=True).encode()).hexdigest()

    def sex(self, side: str) -> str:
        """Of the voice on that side, by Kokoro's way of naming them: female | male."""
        return {"f": "female", "m": "male"}[self.voices[side][1]]


def read(file: Path) -> dict[str, Dialogue]:
    """The dialogues of a file, by name. Raises OSError and ValueError."""
    found = tomllib.loads(file.read_text(encoding="utf-8"))
    return {name: _dialogue(name, each) for name, each in found.items()}


def _dialogue(name: str, told: dict[str, Any]) -> Dialogue:
    turns = []
    for turn in told["turns"]:
        ((side, what),) = turn.items()
        turns.append(Turn("", seconds=what) if side == "pause" else Turn(side, what))
    return Dialogue(name, {side: told[side] for side in SIDES}, tuple(turns))


def mix(dialogue: Dialogue, spoken: Sequence[Samples]) -> Frames:
    """The dialogue as its two legs; `spoken` holds its turns in order, pauses left out.

    The same every time. Neither side is ever digitally silent: a room has its own sound.
    """
    chance = np.random.default_rng(int(dialogue.fingerprint[:8], 16))
    waiting = iter(spoken)
    voices: list[tuple[int, str, Samples]] = []
    at = LEAD_SECONDS
    for turn in dialogue.turns:
        if not turn.side:
            at += turn.seconds
            continue
        voice = next(waiting)
        voices.append((int(at * RATE), turn.side, voice))
        at += len(voice) / RATE + chance.uniform(*THINKING_SECONDS)
    frames = int((at + TAIL_SECONDS) * RATE)
    legs = {side: _room(frames, ROOM_DB[side], chance) for side in SIDES}
    for start, side, voice in voices:
        legs[side][start : start + len(voice)] += voice
    legs["caller"] = _narrowed(legs["caller"])
    line = np.column_stack([legs[side] for side in SIDES])
    return (np.clip(line, -1, 1) * (32767 / STEP)).round().astype(np.int16) * np.int16(STEP)


def _room(frames: int, level_db: float, chance: np.random.Generator) -> Samples:
    white = chance.standard_normal(frames + HUM_SAMPLES - 1)
    hum = np.convolve(white, np.ones(HUM_SAMPLES), "valid")
    room: Samples = (hum * 10 ** (level_db / 20) / np.sqrt((hum**2).mean())).astype(np.float32)
    return room


def _narrowed(samples: Samples) -> Samples:
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / RATE)
    spectrum[(hertz < CALLERS_BAND[0]) | (hertz > CALLERS_BAND[1])] = 0
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)
