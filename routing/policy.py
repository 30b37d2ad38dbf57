"""A city's policy as data: lines, menu, kinds, categories, queues, hours, reasons. A new city is a new file.

Read once at start; frozen. What a policy says about the *meaning* of the trade lives here and in
routing/handling.py, how calls and tickets are stored does not.
"""

import tomllib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field, ValidationError, model_validator

from routing.handling import Category, Choice, Decider, Decision, Decisions, Handling, Ladders, Texts, Urgency
from routing.misfits import explain_all, found
from routing.terms import Code, Fault, Hours, Limit, Model, PolicyError, Reason, Words

Key = Annotated[str, Field(pattern=r"^[0-9*#]$")]
Pressed = Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]{0,30})?$")]
Dialled = Annotated[str, Field(pattern=r"^[0-9]{3,15}$")]
Days = Annotated[int, Field(gt=0, le=36_500)]
LogDays = Annotated[int, Field(ge=183, le=36_500)]
Reader = Literal["supervisor", "leader", "discipline"]


class Line(Model):
    """A published number, as the trunk delivers it."""

    number: Dialled
    name: str = Field(min_length=1)
    queue: Code
    menu: bool = True
    hours: Code = "always"
    closed: Literal["queue", "hang_up"] = "hang_up"  # outside its hours, after saying so


class Menu(Model):
    """What may be pressed: key → code of a kind, or "" for an agent at once."""

    keys: dict[Key, Pressed]
    english_key: Key | None = None
    timeout_seconds: float = Field(5.0, gt=0, le=30)
    tries: int = Field(2, ge=1, le=5)
    silent: Literal["agent", "close"] = "agent"  # who never pressed a key may be unable to


class Kind(Model):
    """What a matter is. `longer` names limits that the agent may choose instead of `deadline`."""

    code: Code
    name: Words
    sealed: bool = False
    deadline: Limit
    longer: dict[Code, Choice] = Field(default_factory=dict)


class HandlingUnit(Model):
    """承办单位: a county or zone, a department of the city (second), an office below either (third)."""

    code: Code
    name: str = Field(min_length=1)
    level: Literal["county", "second", "third"] = "second"
    above: Code | None = None

    @model_validator(mode="after")
    def _third_level_is_below_something(self) -> Self:
        if (self.level == "third") != (self.above is not None):
            raise ValueError('name the unit `above` with the level "third", and only with it')
        return self


class Queue(Model):
    name: Code
    title: Words
    ring_seconds: int = Field(15, ge=5, le=60)
    wrapup_seconds: int = Field(60, ge=0, le=900)
    strategy: Literal["rrmemory", "leastrecent", "fewestcalls", "random", "ringall", "linear"] = "leastrecent"


class Retention(Model):
    """For how many days each kind of thing is kept; then the clock deletes it (cases/retention.py).

    Law asks for as short a time as serves (PIPL 19), and for half a year of logs (Cybersecurity Law 21).
    """

    recordings: Days = 365  # from the call on; while a ticket of it is open, until it is not
    calls: Days = 730  # without a ticket, from their end on; those with one go when it has gone
    tickets: Days = 1825  # from when they were closed on
    attachments: Days = 1095  # of tickets, from when those were closed on
    drafts: Days = 30  # from their last word on
    put_aside: Days = 90  # what could not be read of the spool, the channel events and the legs of recordings
    sessions: LogDays = 183  # log-ins, from their end on
    outbox: Days = 183  # messages, from when they were sent on
    notices: Days = 365  # what people were told, and the receipts of what was sent
    journal: LogDays = 1825  # at least: nothing deletes a line of it


class Privacy(Model):
    """What callers are told of their data, in words (PIPL 17); [retention] is what is done."""

    purpose: Words  # why calls are recorded
    kept: Words  # for how long
    contact: Words  # whom to ask, and to have something corrected or erased


