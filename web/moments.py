"""Times and durations as people read them, in the policy's zone and the person's language."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from web.messages import Catalogue


def clock(at: datetime, _t: Catalogue, zone: ZoneInfo) -> str:
    """14:03:22"""
    return f"{at.astimezone(zone):%H:%M:%S}"


def day(at: datetime, _t: Catalogue, zone: ZoneInfo) -> str:
    """2026-11-21"""
    return f"{at.astimezone(zone):%Y-%m-%d}"


def when(at: datetime, t: Catalogue, zone: ZoneInfo) -> str:
    """Today 14:03, yesterday 14:03, else 2026-11-19 14:03."""
    local = at.astimezone(zone)
    days = (datetime.now(UTC).astimezone(zone).date() - local.date()).days
    if days in (0, 1):
        return t("time.today" if days == 0 else "time.yesterday", clock=f"{local:%H:%M}")
    return f"{local:%Y-%m-%d %H:%M}"


def noted(at: str, _t: Catalogue, zone: ZoneInfo) -> str:
    """2026-11-21 14:03, of a moment that the journal keeps as text."""
    return f"{datetime.fromisoformat(at).astimezone(zone):%Y-%m-%d %H:%M}"


def iso(at: datetime, _t: Catalogue, zone: ZoneInfo) -> str:
    """2026-11-21T14:03:22+08:00, for `<time datetime>`."""
    return at.astimezone(zone).isoformat(timespec="seconds")


def duration(seconds: float, t: Catalogue, _zone: ZoneInfo) -> str:
    """3分05秒; from an hour on, 1时03分."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, last = divmod(rest, 60)
    if hours:
        return t("time.hours", hours=hours, minutes=f"{minutes:02}")
    if minutes:
        return t("time.minutes", minutes=minutes, seconds=f"{last:02}")
    return t("time.seconds", seconds=last)


def left(at: datetime, t: Catalogue, _zone: ZoneInfo) -> str:
    """How long until a deadline, or how long since: 还有 2 天, 已超 3 小时."""
    seconds = (at - datetime.now(UTC)).total_seconds()
    hours = abs(seconds) / 3600
    amount = (
        t("time.days", n=round(hours / 24)) if hours >= 48 else t("time.about_hours", n=max(1, round(hours)))
    )
    return t("time.ahead" if seconds >= 0 else "time.over", amount=amount)


FILTERS: dict[str, Callable[..., Any]] = {
    "clock": clock,
    "day": day,
    "when": when,
    "noted": noted,
    "iso": iso,
    "duration": duration,
    "left": left,
}
