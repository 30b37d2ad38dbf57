"""A call's steps in words: codes and ids become names, what only machines need is left out. No I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from routing.policy import Policy
from storage.tables import CallStep
from web.messages import Catalogue

# A prompt played to its end: the next step tells more. A recording's beginnings: the ledger's matter.
QUIET = frozenset({"said", "recording"})


@dataclass(frozen=True, slots=True)
class Line:
    """One step: when, what (a phrase), and with whom or what ('' for nothing)."""

    at: datetime
    what: str
    more: str


def people_in(steps: Iterable[CallStep]) -> set[int]:
    """Ids of everybody whom the steps name."""
    found = (step.detail.get(key) for step in steps for key in ("person_id", "to_person_id"))
    return {each for each in found if isinstance(each, int)}


def tell(steps: Iterable[CallStep], names: Mapping[int, str], policy: Policy, t: Catalogue) -> list[Line]:
    """The steps as lines, in order; a step nobody has words for shows its code."""
    return [
        Line(step.at, _what(step, t), _more(step, names, policy, t))
        for step in steps
        if step.step not in QUIET
    ]


def _what(step: CallStep, t: Catalogue) -> str:
    own = f"step.{step.step}"
    kind = f"{own}_{step.detail.get('kind')}"
    return t(kind) if t.has(kind) else t(own) if t.has(own) else step.step


def _more(step: CallStep, names: Mapping[int, str], policy: Policy, t: Catalogue) -> str:
    detail = step.detail
    told = [str(detail.get("key") or ""), step.number]
    told += [names.get(detail[key], "") for key in ("person_id", "to_person_id") if detail.get(key)]
    for queue in policy.queues:
        if queue.name == detail.get("queue"):
            told.append(queue.title.say(t.language))
    for group in ("reason", "by", "language"):
        if t.has(f"detail.{group}.{detail.get(group)}"):
            told.append(t(f"detail.{group}.{detail[group]}"))
    if isinstance(seconds := detail.get("rang_seconds"), int | float):
        told.append(t("time.seconds", seconds=round(seconds)))
    if more := detail.get("more"):
        told.append(t("detail.more", count=more))
    return " · ".join(each for each in told if each)
