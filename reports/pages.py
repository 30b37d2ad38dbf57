"""/day: the day of a line, or of all that somebody may read, on one page for the screen and for paper.

Each of its figures leads to the same page with `list`, which shows what was counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from cases import awaiting, day, personal
from cases.day import Day
from cases.permissions import Action
from reports.day import sheet
from routing.policy import Policy
from storage.tables import Call, Ticket
from storage.viewer import Viewer
from web.login import needs, services
from web.render import page

router = APIRouter()
ROWS = 50
FIRST_YEAR = 1990
Typed = Annotated[str, Query(max_length=100)]


@dataclass(frozen=True, slots=True)
class Asked:
    """As typed: a published number ('': all of hers), a day ('': today), a list's name ('': the sheet)."""

    line: Typed = ""
    date: Typed = ""
    list: Typed = ""
    page: Annotated[int, Query(ge=1, le=10_000)] = 1

    def address(self, **changed: str) -> str:
        """The page's address with some of it changed; '' leaves it out."""
        asked = {"line": self.line, "date": self.date, "list": self.list, **changed}
        query = urlencode({name: value for name, value in asked.items() if value})
        return f"/day?{query}" if query else "/day"


@router.get("/day")
def day_page(
    request: Request,
    who: Annotated[Viewer, Depends(needs(Action.READ_DAY))],
    typed: Annotated[Asked, Depends()],
) -> Response:
    """The sheet; with `list`, what one of its figures counted."""
    policy, now = services(request).policy, datetime.now(UTC)
    lines = day.lines(who, policy)
    errors, which = _read(typed, [line.number for line in lines], policy, now)
    context: dict[str, Any] = {
        "typed": typed,
        "errors": errors,
        "line_options": [(line.number, f"{line.number} {line.name}") for line in lines],
        "reads_all": day.reads_all(who),
        "all_word": "day.all_lines" if day.reads_all(who) else "day.own_lines",
        "today": now.astimezone(policy.zone).date().isoformat(),
        "now": now,
        "shown": _shown,
        "ratings": day.ratings(policy),
    }
    if which is None:
        return page(request, "day_unread.html", 422, **context)
    context |= {"day": which, "weekday": which.date.weekday()}
    with services(request).database.session() as session:
        if typed.list:
            context |= _list(session, who, typed, which, policy)
            return page(request, "day_list.html", **context)
        return page(request, "day.html", sheet=sheet(session, who, which, policy, now), **context)


def _read(
    typed: Asked, lines: Sequence[str], policy: Policy, now: datetime
) -> tuple[dict[str, str], Day | None]:
    """What is wrong with what was typed (field → message key), or the day that is meant."""
    errors = {}
    today = now.astimezone(policy.zone).date()
    which = today
    try:
        which = date.fromisoformat(typed.date.strip()) if typed.date.strip() else today
    except ValueError:
        errors["date"] = "day.bad_date"
    if which > today:
        errors["date"] = "day.to_come"
    elif which.year < FIRST_YEAR:
        errors["date"] = "day.bad_date"
    if typed.line and typed.line not in lines:
        errors["line"] = "day.bad_line"
    if typed.list and typed.list not in (*day.CALLS, *day.case_lists(policy), *awaiting.STEPS):
        errors["list"] = "day.bad_list"
    return errors, None if errors else day.day_of(which, policy, typed.line)


def _list(session: Session, who: Viewer, typed: Asked, which: Day, policy: Policy) -> dict[str, Any]:
    """One page of a list, under the name by which the template draws its rows."""
    name, page_of = typed.list, {"limit": ROWS + 1, "offset": (typed.page - 1) * ROWS}
    rows: Sequence[Any]
    if name in day.CALLS:
        kind, rows = "calls", day.calls(session, who, name, which, **page_of)
    elif name in awaiting.STEPS:
        kind, rows = "steps", awaiting.steps(session, who, name, which.line, policy, **page_of)
    else:
        kind, rows = "cases", day.cases(session, who, name, which, policy, **page_of)
    return {
        "kind": kind,
        "rows": rows[:ROWS],
        "newest": typed.address() if typed.page > 1 else "",
        "older": typed.address(page=str(typed.page + 1)) if len(rows) > ROWS else "",
    }


def _shown(row: Call | Ticket) -> Any:
    """Names and numbers masked: the sheet is for handing round."""
    return personal.shown(row, full=False)
