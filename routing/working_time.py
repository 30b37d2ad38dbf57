"""Deadlines: calendar and working days, clock and working hours, by the Civil Code's rules.

The first day does not count and a period ends with its last day (arts. 201, 203); a last day that is
a holiday moves to the next working day (art. 203). Hours run from the stated time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from routing.terms import Hours, Unit

DAY = timedelta(days=1)
LAST_SECOND = time(23, 59, 59)  # shown as the day itself, where 24:00 would show as the next


@dataclass(frozen=True, slots=True)
class Calendar:
    """`days`: only what differs from Monday to Friday; `announced`: years whose holidays are known."""

    days: Mapping[date, bool] = field(default_factory=dict)
    announced: frozenset[int] = frozenset()

    def works(self, day: date) -> bool:
        return self.days.get(day, day.weekday() < 5)


@dataclass(frozen=True, slots=True)
class Due:
    """`at` in UTC; `provisional` when a year not yet announced had a say; `rule` as "3 working_days"."""

    at: datetime
    provisional: bool
    rule: str


def due(
    opened: datetime, amount: int, unit: Unit, calendar: Calendar, zone: ZoneInfo, hours: Hours | None = None
) -> Due:
    """When a limit of `amount` `unit` ends that began at `opened` (aware); `hours` for working hours."""
    rule = f"{amount} {unit.value}"
    if unit is Unit.HOURS:
        return Due((opened + timedelta(hours=amount)).astimezone(UTC), False, rule)
    if unit is Unit.WORKING_HOURS:
        assert hours is not None, "the policy names hours with this unit"
        return _after_working_hours(opened, amount, calendar, zone, hours, rule)
    first = opened.astimezone(zone).date()
    if unit is Unit.WORKING_DAYS:
        last = days_away(first, amount, unit, calendar, back=False)
        asked = first + DAY
    else:
        asked = first + amount * DAY
        last = (
            asked if calendar.works(asked) else days_away(asked, 1, Unit.WORKING_DAYS, calendar, back=False)
        )
    return Due(_utc(last, LAST_SECOND, zone), _provisional(asked, last, calendar), rule)


def open_spans(
    since: datetime, hours: Hours, calendar: Calendar, zone: ZoneInfo
) -> Iterator[tuple[datetime, datetime]]:
    """The stretches of opening hours from `since` on, in UTC, without end."""
    day = since.astimezone(zone).date()
    while True:
        if hours.days == "all" or calendar.works(day):
            begins = max(on_the_clock(day, hours.opens, zone), since.astimezone(UTC))
            ends = on_the_clock(day, hours.closes, zone)
            if begins < ends:
                yield begins, ends
        day += DAY


def _after_working_hours(
    opened: datetime, amount: int, calendar: Calendar, zone: ZoneInfo, hours: Hours, rule: str
) -> Due:
    left = timedelta(hours=amount)
    for begins, ends in open_spans(opened, hours, calendar, zone):
        if left <= ends - begins:
            at = begins + left
            break
        left -= ends - begins
    first, last = opened.astimezone(zone).date(), at.astimezone(zone).date()
    return Due(at, hours.days == "working" and _provisional(first, last, calendar), rule)


def days_away(day: date, count: int, unit: str, calendar: Calendar, *, back: bool) -> date:
    """The day `count` calendar or working days before or after `day`."""
    step = -DAY if back else DAY
    if unit == Unit.CALENDAR_DAYS:
        return day + count * step
    while count:
        day += step
        count -= calendar.works(day)
    return day


def _provisional(first: date, last: date, calendar: Calendar) -> bool:
    return any(year not in calendar.announced for year in range(first.year, last.year + 1))


def on_the_clock(day: date, clock: str, zone: ZoneInfo) -> datetime:
    """A day's hour as the policy writes it ("08:00"; "24:00" is the next day's beginning), in UTC."""
    hour, minute = map(int, clock.split(":"))
    return _utc(day + DAY, time(0), zone) if hour == 24 else _utc(day, time(hour, minute), zone)


def _utc(day: date, clock: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, clock, zone).astimezone(UTC)
