"""A city's policy as data: lines, menu, kinds, queues, hours, reasons. A new city is a new file.

Read once at start; frozen. What a policy says about the *meaning* of the trade lives here,
how calls and tickets are stored does not.
"""

import difflib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Self, TypeVar, Union, get_args, get_origin
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")]
Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$")]
Key = Annotated[str, Field(pattern=r"^[0-9*#]$")]
Dialled = Annotated[str, Field(pattern=r"^[0-9]{3,15}$")]
Days = Annotated[int, Field(gt=0, le=36_500)]
LogDays = Annotated[int, Field(ge=183, le=36_500)]
Reader = Literal["supervisor", "leader", "discipline"]


class Unit(StrEnum):
    """How a limit is counted; see routing/working_time.py."""

    HOURS = "hours"
    WORKING_HOURS = "working_hours"
    CALENDAR_DAYS = "calendar_days"
    WORKING_DAYS = "working_days"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Words(_Model):
    """One name in both languages."""

    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)

    def say(self, language: str) -> str:
        return self.en if language == "en" else self.zh


class Hours(_Model):
    """When somebody is there: on all or on working days, from `opens` to `closes` (24:00 is midnight)."""

    days: Literal["all", "working"] = "all"
    opens: Clock = "00:00"
    closes: Clock = "24:00"

    @model_validator(mode="after")
    def _opens_before_it_closes(self) -> Self:
        if self.opens >= self.closes:
            raise ValueError(f"closes ({self.closes}) must be later than opens ({self.opens})")
        return self


class Limit(_Model):
    amount: int = Field(gt=0)
    unit: Unit
    hours: Code | None = None  # whose opening hours count, for working_hours

    @model_validator(mode="after")
    def _hours_where_they_count(self) -> Self:
        if (self.unit is Unit.WORKING_HOURS) != (self.hours is not None):
            raise ValueError('name `hours` with the unit "working_hours", and only with it')
        return self


class Line(_Model):
    """A published number, as the trunk delivers it."""

    number: Dialled
    name: str = Field(min_length=1)
    queue: Code
    menu: bool = True
    hours: Code = "always"
    closed: Literal["queue", "hang_up"] = "hang_up"  # outside its hours, after saying so


class Menu(_Model):
    """What may be pressed: key → code of a kind, or "" for an agent at once."""

    keys: dict[Key, Code | Literal[""]]
    english_key: Key | None = None
    timeout_seconds: float = Field(5.0, gt=0, le=30)
    tries: int = Field(2, ge=1, le=5)
    silent: Literal["agent", "close"] = "agent"  # who never pressed a key may be unable to


class Kind(_Model):
    """What a matter is. `longer` names limits that the agent may choose instead of `deadline`."""

    code: Code
    name: Words
    sealed: bool = False
    deadline: Limit
    longer: dict[Code, Limit] = {}


class HandlingUnit(_Model):
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


class Queue(_Model):
    name: Code
    title: Words
    ring_seconds: int = Field(15, ge=5, le=60)
    wrapup_seconds: int = Field(60, ge=0, le=900)
    strategy: Literal["rrmemory", "leastrecent", "fewestcalls", "random", "ringall", "linear"] = "leastrecent"


class Reason(_Model):
    code: Code
    name: Words


class Retention(_Model):
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
    journal: LogDays = 1825  # at least: nothing deletes a line of it


class Privacy(_Model):
    """What callers are told of their data, in words (PIPL 17); [retention] is what is done."""

    purpose: Words  # why calls are recorded
    kept: Words  # for how long
    contact: Words  # whom to ask, and to have something corrected or erased


class Policy(_Model):
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
    urgencies: dict[Literal["urgent", "critical"], Limit] = {}  # an urgent ticket is due at the earlier
    queues: tuple[Queue, ...] = Field(min_length=1)
    hours: dict[Code, Hours] = {}
    pause_reasons: tuple[Reason, ...] = Field(min_length=1)
    closing_reasons: tuple[Reason, ...] = Field(min_length=1)
    sealed_readers: tuple[Reader, ...] = Field(min_length=1)
    sealed_handover_hours: int = Field(
        24, ge=1, le=720
    )  # then whoever took a sealed matter loses sight of it
    retention: Retention = Retention()
    privacy: Privacy | None = None
    prompts: dict[Literal["zh", "en"], dict[str, str]] = {}  # what the city says in words of its own

    @model_validator(mode="before")
    @classmethod
    def _always_is_known(cls, data: Any) -> Any:
        if isinstance(data, dict):
            data = {**data, "hours": {"always": {}, **data.get("hours", {})}}
        return data

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        faults = [*_repeated(self), *_dangling(self)]
        if faults:
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

    def queue(self, name: str) -> Queue:
        """Raises KeyError."""
        return _by(self.queues, "name", name)


