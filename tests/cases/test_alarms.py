"""Alarms as they are kept: raised once, cleared once."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from cases.alarms import Raised, raised, settle
from storage.database import Database
from storage.tables import Alarm

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def told(database: Database, at: datetime, *wrong: Raised) -> list[Raised]:
    with database.session() as session:
        settle(session, {each.name: each for each in wrong}, at)
    with database.session() as session:
        return raised(session)


def test_an_alarm_is_raised_once_renewed_in_place_and_cleared_once(database: Database) -> None:
    first = Raised("disk", NOW, {"free_mib": 900})
    assert told(database, NOW, first) == [first]
    later = Raised("disk", NOW + timedelta(minutes=1), {"free_mib": 800})
    assert told(database, later.at, later) == [Raised("disk", NOW, {"free_mib": 800})]
    assert told(database, NOW + timedelta(minutes=2)) == []
    assert told(database, NOW + timedelta(minutes=3)) == []
    with database.session() as session:
        (kept,) = session.scalars(select(Alarm)).all()
    assert (kept.raised_at, kept.cleared_at) == (NOW, NOW + timedelta(minutes=2))


def test_the_same_alarm_may_come_back(database: Database) -> None:
    again = Raised("disk", NOW + timedelta(hours=1), {})
    told(database, NOW, Raised("disk", NOW, {}))
    told(database, NOW)
    assert told(database, again.at, again) == [again]
