"""A ticket's deadline by the policy, over the calendar that the operator keeps in the database."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import chinese_calendar
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from routing.policy import Limit, Policy, Unit
from routing.working_time import Calendar, Due, due
from storage.tables import CalendarDay, CalendarYear


def load_calendar(session: Session) -> Calendar:
    """All days that differ, and the years announced."""
    return Calendar(
        days=dict(session.execute(select(CalendarDay.day, CalendarDay.works)).all()),
        announced=frozenset(session.scalars(select(CalendarYear.year).where(CalendarYear.announced))),
    )


def seed_calendar(session: Session) -> None:
    """Enter the announced Chinese holidays of every year not yet entered, and the next as not announced.

    What an operator has entered stays.
    """
    announced = sorted({day.year for day in chinese_calendar.holidays})
    known = set(session.scalars(select(CalendarYear.year).where(CalendarYear.announced)))
    if days := [row for row in _differing_days() if row["day"].year not in known]:
        session.execute(insert(CalendarDay).on_conflict_do_nothing(), days)
    years = insert(CalendarYear).values(
        [
            *({"year": year, "announced": True} for year in announced),
            {"year": announced[-1] + 1, "announced": False},
        ]
    )
    session.execute(
        years.on_conflict_do_update(
            index_elements=[CalendarYear.year],
            set_={"announced": CalendarYear.announced | years.excluded.announced},
        )
    )


def deadline(
    opened: datetime, kind: str, choice: str, urgency: str, policy: Policy, calendar: Calendar
) -> Due:
    """The kind's limit, or the longer one chosen; an urgent matter is due at the earlier of the two.

    The rule reads "<kind> <choice or -> <urgency or -> <amount> <unit>"; say_rule() puts it in words.
    """
    wanted = policy.kind(kind)
    usual = _due(opened, wanted.longer[choice] if choice else wanted.deadline, policy, calendar)
    pressing = policy.urgencies.get(urgency)  # type: ignore[call-overload]
    first, pressed = usual, "-"
    if pressing is not None and (urgent := _due(opened, pressing, policy, calendar)).at < usual.at:
        first, pressed = urgent, urgency
    return Due(first.at, first.provisional, f"{kind} {choice or '-'} {pressed} {first.rule}")


_UNITS = {
    "zh": {
        Unit.HOURS: "小时",
        Unit.WORKING_HOURS: "个工作小时",
        Unit.CALENDAR_DAYS: "日",
        Unit.WORKING_DAYS: "个工作日",
    },
    "en": {
        Unit.HOURS: " hours",
        Unit.WORKING_HOURS: " working hours",
        Unit.CALENDAR_DAYS: " days",
        Unit.WORKING_DAYS: " working days",
    },
}
_URGENCIES = {
    "zh": {"urgent": "紧急", "critical": "特急"},
    "en": {"urgent": "urgent", "critical": "critical"},
}


def say_rule(rule: str, policy: Policy, language: str = "zh") -> str:
    """A ticket's `due_rule` in words, such as "咨询 3个工作日"."""
    kind, _, pressed, amount, unit = rule.split()
    words = policy.kind(kind).name.say(language)
    if pressed != "-":
        words += f" · {_URGENCIES[language][pressed]}"
    return f"{words} {amount}{_UNITS[language][Unit(unit)]}"


def _due(opened: datetime, limit: Limit, policy: Policy, calendar: Calendar) -> Due:
    hours = policy.hours[limit.hours] if limit.hours else None
    return due(opened, limit.amount, limit.unit, calendar, policy.zone, hours)


def _differing_days() -> Iterator[dict[str, Any]]:
    """Holidays from Monday to Friday, and working days at weekends."""
    for listed, works in ((chinese_calendar.holidays, False), (chinese_calendar.workdays, True)):
        for day, name in listed.items():
            if works != (day.weekday() < 5):
                yield {"day": day, "works": works, "name": name}
