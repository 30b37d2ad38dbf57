"""The screen-pop: what an agent is shown while her phone rings."""

import hmac
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Row,
    Select,
    String,
    and_,
    any_,
    bindparam,
    delete,
    exists,
    or_,
    select,
)
from sqlalchemy.orm import Session

from cases import journal, lab
from cases.drafts import DraftState, state_of
from cases.looks import note_sealed
from cases.permissions import Action, demand, rule
from cases.sealed import missing_call
from cases.states import OPEN
from cases.visible import OFFERED, name, visible_calls, visible_tickets
from routing.numbers import display
from storage.parties import Caller
from storage.staff import PersonDuty
from storage.tables import Call, CallLeg, Draft, Named, Ticket, TicketCall
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
    rings_here: bool = False  # it was just proven that it is offered to the viewer


_Found = tuple[Call, Caller | None, Draft | None, bool]


def _offer() -> Select[str, bool, bool, bool]:
    """call_id, person_id → token, seal, whether it rings at the person, whether her ring ended in vain.

    The live picture knows of a second ring before the channel events do.
    """
    call_id, person_id = bindparam("call_id", type_=String), bindparam("person_id", type_=BigInteger)
    hers = (CallLeg.call_id == call_id, CallLeg.person_id == person_id)
    over = Call.outcome != "live"
    open_still = and_(CallLeg.ended_at.is_(None), ~over)
    ended = and_(or_(over, exists().where(*hers)), ~exists().where(*hers, open_still))
    rings = _rings(call_id, person_id)
    return select(Call.offer_token, Call.sealed, rings.label("rings"), ended.label("ended")).where(
        Call.id == call_id
    )


def _rings(call_id: Any, person_id: Any) -> ColumnElement[bool]:
    return exists().where(PersonDuty.person_id == person_id, PersonDuty.live_call_id == call_id)


def _over_for_her() -> ColumnElement[bool]:
    """A person named for an offer: the call is over, or a leg of hers ended after she was offered it last.

    Who got the caller is named for that instead.
    """
    over = exists().where(Call.id == Named.call_id, Call.outcome != "live")
    hers = (CallLeg.call_id == Named.call_id, CallLeg.person_id == Named.person_id)
    parted = exists().where(*hers, CallLeg.ended_at >= Named.at)
    still = exists().where(*hers, CallLeg.ended_at.is_(None))
    return or_(over, and_(parted, ~still, ~_rings(Named.call_id, Named.person_id)))


_OFFER = _offer()
_ENDED = (
    delete(Named)
    .where(Named.call_id == any_(bindparam("call_ids", type_=ARRAY(String))), Named.why == OFFERED)
    .where(_over_for_her())
    .returning(Named.call_id, Named.person_id)
)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked for a pop. Put together once a viewer: a ring leaves no time for it."""

    call: Select[Any]  # call_id → the call, its caller, what the viewer has typed, whether tickets came of it
    saved: Select[Any]  # call_id → its tickets
    earlier: Select[Any]  # call_id, number, caller_id, began_at → calls
    open: Select[Any]  # call_id, number, caller_id → tickets not saved from it


@lru_cache(maxsize=512)
def _asked(viewer: Viewer) -> _Asked:
    call_id = bindparam("call_id", type_=String)
    number = bindparam("number", type_=String)
    caller_id = bindparam("caller_id", type_=BigInteger)
    # What is not known is NULL, and equals nothing.
    same_caller = or_(Call.number == number, Call.caller_id == caller_id)
    same_ticket = or_(
        Ticket.calling_number == number, Ticket.contact_number == number, Ticket.caller_id == caller_id
    )
    of_this_call = select(TicketCall.ticket_id).where(TicketCall.call_id == call_id)
    return _Asked(
        call=visible_calls(viewer)
        .add_columns(Caller, Draft, exists(of_this_call))
        .outerjoin(Caller, Caller.id == Call.caller_id)
        .outerjoin(Draft, and_(Draft.call_id == Call.id, Draft.person_id == viewer.person_id))
        .where(Call.id == call_id),
        saved=visible_tickets(viewer)
        .join(TicketCall, TicketCall.ticket_id == Ticket.id)
        .where(TicketCall.call_id == call_id)
        .order_by(Ticket.id.desc()),
        earlier=visible_calls(viewer)
        .where(same_caller, Call.id != call_id, Call.began_at <= bindparam("began_at"), lab.real_call())
        .order_by(Call.began_at.desc())
        .limit(EARLIER_CALLS),
        open=visible_tickets(viewer)
        .where(same_ticket, Ticket.state.in_(OPEN), Ticket.id.not_in(of_this_call))
        .order_by(Ticket.id.desc())
        .limit(EARLIER_CALLS),
    )


def prepare(session: Session, viewer: Viewer) -> None:
    """Put together what the viewer's rings will ask, so that her first one does not wait for it."""
    asked = _asked(viewer)
    nobody: dict[str, Any] = {
        "call_id": "",
        "number": None,
        "caller_id": None,
        "began_at": datetime.now(UTC),
        "person_id": viewer.person_id,
    }
    for query in (asked.call, asked.saved, asked.earlier, asked.open, _OFFER):
        session.execute(query, nobody).all()


