"""The ticket: saved with all that belongs to it in one transaction, changed without loss.

A ticket of a sealed kind, or of a sealed call, is sealed together with its calls.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from cases import dispatch, drafts, journal, known, shares, ticket_numbers
from cases.calls import seal_call, tell_of
from cases.deadlines import deadline, load_calendar, restarted
from cases.errors import Conflict, Refused
from cases.looks import note_sealed
from cases.permissions import Action, demand, rule
from cases.sealed import listeners, missing_call, missing_ticket
from cases.sealing import seal
from cases.search import Search, newest, unlisted
from cases.states import OPEN, PROMISED, State
from cases.ticket_form import TicketForm, check, contact, title_of
from cases.ticket_numbers import called
from cases.visible import (
    name,
    name_readers,
    tickets_among,
    visible_calls,
    visible_recordings,
    visible_tickets,
)
from routing import uscc
from routing.policy import Policy
from storage import outbox
from storage.notify import notify
from storage.staff import Unit
from storage.tables import Call, Recording, Ticket, TicketCall
from storage.viewer import Viewer
from storage.work import Ending


@dataclass(frozen=True, slots=True)
class TicketRecord:
    """A ticket with the calls and recordings that the viewer may see."""

    ticket: Ticket
    calls: list[Call]
    recordings: list[Recording]


_UNLISTED = unlisted()


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketSearch(Search):
    """`state`: one of State, or "open"; `number`: calling or contact."""

    state: str = ""
    kind: str = ""
    created_by: int | None = None
    late_at: datetime | None = None  # unanswered, and due before this


def save_ticket(
    session: Session, viewer: Viewer, form: TicketForm, call_id: str | None, policy: Policy, now: datetime
) -> Ticket:
    """Ticket, deadline, link to the call, caller, journal and messages owed: all or nothing.

    A call that was closed is open again. Saving one form twice returns the first ticket.
    Raises Refused, NotVisible, NotAllowed.
    """
    demand(viewer, Action.WRITE_TICKETS)
    check(form, policy)
    _check_end(form, policy)
    call = _call_for(session, viewer, call_id) if call_id is not None else None
    if (twin := _saved_before(session, viewer, form)) is not None:
        return twin
    accused_unit_id = _accused_unit(session, form, None)
    calendar = load_calendar(session)
    due = deadline(now, form.kind, form.choice, form.urgency, policy, calendar, form.category)
    sealed = form.sealed or policy.kind(form.kind).sealed or (call is not None and call.sealed)
    ticket = Ticket(
        number=ticket_numbers.draw(session, now.astimezone(policy.zone).date()),
        state=State.DONE if form.done else State.ACCEPTED,
        channel=form.channel,
        sealed=sealed,
        calling_number=(call.number if call else None) or "",
        due_at=due.at,
        due_rule=due.rule,
        due_provisional=due.provisional,
        form_id=form.form_id or None,
        created_by=viewer.person_id,
        created_at=now,
        closed_at=now if form.done else None,
        accused_unit_id=accused_unit_id,
        **_typed(form, policy),
    )
    session.add(ticket)
    session.flush()
    ticket_numbers.belongs(session, ticket)
    with session.no_autoflush:  # what the rows learn is written at once
        if not sealed:
            known.feed(session, ticket, call)
        if call is not None:
            _link(session, viewer, ticket, call)
    allowed = rule(viewer, Action.WRITE_TICKETS, sealed=sealed)
    told = {"kind": ticket.kind, "call": call_id} | _answered_at_once(session, viewer, ticket, form, now)
    journal.append(session, viewer, "ticket.created", "ticket", ticket.id, rule=allowed, **told)
    _seal_or_tell(session, viewer, ticket, policy)
    if form.reply_wanted and not form.done and not sealed:
        outbox.put(session, "ticket.accepted", {"ticket_id": ticket.id})
    session.flush()
    return ticket


def change_ticket(
    session: Session,
    viewer: Viewer,
    number: str,
    form: TicketForm,
    version: int,
    policy: Policy,
) -> Ticket:
    """Store what was typed over the `version` that was read; a new limit counts from the beginning, and
    for units from when the ticket was sent to each.

    Raises Conflict with both texts when somebody was faster, Refused, NotVisible, NotAllowed.
    What was sealed stays sealed.
    """
    demand(viewer, Action.WRITE_TICKETS)
    ticket = _locked(session, viewer, number)
    check(form, policy, ticket.category)
    if ticket.version != version:
        raise Conflict(theirs=ticket, yours=form)
    typed = _typed(form, policy) | {"accused_unit_id": _accused_unit(session, form, ticket)}
    changed = sorted(field for field, value in typed.items() if getattr(ticket, field) != value)
    now = datetime.now(UTC)
    if not ticket.sealed and (form.sealed or ("kind" in changed and policy.kind(form.kind).sealed)):
        seal(session, viewer, ticket, now)  # before it says anything else: what it said so far is taken back
    for field in changed:
        setattr(ticket, field, typed[field])
    if not ticket.sealed and set(known.NEW) & set(changed):
        known.feed(session, ticket, changed=changed)
    if {"kind", "due_choice", "urgency", "category"} & set(changed):
        calendar = load_calendar(session)
        due = restarted(ticket.due_rule, ticket.sent_at or ticket.created_at, ticket, policy, calendar)
        ticket.due_at, ticket.due_rule, ticket.due_provisional = due.at, due.rule, due.provisional
        shares.restart(session, viewer, ticket, Action.WRITE_TICKETS, policy, calendar, now)
    _touch(session, viewer, ticket, "ticket.changed", fields=changed)
    dispatch.withdraw_from_accused(session, viewer, ticket, now)
    _seal_or_tell(session, viewer, ticket, policy)
    return ticket


def open_ticket(session: Session, viewer: Viewer, number: str) -> TicketRecord:
    """A ticket to read, which is journalled. Raises NotVisible."""
    ticket = session.scalar(visible_tickets(viewer).where(called(number)))
    if ticket is None:
        raise missing_ticket(session, viewer, number)
    allowed = rule(viewer, Action.SEE_TICKETS, sealed=ticket.sealed)
    journal.append(session, viewer, "ticket.read", "ticket", ticket.id, rule=allowed)
    linked = select(TicketCall.call_id).where(TicketCall.ticket_id == ticket.id)
    calls = visible_calls(viewer).where(Call.id.in_(linked)).order_by(Call.began_at)
    recordings = visible_recordings(viewer).where(Recording.call_id.in_(linked)).order_by(Recording.began_at)
    return TicketRecord(ticket, list(session.scalars(calls)), list(session.scalars(recordings)))


def list_tickets(session: Session, viewer: Viewer, search: TicketSearch) -> list[Ticket]:
    """Visible tickets, newest first, without what no list shows: opening sealed values takes its time."""
    query = visible_tickets(viewer).options(*_UNLISTED)
    if (hers := tickets_among(session, viewer)) is not None:
        query = query.where(Ticket.id.in_(hers))
    if search.state:
        query = query.where(Ticket.state.in_(OPEN if search.state == "open" else [search.state]))
    if search.kind:
        query = query.where(Ticket.kind == search.kind)
    if search.number is not None:
        query = query.where(
            or_(Ticket.calling_number == search.number, Ticket.contact_number == search.number)
        )
    if search.created_by is not None:
        query = query.where(Ticket.created_by == search.created_by)
    if search.late_at is not None:
        query = query.where(Ticket.state.in_(PROMISED), Ticket.due_at < search.late_at)
    found = list(session.scalars(newest(query, Ticket.created_at, Ticket.id, search)))
    note_sealed(session, viewer, Action.SEE_TICKETS, "ticket", found)
    return found


# -- parts of the acts -----------------------------------------------------------------------


def _typed(form: TicketForm, policy: Policy) -> dict[str, object]:
    """The columns that come from the form, for a new ticket and a changed one alike."""
    return {
        "kind": form.kind,
        "urgency": form.urgency,
        "due_choice": form.choice,
        "caller_name": form.caller_name,
        "caller_sex": form.caller_sex,
        "contact_number": contact(form, policy) or "",
        "company": form.company,
        "uscc": uscc.normalise(form.uscc),
        "place": form.place,
        "category": form.category,
        "accused": form.accused,
        "title": title_of(form),
        "content": form.content,
        "answer": form.answer,
        "reply_wanted": form.reply_wanted,
    }


def _check_end(form: TicketForm, policy: Policy) -> None:
    """What is sealed goes to those who read it, whatever who took it says. Raises Refused."""
    if form.done and (form.sealed or policy.kind(form.kind).sealed):
        raise Refused({"done": "sealed_goes_on"})


def _answered_at_once(
    session: Session, viewer: Viewer, ticket: Ticket, form: TicketForm, now: datetime
) -> dict[str, int]:
    """It ended as it was written down; returns what the journal says of that."""
    if not form.done:
        return {}
    ending = Ending(ticket_id=ticket.id, kind="answered", words=form.answer, by_id=viewer.person_id, at=now)
    session.add(ending)
    session.flush()
    return {"ending": ending.id}


def _accused_unit(session: Session, form: TicketForm, ticket: Ticket | None) -> int | None:
    """The id of the unit that is accused; one that left the policy stays where it stands. Raises Refused."""
    if not form.accused_unit:
        return None
    found = session.scalar(select(Unit).where(Unit.code == form.accused_unit))
    if found is None or not (found.active or (ticket and ticket.accused_unit_id == found.id)):
        raise Refused({"accused_unit": "unknown"})
    return found.id


def _call_for(session: Session, viewer: Viewer, call_id: str) -> Call:
    call = session.scalar(
        visible_calls(viewer, Action.WRITE_TICKETS).where(Call.id == call_id).with_for_update(of=Call)
    )
    if call is None:
        raise missing_call(session, viewer, call_id)
    return call


def _locked(session: Session, viewer: Viewer, number: str) -> Ticket:
    mine = visible_tickets(viewer, Action.WRITE_TICKETS).where(called(number))
    ticket = session.scalar(mine.with_for_update(of=Ticket))
    if ticket is None:
        raise missing_ticket(session, viewer, number)
    return ticket


def _saved_before(session: Session, viewer: Viewer, form: TicketForm) -> Ticket | None:
    if not form.form_id:
        return None
    # Both copies of a form sent twice may be on their way: the second waits here for the first.
    session.execute(select(func.pg_advisory_xact_lock(func.hashtext(form.form_id))))
    mine = select(Ticket).where(Ticket.form_id == form.form_id, Ticket.created_by == viewer.person_id)
    return session.scalar(mine)


def _link(session: Session, viewer: Viewer, ticket: Ticket, call: Call) -> None:
    session.add(TicketCall(ticket_id=ticket.id, call_id=call.id))
    if call.closed_reason:
        allowed = rule(viewer, Action.WRITE_TICKETS, sealed=call.sealed)
        journal.append(
            session, viewer, "call.reopened", "call", call.id, rule=allowed, was=call.closed_reason
        )
        call.closed_reason, call.closed_note, call.closed_by, call.closed_at = "", "", None, None
    drafts.drop(session, viewer, call.id)
    tell_of(session, [call])


def _seal_or_tell(session: Session, viewer: Viewer, ticket: Ticket, policy: Policy) -> None:
    """A sealed ticket seals its calls and is told to those named for it only; any other to all."""
    if not ticket.sealed:
        notify(session, "board", "ticket", ticket_id=ticket.id)
        return
    name_readers(session, policy, ticket_id=ticket.id)
    name(session, viewer.person_id, "saved", ticket_id=ticket.id)
    calls = session.scalars(select(TicketCall.call_id).where(TicketCall.ticket_id == ticket.id)).all()
    for call_id in calls:
        seal_call(session, call_id, policy, viewer)
        name(session, viewer.person_id, "saved", call_id=call_id)
    session.flush()
    for person_id in listeners(session, ticket):
        notify(session, f"person:{person_id}", "ticket", ticket_id=ticket.id)


def _touch(session: Session, viewer: Viewer, ticket: Ticket, act: str, **detail: Any) -> None:
    ticket.version += 1
    ticket.changed_at = datetime.now(UTC)
    allowed = rule(viewer, Action.WRITE_TICKETS, sealed=ticket.sealed)
    journal.append(session, viewer, act, "ticket", ticket.id, rule=allowed, **detail)
    session.flush()
