"""A deadline's rule is text that gives the deadline again; chains and levels against a slow, obvious walk."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.deadlines import deadline, extended, level_at, limit_due
from routing.handling import Level
from routing.policy import Policy, load
from routing.rule import Rule, Span
from routing.terms import Hours, Limit, Unit, Words
from routing.working_time import Calendar

ZONE = ZoneInfo("Asia/Shanghai")
FILES = ("policies/mianyang-962299.toml", "policies/nanning-direct-line.toml", "tests/third_city.toml")
CITIES = [load(Path(__file__).resolve().parents[2] / name) for name in FILES]
MIANYANG, NANNING, _ = CITIES
LIMITS = [Limit(amount=3, unit=Unit.WORKING_DAYS), Limit(amount=5, unit=Unit.CALENDAR_DAYS)]
MINUTE = timedelta(minutes=1)
_FIRST, _LAST = datetime(2026, 1, 1), datetime(2026, 12, 31)  # noqa: DTZ001 - hypothesis adds the zone
openings = st.datetimes(_FIRST, _LAST, timezones=st.just(UTC)).map(
    lambda at: at.replace(second=0, microsecond=0)
)
days = st.dates(date(2026, 1, 1), date(2027, 6, 30))
calendars = st.builds(
    Calendar,
    days=st.dictionaries(days, st.booleans(), max_size=40),
    announced=st.sampled_from([frozenset({2026}), frozenset({2026, 2027})]),
)


# -- the second reckoning: a day at a time, a minute at a time, and nothing clever ----------------------


def slow(
    opened: datetime, limit: Limit | Span, calendar: Calendar, zone: ZoneInfo, hours: dict[str, Hours]
) -> tuple[datetime, bool]:
    """When it ends, and whether a day of a year not announced was asked about."""
    if limit.unit == "hours":
        at = opened
        for _ in range(limit.amount * 60):
            at += MINUTE
        return at, False
    if limit.unit == "working_hours":
        return slow_hours(opened, limit.amount * 60, calendar, zone, hours[limit.hours or ""])
    day, asked = opened.astimezone(zone).date(), []
    for _ in range(limit.amount):
        day += timedelta(days=1)
        asked.append(day)
        while limit.unit == "working_days" and not calendar.works(day):
            day += timedelta(days=1)
            asked.append(day)
    if limit.unit == "calendar_days":
        asked = [day]  # those in between count whatever they are
    while not calendar.works(day):
        day += timedelta(days=1)
        asked.append(day)
    at = datetime.combine(day, time(23, 59, 59), zone)
    return at, any(each.year not in calendar.announced for each in asked)


def slow_hours(
    opened: datetime, minutes: int, calendar: Calendar, zone: ZoneInfo, hours: Hours
) -> tuple[datetime, bool]:
    at, years = opened, set()
    while minutes:
        local = at.astimezone(zone)
        years.add(local.year)
        is_open = hours.opens <= f"{local:%H:%M}" < hours.closes
        works = hours.days == "all" or calendar.works(local.date())
        minutes -= is_open and works
        at += MINUTE
    unknown = hours.days == "working" and bool(years - calendar.announced)
    return at, unknown


def kinds_of(policy: Policy) -> st.SearchStrategy[tuple[Policy, str, str, str, str]]:
    """Every choice that its form leaves open."""
    return st.sampled_from(
        [
            (policy, kind.code, choice, urgency, category)
            for kind in policy.kinds
            for choice in ("", *kind.longer)
            for urgency in ("normal", "urgent", "critical")
            for category in ("", *(each.code for each in policy.categories_of(kind.code)))
        ]
    )


@settings(deadline=None, max_examples=150)
@given(opened=openings, calendar=calendars, matter=st.sampled_from(CITIES).flatmap(kinds_of))
def test_every_matter_of_every_city_is_due_when_the_slow_walk_says(
    opened: datetime, calendar: Calendar, matter: tuple[Policy, str, str, str, str]
) -> None:
    policy, kind, choice, urgency, category = matter
    due = deadline(opened, kind, choice, urgency, policy, calendar, category)
    found = policy.kind(kind)
    usual = found.longer[choice] if choice else policy.category_limit(category) or found.deadline
    candidates = [slow(opened, usual, calendar, policy.zone, policy.hours)]
    if urgency in policy.urgencies:
        candidates.append(slow(opened, policy.urgencies[urgency], calendar, policy.zone, policy.hours))
    assert (due.at, due.provisional) == min(candidates, key=lambda each: each[0])
    again = Rule.read(due.rule).due(calendar, policy.zone, policy.hours)
    assert again == due


@settings(deadline=None, max_examples=80)
@given(
    opened=openings,
    calendar=calendars,
    first=st.sampled_from(LIMITS),
    more=st.lists(st.sampled_from(MIANYANG.handling.extensions), max_size=3),
)
def test_extensions_are_walked_one_after_another(
    opened: datetime, calendar: Calendar, first: Limit, more: list[Limit]
) -> None:
    due = limit_due(opened, first, MIANYANG, calendar)
    at, unknown = slow(opened, first, calendar, ZONE, {})
    for each in more:
        due = extended(due.at, due.rule, each, MIANYANG, calendar)
        at, later = slow(at, each, calendar, ZONE, {})
        unknown = unknown or later
    assert due.at == at
    again = Rule.read(due.rule).due(calendar, ZONE, {})
    assert (again.at, again.provisional, again.rule) == (at, unknown, due.rule)


@settings(deadline=None, max_examples=80)
@given(due_at=openings, calendar=calendars, amount=st.integers(1, 12), before=st.booleans())
def test_levels_stand_so_many_days_away_at_their_hour(
    due_at: datetime, calendar: Calendar, amount: int, before: bool
) -> None:
    step = timedelta(days=-1 if before else 1)
    for unit in ("calendar_days", "working_days"):
        level = _level(amount, unit, before=before)
        day, left = due_at.astimezone(ZONE).date(), amount
        while left:
            day += step
            left -= unit == "calendar_days" or calendar.works(day)
        assert level_at(due_at, level, MIANYANG, calendar) == datetime.combine(day, time(9), ZONE)
    hours = timedelta(hours=amount) * (-1 if before else 1)
    assert level_at(due_at, _level(amount, "hours", before=before), MIANYANG, calendar) == due_at + hours


def _level(amount: int, unit: str, *, before: bool) -> Level:
    when = "before" if before else "after"
    name = Words(zh="级", en="level")
    facts = {"code": "x", "name": name, "when": when, "amount": amount, "unit": unit}
    return Level.model_validate({**facts, "act": "notify", "to": ["leader"]})


@pytest.mark.parametrize(
    ("policy", "opened", "kind", "category", "due"),
    [
        (MIANYANG, "2026-02-13 10:00", "inquiry", "", "2026-02-25 23:59"),
        (MIANYANG, "2026-09-18 10:00", "help", "transport", "2026-09-29 23:59"),
        (MIANYANG, "2026-09-18 10:00", "help", "power_supply", "2026-09-22 23:59"),
        (MIANYANG, "2026-09-18 10:00", "complaint", "manner", "2026-10-15 23:59"),
        (NANNING, "2026-09-18 21:30", "inquiry", "", "2026-09-20 11:30"),
        (NANNING, "2026-09-18 21:30", "help", "water", "2026-09-19 21:30"),
        (NANNING, "2026-09-18 21:30", "help", "land", "2026-09-20 21:30"),
        (NANNING, "2026-09-18 21:30", "complaint", "shirking", "2026-09-28 23:59"),
    ],
)
def test_what_the_articles_say_comes_out(
    policy: Policy, opened: str, kind: str, category: str, due: str
) -> None:
    free = ["2026-02-16", "2026-02-17", "2026-02-18", "2026-02-19", "2026-02-20", "2026-02-23", "2026-09-25"]
    free += [f"2026-10-0{day}" for day in (1, 2, 5, 6, 7)]
    works = ["2026-02-14", "2026-02-28", "2026-09-20", "2026-10-10"]
    listed = {date.fromisoformat(day): day in works for day in (*free, *works)}
    at = datetime.fromisoformat(opened).replace(tzinfo=ZONE)
    calendar = Calendar(listed, frozenset({2026}))
    found = deadline(at, kind, "", "normal", policy, calendar, category).at.astimezone(ZONE)
    assert f"{found:%Y-%m-%d %H:%M}" == due


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("3 working_days", Rule((Span(3, Unit.WORKING_DAYS),))),
        ("help - urgent 1 working_days", Rule((Span(1, Unit.WORKING_DAYS),), None, "help", "", "urgent")),
        (
            "help complex - land 30 calendar_days since 2026-02-13T02:00:00+00:00 + 2 working_hours@direct",
            Rule(
                (Span(30, Unit.CALENDAR_DAYS), Span(2, Unit.WORKING_HOURS, "direct")),
                datetime(2026, 2, 13, 2, 0, tzinfo=UTC),
                "help",
                "complex",
                "",
                "land",
            ),
        ),
    ],
)
def test_a_rule_is_read_as_it_was_written(text: str, rule: Rule) -> None:
    assert Rule.read(text) == rule
    assert Rule.read(str(rule)) == rule


@pytest.mark.parametrize("text", ["", "soon", "3 moons", "a b 3 hours", "3 hours since noon"])
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Rule.read(text)
