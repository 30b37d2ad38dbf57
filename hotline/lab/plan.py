"""What a call must go like: the voice menu's own dialogue, played through with the keys to be pressed."""

from dataclasses import dataclass

from ivr.dialogues.inbound import inbound
from routing.policy import Line, Policy
from routing.route import Ending, ToQueue
from telephony.words import Answer, Ask, Pressed, Said, Say, Speak

KEYS = frozenset("0123456789*#")
PAUSE, AT_ONCE = ",", "!"  # before a key: wait a second; do not wait for the menu


@dataclass(frozen=True, slots=True)
class Hear:
    prompt: str
    language: str


@dataclass(frozen=True, slots=True)
class Press:
    key: str
    after_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """`ending` is None when the caller hangs up while the menu still asks."""

    acts: tuple[Hear | Press, ...]
    ending: Ending | None

    @property
    def keys(self) -> str:
        return "".join(act.key for act in self.acts if isinstance(act, Press))

    @property
    def queued(self) -> bool:
        return isinstance(self.ending, ToQueue)

    @property
    def language(self) -> str:
        heard = [act.language for act in self.acts if isinstance(act, Hear)]
        return heard[-1] if heard else "zh"


def plan(line: Line, policy: Policy, *, is_open: bool, keys: str) -> Plan:
    """The call to this line with these keys; what is left of them when the menu is done is not pressed."""
    dialogue = inbound(line, policy, is_open=is_open)
    acts: list[Hear | Press] = []
    language, left = "zh", keys
    try:
        word = next(dialogue)
        while True:
            answer: Answer = Said()
            if isinstance(word, Speak):
                language = word.language
            elif isinstance(word, Say):
                acts += [Hear(prompt, language) for prompt in word.prompts]
            elif isinstance(word, Ask):
                pauses, at_once, key, left = _next(left)
                if not (at_once and key):
                    acts += [Hear(prompt, language) for prompt in word.prompts]
                if not key:
                    return Plan(tuple(acts), None)
                acts.append(Press(key, float(pauses)))
                answer = Pressed(key)
            word = dialogue.send(answer)
    except StopIteration as end:
        return Plan(tuple(acts), end.value)


def _next(keys: str) -> tuple[int, bool, str, str]:
    """Seconds to wait, whether to press at once, the key ('' for none), and the keys after it."""
    before = keys[: next((at for at, key in enumerate(keys) if key in KEYS), len(keys))]
    rest = keys[len(before) :]
    return before.count(PAUSE), AT_ONCE in before, rest[:1], rest[1:]
