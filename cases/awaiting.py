"""What awaits whom: the steps that cases wait for, by who takes them. A list and its count are one query."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    SQLColumnExpression,
    case,
    cast,
    exists,
    false,
    func,
    null,
    or_,
    select,
)
from sqlalchemy.orm import Session, aliased

from cases.day import UNLISTED, on_line
from cases.instructions import unanswered
from cases.looks import note_sealed
from cases.permissions import Action
from cases.sorting import has_nobody
from cases.states import OPEN, OWED, Order, State
from cases.visible import visible_tickets
from routing.policy import Policy
from storage.staff import Person, Unit
from storage.tables import Ticket
from storage.viewer import Role, Viewer
from storage.work import Closing, Instruction, SubOrder, Supervision, TicketNote, UnitRequest

STEPS = (
    *("sort", "take", "reply", "objection", "extension", "close", "audit", "visit"),
    *("word", "instruction", "supervision"),
)
_NOBODY = cast(null(), BigInteger)
_NO_TIME = cast(null(), Ticket.due_at.type)
_Share = aliased(SubOrder)


@dataclass(frozen=True, slots=True)
class Count:
    """How long a list is, and how many of it are late."""

    all: int
    late: int


@dataclass(frozen=True, slots=True)
class Step:
    """A step of STEPS that a case waits for: of a unit or a person; of the role if both are empty."""

    which: str
    ticket: Ticket
    unit: str
    person: str
    role: str
    since: datetime
    due_at: datetime | None
    provisional: bool


@dataclass(frozen=True, slots=True)
class _Waits:
    """The tickets, and of each row: which unit, whom, since when, until when."""

    tickets: Select[Any]
    since: SQLColumnExpression[Any]
    due_at: SQLColumnExpression[Any]
    provisional: SQLColumnExpression[Any]
    unit_id: SQLColumnExpression[Any] = _NOBODY
    person_id: SQLColumnExpression[Any] = _NOBODY


def counts(session: Session, viewer: Viewer, line: str, now: datetime) -> dict[str, Count]:
    """Of each list of STEPS, on a line or ('') all of hers."""
    found = {}
    for which in STEPS:
        waits = _waits(viewer, which, line)
        late = func.count(case((waits.due_at < now, 1)))
        query = waits.tickets.with_only_columns(func.count(), late, maintain_column_froms=True)
        found[which] = Count(*session.execute(query).one())
    return found


def steps(
    session: Session, viewer: Viewer, which: str, line: str, policy: Policy, limit: int = 50, offset: int = 0
) -> list[Step]:
    """A list of STEPS, the soonest due first. Raises KeyError."""
    waits = _waits(viewer, which, line)
    told = waits.tickets.options(*UNLISTED).add_columns(
        waits.unit_id.label("unit"),
        waits.person_id.label("person"),
        waits.since.label("since"),
        waits.due_at.label("until"),
        waits.provisional.label("uncertain"),
    )
    soonest = told.order_by(waits.due_at.asc().nulls_last(), Ticket.id).limit(limit).offset(offset)
    rows = session.execute(soonest).all()
    note_sealed(session, viewer, Action.READ_DAY, "ticket", (row[0] for row in rows))
    units, people = _names(session, rows)
    role = _role(which, policy)
    return [
        Step(which, ticket, units.get(unit_id, ""), people.get(person_id, ""), role, since, due_at, uncertain)
        for ticket, unit_id, person_id, since, due_at, uncertain in rows
    ]


def _role(which: str, policy: Policy) -> str:
    """Whose it is where no unit and no person is named."""
    match which:
        case "objection" | "extension":
            return policy.decides(which)
        case "audit":
            return policy.decides("closing")
        case "visit":
            return Role.VISITOR.value
        case "word":
            return Role.LEADER.value
        case "supervision":
            return Role.SUPERVISOR.value
    return Role.DISPATCHER.value


def _waits(viewer: Viewer, which: str, line: str) -> _Waits:
    mine = on_line(visible_tickets(viewer, Action.READ_DAY), line)
    promised = Ticket.due_at, Ticket.due_provisional
    handling = mine.where(Ticket.state == State.HANDLING)
    shares = handling.join(SubOrder, SubOrder.ticket_id == Ticket.id)
    asked = SubOrder.due_at, SubOrder.due_provisional, SubOrder.unit_id
    match which:
        case "sort":
            return _Waits(
                mine.where(or_(Ticket.state == State.ACCEPTED, has_nobody())), _unsorted(), *promised
            )
        case "take":
            return _Waits(shares.where(SubOrder.state == Order.SENT), SubOrder.sent_at, *asked)
        case "reply":
            since = func.coalesce(SubOrder.taken_at, SubOrder.sent_at)
            return _Waits(shares.where(SubOrder.state == Order.TAKEN), since, *asked)
        case "objection" | "extension":
            requests = shares.join(UnitRequest, UnitRequest.order_id == SubOrder.id)
            open_ones = requests.where(UnitRequest.kind == which, UnitRequest.decision == "")
            return _Waits(open_ones, UnitRequest.asked_at, *asked[:2])
        case "close":
            leads = SubOrder.part == "lead", SubOrder.parent_id.is_(None), SubOrder.state == Order.REPLIED
            owed = exists().where(_Share.ticket_id == Ticket.id, _Share.state.in_(OWED))
            return _Waits(shares.where(*leads, ~owed), SubOrder.replied_at, *promised, SubOrder.unit_id)
        case "audit":
            forms = mine.join(Closing, Closing.ticket_id == Ticket.id)
            return _Waits(
                forms.where(Ticket.state == State.REVIEW, Closing.decision == ""), Closing.at, *promised
            )
        case "visit":
            due = Ticket.visit_due_at, Ticket.visit_due_provisional
            return _Waits(mine.where(Ticket.state == State.VISIT), _approved(), *due)
    return _above(mine, which)


def _above(mine: Select[Any], which: str) -> _Waits:
    """Steps beside the case's state: a leader's word, what he asked for, a supervision."""
    if which == "supervision":
        watched = mine.join(Supervision, Supervision.ticket_id == Ticket.id)
        # When its case is over it waits for words alone.
        while_open = case((Ticket.state.in_(OPEN), Supervision.due_at)), Supervision.due_provisional
        return _Waits(watched.where(Supervision.ended_at.is_(None)), Supervision.at, *while_open)
    reports = mine.join(Instruction, Instruction.ticket_id == Ticket.id)
    if which == "word":
        silent = reports.where(unanswered())
        leader = {"person_id": Instruction.leader_id}
        return _Waits(silent, Instruction.reported_at, _NO_TIME, false(), **leader)
    if which != "instruction":
        raise KeyError(which)
    running = reports.where(Instruction.given_at.is_not(None), Instruction.done_at.is_(None))
    until = Instruction.due_at, Instruction.due_provisional
    return _Waits(running, Instruction.given_at, *until, unit_id=Instruction.unit_id)


def _unsorted() -> ColumnElement[Any]:
    """Since it was written, opened again, or came back from a unit."""
    back = select(func.max(_Share.ended_at)).where(_Share.ticket_id == Ticket.id)
    again = select(func.max(TicketNote.at)).where(
        TicketNote.ticket_id == Ticket.id, TicketNote.kind == "reopened"
    )
    return func.greatest(Ticket.created_at, _of_it(back), _of_it(again))


def _approved() -> ColumnElement[Any]:
    passed = select(func.max(Closing.decided_at)).where(Closing.ticket_id == Ticket.id)
    return func.coalesce(_of_it(passed), Ticket.changed_at)


def _of_it(query: Select[Any]) -> ColumnElement[Any]:
    return query.correlate(Ticket).scalar_subquery()


def _names(session: Session, rows: Sequence[Any]) -> tuple[dict[int, str], dict[int, str]]:
    """Of the units and the people of these rows, by id."""
    units = select(Unit.id, Unit.name).where(Unit.id.in_({row[1] for row in rows}))
    people = select(Person.id, Person.name).where(Person.id.in_({row[2] for row in rows}))
    return (
        {row.id: row.name for row in session.execute(units)},
        {row.id: row.name for row in session.execute(people)},
    )
