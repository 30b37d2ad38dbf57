"""Calls and tickets for other programs, as plain values; what the viewer may not see is not there."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from cases import journal, lab
from cases.permissions import Action, demand
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
    demand(viewer, Action.EXPORT)
    query = visible_calls(viewer).where(lab.real_call()).order_by(Call.began_at, Call.id)
    if since is not None:
        query = query.where(Call.began_at >= since)
    if until is not None:
        query = query.where(Call.began_at < until)
    journal.append(session, viewer, "calls.exported", "person", viewer.person_id)
    mine = visible_tickets(viewer).subquery()
    numbers = (
        select(func.array_agg(aggregate_order_by(mine.c.number, mine.c.number)))
        .join(TicketCall, TicketCall.ticket_id == mine.c.id)
        .where(TicketCall.call_id == Call.id)
        .scalar_subquery()
    )
    rows = session.execute(query.add_columns(numbers).execution_options(yield_per=_BATCH))
    for call, tickets in rows:
        yield {**_plain(call, _CALL), "tickets": tickets or []}


def export_tickets(
    session: Session, viewer: Viewer, since: datetime | None = None, until: datetime | None = None
) -> Iterator[dict[str, Any]]:
    """Visible tickets, oldest first; times as ISO 8601 in UTC. Journalled. Raises NotAllowed."""
    demand(viewer, Action.EXPORT)
    query = visible_tickets(viewer).order_by(Ticket.created_at, Ticket.id)
    if since is not None:
        query = query.where(Ticket.created_at >= since)
    if until is not None:
        query = query.where(Ticket.created_at < until)
    journal.append(session, viewer, "tickets.exported", "person", viewer.person_id)
    seen = visible_calls(viewer).subquery()
    ids = (
        select(func.array_agg(aggregate_order_by(seen.c.id, seen.c.id)))
        .join(TicketCall, TicketCall.call_id == seen.c.id)
        .where(TicketCall.ticket_id == Ticket.id)
        .scalar_subquery()
    )
    rows = session.execute(query.add_columns(ids).execution_options(yield_per=_BATCH))
    for ticket, calls in rows:
        yield {**_plain(ticket, _TICKET), "calls": calls or []}


def _plain(row: Call | Ticket, fields: list[str]) -> dict[str, Any]:
    return {field: _value(getattr(row, field)) for field in fields}


def _value(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
