"""结案: the closing form of a whole case, and its audit by somebody else.

What it says inside the house and what the caller is told are two texts.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import false, func, select
from sqlalchemy.orm import Session

from cases import dispatch, shares
from cases.deadlines import limit_due, load_calendar
from cases.errors import NotAllowed, Refused
from cases.joining import owe_caller
from cases.looks import note_sealed
from cases.order_reply import Reply, checked
from cases.permissions import Action, may
from cases.personal import unmasked
from cases.states import Event, State, after
from cases.steps import demand_decider, locked, same, step
from cases.visible import visible_tickets
from routing.policy import Policy
from storage import outbox
from storage.tables import Ticket
from storage.viewer import Role, Viewer
from storage.work import Closing, SubOrder

LONGEST = 5000  # characters of a remark
_TEXTS = ("account", "public_reply", "why_unsolved")


def submit(
    session: Session,
    viewer: Viewer,
    number: str,
    form: Reply,
    policy: Policy,
    now: datetime,
    *,
    version: int | None = None,
) -> Closing:
    """The whole case is done, says the leading unit or the dispatcher: it waits for its audit.

    Raises NotAllowed (a unit that does not lead), NotVisible, Conflict, and Refused: event (the states say
    no, nobody_leads, or units_owe: one has not replied), or what of the form will not do (order_reply.py).
    """
    ticket = locked(session, viewer, number, Action.CLOSE)
    same(ticket, version, form)
    after(State(ticket.state), Event.CLOSE)
    having = shares.of(session, ticket, lock=True)
    lead = shares.leading(having)
    if not leads(viewer, lead):
        raise NotAllowed("her unit does not lead")
    if lead is None:
        raise Refused({"event": "nobody_leads"})
    if shares.owed(having):
        raise Refused({"event": "units_owe"})
    said = checked(form, ticket, lead, policy.zone, now)
    for name in _TEXTS:  # what she was shown masked of the unit's words is stored as it was
        said[name] = unmasked(str(said[name]), getattr(lead, name), ticket)
    closing = Closing(ticket_id=ticket.id, by_id=viewer.person_id, at=now, **said)
    session.add(closing)
    session.flush()
    outbox.put(session, "closing.submitted", {"ticket_id": ticket.id, "closing_id": closing.id})
    step(session, viewer, ticket, Event.CLOSE, Action.CLOSE, now, closing=closing.id)
    return closing


def audit(
    session: Session,
    viewer: Viewer,
    number: str,
    verdict: str,
    remark: str,
    policy: Policy,
    now: datetime,
    *,
    version: int | None = None,
) -> Ticket:
    """Approve a closing form, or send it back with a remark; never one's own.

    Approved: now the caller is asked, unless no reply is wanted or nobody can be asked; then it is done.
    Sent back: every unit acts again; where none sees it any more, it is to be sent anew. Raises NotAllowed,
    NotVisible, Conflict, and Refused: event (the states say no, or two_people), verdict unknown or required,
    remark required or too_long.
    """
    ticket = locked(session, viewer, number, Action.DECIDE)
    same(ticket, version, remark)
    demand_decider(viewer, ticket, "closing", policy)
    after(State(ticket.state), Event.SEND_BACK)
    closing = session.scalars(
        select(Closing).where(Closing.ticket_id == ticket.id, Closing.decision == "").with_for_update()
    ).one()
    if closing.by_id == viewer.person_id:
        raise Refused({"event": "two_people"})
    _check_verdict(verdict, remark)
    closing.decision = "approved" if verdict == "approve" else "sent_back"
    closing.remark, closing.decided_by, closing.decided_at = remark, viewer.person_id, now
    if verdict == "approve":
        _approve(session, viewer, ticket, closing, policy, now)
        return ticket
    step(session, viewer, ticket, Event.SEND_BACK, Action.DECIDE, now, closing=closing.id)
    shares.redo(session, viewer, ticket, policy.handling.redo.sent_back, Action.DECIDE, policy, now)
    dispatch.nobody_left(session, viewer, ticket, Action.DECIDE, now)
    outbox.put(session, "closing.sent_back", {"ticket_id": ticket.id, "closing_id": closing.id})
    return ticket


def leads(viewer: Viewer, lead: SubOrder | None) -> bool:
    """A clerk closes what her unit, or one below it, leads; the dispatcher any."""
    return viewer.role is not Role.UNIT_CLERK or (lead is not None and lead.unit_id in viewer.units)


def forms(session: Session, ticket: Ticket) -> list[Closing]:
    """All that were submitted, newest first."""
    mine = select(Closing).where(Closing.ticket_id == ticket.id)
    return list(session.scalars(mine.order_by(Closing.id.desc())))


def tray(
    session: Session, viewer: Viewer, policy: Policy, limit: int, offset: int = 0
) -> list[tuple[Ticket, Closing]]:
    """Closing forms that wait for her audit, oldest due first."""
    oldest = _waiting(viewer, policy).add_columns(Closing).order_by(Ticket.due_at.nulls_last(), Ticket.id)
    found = [(ticket, form) for ticket, form in session.execute(oldest.limit(limit).offset(offset))]
    note_sealed(session, viewer, Action.DECIDE, "ticket", (ticket for ticket, _ in found))
    return found


def counts(session: Session, viewer: Viewer, policy: Policy) -> dict[str, int]:
    """How many: of the very query of the tray; {} for whom it is not."""
    if not may(viewer, Action.DECIDE):
        return {}
    waiting = _waiting(viewer, policy).with_only_columns(func.count(), maintain_column_froms=True)
    return {"closing": session.scalar(waiting) or 0}


def _waiting(viewer: Viewer, policy: Policy) -> Any:
    """Her own she does not audit; those whose role does not decide, audit what is sealed at most."""
    found = (
        visible_tickets(viewer, Action.DECIDE)
        .join(Closing, Closing.ticket_id == Ticket.id)
        .where(Ticket.state == State.REVIEW, Closing.decision == "", Closing.by_id != viewer.person_id)
    )
    if viewer.role.value == policy.decides("closing"):
        return found
    return found.where(Ticket.sealed if viewer.role is Role.DISCIPLINE else false())


def _check_verdict(verdict: str, remark: str) -> None:
    faults = {}
    if verdict not in ("approve", "send_back"):
        faults["verdict"] = "unknown" if verdict else "required"
    if len(remark) > LONGEST:
        faults["remark"] = "too_long"
    elif verdict == "send_back" and not remark:
        faults["remark"] = "required"
    if faults:
        raise Refused(faults)


def _approve(
    session: Session, viewer: Viewer, ticket: Ticket, closing: Closing, policy: Policy, now: datetime
) -> None:
    shares.finish(session, viewer, ticket, Action.DECIDE, now)
    reachable = ticket.contact_number or ticket.calling_number
    if not (ticket.reply_wanted and reachable):
        step(session, viewer, ticket, Event.RELEASE, Action.DECIDE, now, closing=closing.id)
    else:
        step(session, viewer, ticket, Event.APPROVE, Action.DECIDE, now, closing=closing.id)
        due = limit_due(now, policy.handling.visit_within, policy, load_calendar(session))
        ticket.visit_due_at, ticket.visit_due_rule = due.at, due.rule
        ticket.visit_due_provisional, ticket.waits_until = due.provisional, None
        outbox.put(session, "visit.due", {"ticket_id": ticket.id})
    owe_caller(session, ticket, "ticket.done")
