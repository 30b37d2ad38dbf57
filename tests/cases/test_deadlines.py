"""The calendar that deadlines are reckoned by: seeded, then the operator's."""

from datetime import date

from sqlalchemy import func, select

from cases.deadlines import load_calendar, seed_calendar
from storage.database import Database
from storage.tables import CalendarDay, CalendarYear


def test_the_seed_knows_the_make_up_workdays_and_what_is_not_announced(database: Database) -> None:
    with database.session() as session:
        seed_calendar(session)
        calendar = load_calendar(session)
        names = dict(session.execute(select(CalendarDay.day, CalendarDay.name)).all())
        assert session.get_one(CalendarYear, 2027).announced is False
    make_up = ["2026-01-04", "2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10"]
    weekend_work = sorted(day for day, works in calendar.days.items() if works and day.year == 2026)
    assert weekend_work == [date.fromisoformat(day) for day in make_up]
    assert not calendar.works(date(2026, 10, 1)) and names[date(2026, 10, 1)] == "国庆节"
    assert 2026 in calendar.announced and 2027 not in calendar.announced


def test_seeding_again_keeps_what_the_operator_entered(database: Database) -> None:
    with database.session() as session:
        seed_calendar(session)
        session.get_one(CalendarYear, 2027).announced = True
        session.add(CalendarDay(day=date(2027, 1, 1), works=False, name="元旦"))
        session.delete(session.get_one(CalendarDay, date(2026, 10, 10)))
        count = session.scalar(select(func.count()).select_from(CalendarDay))
    with database.session() as session:
        seed_calendar(session)
        assert session.get_one(CalendarYear, 2027).announced
        assert session.scalar(select(func.count()).select_from(CalendarDay)) == count
