"""The words that a policy is written in: names, hours, limits, and how a fault in one is told."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")]
Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$")]


class Unit(StrEnum):
    """How a limit is counted; see routing/working_time.py."""

    HOURS = "hours"
    WORKING_HOURS = "working_hours"
    CALENDAR_DAYS = "calendar_days"
    WORKING_DAYS = "working_days"


_MOST = {Unit.HOURS: 17_520, Unit.WORKING_HOURS: 7000, Unit.CALENDAR_DAYS: 730, Unit.WORKING_DAYS: 500}


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Words(Model):
    """One name in both languages."""

    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)

    def say(self, language: str) -> str:
        return self.en if language == "en" else self.zh


class Reason(Model):
    code: Code
    name: Words


class Hours(Model):
    """When somebody is there: on all or on working days, from `opens` to `closes` (24:00 is midnight)."""

    days: Literal["all", "working"] = "all"
    opens: Clock = "00:00"
    closes: Clock = "24:00"

    @model_validator(mode="after")
    def _opens_before_it_closes(self) -> Self:
        if self.opens >= self.closes:
            raise ValueError(f"closes ({self.closes}) must be later than opens ({self.opens})")
        return self


class Limit(Model):
    """So much time: `hours` run through the night, `working_hours` pause outside the opening hours named."""

    amount: int = Field(gt=0)
    unit: Unit
    hours: Code | None = None  # whose opening hours count, for working_hours

    @model_validator(mode="after")
    def _hours_where_they_count(self) -> Self:
        if (self.unit is Unit.WORKING_HOURS) != (self.hours is not None):
            raise ValueError('name `hours` with the unit "working_hours", and only with it')
        if self.amount > _MOST[self.unit]:
            raise ValueError(f"write at most {_MOST[self.unit]} {self.unit.value}, which is some two years")
        return self


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