@dataclass(frozen=True, slots=True)
class Fault:
    """`key` as a dotted path in the file, what is wrong, what would be right."""

    key: str
    fault: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.key}: {self.fault}; {self.remedy}"


class PolicyError(Exception):
    """A policy that cannot be used; `faults` has all that was found."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


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
        raise PolicyError([_explain(dict(each)) for each in error.errors()]) from error


_Item = TypeVar("_Item", bound=BaseModel)


# -- what is wrong, in words -----------------------------------------------------------------


def _by(items: tuple[_Item, ...], attribute: str, value: str) -> _Item:
    for item in items:
        if getattr(item, attribute) == value:
            return item
    raise KeyError(value)


def _repeated(policy: Policy) -> list[Fault]:
    groups = {
        "lines.number": [line.number for line in policy.lines],
        "units.code": [unit.code for unit in policy.units],
        "kinds.code": [kind.code for kind in policy.kinds],
        "queues.name": [queue.name for queue in policy.queues],
        "pause_reasons.code": [reason.code for reason in policy.pause_reasons],
        "closing_reasons.code": [reason.code for reason in policy.closing_reasons],
    }
    return [
        Fault(key, f'"{value}" stands {values.count(value)} times', "keep one of them")
        for key, values in groups.items()
        for value in dict.fromkeys(values)
        if values.count(value) > 1
    ]


def _dangling(policy: Policy) -> list[Fault]:
    kinds = [kind.code for kind in policy.kinds]
    queues = [queue.name for queue in policy.queues]
    uses = [(f"lines.{index}.queue", line.queue, queues) for index, line in enumerate(policy.lines)]
    over = [unit.code for unit in policy.units if unit.level != "third"]
    uses += [
        (f"units.{index}.above", unit.above, over) for index, unit in enumerate(policy.units) if unit.above
    ]
    hours = list(policy.hours)
    uses += [(f"lines.{index}.hours", line.hours, hours) for index, line in enumerate(policy.lines)]
    uses += [(f"menu.keys.{key}", kind, kinds) for key, kind in policy.menu.keys.items() if kind]
    limits = [(f"urgencies.{name}", limit) for name, limit in policy.urgencies.items()]
    for index, kind in enumerate(policy.kinds):
        limits.append((f"kinds.{index}.deadline", kind.deadline))
        limits += [(f"kinds.{index}.longer.{name}", limit) for name, limit in kind.longer.items()]
    uses += [(f"{key}.hours", limit.hours, hours) for key, limit in limits if limit.hours]
    faults = [
        Fault(key, f'"{value}" is not defined', f"use one of: {', '.join(known)}")
        for key, value, known in uses
        if value not in known
    ]
    faults += _untold(policy)
    if policy.menu.english_key in policy.menu.keys:
        faults.append(Fault("menu.english_key", "is a menu key as well", "choose a key of its own"))
    if policy.time_zone not in available_timezones():
        faults.append(Fault("time_zone", f'"{policy.time_zone}" is unknown', 'write e.g. "Asia/Shanghai"'))
    return faults


def _untold(policy: Policy) -> Iterator[Fault]:
    """A notice of the city's own has to say for how long calls are kept."""
    for language, prompts in policy.prompts.items():
        kept = policy.privacy.kept.say(language) if policy.privacy else ""
        if kept not in prompts.get("notice", kept):
            yield Fault(f"prompts.{language}.notice", f'does not say "{kept}"', "say it as privacy.kept does")


def _explain(error: dict[str, Any]) -> Fault:
    place = [str(part) for part in error["loc"]]
    key = ".".join(place) or "the file"
    match error["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(place[-1], _known_keys(error["loc"]), n=1)
            return Fault(key, "unknown key", f"did you mean {near[0]}?" if near else "remove it")
        case "missing":
            return Fault(key, "is missing", "add it")
        case "value_error":
            return Fault(key, "does not fit together", str(error["msg"]).removeprefix("Value error, "))
        case _:
            message = str(error["msg"])
            return Fault(key, f"{error['input']!r} will not do", message[:1].lower() + message[1:])


def _known_keys(place: tuple[str | int, ...]) -> list[str]:
    """The keys that the model at this place has."""
    model: Any = Policy
    for part in place[:-1]:
        if isinstance(model, type) and issubclass(model, BaseModel) and part in model.model_fields:
            model = model.model_fields[str(part)].annotation
        while get_origin(model) in (tuple, dict, list, Union, UnionType, Annotated):
            inner = [each for each in get_args(model) if each not in (Ellipsis, type(None))]
            model = inner[-1]
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []
