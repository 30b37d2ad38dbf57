"""What a city decides about a case's way: categories, who rules, limits, ladders, words to the caller."""

from collections.abc import Iterator
from string import Formatter
from typing import Literal, Self

from pydantic import Field, model_validator

from routing.terms import Clock, Code, Fault, Limit, Model, Reason, Words

Urgency = Literal["urgent", "critical"]
Subject = Literal["ticket", "order", "progress", "instruction", "supervision", "visit"]
Decision = Literal["objection", "extension", "closing", "refusal"]
Decider = Literal["dispatcher", "reviewer", "shift_leader"]
Told = Literal["accepted", "done", "refused", "transferred", "progress"]
Recipient = Literal[
    "unit_clerk", "dispatcher", "supervisor", "leader", "secretary", "reviewer", "visitor", "discipline"
]

DECIDERS: dict[Decision, tuple[Decider, ...]] = {  # who may be named, being allowed to do it at all
    "objection": ("dispatcher", "reviewer"),
    "extension": ("dispatcher", "reviewer"),
    "closing": ("dispatcher", "reviewer"),
    "refusal": ("dispatcher", "shift_leader"),
}
SUBJECTS: tuple[Subject, ...] = ("ticket", "order", "progress", "instruction", "supervision", "visit")
TOLD: frozenset[Told] = frozenset({"accepted", "done", "refused", "transferred", "progress"})
PLACES = ("number", "date", "line", "unit")  # what a text to the caller may have put in


class Choice(Limit):
    """A limit that may be chosen instead of the usual one, such as 情况复杂."""

    name: Words


class Category(Model):
    """What a matter is about. `kinds`: of which it may be, none named: what the one above says, or all.

    `limit` comes before the kind's own deadline; none: that of the one above. `unit`: who usually has it.
    """

    code: Code
    name: Words
    above: Code | None = None
    kinds: tuple[Code, ...] = ()
    limit: Limit | None = None
    unit: Code | None = None


class Extension(Limit):
    """More time that a unit may ask for, from the deadline it has on; `most`: how often for one order."""

    code: Code
    name: Words
    most: int = Field(1, ge=1, le=10)
    needs_law: bool = False  # only where law fixes a longer time, which is cited


class Grade(Model):
    """A step of the scale of satisfaction; a caller who is not satisfied has the case handled again."""

    code: Code
    name: Words
    satisfied: bool


class Level(Model):
    """What happens by itself before or after a deadline. Days are counted from the day it falls on, and
    reached at the hour `at`."""

    code: Code
    name: Words
    when: Literal["before", "after"]
    amount: int = Field(ge=0, le=365)
    unit: Literal["hours", "calendar_days", "working_days"]
    at: Clock = "09:00"
    act: Literal["notify", "urge", "supervise", "report"]
    to: tuple[Recipient, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _a_day_is_a_day(self) -> Self:
        if self.amount == 0 and self.unit != "hours":
            raise ValueError('write an amount of at least 1, or 0 "hours" for the deadline itself')
        return self


class Again(Model):
    """How long a unit has for a share that it does once more: the whole limit `anew`; so much as `limit`
    says, `within`; the deadline that it had, `kept`, but at least the `limit`, if one is named.

    Counted from when it is sent back. No `limit` gives more than the whole one anew.
    """

    deadline: Literal["anew", "kept", "within"]
    limit: Limit | None = None

    @model_validator(mode="after")
    def _a_limit_where_it_counts(self) -> Self:
        if self.deadline == "within" and self.limit is None:
            raise ValueError('name the `limit` with the deadline "within"')
        if self.deadline == "anew" and self.limit is not None:
            raise ValueError('name a `limit` with the deadline "within" or "kept", and not with "anew"')
        return self


class Redo(Model):
    """Why a unit does its share once more: the audit sent the closing back, the caller is not satisfied."""

    sent_back: Again
    dissatisfied: Again


class Handling(Model):
    acknowledge: Limit  # 签收
    objection_window: Limit  # from the sending on; then the unit keeps it
    objection_ruled_within: Limit
    undo_seconds: int = Field(60, ge=0, le=600)
    extensions: tuple[Extension, ...] = ()
    extension_after_due: bool = False  # may still be asked for when the deadline is over
    visit_within: Limit  # from the approved closing on
    visit_attempts: int = Field(3, ge=1, le=10)
    visit_retry: Limit
    redo: Redo
    progress_every: dict[Urgency, Limit] = Field(default_factory=dict)
    instruction: Limit  # from a leader's word on
    supervision: Limit
    clock_starts: Literal["dispatch", "acceptance"] = "dispatch"
    satisfaction: tuple[Grade, ...] = Field(min_length=2)
    refusal_grounds: tuple[Reason, ...] = Field(min_length=1)
    transfer_grounds: tuple[Reason, ...] = Field(min_length=1)
    withdrawal_grounds: tuple[Reason, ...] = Field(min_length=1)
    supervision_grounds: tuple[Reason, ...] = Field(min_length=1)
    objection_grounds: tuple[Reason, ...] = Field(min_length=1)
    many_units: int = Field(3, ge=2)  # so many units make a case one to be watched


Texts = dict[Told, Words]
Decisions = dict[Decision, Decider]
Ladders = dict[Subject, tuple[Level, ...]]

BY_ITSELF = frozenset({"late", "silent", "dissatisfied", "returned", "many_units", "instruction"})


def unfit(handling: Handling, decisions: Decisions, ladders: Ladders, texts: Texts) -> Iterator[Fault]:
    """What of them is missing, or cannot be."""
    yield from _undecided(decisions)
    for subject, levels in ladders.items():
        for index, level in enumerate(levels):
            if level.act == "report" and "leader" not in level.to:
                yield Fault(f"ladders.{subject}.{index}.to", "a report reaches no leader", 'add "leader"')
    if len({grade.satisfied for grade in handling.satisfaction}) == 1:
        yield Fault("handling.satisfaction", "has one side only", "add a grade with another `satisfied`")
    for code in BY_ITSELF - {reason.code for reason in handling.supervision_grounds}:
        remedy = "name it: cases come under it by themselves"
        yield Fault("handling.supervision_grounds", f'"{code}" is missing', remedy)
    for missing in TOLD - set(texts):
        yield Fault(f"texts.{missing}", "is missing", "say what the caller is told then: { zh = …, en = … }")
    for told, words in texts.items():
        for language, text in words:
            yield from _unfilled(f"texts.{told}.{language}", text)


def _undecided(decisions: Decisions) -> Iterator[Fault]:
    for decision, able in DECIDERS.items():
        named, remedy = decisions.get(decision), f"name one of: {', '.join(able)}"
        if named not in able:
            fault = f'"{named}" may not rule on it' if named else "is missing"
            yield Fault(f"decisions.{decision}", fault, remedy)


def _unfilled(key: str, text: str) -> Iterator[Fault]:
    """Places of a text that nobody fills."""
    known = ", ".join(f"{{{place}}}" for place in PLACES)
    try:
        places = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
    except ValueError:
        yield Fault(key, "has a single brace", f"write only {known}")
        return
    for place in places:
        if place not in PLACES:
            yield Fault(key, f"nobody fills in {{{place}}}", f"write only {known}")
