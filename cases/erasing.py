"""A caller's data erased on request (PIPL 47): what is personal goes, the matter and the figures stay.

Emptied are her record with its numbers, and in her calls and tickets the fields that say who she is.
Recordings, attachments and drafts go wholly. In what was written of the matter, by whomever and in whatever
table, her names and all numbers are masked. The journal never had any of it, so its chain stays whole.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Column, ColumnElement, Table, delete, or_, select, update
from sqlalchemy.orm import Session

from cases import joining, journal, recordings
from cases.errors import NotVisible, Refused
from cases.holds import call_is_held, ticket_is_held
from cases.permissions import Action, demand, rule
from cases.personal import mask_text, mask_uscc
from cases.retention import Files, remove_attachment
from cases.states import OPEN
from cases.visible import visible_calls, visible_tickets
from storage.base import Base
from storage.parties import Caller, CallerNumber, Enterprise
from storage.secret import Secret
from storage.tables import Attachment, Call, CallStep, Draft, Recording, Ticket
from storage.viewer import Viewer
from storage.work import SubOrder

WHO = ("caller_name", "caller_sex", "calling_number", "contact_number", "company", "uscc", "place")
TEXTS = ("title", "content", "answer")
SEEN_TO = (Attachment.__table__, Draft.__table__, Ticket.__table__)
"""Tables that hang on a ticket, or are one, and are dealt with by name."""


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
    known = select(CallerNumber.caller_id).where(CallerNumber.number == number)
    return _hers(session, viewer, session.scalars(known).all(), (number,))


def of_record(session: Session, viewer: Viewer, caller_id: int) -> Hers:
    """What belongs to a caller's record. Raises NotAllowed, NotVisible."""
    demand(viewer, Action.ERASE)
    return _hers(session, viewer, (caller_id,), ())


def _hers(session: Session, viewer: Viewer, records: Sequence[int], numbers: Sequence[str]) -> Hers:
    merged = or_(Caller.id.in_(records), Caller.merged_into.in_(records))
    callers = session.scalars(select(Caller).where(merged).order_by(Caller.id).with_for_update()).all()
    ids = [caller.id for caller in callers]
    others = session.scalars(select(CallerNumber.number).where(CallerNumber.caller_id.in_(ids)))
    numbers = tuple(dict.fromkeys([*numbers, *others]))
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
        raise NotVisible("nothing is on record of this caller")
    return Hers(callers, calls, tickets, numbers)


def erase(session: Session, viewer: Viewer, hers: Hers, files: Files) -> None:
    """Raises Refused on `calls` or `tickets`: one is live, open or held.

    Raises OSError: then only files went, and it is to be done again.
    """
    demand(viewer, Action.ERASE)
    if faults := needed(session, hers):
        raise Refused(faults)
    names = _names(hers)
    for call in hers.calls:
        _erase_call(session, viewer, call, files)
    for ticket in hers.tickets:
        _erase_ticket(session, viewer, ticket, names, files)
    for caller in hers.callers:
        _erase_record(session, caller, hers.numbers)
    allowed = rule(viewer, Action.ERASE, sealed=_any_sealed(hers))
    for caller in hers.callers:
        journal.append(session, viewer, "retention.erased", "retention", caller.id, rule=allowed)


def _any_sealed(hers: Hers) -> bool:
    return any(call.sealed for call in hers.calls) or any(ticket.sealed for ticket in hers.tickets)


def needed(session: Session, hers: Hers) -> dict[str, str]:
    """Why it can't be erased now: `calls` or `tickets` → live, open or held."""
    faults = {}
    held_calls = select(Call.id).where(Call.id.in_([call.id for call in hers.calls]), call_is_held(Call.id))
    held = select(Ticket.id).where(
        Ticket.id.in_([each.id for each in hers.tickets]), ticket_is_held(Ticket.id)
    )
    if any(call.outcome == "live" for call in hers.calls):
        faults["calls"] = "live"
    elif session.scalar(held_calls.limit(1)) is not None:
        faults["calls"] = "held"
    if _still_owed(session, hers.tickets):
        faults["tickets"] = "open"
    elif session.scalar(held.limit(1)) is not None:
        faults["tickets"] = "held"
    return faults


