"""One lab call: dialled, led through the menu, held and ended, then compared with its record."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from hotline.lab import audio
from hotline.lab.caller import Caller
from hotline.lab.compare import compare, settled
from hotline.lab.ground import Ground
from hotline.lab.plan import AT_ONCE, KEYS, PAUSE, Hear, Plan, plan
from hotline.lab.record import Record, read
from hotline.lab.report import Row
from hotline.lab.sipp import LabFault, SippCall
from hotline.settings import LAB_ADDRESS

PROMPT_SECONDS = 8.0  # until a prompt begins, beyond the one that plays
MUSIC_SECONDS = 20.0  # the queue may tell her place first
RECORD_SECONDS = 20.0  # until an ended call and its recording are in the record
CALLER_HZ = 1130.0
LONGEST_HOLD_SECONDS = 3600


class WrongUsage(ValueError):
    """What was typed cannot be a call; the text says why."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A call to place. `keys`: digits, `,` a second's pause, `!` no waiting; `said`: again and again."""

    to: str
    number: str
    keys: str = ""
    hold_seconds: float = 3.0
    said: audio.Samples | None = None

    def __post_init__(self) -> None:
        for word, value in (("--to", self.to), ("--from", self.number)):
            if not value or set(value) - KEYS - {"+"} or len(value) > 20:
                raise WrongUsage(f"{word} {value!r}: write up to 20 digits")
        strange = sorted(set(self.keys) - KEYS - {PAUSE, AT_ONCE})
        if strange:
            raise WrongUsage(f"--keys {self.keys!r}: {' '.join(strange)} is no key")
        if not 0 <= self.hold_seconds <= LONGEST_HOLD_SECONDS:
            raise WrongUsage(f"--hold {self.hold_seconds:g}: write 0 to {LONGEST_HOLD_SECONDS} seconds")


@dataclass(frozen=True)
class Result:
    """A call from both sides. `rows`: step by step, with what was not as promised."""

    wish: Wish
    caller: Caller
    record: Record | None
    rows: list[Row]

    @property
    def ok(self) -> bool:
        return not any(row.fault for row in self.rows)


def a_number() -> str:
    """A caller's number that is nobody's: no mobile begins with 100."""
    return f"1000{secrets.randbelow(10**7):07}"


def place(
    ground: Ground, wish: Wish, tell: Callable[[str], None], meanwhile: Callable[[Caller], None] | None = None
) -> Result:
    """Dial, do as wished, hang up, compare. `meanwhile` runs before the hold, with the caller in the queue.

    Raises LabFault, DatabaseAway.
    """
    began = datetime.now(UTC)
    caller = _dial(ground, wish, tell)
    line = ground.line(wish.to)
    way = plan(line, ground.policy, is_open=ground.is_open(line), keys=wish.keys) if line else None
    try:
        if caller.wait_answer():
            if way and _go(way, caller) and way.queued:
                caller.wait_music(MUSIC_SECONDS)
                if meanwhile:
                    meanwhile(caller)
            caller.stay(wish.hold_seconds)
        caller.hang_up()
        record = _await_record(ground, wish, caller, began)
        return Result(wish, caller, record, list(compare(way, caller, record)))
    finally:
        caller.sipp.close()


def _dial(ground: Ground, wish: Wish, tell: Callable[[str], None]) -> Caller:
    try:
        sipp = SippCall(ground.folder, ground.server, wish.to, wish.number, LAB_ADDRESS)
    except OSError as why:
        raise LabFault(f"no call can be placed from {LAB_ADDRESS} ({why.strerror})") from why
    return Caller(sipp, ground.sounds, audio.voice(CALLER_HZ) if wish.said is None else wish.said, tell)


def _go(way: Plan, caller: Caller) -> bool:
    """Through the dialogue; False when a prompt was not heard: what comes after it is not tried."""
    for act in way.acts:
        if isinstance(act, Hear):
            if not caller.wait_prompt(act.prompt, act.language, PROMPT_SECONDS):
                return False
        else:
            caller.stay(act.after_seconds)
            caller.press(act.key)
    return True


def _await_record(ground: Ground, wish: Wish, caller: Caller, began: datetime) -> Record | None:
    caller.tell("waiting for the record")
    until = time.monotonic() + RECORD_SECONDS
    while True:
        record = read(ground, wish.number, began)
        if settled(record) or time.monotonic() > until:
            return record
        time.sleep(0.25)
