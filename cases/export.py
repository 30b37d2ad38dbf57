"""Calls and tickets for other programs, as plain values; what the viewer may not see is not there."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import ScalarSelect, Select, SQLColumnExpression, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from cases import journal, lab
from cases.permissions import Action, demand
from cases.search import within
from cases.visible import visible_calls, visible_tickets
from storage.tables import Call, Ticket, TicketCall
from storage.viewer import Viewer

_BATCH = 500
_CALL_INNER = {"offer_token", "linkedid", "caller_id", "closed_note", "closed_by"}
_TICKET_INNER = {"id", "form_id", "caller_id"}
_CALL = [column.key for column in Call.__table__.columns if column.key not in _CALL_INNER]
_TICKET = [column.key for column in Ticket.__table__.columns if column.key not in _TICKET_INNER]


def export_calls(
    session: Session, viewer: Viewer, since: datetime | None = None, until: datetime | None = None
) -> Iterator[dict[str, Any]]:
    """Visible calls but the lab's, oldest first; times as ISO 8601 in UTC. Journalled. Raises NotAllowed."""
    ticket = visible_tickets(viewer).subquery().c
    rows = within(visible_calls(viewer).where(lab.real_call()), Call.began_at, since, until)
    rows = rows.add_columns(_linked(ticket.number, ticket.id, Call.id)).order_by(Call.began_at, Call.id)
    return _export(session, viewer, "calls.exported", rows, _CALL, "tickets")


def export_tickets(
    session: Session, viewer: Viewer, since: datetime | None = None, until: datetime | None = None
) -> Iterator[dict[str, Any]]:
    """Visible tickets, oldest first; times as ISO 8601 in UTC. Journalled. Raises NotAllowed."""
    call = visible_calls(viewer).subquery().c
    rows = within(visible_tickets(viewer), Ticket.created_at, since, until)
    rows = rows.add_columns(_linked(call.id, Ticket.id, call.id)).order_by(Ticket.created_at, Ticket.id)
    return _export(session, viewer, "tickets.exported", rows, _TICKET, "calls")


def _linked(
    key: SQLColumnExpression[Any], ticket_id: SQLColumnExpression[int], call_id: SQLColumnExpression[str]
) -> ScalarSelect[Any]:
    """The keys of what is linked with a row, in order: one of the two ids is the row's own."""
    keys = select(func.array_agg(aggregate_order_by(key, key)))
    return keys.where(TicketCall.ticket_id == ticket_id, TicketCall.call_id == call_id).scalar_subquery()


def _export(
    session: Session, viewer: Viewer, act: str, query: Select[Any], fields: list[str], others: str
) -> Iterator[dict[str, Any]]:
    """`query` gives rows of a table, each with the keys of the `others` that belong to it."""
    demand(viewer, Action.EXPORT)
    journal.append(session, viewer, act, "person", viewer.person_id)
    for row, keys in session.execute(query.execution_options(yield_per=_BATCH)):
        yield {**{field: _plain(getattr(row, field)) for field in fields}, others: keys or []}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
