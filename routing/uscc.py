"""统一社会信用代码: the 18 characters by which every enterprise is registered (GB 32100-2015).

Registration body (1), kind (1), region (6 digits), the entity's own code (9), check character (1). The check
is a weighted sum modulo the prime 31, so it tells any one wrong character and any swap of two unequal
neighbours. Some codes of early pilot regions do not keep to it; they can't be told from slips of the pen.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # no I, O, S, V, Z
LENGTH = 18
_REGION = slice(2, 8)
_VALUE = {character: value for value, character in enumerate(ALPHABET)}
_MEANT = {"I": "1", "O": "0", "Z": "2", "S": "5", "V": "U"}  # what is easily taken for it
_DRESS = re.compile(r"[\s\-‐-―−.·_]")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a code. `at`: the character's place from 1, or 0. `right`: what would be right, or
    for `length` how many there are."""

    code: Literal["length", "character", "region", "check"]
    at: int
    right: str


def normalise(typed: str) -> str:
    """Half width, upper case, without spaces and dashes."""
    return _DRESS.sub("", unicodedata.normalize("NFKC", typed)).upper()


def fault(code: str) -> Fault | None:
    """What is wrong with a normalised code; None: nothing."""
    if len(code) != LENGTH:
        return Fault("length", 0, str(len(code)))
    for at, character in enumerate(code, 1):
        if character not in _VALUE:
            return Fault("character", at, _MEANT.get(character, ""))
    for at, character in enumerate(code[_REGION], _REGION.start + 1):
        if not character.isdecimal():
            return Fault("region", at, "")
    right = check_character(code[:-1])
    return None if code[-1] == right else Fault("check", LENGTH, right)


def check_character(body: str) -> str:
    """The 18th of 17 characters of ALPHABET."""
    total = sum(_VALUE[character] * pow(3, place, 31) for place, character in enumerate(body))
    return ALPHABET[-total % 31]
