"""Plays both sides of a dialogue: `Playbook(dialogue) << word >> answer … << ending`."""

from __future__ import annotations

from routing.route import Ending, HangUp, ToQueue
from telephony.words import Answer, Dialogue, Word


class Playbook:
    """`<<` states the word (or the ending) that must come next, `>>` gives the caller's answer."""

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialogue = dialogue
        self._said: Word | Ending = next(dialogue)

    def __lshift__(self, expected: Word | Ending) -> Playbook:
        assert self._said == expected
        return self

    def __rshift__(self, answer: Answer) -> Playbook:
        assert not isinstance(self._said, ToQueue | HangUp), f"already ended with {self._said}"
        try:
            self._said = self._dialogue.send(answer)
        except StopIteration as stop:
            self._said = stop.value
        return self
