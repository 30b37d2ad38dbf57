"""报领导 and 批示: a case is reported to a leader, whose written word on it has a deadline of its own.

He writes it himself, or his secretary enters it, and the record says so. Of a sealed case nobody is told who
is not named for it: naming him is an act of its own.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.orm import Session

from cases import journal, units
from cases.deadlines import limit_due, load_calendar
from cases.errors import NotVisible, Refused
from cases.logins import viewer_of
from cases.permissions import Action, rule
from cases.states import OWED
from cases.steps import locked, tell
from cases.supervision import written
from cases.visible import name, not_recused, reaches
from routing.policy import Policy
from storage import outbox
from storage.staff import Person, Unit
from storage.tables import Call, Named, Ticket, TicketCall
from storage.viewer import Role, Viewer
from storage.work import Instruction, SubOrder

REPORTED = "reported"  # why a leader is named for a sealed case


def report_up(
    session: Session,
    viewer: Viewer,
    number: str,
    leader_id: int,
    report: str,
    now: datetime,
    *,
    naming: bool = False,
) -> Instruction:
    """A case is put before a leader. `naming`: let him see a sealed one, which is an act of its own.

    Raises NotAllowed, NotVisible, Refused: leader required, unknown, not_named (of a sealed case), recused,
    reported_already; report required, too_long.
    """
    ticket = locked(session, viewer, number, Action.REPORT_UP)
    faults = written("report", report)
    leader = session.get(Person, leader_id)
    if leader is None or not leader.active or leader.role != Role.LEADER:
        faults["leader"] = "unknown" if leader_id else "required"
    if faults or leader is None:
        raise Refused(faults)
    if _waiting(session, ticket, leader_id) is not None:
        raise Refused({"leader": "reported_already"})
    if ticket.sealed and not _is_named(session, ticket, leader_id):
        if not naming:
            raise Refused({"leader": "not_named"})
        name(session, leader_id, REPORTED, ticket_id=ticket.id)
        allowed = rule(viewer, Action.REPORT_UP, sealed=True)
        journal.append(
            session, viewer, "ticket.named", "ticket", ticket.id, rule=allowed, person_id=leader_id
        )
    row = _reported(session, ticket, leader_id, report.strip(), viewer.person_id, now)
    if not reaches(session, viewer_of(session, leader), Action.INSTRUCT, ticket):
        raise Refused({"leader": "recused"})
    tell(
        session,
        viewer,
        ticket,
        "ticket.report_up",
        Action.REPORT_UP,
        instruction=row.id,
        person_id=leader_id,
    )
    outbox.put(session, "reported", {"ticket_id": ticket.id, "instruction_id": row.id}, now)
    return row


def report_by_clock(
    session: Session, ticket: Ticket, policy: Policy, now: datetime, leader_id: int | None = None
) -> None:
    """To this leader, else to those of the lines that it came by; what came by none, as a letter does, to
    those of the city's first. Of a sealed case, to who is named for it.

    Who has it before him already, or must not know of it, is passed over.
    """
    for leader in _leaders_of(session, ticket, policy, leader_id):
        if _waiting(session, ticket, leader.id) is not None:
            continue
        if _may_learn(session, viewer_of(session, leader), ticket):
            row = _reported(session, ticket, leader.id, "", None, now)
            detail = {"instruction": row.id, "person_id": leader.id}
            tell(session, None, ticket, "ticket.report_up", Action.REPORT_UP, **detail)


def instruct(
    session: Session,
    viewer: Viewer,
    number: str,
    words: str,
    policy: Policy,
    now: datetime,
    *,
    leader_id: int = 0,
    report_id: int = 0,
    unit_code: str = "",
) -> Instruction:
    """批示: on what was reported (`report_id`), or of his own accord; its deadline is the policy's.

    A leader's own, or entered by a secretary for the leader of her lines (`leader_id`). `unit_code`: the unit
    that is designated to act; what it has of the case already it can object to no more.
    Raises NotAllowed, NotVisible, Refused: words required, too_long; leader required, unknown; unit unknown,
    accused; event given_already.
    """
    ticket = locked(session, viewer, number, Action.INSTRUCT)
    row = _report(session, ticket, report_id)
    leader_id = viewer.person_id if viewer.role is Role.LEADER else row.leader_id if row else leader_id
    faults = written("words", words)
    if leader_id not in {one.id for one in leaders_for(session, viewer)}:
        faults["leader"] = "unknown" if leader_id else "required"
    unit = units.by_code(session, unit_code) if unit_code else None
    if unit_code and unit is None:
        faults["unit"] = "unknown"
    elif unit is not None and ticket.accused_unit_id in units.around(session, unit.id)[1]:
        faults["unit"] = "accused"
    if faults:
        raise Refused(faults)
    if row is not None and row.leader_id != leader_id:
        raise NotVisible(f"no report {report_id}")
    if row is not None and row.given_at is not None:
        raise Refused({"event": "given_already"})
    row = row or _reported(session, ticket, leader_id, "", None, now)
    due = limit_due(now, policy.handling.instruction, policy, load_calendar(session))
    row.words, row.given_by, row.given_at = words.strip(), viewer.person_id, now
    row.due_at, row.due_rule, row.due_provisional = due.at, due.rule, due.provisional
    row.unit_id = unit.id if unit else None
    _designate(session, ticket, unit)
    detail = {"instruction": row.id, "person_id": leader_id, "unit": unit_code or None}
    tell(session, viewer, ticket, "ticket.instruct", Action.INSTRUCT, **detail)
    outbox.put(session, "instructed", {"ticket_id": ticket.id, "instruction_id": row.id}, now)
    return row


def fulfil(
    session: Session, viewer: Viewer, number: str, instruction_id: int, outcome: str, now: datetime
) -> Instruction:
    """How it was done; told by those who report to leaders.

    Raises NotAllowed, NotVisible, Refused: outcome required, too_long; event not_given, done_already.
    """
    ticket = locked(session, viewer, number, Action.REPORT_UP)
    row = _report(session, ticket, instruction_id)
    if row is None:
        raise NotVisible(f"no instruction {instruction_id}")
    if faults := written("outcome", outcome):
        raise Refused(faults)
    if row.given_at is None or row.done_at is not None:
        raise Refused({"event": "done_already" if row.done_at else "not_given"})
    row.outcome, row.done_by, row.done_at = outcome.strip(), viewer.person_id, now
    tell(session, viewer, ticket, "ticket.fulfil", Action.REPORT_UP, instruction=row.id)
    return row


# -- for pages, of a case that the viewer sees ------------------------------------------------------


def all_of(session: Session, ticket: Ticket) -> list[Instruction]:
    """Reports and instructions of a case, oldest first."""
    mine = select(Instruction).where(Instruction.ticket_id == ticket.id)
    return list(session.scalars(mine.order_by(Instruction.reported_at, Instruction.id)))


def standing(row: Instruction, ticket: Ticket, now: datetime) -> str:
    """waiting, moot (its case was over before he wrote), running, late, done."""
    if row.given_at is None:
        return "waiting" if awaits_word(row, ticket) else "moot"
    if row.done_at is not None:
        return "done"
    return "late" if row.due_at is not None and row.due_at < now else "running"


def awaits_word(row: Instruction, ticket: Ticket) -> bool:
    """A report that its leader has still to answer: as `unanswered`, of one."""
    over = ticket.closed_at is not None and row.reported_at < ticket.closed_at
    return row.given_at is None and not over


def unanswered() -> ColumnElement[bool]:
    """Of reports joined with their tickets: no word yet, and the case was not over before he wrote one."""
    running = or_(Ticket.closed_at.is_(None), Instruction.reported_at >= Ticket.closed_at)
    return and_(Instruction.given_at.is_(None), running)


def leaders(session: Session) -> list[Person]:
    """To whom a case can be reported."""
    working = select(Person).where(Person.active, Person.role == Role.LEADER)
    return list(session.scalars(working.order_by(Person.login)))


def leaders_for(session: Session, viewer: Viewer) -> list[Person]:
    """In whose name she writes: a leader in his own, a secretary in that of those who lead her lines."""
    if viewer.role is Role.LEADER:
        return list(session.scalars(select(Person).where(Person.id == viewer.person_id, Person.active)))
    return [one for one in leaders(session) if set(one.lines) & set(viewer.lines)]


# -- parts of the acts ------------------------------------------------------------------------------


def _report(session: Session, ticket: Ticket, report_id: int) -> Instruction | None:
    """Raises NotVisible for one of another case."""
    row = session.get(Instruction, report_id, with_for_update=True) if report_id else None
    if report_id and (row is None or row.ticket_id != ticket.id):
        raise NotVisible(f"no report {report_id}")
    return row


def _waiting(session: Session, ticket: Ticket, leader_id: int) -> Instruction | None:
    """What he was told of it and has not answered."""
    mine = select(Instruction).where(Instruction.ticket_id == ticket.id, Instruction.leader_id == leader_id)
    asked = mine.where(Instruction.given_at.is_(None)).order_by(Instruction.id.desc())
    return next((row for row in session.scalars(asked) if awaits_word(row, ticket)), None)


def _reported(
    session: Session, ticket: Ticket, leader_id: int, report: str, by_id: int | None, now: datetime
) -> Instruction:
    row = Instruction(
        ticket_id=ticket.id, leader_id=leader_id, report=report, reported_by=by_id, reported_at=now
    )
    session.add(row)
    session.flush()
    return row


def _is_named(session: Session, ticket: Ticket, person_id: int) -> bool:
    named = exists().where(Named.ticket_id == ticket.id, Named.person_id == person_id)
    return session.scalar(select(named)) or False


def _leaders_of(session: Session, ticket: Ticket, policy: Policy, leader_id: int | None) -> Iterable[Person]:
    if leader_id is not None:
        return [one for one in leaders(session) if one.id == leader_id]
    lines = select(Call.line).join(TicketCall, TicketCall.call_id == Call.id)
    dialled = set(session.scalars(lines.where(TicketCall.ticket_id == ticket.id)))
    dialled = dialled or {policy.lines[0].number}
    return [one for one in leaders(session) if dialled & set(one.lines)]


def _may_learn(session: Session, leader: Viewer, ticket: Ticket) -> bool:
    """Of an ordinary case whoever is not recused; he sees it from the report on."""
    if ticket.sealed:
        return reaches(session, leader, Action.INSTRUCT, ticket)
    free = select(Ticket.id).where(Ticket.id == ticket.id, not_recused(leader))
    return session.scalar(free) is not None


def _designate(session: Session, ticket: Ticket, unit: Unit | None) -> None:
    if unit is None:
        return
    mine = select(SubOrder).where(SubOrder.ticket_id == ticket.id, SubOrder.unit_id == unit.id)
    for order in session.scalars(mine.where(SubOrder.state.in_(OWED)).with_for_update()):
        order.designated = True
