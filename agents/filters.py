"""A list with its filter above: what was typed, read kindly, and handed back exactly as typed.

One for calls, tickets and recordings; each list uses the fields it shows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, TypedDict
from urllib.parse import urlencode

from fastapi import Query, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from agents.people import agent_options
from routing.numbers import normalise
from routing.policy import Policy
from web.login import services
from web.render import page

ROWS = 50
Typed = Annotated[str, Query(max_length=100)]


class Unreadable(ValueError):
    """`faults`: field → message key, for every field that cannot be read."""

    def __init__(self, faults: dict[str, str]) -> None:
        super().__init__(str(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Filter:
    """As typed; `page` counts from 1."""

    number: Typed = ""
    line: Typed = ""
    agent: Typed = ""
    day: Typed = ""
    outcome: Typed = ""
    origin: Typed = ""
    ticket: Typed = ""
    kind: Typed = ""
    state: Typed = ""
    page: Annotated[int, Query(ge=1, le=10_000)] = 1

    def address(self, path: str, page: int = 1) -> str:
        """The list's address with this filter, at a page."""
        fields = {name: getattr(self, name) for name in self.__slots__ if name != "page"}
        typed = {name: value for name, value in fields.items() if value}
        query = urlencode(typed | ({"page": str(page)} if page > 1 else {}))
        return f"{path}?{query}" if query else path

    @property
    def narrowed(self) -> bool:
        """True when anything but the page is set."""
        return any(getattr(self, name) for name in self.__slots__ if name != "page")

    @property
    def offset(self) -> int:
        """Rows before this page."""
        return (self.page - 1) * ROWS


class Rows(TypedDict):
    """The words of cases/search.py: number in its one form, the day from midnight to midnight, the page.

    `limit` is one row more than the page shows, to know whether there is another.
    """

    number: str | None
    since: datetime | None
    until: datetime | None
    limit: int
    offset: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """A filter as understood: the person's id, and what every list is asked for."""

    agent_id: int | None
    rows: Rows


def read(typed: Filter, policy: Policy) -> Wanted:
    """Understand what was typed. Raises Unreadable with every fault at once."""
    faults: dict[str, str] = {}
    number = normalise(typed.number, policy.area_code).number if typed.number.strip() else None
    if typed.number.strip() and number is None:
        faults["number"] = "filter.bad_number"
    agent_id = int(typed.agent) if typed.agent.isascii() and typed.agent.isdecimal() else None
    if typed.agent and (agent_id is None or agent_id >= 2**63):
        faults["agent"] = "filter.bad_agent"
    day = None
    try:
        day = date.fromisoformat(typed.day.strip()) if typed.day.strip() else None
    except ValueError:
        faults["day"] = "filter.bad_day"
    if day is not None and not 1990 <= day.year <= 2200:
        faults["day"] = "filter.bad_day"
    if faults:
        raise Unreadable(faults)
    since, until = (
        datetime.combine(day + timedelta(days=n), time(0), policy.zone) if day else None for n in (0, 1)
    )
    rows = Rows(number=number, since=since, until=until, limit=ROWS + 1, offset=typed.offset)
    return Wanted(agent_id, rows)


def list_page(
    request: Request,
    name: str,
    typed: Filter,
    find: Callable[[Session, Wanted], Sequence[Any]],
    **context: Any,
) -> Response:
    """The page /`name`, of `name`.html. `find` gives up to ROWS + 1 rows as the template takes them."""
    policy = services(request).policy
    rows: Sequence[Any] = ()
    errors: dict[str, str] = {}
    with services(request).database.session() as session:
        context["agents"] = agent_options(session)
        try:
            rows = find(session, read(typed, policy))
        except Unreadable as fault:
            errors = fault.faults
    context |= {
        "typed": typed,
        "errors": errors,
        "rows": rows[:ROWS],
        "lines": [(line.number, f"{line.number} {line.name}") for line in policy.lines],
        "newest": typed.address(f"/{name}") if typed.page > 1 else "",
        "older": typed.address(f"/{name}", typed.page + 1) if len(rows) > ROWS else "",
    }
    return page(request, f"{name}.html", 422 if errors else 200, **context)
