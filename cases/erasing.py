"""A caller's data erased on request (PIPL 47): what is personal goes, the matter and the figures stay.

Emptied are her entry with its numbers, and in her calls and tickets the fields that say who she is.
Recordings, attachments and drafts go wholly. In what was written of the matter her names and all numbers
are masked. The journal never had any of it, so its chain stays whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from cases import journal, recordings
from cases.errors import NotVisible, Refused
from cases.holds import call_is_held, ticket_is_held
from cases.permissions import Action, demand, rule
from cases.personal import mask_text
from cases.retention import Files, remove_attachment
from cases.states import OPEN
from cases.visible import visible_calls, visible_tickets
from storage.tables import Attachment, Call, Caller, CallerNumber, CallStep, Draft, Recording, Ticket
from storage.viewer import Viewer

WHO = ("caller_name", "caller_sex", "calling_number", "contact_number", "company", "place")
TEXTS = ("title", "content", "answer")


@dataclass(frozen=True, slots=True)
class Hers:
    """All that is on record of a caller, as far as the viewer may erase it."""

    callers: Sequence[Caller]
    calls: Sequence[Call]
    tickets: Sequence[Ticket]
    numbers: tuple[str, ...]


def of_caller(session: Session, viewer: Viewer, number: str) -> Hers:
    """What belongs to whoever calls from this number (E.164), by it and by her other numbers.

    Raises NotAllowed, NotVisible when there is nothing.
    """
    demand(viewer, Action.ERASE)
    known = select(Caller).join(CallerNumber).where(CallerNumber.number == number)
    callers = session.scalars(known.with_for_update()).all()
    ids = [caller.id for caller in callers]
    others = session.scalars(select(CallerNumber.number).where(CallerNumber.caller_id.in_(ids)))
    numbers = tuple(dict.fromkeys([number, *others]))
    calls = session.scalars(
        visible_calls(viewer, Action.ERASE)
        .where(or_(Call.caller_id.in_(ids), *(Call.number == each for each in numbers)))
        .with_for_update()
    ).all()
    by_number = [
        column == each for each in numbers for column in (Ticket.calling_number, Ticket.contact_number)
    ]
    tickets = session.scalars(
        visible_tickets(viewer, Action.ERASE)
        .where(or_(Ticket.caller_id.in_(ids), *by_number))
        .with_for_update()
    ).all()
    if not (callers or calls or tickets):
        raise NotVisible("nothing is on record of this number")
    return Hers(callers, calls, tickets, numbers)


def erase(session: Session, viewer: Viewer, hers: Hers, files: Files) -> None:
    """Raises Refused on `calls` or `tickets`: one is live, open or held.

    Raises OSError: then only files went, and it is to be done again.
    """
    demand(viewer, Action.ERASE)
    _refuse_what_is_needed(session, hers)
    for call in hers.calls:
        _erase_call(session, viewer, call, files)
    for ticket in hers.tickets:
        _erase_ticket(session, viewer, ticket, files)
    for caller in hers.callers:
        caller.name = caller.sex = caller.company = caller.place = caller.note = ""
        session.execute(delete(CallerNumber).where(CallerNumber.caller_id == caller.id))
    allowed = rule(viewer, Action.ERASE, sealed=_any_sealed(hers))
    for caller in hers.callers:
        journal.append(session, viewer, "retention.erased", "retention", caller.id, rule=allowed)


def _any_sealed(hers: Hers) -> bool:
    return any(call.sealed for call in hers.calls) or any(ticket.sealed for ticket in hers.tickets)


def _refuse_what_is_needed(session: Session, hers: Hers) -> None:
    faults = {}
    held_calls = select(Call.id).where(Call.id.in_([call.id for call in hers.calls]), call_is_held(Call.id))
    held = select(Ticket.id).where(
        Ticket.id.in_([each.id for each in hers.tickets]), ticket_is_held(Ticket.id)
    )
    if any(call.outcome == "live" for call in hers.calls):
        faults["calls"] = "live"
    elif session.scalar(held_calls.limit(1)) is not None:
        faults["calls"] = "held"
    if any(ticket.state in OPEN for ticket in hers.tickets):
        faults["tickets"] = "open"
    elif session.scalar(held.limit(1)) is not None:
        faults["tickets"] = "held"
    if faults:
        raise Refused(faults)


def _erase_call(session: Session, viewer: Viewer, call: Call, files: Files) -> None:
    kept = select(Recording).where(Recording.call_id == call.id, Recording.state == "ready")
    for recording in session.scalars(kept.with_for_update()):
        recordings.remove(session, files.recordings, recording, "erased")
    call.number, call.number_raw, call.closed_note = None, "", ""
    for step in session.scalars(select(CallStep).where(CallStep.call_id == call.id)):
        step.number = ""
    session.execute(delete(Draft).where(Draft.call_id == call.id))
    allowed = rule(viewer, Action.ERASE, sealed=call.sealed)
    journal.append(session, viewer, "call.erased", "call", call.id, rule=allowed)


def _erase_ticket(session: Session, viewer: Viewer, ticket: Ticket, files: Files) -> None:
    papers = select(Attachment).where(Attachment.ticket_id == ticket.id)
    for attachment in session.scalars(papers.with_for_update()):
        remove_attachment(session, files.attachments, attachment, "erased")
    names = [name for name in (ticket.caller_name, ticket.company) if name]
    for field in TEXTS:
        setattr(ticket, field, mask_text(getattr(ticket, field), names))
    for field in WHO:
        setattr(ticket, field, "")
    ticket.version += 1
    allowed = rule(viewer, Action.ERASE, sealed=ticket.sealed)
    journal.append(session, viewer, "ticket.erased", "ticket", ticket.id, rule=allowed)
