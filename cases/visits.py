"""回访: the caller is asked how it went. Nobody answers: tried again; it did not help: handled again."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, time, timedelta

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session

from cases import dialling, shares
from cases.answering import begin_again, new_deadline
from cases.deadlines import limit_due, load_calendar
from cases.errors import Refused
from cases.looks import note_sealed
from cases.permissions import Action, may
from cases.states import Event, State, after
from cases.steps import locked, same, step, touch
from cases.visible import visible_tickets
from routing.policy import Policy
from storage import outbox
from storage.tables import Ticket
from storage.viewer import Viewer
from storage.work import Closing, Visit

YES_OR_NO = ("yes", "no")
UNRATED = "unrated"  # reached, and would not say
LONGEST = 5000  # characters of her words
LISTS = ("today", "later")


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitForm:
    """`reached`, `true`, `contacted`, `solved`: yes | no | ''. `satisfied`: a policy's grade, or UNRATED.

    `call_id`: the call in which she was asked, or ''.
    """

    reached: str = ""
    true: str = ""
    contacted: str = ""
    solved: str = ""
    satisfied: str = ""
    words: str = ""
    call_id: str = ""

    @classmethod
    def read(cls, typed: Mapping[str, str]) -> "VisitForm":
        """From a web form's fields."""
        return cls(**{each.name: typed.get(each.name, "").strip() for each in fields(cls)})


def record(
    session: Session,
    viewer: Viewer,
    number: str,
    form: VisitForm,
    policy: Policy,
    now: datetime,
    *,
    version: int | None = None,
) -> Visit:
    """One attempt, and what it leads to: done, again later, given up, or handled once more.

    Who is not satisfied with a case that is done already has it handled once more as well.

    Raises NotAllowed, NotVisible, Conflict, and Refused: event; reached, true, contacted, solved or satisfied
    required or unknown; words required (of who is not satisfied) or too_long; call_id unknown.
    """
    ticket = locked(session, viewer, number, Action.VISIT)
    same(ticket, version, form)
    after(State(ticket.state), Event.DISSATISFY)  # who may say so in this state may be asked in it
    _check(session, viewer, form, policy)
    event = _leads_to(session, ticket, form, policy)
    if event is not None:
        after(State(ticket.state), event)
    visit = _note(session, viewer, ticket, form, now)
    if event is None:
        retry = limit_due(now, policy.handling.visit_retry, policy, load_calendar(session))
        ticket.waits_until = retry.at
        outbox.put(session, "visit.due", {"ticket_id": ticket.id}, retry.at)
        touch(session, viewer, ticket, "ticket.missed", Action.VISIT, now, visit=visit.id)
    elif event is Event.DISSATISFY:
        _handle_again(session, viewer, ticket, visit, policy, now)
    else:
        step(session, viewer, ticket, event, Action.VISIT, now, visit=visit.id)
        ticket.waits_until = ticket.visit_due_at = None
    return visit


def of(session: Session, ticket: Ticket) -> list[Visit]:
    """All attempts, newest first."""
    mine = select(Visit).where(Visit.ticket_id == ticket.id)
    return list(session.scalars(mine.order_by(Visit.id.desc())))


def missed(session: Session, ticket: Ticket) -> int:
    """How often she was not reached since the case was last closed."""
    since = select(func.max(Closing.decided_at)).where(
        Closing.ticket_id == ticket.id, Closing.decision == "approved"
    )
    tried = select(func.count()).where(Visit.ticket_id == ticket.id, Visit.reached.is_(False))
    return session.scalar(tried.where(Visit.at >= since.scalar_subquery())) or 0


# -- who is to be called ------------------------------------------------------------------------------


def tray(
    session: Session, viewer: Viewer, which: str, policy: Policy, now: datetime, limit: int, offset: int = 0
) -> list[Ticket]:
    """`which` of LISTS. Those who were not satisfied before come first, then who waits longest."""
    order = (Ticket.redone.desc(), func.coalesce(Ticket.waits_until, Ticket.visit_due_at), Ticket.id)
    wanted = _list(viewer, which, policy, now).order_by(*order).limit(limit).offset(offset)
    found = list(session.scalars(wanted))
    note_sealed(session, viewer, Action.VISIT, "ticket", found)
    return found


