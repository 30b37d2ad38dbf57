"""Chinese text made findable without a dictionary: one script, and every two characters that stand together.

Each character is folded alone. OpenCC's phrases (乾坤 keeps its 乾, 乾净 does not) would fold one by its
neighbours, and what is asked for would then be another word than what is written.
"""

import unicodedata
from collections.abc import Iterator
from functools import cache

import opencc


def fold(text: str) -> str:
    """Simplified script, half width, small letters: 營業執照ＡＢ → 营业执照ab."""
    return "".join(map(_folded, text))


def bigrams(text: str) -> list[str]:
    """Every two neighbouring letters or digits of the folded text, in order, each once.

    The last of a run stands alone as well, so that each single character begins something.
    """
    return list(dict.fromkeys(_pairs(text, ends=True)))


def asked(text: str) -> list[str]:
    """The same of what somebody looks for; a single character is what something begins with."""
    return list(dict.fromkeys(_pairs(text, ends=False)))


def _pairs(text: str, *, ends: bool) -> Iterator[str]:
    for run in _runs(fold(text)):
        yield from (run[place : place + 2] for place in range(len(run) - 1))
        if ends or len(run) == 1:
            yield run[-1]


def _runs(folded: str) -> list[str]:
    return "".join(each if each.isalnum() else " " for each in folded).split()


@cache
def _folded(character: str) -> str:
    simplified: str = _to_simplified().convert(unicodedata.normalize("NFKC", character))
    return simplified.lower()


@cache
def _to_simplified() -> opencc.OpenCC:
    return opencc.OpenCC("t2s")
