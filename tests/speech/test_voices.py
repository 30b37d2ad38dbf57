"""Which voice speaks which part of a text. The voices themselves are heard by script/voices alone."""

import numpy as np
import pytest

from speech import voices


def voice(name: str, heard: list[tuple[str, str]]) -> voices.Speak:
    def say(text: str, _speed: float) -> voices.Samples:
        heard.append((name, text))
        return np.concatenate([np.zeros(500), np.full(1000, 0.5), np.zeros(500)]).astype(np.float32)

    return say


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("请按一。", [("zh", "请按一。")]),
        ("请按零。For English, press nine.", [("zh", "请按零。"), ("en", "For English, press nine.")]),
        ("Press one.", [("en", "Press one.")]),
        ("我是OK的。", [("zh", "我是"), ("en", "OK"), ("zh", "的。")]),
    ],
)
def test_latin_letters_are_spoken_by_the_english_voice(text: str, parts: list[tuple[str, str]]) -> None:
    heard: list[tuple[str, str]] = []
    voices.speak(text, 1.0, voice("zh", heard), voice("en", heard))
    assert heard == parts


def test_a_pause_stands_between_two_voices_and_nowhere_else() -> None:
    heard: list[tuple[str, str]] = []
    both = voices.speak("请按零。Press nine.", 1.0, voice("zh", heard), voice("en", heard))
    assert len(both) == 1000 + int(voices.PAUSE_SECONDS * voices.RATE) + 1000
