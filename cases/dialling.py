"""Calls that staff place, about a ticket or back to who was missed, by a token: no browser learns the number.

The person asks; her phone dials the token; the exchange asks what it stands for (`begin`), which is when the
call's record is written. What becomes of the call CEL tells, as of any other.
"""

import hashlib
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.orm import Session

from cases import journal
from cases.calls import Arrival, open_call, seal_call, tell_of
from cases.errors import Refused
from cases.lab import ORIGIN, OUT, incoming_call
from cases.logins import viewer_of
from cases.permissions import Action, demand, rule
from cases.sealed import missing_call
from cases.steps import locked
from cases.visible import name, reaches, visible_calls
from routing.numbers import CALLABLE, display, normalise
from routing.policy import Policy
from storage.secret import one_of, twin
from storage.staff import Person
from storage.tables import Call, Ticket, TicketCall
from storage.viewer import Viewer
from storage.work import Dialling

GOOD_FOR = timedelta(seconds=60)
MISSED = ("abandoned", "unreached")  # outcomes of calls after which their callers are called back
PLACED = "placed"  # why somebody is named for a sealed call: she made it


@dataclass(frozen=True, slots=True)
class Granted:
    """`token` is what her phone dials; `call_id` the call's, if it is placed."""

    token: str
    call_id: str


@dataclass(frozen=True, slots=True)
class Placed:
    """What the exchange dials: `number` as the trunk takes it, shown as coming from `line`."""

    call_id: str
    number: str
    line: str


def ask(
    session: Session, viewer: Viewer, number: str, policy: Policy, now: datetime, to: str = ""
) -> Granted:
    """A token for the ticket's caller, or for `to`: a unit's telephone, for those who charge units.

    What she asked before and did not dial is void. Raises NotAllowed, NotVisible, and Refused: phone
    no_phone; to unknown (nobody can be called so), not_hers.
    """
    ticket = locked(session, viewer, number, Action.CALL_OUT)
    if to and not reaches(session, viewer, Action.CHARGE_UNITS, ticket):
        raise Refused({"to": "not_hers"})
    wanted = to or ticket.contact_number or ticket.calling_number
    return _grant(session, viewer, wanted, policy, now, ticket_id=ticket.id)


def ask_back(session: Session, viewer: Viewer, call_id: str, policy: Policy, now: datetime) -> Granted:
    """A token for the caller of a missed call. What she asked before and did not dial is void.

    Raises NotAllowed, NotVisible, and Refused: phone no_phone; to unknown; event not_missed, called_now.
    """
    demand(viewer, Action.CALL_OUT)
    call = session.scalar(visible_calls(viewer, Action.CALL_OUT).where(Call.id == call_id))
    if call is None:
        raise missing_call(session, viewer, call_id)
    if not is_missed(call):
        raise Refused({"event": "not_missed"})
    if session.scalar(select(Call.id).where(Call.missed_id == call.id, Call.outcome == "live").limit(1)):
        raise Refused({"event": "called_now"})
    return _grant(session, viewer, call.number or "", policy, now, missed_id=call.id)


def is_missed(call: Call) -> bool:
    """Somebody rang, and nobody spoke with her."""
    return call.origin not in (ORIGIN, OUT) and call.outcome in MISSED


def returned(session: Session, viewer: Viewer, call_ids: Collection[str]) -> dict[str, Call]:
    """By the missed call's id the latest call back that she may know of."""
    back = visible_calls(viewer).where(Call.missed_id.in_(call_ids)).order_by(Call.began_at, Call.id)
    return {call.missed_id: call for call in session.scalars(back) if call.missed_id}


def got_through(session: Session, viewer: Viewer, missed: Collection[Call]) -> dict[str, Call]:
    """By the missed call's id the last call, as far as she may know of it, in which its caller rang again
    afterwards and was answered. Of a withheld number nothing is known."""
    numbers = {call.number for call in missed if call.number}
    if not numbers:
        return {}
    of_whom, since = twin(Call.number), min(call.began_at for call in missed)
    later = visible_calls(viewer).where(one_of(Call.number, numbers), Call.began_at > since)
    later = later.where(incoming_call(), Call.answered_at.is_not(None))
    last = later.ext(distinct_on(of_whom)).order_by(of_whom, Call.began_at.desc())
    # Of one number there are two while keys change: the later one stays.
    found = {call.number: call for call in sorted(session.scalars(last), key=lambda call: call.began_at)}
    return {
        call.id: found[call.number]
        for call in missed
        if call.number in found and found[call.number].began_at > call.began_at
    }


