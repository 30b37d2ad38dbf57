"""催办 and 督办: units are urged, cases supervised until somebody says what came of it.

Both stand beside the case's state. The clock does the same where the policy's ladders say so
(cases/escalation.py). What leaders are told and write is cases/instructions.py.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.deadlines import limit_due, load_calendar
from cases.errors import Refused
from cases.permissions import Action
from cases.states import OPEN, OWED, only_in
from cases.steps import locked, tell
from routing.policy import Policy
from routing.working_time import Calendar
from storage import outbox
from storage.tables import Ticket
from storage.viewer import Viewer
from storage.work import SubOrder, Supervision, TicketNote

LONGEST = 2000  # characters of anything written to a unit or a leader
LATE, SILENT = "late", "silent"  # grounds of supervisions that the clock begins


def urge(
    session: Session, viewer: Viewer, number: str, words: str, now: datetime, *, order_id: int | None = None
) -> TicketNote:
    """催办 of one unit that owes its share, or of all; the bare act needs no words.

    Raises NotAllowed, NotVisible, Refused: words too_long; event not_in_<state>, not_owed.
    """
    ticket = locked(session, viewer, number, Action.SUPERVISE)
    if len(words.strip()) > LONGEST:
        raise Refused({"words": "too_long"})
    only_in(OPEN, ticket.state)
    order = session.get(SubOrder, order_id) if order_id is not None else None
    if order_id is not None and (order is None or order.ticket_id != ticket.id or order.state not in OWED):
        raise Refused({"event": "not_owed"})
    note = _urged(session, ticket, order, viewer.person_id, words.strip(), now)
    tell(session, viewer, ticket, "ticket.urge", Action.SUPERVISE, note=note.id, order=order_id)
    outbox.put(session, "urged", {"ticket_id": ticket.id, "note_id": note.id}, now)
    return note


def urge_by_clock(session: Session, ticket: Ticket, order: SubOrder | None, now: datetime) -> None:
    """The day after expiry, say; the rung that did it tells those concerned."""
    note = _urged(session, ticket, order, None, "", now)
    told = order.id if order else None
    tell(session, None, ticket, "ticket.urge", Action.SUPERVISE, note=note.id, order=told)


def supervise(
    session: Session,
    viewer: Viewer,
    number: str,
    ground: str,
    demand: str,
    policy: Policy,
    now: datetime,
) -> Supervision:
    """督办: what is demanded, and until when; one at a time.

    Raises NotAllowed, NotVisible, Refused: ground required, unknown; demand required, too_long; event
    not_in_<state>, supervised_already.
    """
    ticket = locked(session, viewer, number, Action.SUPERVISE)
    faults = written("demand", demand)
    if ground not in [reason.code for reason in policy.handling.supervision_grounds]:
        faults["ground"] = "unknown" if ground else "required"
    if faults:
        raise Refused(faults)
    only_in(OPEN, ticket.state)
    if current(session, ticket) is not None:
        raise Refused({"event": "supervised_already"})
    row = _supervised(
        session, ticket, ground, policy, load_calendar(session), now, viewer.person_id, demand.strip()
    )
    tell(session, viewer, ticket, "ticket.supervise", Action.SUPERVISE, ground=ground, supervision=row.id)
    outbox.put(session, "supervised", {"ticket_id": ticket.id, "supervision_id": row.id}, now)
    return row


def supervise_by_itself(
    session: Session, ticket: Ticket, ground: str, policy: Policy, calendar: Calendar, now: datetime
) -> Supervision | None:
    """By the clock, or because of what was done; None: the case stays under the supervision that it has."""
    if current(session, ticket) is not None:
        return None
    row = _supervised(session, ticket, ground, policy, calendar, now)
    tell(session, None, ticket, "ticket.supervise", Action.SUPERVISE, ground=ground, supervision=row.id)
    return row


def end(session: Session, viewer: Viewer, number: str, outcome: str, now: datetime) -> Supervision:
    """What came of it, in words; it may be said after the case has been closed.

    Raises NotAllowed, NotVisible, Refused: outcome required, too_long; event not_supervised.
    """
    ticket = locked(session, viewer, number, Action.SUPERVISE)
    if faults := written("outcome", outcome):
        raise Refused(faults)
    row = current(session, ticket)
    if row is None:
        raise Refused({"event": "not_supervised"})
    row.outcome, row.ended_by, row.ended_at = outcome.strip(), viewer.person_id, now
    tell(session, viewer, ticket, "ticket.supervision_end", Action.SUPERVISE, supervision=row.id)
    return row


def current(session: Session, ticket: Ticket) -> Supervision | None:
    """The supervision that a case is under."""
    running = select(Supervision).where(Supervision.ticket_id == ticket.id, Supervision.ended_at.is_(None))
    return session.scalar(running)


def standing(row: Supervision, ticket: Ticket, now: datetime) -> str:
    """running, late, over (its case is, and its outcome was not said), ended."""
    if row.ended_at is not None:
        return "ended"
    if ticket.state not in OPEN:
        return "over"
    return "late" if row.due_at is not None and row.due_at < now else "running"


def all_of(session: Session, ticket: Ticket) -> list[Supervision]:
    """Those of a case, oldest first, for a viewer who sees it."""
    mine = select(Supervision).where(Supervision.ticket_id == ticket.id)
    return list(session.scalars(mine.order_by(Supervision.id)))


def urgings(session: Session, ticket: Ticket) -> list[TicketNote]:
    """Those of a case, oldest first, for a viewer who sees it."""
    mine = select(TicketNote).where(TicketNote.ticket_id == ticket.id, TicketNote.kind == "urging")
    return list(session.scalars(mine.order_by(TicketNote.id)))


def written(field: str, words: str) -> dict[str, str]:
    """The fault of a text that has to be there."""
    if not words.strip():
        return {field: "required"}
    return {field: "too_long"} if len(words.strip()) > LONGEST else {}


def _urged(
    session: Session, ticket: Ticket, order: SubOrder | None, by_id: int | None, words: str, now: datetime
) -> TicketNote:
    note = TicketNote(
        ticket_id=ticket.id,
        order_id=order.id if order else None,
        kind="urging",
        text=words,
        by_id=by_id,
        at=now,
    )
    session.add(note)
    ticket.urged += 1
    session.flush()
    return note


def _supervised(
    session: Session,
    ticket: Ticket,
    ground: str,
    policy: Policy,
    calendar: Calendar,
    now: datetime,
    by_id: int | None = None,
    demand: str = "",
) -> Supervision:
    due = limit_due(now, policy.handling.supervision, policy, calendar)
    row = Supervision(
        ticket_id=ticket.id,
        ground=ground,
        demand=demand,
        due_at=due.at,
        due_rule=due.rule,
        due_provisional=due.provisional,
        by_id=by_id,
        at=now,
    )
    session.add(row)
    session.flush()
    return row
