"""What a leader has before him: what awaits his word, his instructions and how they stand, today's calls.

A secretary has that of the leaders of her lines.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from cases.instructions import leaders_for, unanswered
from cases.lab import incoming_call
from cases.looks import note_sealed
from cases.permissions import Action, may
from cases.visible import visible_calls, visible_tickets
from routing.policy import Policy
from storage.tables import Call, Ticket, TicketCall
from storage.viewer import Viewer
from storage.work import Instruction

DONE_FOR = timedelta(days=30)  # what was carried out stays on the page so long
MOST = 100
LISTS = ("waiting", "running", "calls")


@dataclass(frozen=True, slots=True)
class Told:
    """A report or an instruction with its case."""

    instruction: Instruction
    ticket: Ticket


@dataclass(frozen=True, slots=True)
class Rung:
    """A call of today with the case that was written of it, if he may see one."""

    call: Call
    ticket: Ticket | None


def told(session: Session, viewer: Viewer, which: str, now: datetime) -> list[Told]:
    """The list "waiting" or "running", the oldest first; nothing for who instructs nobody."""
    if not may(viewer, Action.INSTRUCT):
        return []
    query = _told(session, viewer, which, now).add_columns(Ticket).order_by(Instruction.done_at.is_not(None))
    rows = session.execute(query.order_by(Instruction.due_at, Instruction.reported_at, Instruction.id))
    found = [Told(row[0], row[1]) for row in rows]
    note_sealed(session, viewer, Action.INSTRUCT, "ticket", (each.ticket for each in found))
    return found


def calls(session: Session, viewer: Viewer, policy: Policy, now: datetime) -> list[Rung]:
    """Today's calls on the viewer's lines, the latest first, MOST of them."""
    if not may(viewer, Action.INSTRUCT):
        return []
    query = _calls(viewer, policy, now).order_by(Call.began_at.desc(), Call.id).limit(MOST)
    found = list(session.scalars(query))
    note_sealed(session, viewer, Action.SEE_CALLS, "call", found)
    mine = visible_tickets(viewer).join(TicketCall, TicketCall.ticket_id == Ticket.id)
    written = mine.where(TicketCall.call_id.in_([call.id for call in found])).order_by(Ticket.id)
    tickets = {
        call_id: ticket for ticket, call_id in session.execute(written.add_columns(TicketCall.call_id))
    }
    note_sealed(session, viewer, Action.SEE_TICKETS, "ticket", tickets.values())
    return [Rung(call, tickets.get(call.id)) for call in found]


def counts(session: Session, viewer: Viewer, policy: Policy, now: datetime) -> dict[str, int]:
    """How long each list is; {} for who instructs nobody."""
    if not may(viewer, Action.INSTRUCT):
        return {}
    found = {which: _told(session, viewer, which, now) for which in ("waiting", "running")}
    queries: dict[str, Select[Any]] = {**found, "calls": _calls(viewer, policy, now)}
    asked = {
        name: query.with_only_columns(func.count(), maintain_column_froms=True)
        for name, query in queries.items()
    }
    return {name: session.scalar(query) or 0 for name, query in asked.items()}


def _told(session: Session, viewer: Viewer, which: str, now: datetime) -> Select[Any]:
    mine = visible_tickets(viewer, Action.INSTRUCT).with_only_columns(Ticket.id)
    whose = [one.id for one in leaders_for(session, viewer)]
    query = (
        select(Instruction)
        .join(Ticket, Ticket.id == Instruction.ticket_id)
        .where(Instruction.leader_id.in_(whose), Ticket.id.in_(mine))
    )
    if which == "waiting":
        return query.where(unanswered())
    lately = or_(Instruction.done_at.is_(None), Instruction.done_at > now - DONE_FOR)
    return query.where(Instruction.given_at.is_not(None), lately)


def _calls(viewer: Viewer, policy: Policy, now: datetime) -> Select[Call]:
    midnight = now.astimezone(policy.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    today = Call.began_at >= midnight, Call.line.in_(viewer.lines), incoming_call()
    return visible_calls(viewer).where(*today)
