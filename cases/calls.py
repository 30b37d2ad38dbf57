"""A call's record: opened by the menu (or by the CEL reader when the menu was away), led to its end.

What the agent is shown of it is cases/offers.py.
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ARRAY, String, and_, any_, bindparam, exists, func, select
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningInsert

from cases import drafts, journal, lab
from cases.errors import NotVisible, Refused
from cases.looks import note_sealed
from cases.permissions import Action, demand, rule
from cases.sealed import listeners
from cases.sealing import seal
from cases.search import OfCalls, newest, of_calls
from cases.visible import name, name_readers, visible_calls
from routing.numbers import Number, normalise
from routing.policy import Policy
from storage.notify import Note, notify_all
from storage.parties import Caller, CallerNumber
from storage.staff import Person, PersonDuty
from storage.tables import Call, CallLeg, CallStep, Ticket, TicketCall
from storage.viewer import Viewer

NO_NUMBER = Number("", None, "web", "")
CALLS_BACK_WITHIN = timedelta(minutes=15)
LONGEST_NOTE = 2000

Outcome = Literal["answered", "abandoned", "rejected", "unreached"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A call as it comes in. `offer_token`: given when it was minted while we were away."""

    call_id: str
    linkedid: str
    line: str
    number_raw: str
    withheld: bool
    at: datetime
    offer_token: str = ""
    origin: str = "trunk"  # trunk | web | lab | visit: by whose door, or by us


@dataclass(frozen=True, slots=True)
class Opening:
    """`offer_token` proves an offer; `preferred_endpoint`: who spoke with her just now, or ''.

    `gave_up`: she waited in a queue just now, and left before anybody answered.
    """

    offer_token: str
    caller_id: int | None
    known_name: str
    preferred_endpoint: str
    gave_up: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """`step` is a word (menu, key, queue, …); a `fingerprint` makes noting it twice harmless.

    `detail` holds codes and ids; `number` is where she was sent, or what she dialled.
    """

    at: datetime
    step: str
    detail: dict[str, Any] = field(default_factory=dict)
    fingerprint: str | None = None
    number: str = ""


@dataclass(frozen=True, slots=True)
class Leg:
    """One channel as far as CEL has told of it; what is None is not known yet."""

    uniqueid: str
    call_id: str
    channel: str
    part: Literal["caller", "agent", "consult", "other"]
    began_at: datetime
    person_id: int | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    cause: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """What is told of a call: when the queue took it, who answered when (None: nobody known), its end."""

    queued_at: datetime | None = None
    answers: tuple[tuple[datetime, int | None], ...] = ()
    ended_at: datetime | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSearch(OfCalls):
    """Without an `origin` the lab's calls are left out.

    `unsettled`: answered, and neither closed nor made a ticket yet.
    """

    outcome: str = ""
    origin: str = ""
    unsettled: bool = False


def _open(told: dict[str, Any]) -> ReturningInsert[str]:
    """The call's row, and its token, whether it is new or not; `told` is put right if it is not."""
    new = insert(Call.__table__)  # type: ignore[arg-type]
    return new.on_conflict_do_update(index_elements=["id"], set_=told).returning(Call.offer_token)


def _leg() -> Insert:
    new = insert(CallLeg.__table__)  # type: ignore[arg-type]
    kept = ("person_id", "answered_at", "ended_at", "cause")
    told: dict[str, Any] = {
        column: func.coalesce(new.excluded[column], getattr(CallLeg, column)) for column in kept
    }
    told |= {"part": new.excluded.part, "began_at": func.least(CallLeg.began_at, new.excluded.began_at)}
    return new.on_conflict_do_update(index_elements=["uniqueid"], set_=told)


# Said for every call, so they are put together once.
_LEG = _leg()
_OPEN = _open({"id": Call.id})
_NOTE = insert(CallStep.__table__).on_conflict_do_nothing()  # type: ignore[arg-type]
_LOCK = select(Call).where(Call.id == bindparam("call_id")).with_for_update()
_LOCK_ALL = (
    select(Call)
    .where(Call.id == any_(bindparam("call_ids", type_=ARRAY(String))))
    .order_by(Call.id)
    .with_for_update()
)
_CALLER_OF = (
    select(Caller)
    .join(CallerNumber, CallerNumber.caller_id == Caller.id)
    .where(CallerNumber.number == bindparam("number"))
)
_JUST_NOW = (
    select(Call.answered_at, Call.queued_at, Person.endpoint, PersonDuty.wanted)
    .outerjoin(Person, and_(Person.id == Call.agent_id, Person.active))
    .outerjoin(PersonDuty, PersonDuty.person_id == Person.id)
    .where(Call.number == bindparam("number"), Call.id != bindparam("call_id"), lab.incoming_call())
    .where(Call.ended_at > bindparam("since"), Call.outcome != "rejected")
    .order_by(Call.ended_at.desc())
    .limit(1)
)


