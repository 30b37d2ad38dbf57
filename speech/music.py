"""The music on hold and the beep, made of sines: nobody's but ours, the same bytes every time.

A slow pentatonic piece: soft pads under sparse plucked notes, fading into its own beginning so that
the loop has no seam. `python -m speech.music SOUNDS_FOLDER`; needs numpy alone.
"""

import sys
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]

RATE = 8000
BEAT_SECONDS = 0.75
BEATS_PER_CHORD = 8
LEVEL_DB = -26.0
PEAK_LIMIT = 0.5
TOP_HZ = 3200.0  # what a telephone passes
LOW_NOTE = 55  # below it a telephone passes little: no strength wasted there

# A minor ninth and its neighbours; MIDI note numbers. The last leads back to the first.
CHORDS = (
    (48, 55, 64, 67, 74),  # C  with the ninth
    (45, 52, 60, 64, 71),  # Am with the ninth
    (41, 53, 60, 64, 69),  # F  with the major seventh
    (43, 50, 59, 62, 69),  # G  with the ninth
    (40, 52, 59, 62, 67),  # Em with the seventh
    (45, 52, 60, 67, 69),  # Am with the seventh
    (50, 53, 60, 65, 69),  # Dm with the seventh
    (43, 55, 60, 62, 67),  # G  suspended
    (48, 55, 64, 67, 71),
    (40, 55, 59, 64, 67),
    (41, 53, 57, 60, 67),
    (43, 50, 57, 60, 65),
)
PENTATONIC = (72, 74, 76, 79, 81, 84)
# Where the plucks fall in each chord (beats) and which step of the scale they take.
PHRASES = (
    ((0, 2), (1.5, 3), (3, 4), (5, 3)),
    ((0.5, 1), (2, 2), (4, 3), (6.5, 2)),
    ((1, 4), (2.5, 3), (4, 2), (5.5, 0)),
    ((0, 1), (3, 2), (4.5, 1)),
)


def hertz(note: int) -> float:
    return float(440.0 * 2 ** ((note - 69) / 12))


def pad(note: int, seconds: float, number: int) -> Samples:
    """A held note of two slightly detuned voices, swelling in and out."""
    at = np.arange(int(seconds * RATE)) / RATE
    base = hertz(note)
    tone = np.zeros(len(at))
    for detune in (0.998, 1.002):
        for harmonic, strength in ((1, 1.0), (2, 0.35), (3, 0.12)):
            if base * harmonic < TOP_HZ:
                tone += strength * np.sin(2 * np.pi * base * detune * harmonic * at + number)
    return tone * np.sin(np.pi * np.arange(len(at)) / len(at)) ** 0.8


def pluck(note: int) -> Samples:
    """A struck string: high harmonics die first."""
    at = np.arange(int(2.4 * RATE)) / RATE
    base = hertz(note)
    tone = np.zeros(len(at))
    for harmonic in range(1, 5):
        if base * harmonic < TOP_HZ:
            tone += np.sin(2 * np.pi * base * harmonic * at) * np.exp(-at * (1.6 + harmonic)) / harmonic**1.5
    return tone * np.minimum(1, np.arange(len(at)) / (0.008 * RATE))


def add(piece: Samples, sound: Samples, at_seconds: float, strength: float) -> None:
    """Lay a sound into the loop; what passes its end sounds on at its beginning."""
    where = (int(at_seconds * RATE) + np.arange(len(sound))) % len(piece)
    np.add.at(piece, where, sound * strength)


def music() -> Samples:
    """The whole loop, at -26 dBFS RMS; shape [72 s x 8000]."""
    chord_seconds = BEATS_PER_CHORD * BEAT_SECONDS
    piece = np.zeros(int(len(CHORDS) * chord_seconds * RATE))
    for number, chord in enumerate(CHORDS):
        start = number * chord_seconds
        for voice, note in enumerate(chord):
            add(piece, pad(note, chord_seconds * 1.5, voice), start, 0.2 if note < LOW_NOTE else 0.4)
        for beat, step in PHRASES[number % len(PHRASES)]:
            add(piece, pluck(PENTATONIC[step]), start + beat * BEAT_SECONDS, 2.4)
    piece *= 10 ** (LEVEL_DB / 20) / np.sqrt((piece**2).mean())
    return np.clip(piece, -PEAK_LIMIT, PEAK_LIMIT)


def beep() -> Samples:
    """A quarter of a second of 1 kHz with soft edges."""
    at = np.arange(RATE // 4) / RATE
    edges = np.minimum(1, np.minimum(at, at[::-1]) / 0.02)
    return 0.15 * np.sin(2 * np.pi * 1000 * at) * edges


def write(path: Path, samples: Samples) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes((samples * 32767).round().astype("<i2").tobytes())


def main() -> None:
    sounds = Path(sys.argv[1])
    write(sounds / "moh" / "waiting.wav", music())
    for language in ("zh", "en"):
        write(sounds / language / "beep.wav", beep())


if __name__ == "__main__":
    main()
