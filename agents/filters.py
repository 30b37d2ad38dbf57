"""The filter above a list: what was typed, read kindly, and handed back exactly as typed.

One class for calls, tickets and recordings; each list uses the fields it shows.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query

from routing.numbers import normalise
from routing.policy import Policy

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


@dataclass(frozen=True, slots=True)
class Wanted:
    """A filter as understood: number in its one form, person's id, day."""

    number: str | None
    agent_id: int | None
    day: date | None

    def span(self, policy: Policy) -> tuple[datetime, datetime] | None:
        """The day from midnight to midnight in the policy's zone; None when none is chosen."""
        if self.day is None:
            return None
        begins = datetime.combine(self.day, time(0), policy.zone)
        return begins, datetime.combine(self.day + timedelta(days=1), time(0), policy.zone)


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
    return Wanted(number, agent_id, day)


def line_options(policy: Policy) -> list[tuple[str, str]]:
    """The published lines: (number, number and name)."""
    return [(line.number, f"{line.number} {line.name}") for line in policy.lines]


def pages(typed: Filter, path: str, more: bool) -> dict[str, Any]:
    """Addresses of the newest page and the next older one, '' where there is none."""
    return {
        "newest": typed.address(path) if typed.page > 1 else "",
        "older": typed.address(path, typed.page + 1) if more else "",
    }