def open_call(session: Session, arrival: Arrival, policy: Policy) -> Opening:
    """Write the call and say what is known of the caller. Opening a call twice is harmless."""
    # A browser has no number, whatever its phone calls itself.
    web = arrival.origin == "web"
    number = NO_NUMBER if web else normalise(arrival.number_raw, policy.area_code, arrival.withheld)
    caller = _caller_of(session, number.number)
    told: dict[str, Any] = {"offer_token": arrival.offer_token} if arrival.offer_token else {}
    if number.kind == "withheld":
        # The CEL reader, which cannot know of it, may have come first with the asserted number.
        told |= {"number_raw": number.raw, "number": None, "number_kind": "withheld", "caller_id": None}
    facts = {
        "id": arrival.call_id,
        "linkedid": arrival.linkedid,
        "offer_token": arrival.offer_token or secrets.token_urlsafe(16),
        "line": arrival.line,
        "origin": arrival.origin,
        "number_raw": number.raw,
        "number": number.number,
        "number_kind": number.kind,
        "caller_id": caller.id if caller else None,
        "began_at": arrival.at,
    }
    token: str = session.connection().execute(_open(told) if told else _OPEN, facts).scalar_one()
    preferred, gave_up = _just_now(session, number.number, arrival)
    return Opening(
        offer_token=token,
        caller_id=caller.id if caller else None,
        known_name=caller.name if caller else "",
        preferred_endpoint=preferred,
        gave_up=gave_up,
    )


def note_steps(session: Session, call_id: str, steps: Iterable[Step], source: str = "agi") -> None:
    """Append what happened to the call. Steps with a fingerprint already known are passed over."""
    note_all(session, ((call_id, step) for step in steps), source)


def note_all(session: Session, steps: Iterable[tuple[str, Step]], source: str) -> None:
    """As note_steps, of several calls: call id and step."""
    rows = [
        {
            "call_id": call_id,
            "at": step.at,
            "step": step.step,
            "detail": step.detail,
            "source": source,
            "fingerprint": step.fingerprint,
            "number": step.number,
        }
        for call_id, step in steps
    ]
    if rows:
        session.connection().execute(_NOTE, rows)


def route_call(
    session: Session,
    call_id: str,
    kind: str,
    sealed: bool,
    language: str,
    queued_at: datetime | None,
    policy: Policy,
) -> None:
    """What the caller chose, and when the queue took her (None: she never got there)."""
    call = _locked(session, call_id)
    call.kind = kind
    call.language = language
    call.queued_at = call.queued_at or queued_at
    if sealed:
        seal_call(session, call_id, policy)
    tell_of(session, [call])


def seal_call(session: Session, call_id: str, policy: Policy, viewer: Viewer | None = None) -> None:
    """From now on only those named for it know of this call and of its tickets. Twice is harmless."""
    call = _locked(session, call_id)
    call.sealed = True
    name_readers(session, policy, call_id=call_id)
    if call.agent_id is not None:
        name(session, call.agent_id, "answered", call_id=call_id)
    linked = select(TicketCall.ticket_id).where(TicketCall.call_id == call_id)
    ordinary = select(Ticket).where(Ticket.id.in_(linked), Ticket.sealed.is_(False)).order_by(Ticket.id)
    for ticket in session.scalars(ordinary.with_for_update()).all():
        seal(session, viewer, ticket, datetime.now(UTC))
        name_readers(session, policy, ticket_id=ticket.id)
        if ticket.created_by is not None:
            name(session, ticket.created_by, "saved", ticket_id=ticket.id)


def apply_legs(session: Session, legs: Iterable[Leg]) -> None:
    """Bring the channels' rows up to what is told; a fact once known is not forgotten."""
    if rows := [asdict(leg) for leg in legs]:
        session.connection().execute(_LEG, rows)


def advance(session: Session, told: Mapping[str, Progress]) -> None:
    """Bring calls (by id) up to what has become of them; one question for all. Twice is harmless.

    The first answer counts for the wait, the last person for the record. A call that a person answered
    stays answered, whatever is said. Raises NotVisible for an unknown call.
    """
    calls = session.scalars(_LOCK_ALL, {"call_ids": list(told)}).all()
    if missing := set(told) - {call.id for call in calls}:
        raise NotVisible(f"no call {min(missing)}")
    for call in calls:
        _advance(session, call, told[call.id])
    session.flush()
    tell_of(session, calls)


def tell_of(session: Session, calls: Iterable[Call]) -> None:
    """Pages that show these calls are drawn again. Of a sealed one only those named for it hear; of one
    that is still in the menu nobody, as it may yet be sealed."""
    calls = list(calls)
    notes = [
        Note("board", "call", {"call_id": call.id})
        for call in calls
        if not call.sealed and (call.queued_at or call.answered_at or call.outcome != "live")
    ]
    notes += [
        Note(f"person:{person_id}", "call", {"call_id": call.id})
        for call in calls
        if call.sealed
        for person_id in listeners(session, call)
    ]
    notify_all(session, notes)


