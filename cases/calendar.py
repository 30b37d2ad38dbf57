"""The city's calendar: days that differ from the week, years that are announced, and what a change moves.

Every change is journalled with what was, and reckons all open deadlines anew that it touches.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cases import escalation, journal
from cases.deadlines import load_calendar, seed_calendar
from cases.errors import Refused
from cases.permissions import Action, demand, rule
from cases.reckoning import Reckoned, reckon_anew
from routing.holidays import Listed, read
from routing.policy import Policy
from routing.working_time import Calendar
from storage.tables import CalendarDay, CalendarYear
from storage.viewer import Viewer

FIRST, LAST = 2000, 2100  # years that can be entered
SECONDS = 60.0  # a change may take, with all that it moves
LONGEST_NAME = 40
LONGEST_NOTICE = 20_000
_LOCK = 962299_011  # advisory: one change at a time


@dataclass(frozen=True, slots=True)
class Change:
    """`days` that differ from now on, `plain` ones that are as the week has them, `years` → announced."""

    days: Sequence[Listed] = ()
    plain: Sequence[date] = ()
    years: Mapping[int, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Changed:
    """`days` and `years`: how many are not what they were. `first_year`: of all that was told."""

    days: int
    years: int
    reckoned: Reckoned
    first_year: int | None
    before: Calendar


def days_of(session: Session, viewer: Viewer, year: int) -> list[CalendarDay]:
    """What differs in a year, by date. Raises NotAllowed."""
    demand(viewer, Action.MANAGE_CITY)
    within = CalendarDay.day.between(date(year, 1, 1), date(year, 12, 31))
    return list(session.scalars(select(CalendarDay).where(within).order_by(CalendarDay.day)))


def years(session: Session, viewer: Viewer) -> dict[int, bool]:
    """Every year that was ever entered → announced. Raises NotAllowed."""
    demand(viewer, Action.MANAGE_CITY)
    rows = session.execute(select(CalendarYear.year, CalendarYear.announced).order_by(CalendarYear.year))
    return {row.year: row.announced for row in rows}


def set_day(
    session: Session, viewer: Viewer, day: date, name: str, policy: Policy, *, works: bool
) -> Changed:
    """One day works or does not, whatever the week says. Raises NotAllowed, Refused (day, name)."""
    _check_year("day", day.year)
    if len(name) > LONGEST_NAME:
        raise Refused({"name": "too_long"})
    listed = Listed(day, works, name)
    return change(session, viewer, Change(days=[listed]) if listed.differs else Change(plain=[day]), policy)


def announce(session: Session, viewer: Viewer, year: int, policy: Policy, *, announced: bool) -> Changed:
    """A year's holidays are known, or they are not yet. Raises NotAllowed, Refused (year)."""
    _check_year("year", year)
    return change(session, viewer, Change(years={year: announced}), policy)


def take_in(session: Session, viewer: Viewer, notice: str, policy: Policy, *, announced: bool) -> Changed:
    """A notice as routing/holidays.py reads it: all of it or, with its lines at fault told, nothing.

    `announced`: its years are known from now on. Raises NotAllowed, and Refused: notice required, too_long
    or nothing; line_<n>: no_date, no_word, span, twice or year.
    """
    demand(viewer, Action.MANAGE_CITY)
    if not notice.strip() or len(notice) > LONGEST_NOTICE:
        raise Refused({"notice": "too_long" if notice.strip() else "required"})
    days, bad = read(notice)
    if bad:
        raise Refused({f"line_{each.line}": each.fault for each in bad})
    if not days:
        raise Refused({"notice": "nothing"})
    for each in days:
        _check_year("notice", each.day.year)
    taken = Change(
        days=[each for each in days if each.differs],
        plain=[each.day for each in days if not each.differs],
        years=dict.fromkeys({each.day.year for each in days if not each.works}, True) if announced else {},
    )
    return change(session, viewer, taken, policy)


def change(session: Session, viewer: Viewer, wanted: Change, policy: Policy) -> Changed:
    """Store what differs from what there is, and reckon anew. Raises NotAllowed."""
    demand(viewer, Action.MANAGE_CITY)
    session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    before = load_calendar(session)
    was = {row.day: row for row in session.scalars(select(CalendarDay))}
    new = [each for each in wanted.days if _said(was.get(each.day)) != (each.works, each.name)]
    gone = [day for day in wanted.plain if day in was]
    opened = {year: known for year, known in wanted.years.items() if (year in before.announced) != known}
    allowed = rule(viewer, Action.MANAGE_CITY)

    def note(act: str, of: object, **detail: Any) -> None:
        journal.append(session, viewer, act, "calendar", of, rule=allowed, **detail)

    for each in new:
        old = was.get(each.day)
        note("calendar.day_set", each.day, works=each.works, was=old.works if old else None)
    for day in gone:
        note("calendar.day_removed", day, was=was[day].works)
    for year, known in opened.items():
        note("calendar.announced" if known else "calendar.unannounced", year)
    _store(session, new, gone, wanted.years)
    reckoned = _follow(session, before, policy)
    told = [*(each.day.year for each in wanted.days), *(day.year for day in wanted.plain), *wanted.years]
    return Changed(len(new) + len(gone), len(opened), reckoned, min(told, default=None), before)


def catch_up(session: Session, changed: Changed, policy: Policy) -> None:
    """After a change was committed: what others were just saving by the calendar of before follows, too."""
    _follow(session, changed.before, policy)


def seed(session: Session, policy: Policy) -> Reckoned:
    """What the holidays' library has announced since the last start is entered; what was entered stays."""
    session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    before = load_calendar(session)
    seed_calendar(session)
    found = load_calendar(session)
    for year in sorted(found.announced - before.announced):
        journal.append(session, None, "calendar.announced", "calendar", year)
    return _follow(session, before, policy)


def _store(session: Session, new: Sequence[Listed], gone: Sequence[date], years: Mapping[int, bool]) -> None:
    if new:
        days = insert(CalendarDay).values(
            [{"day": each.day, "works": each.works, "name": each.name} for each in new]
        )
        told = {"works": days.excluded.works, "name": days.excluded.name}
        session.execute(days.on_conflict_do_update(index_elements=[CalendarDay.day], set_=told))
    if gone:
        session.execute(delete(CalendarDay).where(CalendarDay.day.in_(gone)))
    if years:
        rows = insert(CalendarYear).values(
            [{"year": year, "announced": known} for year, known in years.items()]
        )
        told = {"announced": rows.excluded.announced}
        session.execute(rows.on_conflict_do_update(index_elements=[CalendarYear.year], set_=told))
    session.flush()
    session.expire_all()


def _follow(session: Session, before: Calendar, policy: Policy) -> Reckoned:
    """Deadlines and the levels of their ladders, by the calendar as it is now."""
    after = load_calendar(session)
    changed = _between(before, after)
    if not changed:
        return Reckoned()
    reckoned = reckon_anew(session, before, after, changed, policy)
    escalation.reckon_anew(session)
    session.flush()
    return reckoned


def _between(before: Calendar, after: Calendar) -> list[date]:
    """The days that work in one alone, and the first of each year that is known in one alone."""
    days = [day for day in before.days.keys() | after.days.keys() if before.works(day) != after.works(day)]
    return [*days, *(date(year, 1, 1) for year in before.announced ^ after.announced)]


def _said(row: CalendarDay | None) -> tuple[bool, str] | None:
    return (row.works, row.name) if row else None


def _check_year(field_name: str, year: int) -> None:
    if not FIRST <= year <= LAST:
        raise Refused({field_name: "year"})