def _still_owed(session: Session, tickets: Sequence[Ticket]) -> bool:
    """Is one of them open, or part of one that is: its end is still to be told to her?"""
    leads = joining.lead_ids([each.id for each in tickets])
    open_lead = select(Ticket.id).where(Ticket.id.in_(leads), Ticket.state.in_(OPEN)).limit(1)
    return any(each.state in OPEN for each in tickets) or session.scalar(open_lead) is not None


def _names(hers: Hers) -> list[str]:
    """What she is called anywhere; longest first, so that none is masked as a part of another."""
    found = {name for ticket in hers.tickets for name in (ticket.caller_name, ticket.company)}
    found |= {name for caller in hers.callers for name in (caller.name, caller.company)}
    return sorted(found - {""}, key=lambda name: (-len(name), name))


def _erase_record(session: Session, caller: Caller, numbers: Sequence[str]) -> None:
    """Also where she is the person to speak to of an enterprise, which itself stays."""
    if caller.enterprise_id is not None:
        enterprise = session.get_one(Enterprise, caller.enterprise_id)
        if enterprise.contact_number in numbers or (caller.name and enterprise.contact_name == caller.name):
            enterprise.contact_name = enterprise.contact_number = ""
            enterprise.version += 1
    caller.name = caller.sex = caller.company = caller.place = caller.note = ""
    caller.enterprise_id, caller.tags = None, []
    caller.version += 1
    session.execute(delete(CallerNumber).where(CallerNumber.caller_id == caller.id))


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


def _erase_ticket(
    session: Session, viewer: Viewer, ticket: Ticket, names: Sequence[str], files: Files
) -> None:
    papers = select(Attachment).where(Attachment.ticket_id == ticket.id)
    for attachment in session.scalars(papers.with_for_update()):
        remove_attachment(session, files.attachments, attachment, "erased")

    def masked(text: str) -> str:
        told = text.replace(ticket.uscc, mask_uscc(ticket.uscc)) if ticket.uscc else text
        return mask_text(told, names)

    for column, of_ticket in written():
        _mask_column(session, column, of_ticket(ticket.id), masked)
    for field in TEXTS:
        setattr(ticket, field, masked(getattr(ticket, field)))
    for field in WHO:
        setattr(ticket, field, "")
    ticket.enterprise_id = None
    ticket.version += 1
    allowed = rule(viewer, Action.ERASE, sealed=ticket.sealed)
    journal.append(session, viewer, "ticket.erased", "ticket", ticket.id, rule=allowed)


def written() -> Iterator[tuple[Column[str], Callable[[int], ColumnElement[bool]]]]:
    """Every sealed text that hangs on a ticket or on a unit's share of it: later tables are not forgotten."""
    for table in Base.metadata.sorted_tables:
        if table in SEEN_TO or not {"ticket_id", "order_id"} & set(table.columns.keys()):
            continue
        for column in table.columns:
            if isinstance(column.type, Secret):
                yield column, partial(_hangs_on, table)


def _hangs_on(table: Table, ticket_id: int) -> ColumnElement[bool]:
    if "ticket_id" in table.columns:
        return table.columns.ticket_id == ticket_id
    return table.columns.order_id.in_(select(SubOrder.id).where(SubOrder.ticket_id == ticket_id))


def _mask_column(
    session: Session,
    column: Column[str],
    of_ticket: ColumnElement[bool],
    masked: Callable[[str], str],
) -> None:
    table = column.table
    (key,) = table.primary_key
    for row_id, text in session.execute(select(key, column).where(of_ticket, column != "")).all():
        if text and masked(text) != text:
            session.execute(update(table).where(key == row_id).values({column: masked(text)}))