class Policy(Model):
    name: str = Field(min_length=1)
    city: str = Field(min_length=1)
    area_code: str = Field(pattern=r"^0\d{2,3}$")
    time_zone: str
    assumed: tuple[str, ...] = ()  # what the sources leave open and this file had to choose
    outside_scope_number: Dialled = "12345"
    caller_wait: int = Field(1800, ge=60)  # seconds a caller is held in a queue
    lines: tuple[Line, ...] = Field(min_length=1)
    units: tuple[HandlingUnit, ...] = ()
    menu: Menu
    kinds: tuple[Kind, ...] = Field(min_length=1)
    categories: tuple[Category, ...] = ()
    urgencies: dict[Urgency, Limit] = Field(default_factory=dict)  # an urgent ticket is due at the earlier
    queues: tuple[Queue, ...] = Field(min_length=1)
    hours: dict[Code, Hours] = Field(default_factory=dict)
    pause_reasons: tuple[Reason, ...] = Field(min_length=1)
    closing_reasons: tuple[Reason, ...] = Field(min_length=1)
    caller_tags: tuple[Reason, ...] = ()  # what a caller's record may be marked with
    handling: Handling
    decisions: Decisions
    ladders: Ladders
    texts: Texts
    sealed_readers: tuple[Reader, ...] = Field(min_length=1)
    sealed_handover_hours: int = Field(
        24, ge=1, le=720
    )  # then whoever took a sealed matter loses sight of it
    retention: Retention = Retention()
    privacy: Privacy | None = None
    prompts: dict[Literal["zh", "en"], dict[str, str]] = Field(
        default_factory=dict
    )  # what the city says in words of its own

    @model_validator(mode="before")
    @classmethod
    def _always_is_known(cls, data: Any) -> Any:
        if isinstance(data, dict):
            data = {**data, "hours": {"always": {}, **data.get("hours", {})}}
        return data

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        if faults := found(self):
            raise PolicyError(faults)
        return self

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def line(self, number: str) -> Line | None:
        """The published line of a dialled number, or None."""
        return next((line for line in self.lines if line.number == number), None)

    def kind(self, code: str) -> Kind:
        """Raises KeyError."""
        return _by(self.kinds, "code", code)

    def choice_name(self, code: str, language: str) -> str:
        """The name of a limit that was chosen instead of the usual one; '' when there is none."""
        named = (kind.longer[code].name.say(language) for kind in self.kinds if code in kind.longer)
        return next(named, "")

    def queue(self, name: str) -> Queue:
        """Raises KeyError."""
        return _by(self.queues, "name", name)

    def category(self, code: str) -> Category:
        """Raises KeyError."""
        return _by(self.categories, "code", code)

    def category_way(self, code: str) -> tuple[Category, ...]:
        """A category with those above it, the widest first; none for a text of before there was a list."""
        known = {category.code: category for category in self.categories}
        way: list[Category] = []
        while (category := known.get(code)) is not None:
            way.insert(0, category)
            code = category.above or ""
        return tuple(way)

    def category_path(self, code: str, language: str) -> str:
        """Its name and those above it, "政策咨询 / 办事程序"; what is no code is said as it stands."""
        return " / ".join(each.name.say(language) for each in self.category_way(code)) or code

    def category_limit(self, code: str) -> Limit | None:
        """Its own, or that of the nearest above it that has one."""
        return next((each.limit for each in reversed(self.category_way(code)) if each.limit), None)

    def category_unit(self, code: str) -> str:
        """Which unit usually has it; '' when the list says nothing."""
        return next((each.unit for each in reversed(self.category_way(code)) if each.unit), "")

    def category_kinds(self, code: str) -> tuple[str, ...]:
        """Of which kinds a matter of this category may be."""
        named = next((each.kinds for each in reversed(self.category_way(code)) if each.kinds), ())
        return named or tuple(kind.code for kind in self.kinds)

    def categories_of(self, kind: str) -> list[Category]:
        """Those that a matter of this kind may be about, as they stand in the file."""
        return [each for each in self.categories if kind in self.category_kinds(each.code)]

    def category_groups(self) -> dict[str, list[Category]]:
        """Each widest category's code, with itself and all that is below it."""
        groups: dict[str, list[Category]] = {}
        for each in self.categories:
            groups.setdefault(self.category_way(each.code)[0].code, []).append(each)
        return groups

    def decides(self, decision: Decision) -> Decider:
        """The role that rules on it."""
        return self.decisions[decision]


def load(path: Path) -> Policy:
    """Read and check a policy file. Raises PolicyError."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PolicyError([Fault(str(path), error.strerror or str(error), "name a readable file")]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PolicyError([Fault(str(path), str(error), "write valid TOML in UTF-8")]) from error
    return parse(data)


def parse(data: dict[str, Any]) -> Policy:
    """Check a policy given as plain values. Raises PolicyError."""
    try:
        return Policy.model_validate(data)
    except ValidationError as error:
        raise PolicyError(explain_all(map(dict, error.errors()), Policy)) from error


_Item = TypeVar("_Item", bound=BaseModel)


def _by(items: tuple[_Item, ...], attribute: str, value: str) -> _Item:
    for item in items:
        if getattr(item, attribute) == value:
            return item
    raise KeyError(value)
