"""When somebody wants to be told: not outside her hours, and collected if she likes. Pure."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Digest = Literal["", "hourly", "daily"]
DAY_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class Wish:
    """`days`: of the week, "1" is Monday. Minutes are of the local day; a span that ends before it begins
    runs over midnight and belongs to the day it begins on; equal minutes: the whole day."""

    from_minute: int = 0
    to_minute: int = 0
    days: str = "1234567"
    digest: Digest = ""
    digest_minute: int = 0


def moment(now: datetime, wish: Wish, zone: ZoneInfo, *, urgent: bool = False) -> datetime:
    """When to tell what is known `now`; what is urgent is told at once, at any hour."""
    if urgent:
        return now
    wanted = _collected(now.astimezone(zone), wish)
    for days in range(-1, 9):  # yesterday's span may run over midnight
        day = wanted.date() + timedelta(days=days)
        if str(day.isoweekday()) not in wish.days:
            continue
        begins, ends = _at(day, wish.from_minute, zone), _at(day, wish.to_minute, zone)
        if ends <= begins:
            ends = _at(day + timedelta(days=1), wish.to_minute, zone)
        if wanted < ends:
            return max(wanted, begins).astimezone(now.tzinfo)
    return wanted.astimezone(now.tzinfo)  # no day at all is wanted: at once is better than never


def _collected(local: datetime, wish: Wish) -> datetime:
    if wish.digest == "hourly":
        whole = local.replace(minute=0, second=0, microsecond=0)
        return whole if whole == local else whole + timedelta(hours=1)
    if wish.digest == "daily":
        zone = local.tzinfo
        assert isinstance(zone, ZoneInfo)
        today = _at(local.date(), wish.digest_minute, zone)
        return today if local <= today else _at(local.date() + timedelta(days=1), wish.digest_minute, zone)
    return local


def _at(day: date, minute: int, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(*divmod(minute, 60)), zone)
