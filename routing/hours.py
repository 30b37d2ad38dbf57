"""Opening hours: is somebody there, and when next."""

from datetime import datetime
from zoneinfo import ZoneInfo

from routing.terms import Hours
from routing.working_time import Calendar, open_spans


def is_open(hours: Hours, at: datetime, calendar: Calendar, zone: ZoneInfo) -> bool:
    """Whether `at` (aware) falls within the opening hours; the closing minute itself does not."""
    return next_opening(hours, at, calendar, zone) <= at


def next_opening(hours: Hours, at: datetime, calendar: Calendar, zone: ZoneInfo) -> datetime:
    """The next time (UTC) that somebody is there: `at` itself when open."""
    begins, _ = next(open_spans(at, hours, calendar, zone))
    return begins
