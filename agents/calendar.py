"""The calendar for the administrator: a year's days that differ, years announced, notices taken in."""

from calendar import Calendar as Weeks
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from agents.tickets import form_fields
from cases import calendar
from cases.calendar import Changed
from cases.errors import Refused as Faulty
from cases.permissions import Action
from storage.tables import CalendarDay
from storage.viewer import Viewer
from web.login import needs, services
from web.messages import Catalogue
from web.render import now, page, translate

router = APIRouter(prefix="/city/calendar")
Keeper = Annotated[Viewer, Depends(needs(Action.MANAGE_CITY))]
Typed = Annotated[dict[str, str], Depends(form_fields)]
YEARS_BACK = 2  # shown before the one that is looked at
Year = Annotated[int | None, Query(ge=calendar.FIRST, le=calendar.LAST)]


@dataclass(frozen=True, slots=True)
class Square:
    """A day of the year's picture; `listed`: what the table says of it, if it differs from the week."""

    day: date
    works: bool
    listed: CalendarDay | None


@router.get("")
def calendar_page(request: Request, who: Keeper, year: Year = None) -> Response:
    """A year at a glance, what differs in it, and the forms that change it."""
    return _page(request, who, year)


@router.post("/day")
def set_day(request: Request, who: Keeper, typed: Typed) -> Response:
    """A day works or is free, whatever the week says; both ways deadlines follow."""
    try:
        day = _day(typed.get("day", ""))
        works = {"works": True, "free": False, "week": day.weekday() < 5}.get(typed.get("works", ""))
        if works is None:
            raise Faulty({"works": "required"})
        name, policy = typed.get("name", "").strip(), services(request).policy
        changed = _change(request, lambda it: calendar.set_day(it, who, day, name, policy, works=works))
    except Faulty as fault:
        return _page(request, who, None, 422, typed=typed, faults=fault.faults)
    return _page(request, who, day.year, changed=changed)


@router.post("/year")
def set_year(request: Request, who: Keeper, typed: Typed) -> Response:
    """A year's holidays are announced, or not yet."""
    number = typed.get("year", "")
    try:
        if not (number.isascii() and number.isdecimal() and len(number) == 4):
            raise Faulty({"year": "year"})
        known, policy = typed.get("announced") == "true", services(request).policy
        changed = _change(
            request, lambda it: calendar.announce(it, who, int(number), policy, announced=known)
        )
    except Faulty as fault:
        return _page(request, who, None, 422, typed=typed, faults=fault.faults)
    return _page(request, who, int(number), changed=changed)


@router.post("/import")
def take_in(request: Request, who: Keeper, typed: Typed) -> Response:
    """A notice, all of it or nothing; what was pasted comes back with its lines at fault."""
    notice = typed.get("notice", "")
    try:
        known, policy = bool(typed.get("announced")), services(request).policy
        changed = _change(request, lambda it: calendar.take_in(it, who, notice, policy, announced=known))
    except Faulty as fault:
        return _page(request, who, None, 422, typed=typed, faults=fault.faults)
    return _page(request, who, changed.first_year, changed=changed)


def _change(request: Request, act: Callable[[Session], Changed]) -> Changed:
    database, policy = services(request).database, services(request).policy
    with database.session(calendar.SECONDS) as session:
        changed = act(session)
    with database.session(calendar.SECONDS) as session:
        calendar.catch_up(session, changed, policy)
    return changed


def _day(typed: str) -> date:
    try:
        return date.fromisoformat(typed)
    except ValueError:
        raise Faulty({"day": "day" if typed else "required"}) from None


def _page(
    request: Request,
    who: Viewer,
    year: int | None,
    status: int = 200,
    *,
    typed: dict[str, str] | None = None,
    faults: dict[str, str] | None = None,
    changed: Changed | None = None,
) -> Response:
    shown = year or now().astimezone(services(request).policy.zone).year
    with services(request).database.session() as session:
        known = calendar.years(session, who)
        rows = calendar.days_of(session, who, shown)
    context: dict[str, Any] = {
        "year": shown,
        "years": {each: announced for each, announced in known.items() if each >= shown - YEARS_BACK},
        "announced": known.get(shown, False),
        "rows": rows,
        "months": [_month(shown, month, {row.day: row for row in rows}) for month in range(1, 13)],
        "typed": typed or {},
        "faults": _told(faults or {}, translate(request)),
        "changed": changed,
    }
    return page(request, "calendar.html", status, **context)


def _month(year: int, month: int, listed: dict[date, CalendarDay]) -> list[list[Square | None]]:
    """Weeks from Monday on; None beside the month."""
    weeks = Weeks().monthdatescalendar(year, month)
    return [[_square(day, listed.get(day)) if day.month == month else None for day in week] for week in weeks]


def _square(day: date, row: CalendarDay | None) -> Square:
    return Square(day, row.works if row else day.weekday() < 5, row)


def _told(faults: dict[str, str], t: Catalogue) -> dict[str, str]:
    """Field → sentence; lines of a notice by their numbers."""
    told = {}
    for name, code in faults.items():
        field, _, line = name.partition("_")
        said = t(f"calendar.fault.{code}")
        told[name] = t("calendar.line", line=line, fault=said) if field == "line" else said
    return told