def offered(session: Session, viewer: Viewer, call_id: str, token: str = "") -> Pop:
    """The record of a call that rings at the viewer's phone.

    The right token proves that it rings there, and lets her see a sealed call from now on, until the
    ring has ended without her getting the caller; without it plain visibility applies. Raises NotVisible.
    """
    demand(viewer, Action.SEE_CALLS)
    found = _find(session, viewer, call_id)
    offer = found[0] if found and token else _offered_to(session, viewer, call_id)
    proven = offer is not None and _is_proven(offer, token)
    if offer is not None and proven:
        # Once per person and call: a page that is drawn again is no second offer.
        allowed = rule(viewer, Action.TAKE_CALLS, sealed=offer.sealed)
        journal.append_once(session, viewer, "call.offered", "call", call_id, rule=allowed)
        if offer.sealed:
            name(session, viewer.person_id, OFFERED, call_id=call_id)
            found = _find(session, viewer, call_id)
    if found is not None and found[0].sealed:
        _note_reading(session, viewer, found[0])
    return replace(_pop(session, viewer, call_id, found), rings_here=proven)


def end_offers(session: Session, call_ids: Collection[str]) -> None:
    """Whom these sealed calls rang at, and who did not get the caller, loses sight of them: also a colleague
    who was only consulted. Journalled; twice is harmless.

    To be told when a ring or a call has ended, after its legs are stored.
    """
    for call_id, person_id in session.connection().execute(_ENDED, {"call_ids": list(call_ids)}).all():
        journal.append(session, None, "call.offer_ended", "call", call_id, person_id=person_id)


def read_call(session: Session, viewer: Viewer, call_id: str) -> Pop:
    """A call's record for whoever may see it, which is journalled. Raises NotVisible."""
    found = _find(session, viewer, call_id)
    if found is not None:
        _note_reading(session, viewer, found[0])
    return _pop(session, viewer, call_id, found)


def _note_reading(session: Session, viewer: Viewer, call: Call) -> None:
    allowed = rule(viewer, Action.SEE_CALLS, sealed=call.sealed)
    journal.append(session, viewer, "call.read", "call", call.id, rule=allowed)


def _offered_to(session: Session, viewer: Viewer, call_id: str) -> Row[str, bool, bool, bool] | None:
    """What proves that a call is offered to her, unless her ring has ended."""
    row = session.execute(_OFFER, {"call_id": call_id, "person_id": viewer.person_id}).one_or_none()
    return None if row is None or (row.ended and not row.rings) else row


def _is_proven(offer: Call | Row[str, bool, bool, bool], token: str) -> bool:
    """By its token, or, as a hardware phone shows none, by Asterisk's seeing the call at her phone."""
    if token and hmac.compare_digest(offer.offer_token.encode(), token.encode()):
        return True
    return not isinstance(offer, Call) and bool(offer.rings)


def _find(session: Session, viewer: Viewer, call_id: str) -> _Found | None:
    row = session.execute(_asked(viewer).call, {"call_id": call_id}).one_or_none()
    return (row[0], row[1], row[2], row[3]) if row else None


def _pop(session: Session, viewer: Viewer, call_id: str, found: _Found | None) -> Pop:
    if found is None:
        raise missing_call(session, viewer, call_id)
    call, caller, typed, has_tickets = found
    asked = _asked(viewer)
    known = {"call_id": call_id, "number": call.number, "caller_id": call.caller_id}
    earlier = list(session.scalars(asked.earlier, {**known, "began_at": call.began_at}))
    open_still = list(session.scalars(asked.open, known))
    for action, kind, rows in (
        (Action.SEE_CALLS, "call", earlier),
        (Action.SEE_TICKETS, "ticket", open_still),
    ):
        note_sealed(session, viewer, action, kind, rows)
    return Pop(
        call=call,
        number_display=display(call.number),
        caller=caller,
        wait_seconds=_wait_seconds(call),
        earlier_calls=earlier,
        tickets=list(session.scalars(asked.saved, {"call_id": call_id})) if has_tickets else [],
        open_tickets=open_still,
        draft=state_of(typed),
    )


def _wait_seconds(call: Call) -> float:
    if call.queued_at is None:
        return 0.0
    until = call.answered_at or call.ended_at or datetime.now(UTC)
    return max(0.0, (until - call.queued_at).total_seconds())
