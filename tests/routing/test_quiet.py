"""Quiet hours and digests."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from routing.quiet import Wish, moment

ZONE = ZoneInfo("Asia/Shanghai")
OFFICE = Wish(from_minute=8 * 60, to_minute=18 * 60, days="12345")
NIGHT = Wish(from_minute=22 * 60, to_minute=6 * 60)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


@pytest.mark.parametrize(
    ("wish", "now", "told"),
    [
        (Wish(), "2026-09-18T03:00", "2026-09-18T03:00"),
        (OFFICE, "2026-09-18T09:30", "2026-09-18T09:30"),
        (OFFICE, "2026-09-18T07:59", "2026-09-18T08:00"),
        (OFFICE, "2026-09-18T18:00", "2026-09-21T08:00"),  # Friday evening: Monday morning
        (OFFICE, "2026-09-19T12:00", "2026-09-21T08:00"),
        (NIGHT, "2026-09-18T05:59", "2026-09-18T05:59"),
        (NIGHT, "2026-09-18T06:00", "2026-09-18T22:00"),
        (Wish(from_minute=22 * 60, to_minute=6 * 60, days="5"), "2026-09-19T02:00", "2026-09-19T02:00"),
        (Wish(digest="hourly"), "2026-09-18T09:30", "2026-09-18T10:00"),
        (Wish(digest="hourly"), "2026-09-18T09:00", "2026-09-18T09:00"),
        (Wish(digest="daily", digest_minute=17 * 60), "2026-09-18T17:01", "2026-09-19T17:00"),
        (Wish(8 * 60, 12 * 60, "12345", "daily", 17 * 60), "2026-09-18T09:00", "2026-09-21T08:00"),
        (Wish(days=""), "2026-09-18T09:00", "2026-09-18T09:00"),
    ],
)
def test_a_notice_waits_for_the_hour_in_which_its_person_wants_to_hear(
    wish: Wish, now: str, told: str
) -> None:
    assert moment(local(now), wish, ZONE) == local(told)


def test_what_is_urgent_waits_for_nothing() -> None:
    wish = Wish(8 * 60, 12 * 60, "1", "daily", 17 * 60)
    assert moment(local("2026-09-18T03:00"), wish, ZONE, urgent=True) == local("2026-09-18T03:00")


def test_the_moment_is_in_the_zone_of_the_question() -> None:
    told = moment(datetime(2026, 9, 18, 10, 30, tzinfo=UTC), OFFICE, ZONE)  # 18:30 there
    assert told.isoformat() == "2026-09-21T00:00:00+00:00"
