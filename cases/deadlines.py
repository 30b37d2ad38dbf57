"""A ticket's deadline by the policy, over the calendar that the operator keeps in the database."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import chinese_calendar
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from routing.handling import Level
from routing.policy import Policy
from routing.rule import Rule, Span
from routing.terms import Limit, Unit
from routing.working_time import Calendar, Due, days_away, on_the_clock
from storage.tables import CalendarDay, CalendarYear, Ticket

_HELD = "calendar"  # in Session.info


def load_calendar(session: Session) -> Calendar:
    """All days that differ, and the years announced."""
    if (held := session.info.get(_HELD)) is not None:
        found: Calendar = held
        return found
    return Calendar(
        days=dict(session.execute(select(CalendarDay.day, CalendarDay.works)).all()),
        announced=frozenset(session.scalars(select(CalendarYear.year).where(CalendarYear.announced))),
    )


def hold_calendar(session: Session) -> Calendar:
    """For a session in which nobody changes it: read once for all its acts."""
    calendar: Calendar = session.info.setdefault(_HELD, load_calendar(session))
    return calendar


def published_calendar() -> Calendar:
    """What the State Council has announced, as the library that the table is seeded from has it."""
    return Calendar(
        days={row["day"]: row["works"] for row in _differing_days()},
        announced=frozenset(day.year for day in chinese_calendar.holidays),
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
    opened: datetime,
    kind: str,
    choice: str,
    urgency: str,
    policy: Policy,
    calendar: Calendar,
    category: str = "",
) -> Due:
    """The longer limit that was chosen, else the category's, else the kind's; an urgent matter is due at the
    earlier of that and its urgency's. routing/rule.py has the rule's form, say_rule() its words.

    Raises KeyError for an unknown kind or choice; a category that is none of the policy's has no say.
    """
    wanted, about = policy.kind(kind), ""
    if choice:
        limit: Limit = wanted.longer[choice]
    elif (of_category := policy.category_limit(category)) is not None:
        limit, about = of_category, category
    else:
        limit = wanted.deadline
    usual = _due(Rule((Span.of(limit),), opened.astimezone(UTC), kind, choice, "", about), policy, calendar)
    pressing = policy.urgencies.get(urgency)  # type: ignore[call-overload]
    if pressing is None:
        return usual
    urgent = _due(Rule((Span.of(pressing),), opened.astimezone(UTC), kind, "", urgency), policy, calendar)
    return min(usual, urgent, key=lambda each: each.at)


def order_due(at: datetime, ticket: Ticket, policy: Policy, calendar: Calendar) -> Due:
    """When a ticket, or a unit's share of it, is due if its clock starts at `at`."""
    return deadline(at, ticket.kind, ticket.due_choice, ticket.urgency, policy, calendar, ticket.category)


def limit_due(at: datetime, limit: Limit, policy: Policy, calendar: Calendar) -> Due:
    """When a limit of the policy's ends that begins at `at`."""
    return _due(Rule((Span.of(limit),), at.astimezone(UTC)), policy, calendar)


def progress_due(since: datetime, urgency: str, policy: Policy, calendar: Calendar) -> Due | None:
    """When the next note of progress is due that is awaited since then; None: the policy asks for none."""
    every = policy.handling.progress_every.get(urgency)  # type: ignore[call-overload]
    return limit_due(since, every, policy, calendar) if every else None


def awaited(urgency: str, now: datetime) -> datetime | None:
    """What a share's `progress_at` becomes when its unit sets out, or has told how far it is."""
    return now if urgency != "normal" else None


def extended(due_at: datetime, rule: str, by: Limit, policy: Policy, calendar: Calendar) -> Due:
    """A deadline that gets more time, counted from where it is; the rule tells of both."""
    more = limit_due(due_at, by, policy, calendar)
    return Due(more.at, more.provisional, str(Rule.read(rule).extended(by)) if rule else more.rule)


def restarted(rule: str, since: datetime, ticket: Ticket, policy: Policy, calendar: Calendar) -> Due:
    """A deadline of a ticket's, or of a unit's share of it, by what the ticket says now: from when its clock
    began (`since`, if its `rule` knows not), with the extensions that it had."""
    old = Rule.read(rule) if rule else None
    due = order_due((old and old.since) or since, ticket, policy, calendar)
    new = Rule.read(due.rule)
    if old is None or len(old.spans) == 1:
        return due
    return _due(replace(new, spans=(*new.spans, *old.spans[1:])), policy, calendar)


def level_at(due_at: datetime, level: Level, policy: Policy, calendar: Calendar) -> datetime:
    """When a level before or after a deadline is reached, in UTC.

    Hours are counted from the deadline itself, days from the day that it falls on, at the level's own hour.
    """
    back = level.when == "before"
    if level.unit == "hours":
        away = timedelta(hours=level.amount)
        return (due_at - away if back else due_at + away).astimezone(UTC)
    day = days_away(due_at.astimezone(policy.zone).date(), level.amount, level.unit, calendar, back=back)
    return on_the_clock(day, level.at, policy.zone)


_UNITS = {
    "zh": {
        Unit.HOURS: "小时",
        Unit.WORKING_HOURS: "个工作小时",
        Unit.CALENDAR_DAYS: "日",
        Unit.WORKING_DAYS: "个工作日",
    },
    "en": {
        Unit.HOURS: " hour",
        Unit.WORKING_HOURS: " working hour",
        Unit.CALENDAR_DAYS: " day",
        Unit.WORKING_DAYS: " working day",
    },
}
_URGENCIES = {
    "zh": {"urgent": "紧急", "critical": "特急"},
    "en": {"urgent": "urgent", "critical": "critical"},
}


def say_rule(rule: str, policy: Policy, language: str = "zh") -> str:
    """A `due_rule` in words, such as "求助 · 用地与规划 15个工作日 + 15个工作日"."""
    read = Rule.read(rule)
    words = []
    for kind in policy.kinds:
        if kind.code == read.kind:
            chosen = kind.longer.get(read.choice)
            words += [named.name.say(language) for named in (kind, chosen) if named]
    if read.urgency:
        words.append(_URGENCIES[language][read.urgency])
    if read.category:
        words += [each.name.say(language) for each in policy.category_way(read.category)[-1:]]
    return f"{' · '.join(words)} {' + '.join(_said(span, language) for span in read.spans)}".strip()


def say_limit(limit: Limit, language: str = "zh") -> str:
    """ "3个工作日"."""
    return _said(Span.of(limit), language)


def _said(span: Span, language: str) -> str:
    plural = "s" if language == "en" and span.amount != 1 else ""
    return f"{span.amount}{_UNITS[language][span.unit]}{plural}"


def _due(rule: Rule, policy: Policy, calendar: Calendar) -> Due:
    return rule.due(calendar, policy.zone, policy.hours)


_HOLIDAYS = {  # by the library's names
    "New Year's Day": "元旦",
    "Spring Festival": "春节",
    "Tomb-sweeping Day": "清明节",
    "Labour Day": "劳动节",
    "Dragon Boat Festival": "端午节",
    "Mid-autumn Festival": "中秋节",
    "National Day": "国庆节",
    "Anti-Fascist 70th Day": "抗战胜利70周年纪念日",
}


def _differing_days() -> Iterator[dict[str, Any]]:
    """Holidays from Monday to Friday, and working days at weekends."""
    for listed, works in ((chinese_calendar.holidays, False), (chinese_calendar.workdays, True)):
        for day, name in listed.items():
            if works != (day.weekday() < 5):
                yield {"day": day, "works": works, "name": _HOLIDAYS.get(name, name)}
