"""The dialogue of a call from outside: notice, menu, on to a person. No I/O; see telephony/words.py.

Whoever cannot or will not press a key still reaches a person, unless the policy closes on silence.
"""

from collections.abc import Generator
from dataclasses import dataclass

from routing.policy import Line, Policy
from routing.route import Ending, HangUp, ToQueue
from telephony.words import Answer, Ask, Dialogue, Gone, Pressed, Said, Say, Silent, Speak, Word

MAX_LANGUAGE_CHANGES = 4
GONE = HangUp("gone")


@dataclass(frozen=True, slots=True)
class Known:
    """What the record says of the caller: the endpoint that has an open matter of theirs, if any,
    and whether they gave up waiting a short while ago."""

    preferred: str = ""
    gave_up: bool = False


def inbound(line: Line, policy: Policy, *, is_open: bool = True, known: Known | None = None) -> Dialogue:
    """Ends with ToQueue as soon as it is known where to, even if the caller goes: the kind is a fact."""
    known = known or Known()
    if not is_open:
        answer = yield Say(("closed_hours",))
        if isinstance(answer, Gone):
            return GONE
        if line.closed == "hang_up":
            return HangUp("closed_hours")
    if not line.menu:
        answer = yield Say(("notice", "connecting"))
        return GONE if isinstance(answer, Gone) else _to_queue(line, policy, "", known)
    return (yield from _menu(line, policy, known))


def _menu(line: Line, policy: Policy, known: Known) -> Dialogue:
    menu, keys = policy.menu, _keys(policy)
    language = "zh"
    changes = failures = 0
    pressed_any = False
    answer: Answer = yield _notice(keys)
    while not isinstance(answer, Gone):
        if isinstance(answer, Said):
            answer = yield Ask(("menu",), keys, menu.timeout_seconds)
            continue
        if isinstance(answer, Pressed):
            pressed_any = True
            if answer.key in menu.keys:
                return (yield from _connect(line, policy, menu.keys[answer.key], known))
            if answer.key == menu.english_key and changes < MAX_LANGUAGE_CHANGES:
                changes += 1
                language = "en" if language == "zh" else "zh"
                answer = yield from _change_language(language, keys)
                continue
        failures += 1
        if failures >= menu.tries:
            return (yield from _give_up_asking(line, policy, known, pressed_any))
        what = "no_key" if isinstance(answer, Silent) else "wrong_key"
        answer = yield Ask((what, "menu"), keys, menu.timeout_seconds)
    return GONE


def _keys(policy: Policy) -> str:
    return "".join(policy.menu.keys) + (policy.menu.english_key or "")


def _notice(keys: str) -> Say:
    """Heard to its end by everybody; who knows the menu by heart may press meanwhile."""
    return Say(("notice",), keys)


def _change_language(language: str, keys: str) -> Generator[Word, Answer, Answer]:
    """The notice again: that the call is recorded must be told in a language the caller understands."""
    answer = yield Speak(language)
    if isinstance(answer, Gone):
        return answer
    return (yield _notice(keys))


def _connect(line: Line, policy: Policy, kind: str, known: Known) -> Dialogue:
    yield Say(("connecting",))
    return _to_queue(line, policy, kind, known)


def _give_up_asking(line: Line, policy: Policy, known: Known, pressed_any: bool) -> Dialogue:
    if policy.menu.silent == "close" and not pressed_any:
        answer = yield Say(("goodbye_silent",))
        return GONE if isinstance(answer, Gone) else HangUp("silent")
    return (yield from _connect(line, policy, "", known))


def _to_queue(line: Line, policy: Policy, kind: str, known: Known) -> Ending:
    sealed = bool(kind) and policy.kind(kind).sealed
    # A sealed matter may be about the very agent who handled the last one.
    preferred = "" if sealed else known.preferred
    return ToQueue(line.queue, kind, sealed, priority=1 if known.gave_up else 0, preferred=preferred)