def _grant(
    session: Session,
    viewer: Viewer,
    number: str,
    policy: Policy,
    now: datetime,
    *,
    ticket_id: int | None = None,
    missed_id: str | None = None,
) -> Granted:
    if not session.get_one(Person, viewer.person_id).endpoint:
        raise Refused({"phone": "no_phone"})
    wanted = normalise(number, policy.area_code)
    if wanted.number is None or wanted.kind not in CALLABLE:
        raise Refused({"to": "unknown"})
    granted = Granted(secrets.token_hex(16), f"out{secrets.token_hex(8)}-1")
    row = {
        "ticket_id": ticket_id,
        "missed_id": missed_id,
        "call_id": granted.call_id,
        "token_hash": _hash(granted.token),
        "number": re.sub(r"\D", "", display(wanted.number)),
        "until": now + GOOD_FOR,
        "used_at": None,
    }
    new = insert(Dialling).values(person_id=viewer.person_id, **row)
    session.execute(new.on_conflict_do_update(index_elements=["person_id"], set_=row))
    return granted


def begin(
    session: Session, token: str, endpoint: str, linkedid: str, policy: Policy, now: datetime
) -> Placed | None:
    """Her phone has dialled the token: the call begins. None: it is not good, or not hers, or no longer."""
    row = session.scalar(select(Dialling).where(Dialling.token_hash == _hash(token)).with_for_update())
    if row is None or row.used_at is not None or row.until < now:
        return None
    person, about = session.get_one(Person, row.person_id), _about(session, row)
    viewer = viewer_of(session, person)
    if not person.active or person.endpoint != endpoint:
        return None
    if not reaches(session, viewer, Action.CALL_OUT, about):
        return None
    line = about.line if isinstance(about, Call) else _line(session, about)
    placed = Placed(row.call_id, row.number, line if policy.line(line) else policy.lines[0].number)
    row.number, row.used_at = "", now
    arrival = Arrival(placed.call_id, linkedid, placed.line, placed.number, False, now, origin=OUT)
    open_call(session, arrival, policy)
    call = session.get_one(Call, placed.call_id)
    call.agent_id, call.missed_id = person.id, row.missed_id
    kind = "call" if isinstance(about, Call) else "ticket"
    if isinstance(about, Ticket):
        session.add(TicketCall(ticket_id=about.id, call_id=call.id))
    session.flush()
    if about.sealed:
        seal_call(session, call.id, policy)
        name(session, person.id, PLACED, call_id=call.id)
    allowed = rule(viewer, Action.CALL_OUT, sealed=about.sealed)
    journal.append(session, viewer, f"{kind}.dialled", kind, about.id, rule=allowed, call=call.id)
    tell_of(session, [call, about] if isinstance(about, Call) else [call])
    return placed


def _about(session: Session, row: Dialling) -> Ticket | Call:
    if row.ticket_id is not None:
        return session.get_one(Ticket, row.ticket_id)
    return session.get_one(Call, row.missed_id)


def knows(session: Session, viewer: Viewer, call_id: str) -> bool:
    """A call that she may see, or one that she asked for last, placed or not."""
    hers = select(Dialling.call_id).where(Dialling.person_id == viewer.person_id)
    if session.scalar(hers) == call_id:
        return True
    seen = visible_calls(viewer).where(Call.id == call_id).with_only_columns(Call.id)
    return session.scalar(seen) is not None


def placed(session: Session, call_id: str) -> str | None:
    """The call's id, if there is one: what she asked for may never have been dialled."""
    return session.scalar(select(Call.id).where(Call.id == call_id)) if call_id else None


def _line(session: Session, ticket: Ticket) -> str:
    """The line that the ticket came by, or ''."""
    came = select(Call.line).join(TicketCall, TicketCall.call_id == Call.id)
    came = came.where(TicketCall.ticket_id == ticket.id, Call.origin != OUT).order_by(Call.began_at)
    return session.scalar(came.limit(1)) or ""


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
