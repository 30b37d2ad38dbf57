"""Calls that staff place about a ticket, by a token: no browser learns whom it calls.

The person asks; her phone dials the token; the exchange asks what it stands for (`begin`), which is when the
call's record is written. What becomes of the call CEL tells, as of any other.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cases import journal
from cases.calls import Arrival, open_call, seal_call, tell_of
from cases.errors import Refused
from cases.lab import OUT
from cases.logins import viewer_of
from cases.permissions import Action, rule
from cases.steps import locked
from cases.visible import name, reaches, visible_calls
from routing.numbers import display, normalise
from routing.policy import Policy
from storage.staff import Person
from storage.tables import Call, Ticket, TicketCall
from storage.viewer import Viewer
from storage.work import Dialling

GOOD_FOR = timedelta(seconds=60)
NUMBERS = ("mobile", "fixed", "short", "service")  # whom we call: nobody abroad
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
    person = session.get_one(Person, viewer.person_id)
    if not person.endpoint:
        raise Refused({"phone": "no_phone"})
    if to and not reaches(session, viewer, Action.CHARGE_UNITS, ticket):
        raise Refused({"to": "not_hers"})
    wanted = normalise(to or ticket.contact_number or ticket.calling_number, policy.area_code)
    if wanted.number is None or wanted.kind not in NUMBERS:
        raise Refused({"to": "unknown"})
    granted = Granted(secrets.token_hex(16), f"out{secrets.token_hex(8)}-1")
    row = {
        "ticket_id": ticket.id,
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
    person, ticket = session.get_one(Person, row.person_id), session.get_one(Ticket, row.ticket_id)
    viewer = viewer_of(session, person)
    if not person.active or person.endpoint != endpoint:
        return None
    if not reaches(session, viewer, Action.CALL_OUT, ticket):
        return None
    placed = Placed(row.call_id, row.number, _line(session, ticket, policy))
    row.number, row.used_at = "", now
    arrival = Arrival(placed.call_id, linkedid, placed.line, placed.number, False, now, origin=OUT)
    open_call(session, arrival, policy)
    call = session.get_one(Call, placed.call_id)
    call.agent_id = person.id
    session.add(TicketCall(ticket_id=ticket.id, call_id=call.id))
    session.flush()
    if ticket.sealed:
        seal_call(session, call.id, policy)
        name(session, person.id, PLACED, call_id=call.id)
    allowed = rule(viewer, Action.CALL_OUT, sealed=ticket.sealed)
    journal.append(session, viewer, "ticket.dialled", "ticket", ticket.id, rule=allowed, call=call.id)
    tell_of(session, [call])
    return placed


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


def _line(session: Session, ticket: Ticket, policy: Policy) -> str:
    """The line that the ticket came by, else the first."""
    came = select(Call.line).join(TicketCall, TicketCall.call_id == Call.id)
    came = came.where(TicketCall.ticket_id == ticket.id, Call.origin != OUT).order_by(Call.began_at)
    line = session.scalar(came.limit(1))
    return line if line and policy.line(line) else policy.lines[0].number


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
