"""What lists and exports of calls, tickets and recordings have in common: a number, a time, a page."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute, defer
from sqlalchemy.sql.base import ExecutableOption

from storage.tables import Call, Ticket

Asked = TypeVar("Asked", bound=Select[Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """`number` is normalised; from `since` on, and before `until`."""

    number: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OfCalls(Search):
    """A search by what is known of the call; `agent_id`: who spoke with the caller last."""

    line: str = ""
    agent_id: int | None = None


def of_calls(query: Asked, search: OfCalls) -> Asked:
    """The query, narrowed to calls of this number, line and agent."""
    if search.number is not None:
        query = query.where(Call.number == search.number)
    if search.line:
        query = query.where(Call.line == search.line)
    if search.agent_id is not None:
        query = query.where(Call.agent_id == search.agent_id)
    return query


def within(
    query: Asked, at: InstrumentedAttribute[datetime], since: datetime | None, until: datetime | None
) -> Asked:
    """The query, narrowed to rows whose time `at` is from `since` on and before `until`."""
    if since is not None:
        query = query.where(at >= since)
    if until is not None:
        query = query.where(at < until)
    return query


def newest(
    query: Asked, at: InstrumentedAttribute[datetime], key: InstrumentedAttribute[Any], search: Search
) -> Asked:
    """One page of the rows of the search's time, newest first."""
    query = within(query, at, search.since, search.until).order_by(at.desc(), key.desc())
    return query.limit(search.limit).offset(search.offset)


def unlisted(*also: InstrumentedAttribute[Any]) -> tuple[ExecutableOption, ...]:
    """A query's options: without what no list of tickets shows, and `also` this. To open what is sealed takes
    its time."""
    texts = Ticket.content, Ticket.answer, Ticket.accused, Ticket.place
    return tuple(defer(each) for each in (*texts, Ticket.calling_number, Ticket.contact_number, *also))
