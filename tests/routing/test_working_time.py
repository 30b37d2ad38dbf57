"""Deadlines against the domain's vectors, and against a slow reckoning that cannot be wrong."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.hours import is_open, next_opening
from routing.terms import Hours, Unit
from routing.working_time import Calendar, due

ZONE = ZoneInfo("Asia/Shanghai")
_OFF = ["2026-01-01", "2026-01-02", *[f"2026-02-{day}" for day in range(16, 24)], "2026-04-06", "2026-05-01"]
_OFF += ["2026-05-04", "2026-05-05", "2026-06-19", "2026-09-25", *[f"2026-10-0{day}" for day in range(1, 8)]]
_ON = ["2026-01-04", "2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10"]
CALENDAR = Calendar(
    days={
        **{date.fromisoformat(day): False for day in _OFF},
        **{date.fromisoformat(day): True for day in _ON},
    },
    announced=frozenset({2025, 2026}),
)
BUSINESS = Hours(days="working", opens="08:00", closes="22:00")


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


@pytest.mark.parametrize(
    ("opened", "amount", "unit", "expected", "provisional"),
    [
        ("2026-02-13 10:00", 3, Unit.WORKING_DAYS, "2026-02-25 23:59:59", False),
        ("2026-09-18 10:00", 7, Unit.WORKING_DAYS, "2026-09-29 23:59:59", False),
        ("2026-09-18 23:59", 7, Unit.WORKING_DAYS, "2026-09-29 23:59:59", False),
        ("2026-12-10 10:00", 15, Unit.WORKING_DAYS, "2026-12-31 23:59:59", False),
        ("2026-12-11 10:00", 15, Unit.WORKING_DAYS, "2027-01-01 23:59:59", True),
        ("2026-09-24 10:00", 1, Unit.CALENDAR_DAYS, "2026-09-28 23:59:59", False),
        ("2026-09-19 10:00", 1, Unit.CALENDAR_DAYS, "2026-09-20 23:59:59", False),
        ("2026-09-30 10:00", 7, Unit.CALENDAR_DAYS, "2026-10-08 23:59:59", False),
        ("2026-12-20 10:00", 30, Unit.CALENDAR_DAYS, "2027-01-19 23:59:59", True),
        ("2026-12-31 23:00", 4, Unit.HOURS, "2027-01-01 03:00:00", False),
        ("2026-09-24 21:00", 4, Unit.WORKING_HOURS, "2026-09-28 11:00:00", False),
        ("2026-09-24 21:00", 1, Unit.WORKING_HOURS, "2026-09-24 22:00:00", False),
        ("2026-09-24 06:00", 14, Unit.WORKING_HOURS, "2026-09-24 22:00:00", False),
        ("2026-12-31 21:30", 1, Unit.WORKING_HOURS, "2027-01-01 08:30:00", True),
    ],
)
def test_the_known_deadlines(opened: str, amount: int, unit: Unit, expected: str, provisional: bool) -> None:
    reckoned = due(_at(opened), amount, unit, CALENDAR, ZONE, BUSINESS)
    assert reckoned.at.astimezone(ZONE) == _at(expected)
    assert reckoned.provisional is provisional
    assert reckoned.rule == f"{amount} {unit.value}"


def _slow_days(opened: date, amount: int, working: bool) -> date:
    """By walking: every working day ticks one, or every day; a period cannot end on a free day."""
    day, ticks = opened, 0
    while ticks < amount or not CALENDAR.works(day):
        day += timedelta(days=1)
        ticks += 1 if not working or CALENDAR.works(day) else 0
    return day


def _slow_hours(opened: datetime, amount: int) -> datetime:
    """Minute by minute."""
    at, left = opened, amount * 60
    while left:
        local = at.astimezone(ZONE)
        left -= CALENDAR.works(local.date()) and 8 <= local.hour < 22
        at += timedelta(minutes=1)
    return at


_FIRST, _LAST = datetime(2025, 12, 1), datetime(2026, 11, 30)  # noqa: DTZ001 - hypothesis adds the zone
_openings = st.datetimes(_FIRST, _LAST, timezones=st.just(UTC))


@given(_openings, st.integers(1, 60), st.sampled_from([Unit.WORKING_DAYS, Unit.CALENDAR_DAYS]))
def test_days_agree_with_walking(opened: datetime, amount: int, unit: Unit) -> None:
    reckoned = due(opened, amount, unit, CALENDAR, ZONE)
    slow = _slow_days(opened.astimezone(ZONE).date(), amount, unit is Unit.WORKING_DAYS)
    assert reckoned.at.astimezone(ZONE).date() == slow
    assert CALENDAR.works(slow) and reckoned.at > opened


@settings(deadline=None)  # counting takes its time
@given(_openings.map(lambda at: at.replace(second=0, microsecond=0)), st.integers(1, 30))
def test_working_hours_agree_with_counting_minutes(opened: datetime, amount: int) -> None:
    assert due(opened, amount, Unit.WORKING_HOURS, CALENDAR, ZONE, BUSINESS).at == _slow_hours(opened, amount)


@pytest.mark.parametrize(
    ("at", "open_now", "opens"),
    [
        ("2026-09-24 07:59", False, "2026-09-24 08:00"),
        ("2026-09-24 08:00", True, "2026-09-24 08:00"),
        ("2026-09-24 21:59", True, "2026-09-24 21:59"),
        ("2026-09-24 22:00", False, "2026-09-28 08:00"),
        ("2026-09-20 12:00", True, "2026-09-20 12:00"),
        ("2026-10-03 12:00", False, "2026-10-08 08:00"),
    ],
)
def test_the_direct_line_opens_on_working_days(at: str, open_now: bool, opens: str) -> None:
    assert is_open(BUSINESS, _at(at), CALENDAR, ZONE) is open_now
    assert next_opening(BUSINESS, _at(at), CALENDAR, ZONE) == _at(opens)


def test_a_line_without_hours_is_always_open() -> None:
    assert is_open(Hours(), _at("2026-10-01 03:00"), CALENDAR, ZONE)
    assert is_open(Hours(), _at("2026-10-01 23:59"), CALENDAR, ZONE)