def _advance(session: Session, call: Call, told: Progress) -> None:
    call.queued_at = call.queued_at or told.queued_at
    for at, person_id in told.answers:
        call.answered_at = min(call.answered_at, at) if call.answered_at else at
        if call.outcome in ("abandoned", "rejected", "unreached"):
            call.outcome = "answered"
        if person_id is not None:
            call.agent_id = person_id
            if call.sealed:
                name(session, person_id, "answered", call_id=call.id)
    if told.ended_at is not None:
        call.ended_at = max(call.ended_at, told.ended_at) if call.ended_at else told.ended_at
        if call.answered_at is not None:
            call.outcome = "answered"
        elif call.outcome == "live" or told.outcome is not None:
            call.outcome = told.outcome or ("unreached" if call.origin == lab.OUT else "abandoned")


def mark_answered(session: Session, call_id: str, person_id: int | None, at: datetime) -> None:
    """A person took the call."""
    advance(session, {call_id: Progress(answers=((at, person_id),))})


def end_call(session: Session, call_id: str, at: datetime, outcome: Outcome | None = None) -> None:
    """The caller's channel is gone. Without an `outcome`: answered or abandoned, by what is known."""
    advance(session, {call_id: Progress(ended_at=at, outcome=outcome)})


def close_call(
    session: Session,
    viewer: Viewer,
    call_id: str,
    reason: str,
    note: str,
    policy: Policy,
) -> Call:
    """The call needs no ticket; closing again corrects the reason.

    Raises NotVisible, and Refused for an unknown reason or a call that has a ticket.
    """
    demand(viewer, Action.WRITE_TICKETS)
    if reason not in {each.code for each in policy.closing_reasons}:
        raise Refused({"reason": "unknown" if reason else "required"})
    if len(note) > LONGEST_NOTE:
        raise Refused({"note": "too_long"})
    mine = visible_calls(viewer, Action.WRITE_TICKETS).where(Call.id == call_id)
    call = session.scalar(mine.with_for_update(of=Call))
    if call is None:
        raise NotVisible(f"no call {call_id}")
    if session.scalar(select(TicketCall.ticket_id).where(TicketCall.call_id == call_id).limit(1)):
        raise Refused({"reason": "has_ticket"})
    allowed = rule(viewer, Action.WRITE_TICKETS, sealed=call.sealed)
    journal.append(
        session, viewer, "call.closed", "call", call_id, rule=allowed, reason=reason, was=call.closed_reason
    )
    call.closed_reason, call.closed_note = reason, note.strip()
    call.closed_by, call.closed_at = viewer.person_id, datetime.now(UTC)
    drafts.drop(session, viewer, call_id)
    tell_of(session, [call])
    return call


def list_calls(session: Session, viewer: Viewer, search: CallSearch) -> list[Call]:
    """Visible calls, newest first."""
    query = of_calls(visible_calls(viewer), search)
    query = query.where(Call.origin == search.origin if search.origin else lab.real_call())
    if search.outcome:
        query = query.where(Call.outcome == search.outcome)
    if search.unsettled:
        settled = exists().where(TicketCall.call_id == Call.id)
        query = query.where(Call.answered_at.is_not(None), Call.closed_reason == "", ~settled)
    found = list(session.scalars(newest(query, Call.began_at, Call.id, search)))
    note_sealed(session, viewer, Action.SEE_CALLS, "call", found)
    return found


def person_of_endpoint(session: Session, endpoint: str) -> int | None:
    """Whose phone an endpoint is."""
    return session.scalar(select(Person.id).where(Person.endpoint == endpoint))


def live_calls_before(session: Session, began_before: datetime) -> list[str]:
    """Calls still without an end that began earlier: after a crash their ends may never be told."""
    return list(session.scalars(select(Call.id).where(Call.outcome == "live", Call.began_at < began_before)))


def _locked(session: Session, call_id: str) -> Call:
    call = session.scalar(_LOCK, {"call_id": call_id})
    if call is None:
        raise NotVisible(f"no call {call_id}")
    return call


def _caller_of(session: Session, number: str | None) -> Caller | None:
    return session.scalar(_CALLER_OF, {"number": number}) if number is not None else None


def _just_now(session: Session, number: str | None, arrival: Arrival) -> tuple[str, bool]:
    """Of her last call, if she calls back: the agent to try first, and whether she gave up waiting.

    A caller who was cut off is best served by the same agent, if she is ready.
    """
    if number is None or arrival.origin == lab.ORIGIN:
        return "", False
    told = {"number": number, "call_id": arrival.call_id, "since": arrival.at - CALLS_BACK_WITHIN}
    last = session.connection().execute(_JUST_NOW, told).one_or_none()
    if last is None:
        return "", False
    return (
        last.endpoint if last.endpoint and last.wanted == "ready" else "",
        last.queued_at is not None and last.answered_at is None,
    )