def counts(session: Session, viewer: Viewer, policy: Policy, now: datetime) -> dict[str, int]:
    """By list, of the very queries of `tray`; {} for whom they are not."""
    if not may(viewer, Action.VISIT):
        return {}
    found = {}
    for which in LISTS:
        waiting = _list(viewer, which, policy, now)
        counted = waiting.with_only_columns(func.count(), maintain_column_froms=True)
        found[which] = session.scalar(counted) or 0
    return found


def _list(viewer: Viewer, which: str, policy: Policy, now: datetime) -> Select[Ticket]:
    """Today: all but those that are to be tried again on another day."""
    tonight = datetime.combine(now.astimezone(policy.zone).date() + timedelta(days=1), time(0), policy.zone)
    later = and_(Ticket.waits_until.is_not(None), Ticket.waits_until >= tonight)
    waiting = visible_tickets(viewer, Action.VISIT).where(Ticket.state == State.VISIT)
    return waiting.where(later if which == "later" else ~later)


# -- parts of the act ---------------------------------------------------------------------------------


def _check(session: Session, viewer: Viewer, form: VisitForm, policy: Policy) -> None:
    faults = {}
    asked: dict[str, tuple[str, ...]] = {"reached": YES_OR_NO}
    if form.reached == "yes":
        grades = tuple(grade.code for grade in policy.handling.satisfaction)
        asked |= dict.fromkeys(("true", "contacted", "solved"), YES_OR_NO) | {"satisfied": (*grades, UNRATED)}
    for name, allowed in asked.items():
        if (said := getattr(form, name)) not in allowed:
            faults[name] = "unknown" if said else "required"
    if len(form.words) > LONGEST:
        faults["words"] = "too_long"
    elif form.reached == "yes" and not _content(form, policy) and not form.words:
        faults["words"] = "required"
    if form.call_id and not dialling.knows(session, viewer, form.call_id):
        faults["call_id"] = "unknown"
    if faults:
        raise Refused(faults)


def _content(form: VisitForm, policy: Policy) -> bool:
    """Satisfied, or would not say."""
    grades = {grade.code: grade.satisfied for grade in policy.handling.satisfaction}
    return grades.get(form.satisfied, True)


def _leads_to(session: Session, ticket: Ticket, form: VisitForm, policy: Policy) -> Event | None:
    """None: she is to be called again."""
    if form.reached == "yes":
        return Event.SATISFY if _content(form, policy) else Event.DISSATISFY
    if ticket.state != State.VISIT or missed(session, ticket) + 1 >= policy.handling.visit_attempts:
        return Event.GIVE_UP
    return None


def _note(session: Session, viewer: Viewer, ticket: Ticket, form: VisitForm, now: datetime) -> Visit:
    """The attempt's row; the ticket keeps what was said first and what was said last."""
    said = form if form.reached == "yes" else VisitForm(reached="no")
    told = {name: getattr(said, name) == "yes" if getattr(said, name) else None for name in _ANSWERS}
    visit = Visit(
        ticket_id=ticket.id,
        call_id=dialling.placed(session, form.call_id),
        reached=form.reached == "yes",
        satisfied="" if said.satisfied == UNRATED else said.satisfied,
        words=form.words,
        by_id=viewer.person_id,
        at=now,
        **told,
    )
    session.add(visit)
    session.flush()
    ticket.visited += 1
    if visit.satisfied:
        ticket.satisfied = visit.satisfied
        ticket.first_satisfied = ticket.first_satisfied or visit.satisfied
    return visit


_ANSWERS = ("true", "contacted", "solved")


def _handle_again(
    session: Session, viewer: Viewer, ticket: Ticket, visit: Visit, policy: Policy, now: datetime
) -> None:
    """By the units that had it, else it is sorted anew. The caller is promised anew, supervision hears."""
    step(session, viewer, ticket, Event.DISSATISFY, Action.VISIT, now, visit=visit.id)
    ticket.redone += 1
    ticket.waits_until = ticket.visit_due_at = None
    again = policy.handling.redo.dissatisfied
    if shares.redo(session, viewer, ticket, again, Action.VISIT, policy, now):
        new_deadline(session, ticket, policy, now)
    else:
        begin_again(session, viewer, ticket, Event.RECALL, Action.VISIT, policy, now)
    outbox.put(session, "ticket.dissatisfied", {"ticket_id": ticket.id, "visit_id": visit.id})
