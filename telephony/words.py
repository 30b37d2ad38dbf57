"""The vocabulary of a call dialogue: words it yields, answers it receives.

A dialogue is a generator with no I/O: `Generator[Word, Answer, Ending]`. The line
(`telephony/line.py`) speaks each word on a real channel and sends the answer back.
The idea is mitmproxy's layers: tests play both sides as a playbook.
"""

from collections.abc import Generator
from dataclasses import dataclass

from routing.route import Ending


@dataclass(frozen=True, slots=True)
class Say:
    """Play prompts to their end all the same. Answer: Said, Gone, or Pressed for the first of `keys`."""

    prompts: tuple[str, ...]
    keys: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """Play prompts (a key interrupts), then wait. Answer: Pressed, Silent or Gone."""

    prompts: tuple[str, ...]
    keys: str
    timeout_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Speak:
    """Switch the language of all that follows, in the queue too. Answer: Said or Gone."""

    language: str


Word = Say | Ask | Speak


@dataclass(frozen=True, slots=True)
class Said:
    """The word was spoken to its end."""


@dataclass(frozen=True, slots=True)
class Pressed:
    """One key, 0-9 * or #; it may be one that was not offered."""

    key: str


@dataclass(frozen=True, slots=True)
class Silent:
    """Nothing within the time."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The caller hung up; the dialogue ends with what it knows."""


Answer = Said | Pressed | Silent | Gone
Dialogue = Generator[Word, Answer, Ending]
