"""Calls and tickets for other programs, as plain values; what the viewer may not see is not there."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, SQLColumnExpression, false, func, or_, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from cases import journal, lab, personal
from cases.permissions import Action, demand, rule
from cases.search import within
from cases.visible import visible_calls, visible_tickets
from storage.tables import Call, Ticket, TicketCall
from storage.viewer import Viewer

_BATCH = 500
_CALL_INNER = {"offer_token", "linkedid", "caller_id", "closed_note", "closed_by"}
_TICKET_INNER = {"id", "form_id", "caller_id", "enterprise_id", "next_at", "next_for", "next_in"}
_CALL = [column.key for column in Call.__table__.columns if column.key not in _CALL_INNER]
_TICKET = [column.key for column in Ticket.__table__.columns if column.key not in _TICKET_INNER]
FIELDS = {"calls": (*_CALL, "tickets"), "tickets": (*_TICKET, "calls")}

# What a spreadsheet takes for a formula, full-width signs included, or for the end of a cell before one.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")


def export_calls(
    session: Session,
    viewer: Viewer,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    full: bool = False,
) -> Iterator[dict[str, Any]]:
    """Visible calls but the lab's, oldest first; times as ISO 8601 in UTC. Raises NotAllowed.

    Names and numbers are masked but in rows that the viewer sees in full, or (`full`) may ask to see so.
    Journalled at once: whoever lets rows leave commits before the first one.
    """
    _demand(viewer, full)
    ticket = visible_tickets(viewer, Action.EXPORT).subquery().c
    seen = visible_calls(viewer, Action.EXPORT).where(lab.real_call())
    rows = within(seen, Call.began_at, since, until)
    _note(session, viewer, "call", rows, Call, full)
    shown = _in_full(visible_calls, viewer, full)
    keys = _linked(ticket.number, ticket.id, Call.id)
    rows = rows.add_columns(keys, shown).order_by(Call.began_at, Call.id)
    return _export(session, rows, _CALL, "tickets")


def export_tickets(
    session: Session,
    viewer: Viewer,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    full: bool = False,
) -> Iterator[dict[str, Any]]:
    """Visible tickets, oldest first; otherwise as `export_calls`."""
    _demand(viewer, full)
    call = visible_calls(viewer, Action.EXPORT).subquery().c
    rows = within(visible_tickets(viewer, Action.EXPORT), Ticket.created_at, since, until)
    _note(session, viewer, "ticket", rows, Ticket, full)
    shown = _in_full(visible_tickets, viewer, full)
    keys = _linked(call.id, Ticket.id, call.id)
    rows = rows.add_columns(keys, shown).order_by(Ticket.created_at, Ticket.id)
    return _export(session, rows, _TICKET, "calls")


def as_csv(
    rows: Iterable[Mapping[str, Any]], fields: Iterable[str], words: Mapping[str, str]
) -> Iterator[list[str]]:
    """The rows of a table for a spreadsheet, under a line of headings: no cell of theirs is a formula."""
    names = list(fields)
    yield [words[name] for name in names]
    for row in rows:
        yield [_cell(row[name]) for name in names]


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case list():
            said = " ".join(map(str, value))
        case _:
            said = str(value)
    return f"'{said}" if said.startswith(_FORMULA) else said


def _demand(viewer: Viewer, full: bool) -> None:
    demand(viewer, Action.EXPORT)
    if full:
        demand(viewer, Action.SHOW_PERSONAL)


def _in_full(
    visible: Callable[[Viewer, Action], Select[Any]], viewer: Viewer, full: bool
) -> ColumnElement[bool]:
    """Whether a row's names and numbers leave in full."""
    ways = (Action.SEE_PERSONAL, Action.SHOW_PERSONAL) if full else (Action.SEE_PERSONAL,)
    return or_(false(), *(way for each in ways if (way := visible(viewer, each).whereclause) is not None))


def _note(
    session: Session,
    viewer: Viewer,
    kind: str,
    query: Select[Any],
    table: type[Call] | type[Ticket],
    full: bool,
) -> None:
    """How many rows; each sealed one by itself, so that only who may know of it reads that it was there."""
    count = select(func.count()).select_from(query.where(table.sealed.is_(False)).subquery())
    act, allowed = f"{kind}s.exported", rule(viewer, Action.EXPORT)
    rows = session.scalars(count).one()
    journal.append(session, viewer, act, "person", viewer.person_id, rule=allowed, rows=rows, full=full)
    allowed = rule(viewer, Action.EXPORT, sealed=True)
    sealed = query.where(table.sealed).with_only_columns(table.id).order_by(table.id)
    for subject in session.scalars(sealed):
        journal.append(session, viewer, f"{kind}.exported", kind, subject, rule=allowed)
    session.flush()


def _linked(
    key: SQLColumnExpression[Any], ticket_id: SQLColumnExpression[int], call_id: SQLColumnExpression[str]
) -> ScalarSelect[Any]:
    """The keys of what is linked with a row, in order: one of the two ids is the row's own."""
    keys = select(func.array_agg(aggregate_order_by(key, key)))
    return keys.where(TicketCall.ticket_id == ticket_id, TicketCall.call_id == call_id).scalar_subquery()


def _export(session: Session, query: Select[Any], fields: list[str], others: str) -> Iterator[dict[str, Any]]:
    """`query` gives rows of a table, each with the keys of the `others` of it, and whether it is in full."""
    for row, keys, full in session.execute(query.execution_options(yield_per=_BATCH)):
        told = personal.shown(row, full=full)
        yield {**{field: _plain(getattr(told, field)) for field in fields}, others: keys or []}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
