"""What `hotline policy` prints: a policy in tables, and what it makes due of a matter."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from rich.markup import escape
from rich.table import Table

from cases.deadlines import deadline, level_at, limit_due, say_limit, say_rule
from routing.handling import SUBJECTS, Again, Level
from routing.policy import Policy
from routing.terms import Limit
from routing.working_time import Calendar, Due


@dataclass(frozen=True, slots=True)
class Asked:
    """A matter that came (or was sent to its unit) at `opened`, aware; codes of the policy."""

    opened: datetime
    kind: str
    category: str = ""
    urgency: str = "normal"
    choice: str = ""


def reckoned(asked: Asked, policy: Policy, calendar: Calendar) -> dict[str, Any]:
    """When it is due and why, and what else its handling makes due; times in the city's zone."""
    due = deadline(asked.opened, asked.kind, asked.choice, asked.urgency, policy, calendar, asked.category)
    return {
        **asdict(asked),
        "opened": _local(asked.opened, policy),
        **_said(due, policy),
        "then": [
            {"what": what, **_said(limit_due(asked.opened, limit, policy, calendar), policy)}
            for what, limit in _beside(asked, policy)
        ],
        "levels": [
            {
                "code": level.code,
                "name": level.name.model_dump(),
                "at": _local(level_at(due.at, level, policy, calendar), policy),
                "act": level.act,
                "to": list(level.to),
            }
            for level in policy.ladders.get("order", ())
            if level.when == "after" or level_at(due.at, level, policy, calendar) > asked.opened
        ],
    }


def _beside(asked: Asked, policy: Policy) -> Iterator[tuple[str, Limit]]:
    yield "acknowledge", policy.handling.acknowledge
    yield "objection_window", policy.handling.objection_window
    every = policy.handling.progress_every.get(asked.urgency)  # type: ignore[call-overload]
    if every is not None:
        yield "progress", every


def _said(due: Due, policy: Policy) -> dict[str, Any]:
    return {
        "due": _local(due.at, policy),
        "provisional": due.provisional,
        "rule": due.rule,
        "why": {language: say_rule(due.rule, policy, language) for language in ("zh", "en")},
    }


def _local(at: datetime, policy: Policy) -> str:
    return at.astimezone(policy.zone).isoformat(timespec="seconds")


def due_lines(found: dict[str, Any]) -> Iterator[str]:
    """The same for people."""
    yield _line(found)
    for each in found["then"]:
        yield f"  {each['what']:<18} {_line(each)}"
    for each in found["levels"]:
        yield f"  {each['code']:<18} {_short(each['at'])}  {each['name']['zh']} → {', '.join(each['to'])}"


def _line(said: dict[str, Any]) -> str:
    mark = "  provisional" if said["provisional"] else ""
    return f"{_short(said['due'])}  {said['why']['zh']}{mark}"


def _short(at: str) -> str:
    return at[:16].replace("T", " ")


# -- a policy in tables -----------------------------------------------------------------------------


def told(policy: Policy, language: str) -> Iterator[str | Table]:
    """Blocks to print, one after another."""
    yield f"[bold]{policy.name}[/]  {policy.city} {policy.area_code}, {policy.time_zone}"
    lines = _table("lines", "number", "name", "hours", "queue")
    for line in policy.lines:
        hours = policy.hours[line.hours]
        lines.add_row(line.number, line.name, f"{hours.days} {hours.opens}–{hours.closes}", line.queue)
    yield lines
    yield _kinds(policy, language)
    yield _categories(policy, language)
    yield _handling(policy, language)
    yield _ladders(policy, language)
    yield "\n".join(("[bold]assumed[/]", *(f"· {escape(each)}" for each in policy.assumed)))


def _kinds(policy: Policy, language: str) -> Table:
    table = _table("kinds", "code", "name", "sealed", "limit", "or, chosen")
    for kind in policy.kinds:
        chosen = (f"{code}: {say_limit(each, language)}" for code, each in kind.longer.items())
        limit = say_limit(kind.deadline, language)
        table.add_row(kind.code, kind.name.say(language), "×" * kind.sealed, limit, "; ".join(chosen))
    return table


def _categories(policy: Policy, language: str) -> Table:
    units = {unit.code: unit.name for unit in policy.units}
    table = _table("categories", "code", "name", "kinds", "limit", "unit")
    for each in policy.categories:
        depth = "  " * (len(policy.category_way(each.code)) - 1)
        limit = policy.category_limit(each.code)
        table.add_row(
            each.code,
            depth + each.name.say(language),
            " ".join(policy.category_kinds(each.code)),
            say_limit(limit, language) if limit else "",
            units.get(policy.category_unit(each.code), ""),
        )
    return table


def _handling(policy: Policy, language: str) -> Table:
    table = _table("handling", "key", "value")
    for name, value in policy.handling:
        if isinstance(value, Limit):
            table.add_row(name, say_limit(value, language))
        elif isinstance(value, str | int):
            table.add_row(name, str(value))
    for urgency, limit in policy.handling.progress_every.items():
        table.add_row(f"progress_every.{urgency}", say_limit(limit, language))
    for why, again in policy.handling.redo:
        table.add_row(f"redo.{why}", _again(again, language))
    for each in policy.handling.extensions:
        law = ", by law" if each.needs_law else ""
        table.add_row(f"extension {each.code}", f"+ {say_limit(each, language)}, {each.most}×{law}")
    for decision, role in policy.decisions.items():
        table.add_row(f"decides {decision}", role)
    return table


def _again(again: Again, language: str) -> str:
    limit = say_limit(again.limit, language) if again.limit else ""
    return f"{again.deadline}{', at least' * bool(again.deadline == 'kept' and limit)} {limit}".strip()


def _ladders(policy: Policy, language: str) -> Table:
    table = _table("ladders", "subject", "level", "when", "act", "to")
    for subject in SUBJECTS:
        for level in policy.ladders.get(subject, ()):
            table.add_row(subject, level.name.say(language), _when(level), level.act, " ".join(level.to))
    return table


def _when(level: Level) -> str:
    at = "" if level.unit == "hours" else f" at {level.at}"
    return f"{level.amount} {level.unit} {level.when}{at}"


def _table(title: str, *columns: str) -> Table:
    return Table(*columns, title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
