"""The screen-pop: what an agent is shown while her phone rings."""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from cases import journal
from cases.drafts import DraftState, draft
from cases.errors import NotVisible
from cases.permissions import Action, demand
from cases.states import OPEN
from cases.visible import name, visible_calls, visible_tickets
from routing.numbers import display
from storage.tables import Call, Caller, Journal, Ticket, TicketCall
from storage.viewer import Viewer

EARLIER_CALLS = 10


@dataclass(frozen=True, slots=True)
class Pop:
    """`wait_seconds` runs from the queue to the answer, or to now. Lists are newest first."""

    call: Call
    number_display: str
    caller: Caller | None
    wait_seconds: float
    earlier_calls: list[Call]
    tickets: list[Ticket]  # saved from this very call
    open_tickets: list[Ticket]  # the caller's others that are still open
    draft: DraftState | None


def offered(session: Session, viewer: Viewer, call_id: str, token: str = "") -> Pop:
    """The record of a call that rings at the viewer's phone.

    The right token proves that it rings there, and lets her see a sealed call from now on; without
    it plain visibility applies. Raises NotVisible.
    """
    demand(viewer, Action.SEE_CASES)
    call = session.get(Call, call_id)
    if call is None:
        raise NotVisible(f"no call {call_id}")
    if token and hmac.compare_digest(call.offer_token.encode(), token.encode()):
        _journal_offer(session, viewer, call_id)
        if call.sealed:
            name(session, viewer.person_id, "offered", call_id=call_id)
    return read_call(session, viewer, call_id)


def read_call(session: Session, viewer: Viewer, call_id: str) -> Pop:
    """A call's record for whoever may see it; reading a sealed one is journalled. Raises NotVisible."""
    call = session.scalar(visible_calls(viewer).where(Call.id == call_id))
    if call is None:
        raise NotVisible(f"no call {call_id}")
    if call.sealed:
        journal.append(session, viewer, "call.read", "call", call_id)
    caller = session.get(Caller, call.caller_id) if call.caller_id is not None else None
    saved = session.scalars(
        visible_tickets(viewer)
        .join(TicketCall, TicketCall.ticket_id == Ticket.id)
        .where(TicketCall.call_id == call_id)
        .order_by(Ticket.id.desc())
    ).all()
    return Pop(
        call=call,
        number_display=display(call.number),
        caller=caller,
        wait_seconds=_wait_seconds(call),
        earlier_calls=_earlier_calls(session, viewer, call),
        tickets=list(saved),
        open_tickets=_open_tickets(session, viewer, call, {ticket.id for ticket in saved}),
        draft=draft(session, viewer, call_id),
    )


def _journal_offer(session: Session, viewer: Viewer, call_id: str) -> None:
    """Once per person and call: a page that is drawn again is no second offer."""
    known = select(Journal.id).where(
        Journal.subject_kind == "call",
        Journal.subject_id == call_id,
        Journal.act == "call.offered",
        Journal.actor_id == viewer.person_id,
    )
    if session.scalar(known.limit(1)) is None:
        journal.append(session, viewer, "call.offered", "call", call_id)


def _wait_seconds(call: Call) -> float:
    if call.queued_at is None:
        return 0.0
    until = call.answered_at or call.ended_at or datetime.now(UTC)
    return max(0.0, (until - call.queued_at).total_seconds())


def _earlier_calls(session: Session, viewer: Viewer, call: Call) -> list[Call]:
    same: list[ColumnElement[bool]] = []
    if call.number is not None:
        same.append(Call.number == call.number)
    if call.caller_id is not None:
        same.append(Call.caller_id == call.caller_id)
    if not same:
        return []
    earlier = visible_calls(viewer).where(or_(*same), Call.id != call.id, Call.began_at <= call.began_at)
    return list(session.scalars(earlier.order_by(Call.began_at.desc()).limit(EARLIER_CALLS)))


def _open_tickets(session: Session, viewer: Viewer, call: Call, but: set[int]) -> list[Ticket]:
    same: list[ColumnElement[bool]] = []
    if call.number is not None:
        same += [Ticket.calling_number == call.number, Ticket.contact_number == call.number]
    if call.caller_id is not None:
        same.append(Ticket.caller_id == call.caller_id)
    if not same:
        return []
    tickets = visible_tickets(viewer).where(or_(*same), Ticket.state.in_(OPEN), Ticket.id.not_in(but))
    return list(session.scalars(tickets.order_by(Ticket.id.desc()).limit(EARLIER_CALLS)))
