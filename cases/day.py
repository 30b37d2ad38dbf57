"""One day of the hotline: its calls, and what was done to cases. Each list and its count are one query.

What awaits whom: cases/awaiting.py. A viewer has what READ_DAY opens to her, in lists and counts alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import chain
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    Select,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from cases.lab import incoming_call
from cases.looks import note_sealed
from cases.permissions import Action, Scope, cell
from cases.search import unlisted
from cases.states import Order, State
from cases.visible import visible_calls, visible_tickets
from routing.policy import Line, Policy
from routing.terms import Unit as Span
from routing.working_time import Calendar, days_away
from storage.staff import Person
from storage.tables import Call, Ticket, TicketCall
from storage.viewer import Viewer
from storage.work import Ending, SubOrder, TicketNote, Visit

SHORT = timedelta(seconds=10)  # who hangs up sooner after the queue's beginning was not offered
SOON = timedelta(seconds=15)  # GB/T 33358-2016
DONE = ("accepted", "direct", "sent", "replied", "closed", "otherwise", "visited", "missed", "reopened")

_Ticket, _Link, _Call = aliased(Ticket), aliased(TicketCall), aliased(Call)
UNLISTED = unlisted(Ticket.company, Ticket.uscc)

_answered = Call.answered_at.is_not(None)
_wait = Call.answered_at - func.coalesce(Call.queued_at, Call.began_at)
_left = and_(~_answered, Call.outcome != "live")
_short = and_(_left, func.coalesce(Call.ended_at < Call.queued_at + SHORT, false()))
_offered = and_(or_(Call.queued_at.is_not(None), _answered), ~_short)
CALLS: Mapping[str, ColumnElement[bool]] = {
    "calls": true(),
    "offered": _offered,
    "answered": _answered,
    "soon": and_(_answered, _wait <= SOON),
    "abandoned": and_(_offered, _left),
    "waiting": and_(_offered, ~_answered, ~_left),
    "short": _short,
    "menu": and_(Call.queued_at.is_(None), ~_answered),
}
"""Lists of calls. calls = offered + short + menu; offered = answered + abandoned + waiting."""


@dataclass(frozen=True, slots=True)
class Day:
    """From midnight to midnight of the city's; `line`: a published number, or '' for all of hers."""

    date: date
    since: datetime
    until: datetime
    line: str


@dataclass(frozen=True, slots=True)
class Ring:
    """A call with who answered it last and the cases written of it that the viewer may see."""

    call: Call
    agent: str
    tickets: tuple[Ticket, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A case with what was done to it on the day: of DONE, in its order."""

    ticket: Ticket
    done: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OfLine:
    """One line's share of the day; `number` as dialled."""

    number: str
    offered: int
    answered: int
    accepted: int


def day_of(which: date, policy: Policy, line: str = "") -> Day:
    """The day in the city's own time."""
    since, until = (datetime.combine(which + timedelta(days=n), time(0), policy.zone) for n in (0, 1))
    return Day(which, since, until, line)


def working_day_before(day: Day, policy: Policy, calendar: Calendar) -> Day:
    """The last working day before it, on the same line."""
    return day_of(days_away(day.date, 1, Span.WORKING_DAYS, calendar, back=True), policy, day.line)


def reads_all(viewer: Viewer) -> bool:
    """Whether she is of the duty room, whose day is of all lines and of what came by none."""
    return cell(viewer.role, Action.READ_DAY).ordinary is Scope.ALL


def lines(viewer: Viewer, policy: Policy) -> list[Line]:
    """The lines whose day she may read."""
    return [line for line in policy.lines if reads_all(viewer) or line.number in viewer.lines]


# -- calls --------------------------------------------------------------------------------------------


def call_counts(session: Session, viewer: Viewer, day: Day) -> tuple[dict[str, int], float]:
    """How long each list of CALLS is, and the seconds that all answered callers waited together."""
    counted = [func.count(case((condition, 1))).label(name) for name, condition in CALLS.items()]
    waited = func.coalesce(func.sum(func.extract("epoch", _wait)), 0)
    query = _calls(viewer, day).with_only_columns(*counted, cast(waited, Float).label("waited"))
    found = dict(session.execute(query).one()._mapping)
    waited_seconds = float(found.pop("waited"))
    return found, waited_seconds


def calls(
    session: Session, viewer: Viewer, which: str, day: Day, limit: int = 50, offset: int = 0
) -> list[Ring]:
    """A list of CALLS, the latest first. Raises KeyError."""
    query = _calls(viewer, day).where(CALLS[which]).order_by(Call.began_at.desc(), Call.id)
    found = list(session.scalars(query.limit(limit).offset(offset)))
    note_sealed(session, viewer, Action.READ_DAY, "call", found)
    agents = select(Person.id, Person.name).where(Person.id.in_({call.agent_id for call in found}))
    names = {row.id: row.name for row in session.execute(agents)}
    tickets = _written(session, viewer, [call.id for call in found])
    return [Ring(call, names.get(call.agent_id or 0, ""), tuple(tickets.get(call.id, ()))) for call in found]


def _calls(viewer: Viewer, day: Day) -> Select[Any]:
    mine = visible_calls(viewer, Action.READ_DAY).where(incoming_call(), within(Call.began_at, day))
    return mine.where(Call.line == day.line) if day.line else mine


def _written(session: Session, viewer: Viewer, call_ids: list[str]) -> dict[str, list[Ticket]]:
    mine = visible_tickets(viewer, Action.READ_DAY).join(TicketCall, TicketCall.ticket_id == Ticket.id)
    of_calls = mine.where(TicketCall.call_id.in_(call_ids)).options(*UNLISTED).order_by(Ticket.id)
    found: dict[str, list[Ticket]] = {}
    for ticket, call_id in session.execute(of_calls.add_columns(TicketCall.call_id)):
        found.setdefault(call_id, []).append(ticket)
    note_sealed(session, viewer, Action.READ_DAY, "ticket", chain(*found.values()))
    return found


# -- cases --------------------------------------------------------------------------------------------


def ratings(policy: Policy) -> tuple[str, ...]:
    """Lists of cases by how their callers rated them on the day."""
    return (*(f"rated-{grade.code}" for grade in policy.handling.satisfaction), "unrated")


def case_lists(policy: Policy) -> tuple[str, ...]:
    """All lists of cases; the first is of those that something was done to."""
    return ("cases", *DONE, *ratings(policy))


def case_counts(session: Session, viewer: Viewer, day: Day, policy: Policy) -> dict[str, int]:
    """How long each of `case_lists` is."""
    queries = {which: _cases(viewer, which, day, policy) for which in case_lists(policy)}
    counted = {
        which: query.with_only_columns(func.count(), maintain_column_froms=True).scalar_subquery()
        for which, query in queries.items()
    }
    row = session.execute(select(*counted.values())).one()
    return dict(zip(counted, row, strict=True))


def cases(
    session: Session,
    viewer: Viewer,
    which: str,
    day: Day,
    policy: Policy,
    limit: int = 50,
    offset: int = 0,
) -> list[Case]:
    """One of `case_lists`, the newest case first. Raises KeyError."""
    newest = _cases(viewer, which, day, policy).options(*UNLISTED).order_by(Ticket.id.desc())
    found = list(session.scalars(newest.limit(limit).offset(offset)))
    note_sealed(session, viewer, Action.READ_DAY, "ticket", found)
    done = _done(session, [ticket.id for ticket in found], day, policy)
    return [Case(ticket, done.get(ticket.id, ())) for ticket in found]


def by_line(session: Session, viewer: Viewer, day: Day) -> list[OfLine]:
    """The lines that had calls or cases, by number."""
    offered, answered = (func.count(case((CALLS[name], 1))) for name in ("offered", "answered"))
    of_calls = _calls(viewer, day).with_only_columns(Call.line, offered, answered).group_by(Call.line)
    rung = {row[0]: (row[1], row[2]) for row in session.execute(of_calls)}
    written = visible_tickets(viewer, Action.READ_DAY).where(within(Ticket.created_at, day))
    written = written.join(TicketCall, TicketCall.ticket_id == Ticket.id)
    written = written.join(Call, Call.id == TicketCall.call_id)
    of_cases = written.with_only_columns(
        Call.line, func.count(Ticket.id.distinct()), maintain_column_froms=True
    ).group_by(Call.line)
    accepted = {line: count for line, count in session.execute(of_cases)}  # noqa: C416
    return [
        OfLine(line, *rung.get(line, (0, 0)), accepted.get(line, 0)) for line in sorted({*rung, *accepted})
    ]


def on_line(mine: Select[Any], line: str) -> Select[Any]:
    """The tickets of a query that came by a line; all of them for ''."""
    if not line:
        return mine
    by_call = exists().where(_Link.ticket_id == Ticket.id, _Call.id == _Link.call_id, _Call.line == line)
    return mine.where(by_call)


def within(at: InstrumentedAttribute[Any], day: Day) -> ColumnElement[bool]:
    return and_(at >= day.since, at < day.until)


def _cases(viewer: Viewer, which: str, day: Day, policy: Policy) -> Select[Any]:
    mine = visible_tickets(viewer, Action.READ_DAY)
    lists = _lists(day, policy)
    wanted = DONE if which == "cases" else (which,)
    ids = union_all(*(each for name in wanted for each in lists[name]))
    return on_line(mine.where(Ticket.id.in_(ids)), day.line)


def _done(session: Session, ticket_ids: list[int], day: Day, policy: Policy) -> dict[int, tuple[str, ...]]:
    """What was done to these tickets, each once."""
    parts = (
        ids.add_columns(literal(name)).where(ids.selected_columns[0].in_(ticket_ids))
        for name, queries in _lists(day, policy).items()
        if name in DONE
        for ids in queries
    )
    found: dict[int, set[str]] = {}
    for ticket_id, name in session.execute(union_all(*parts)):
        found.setdefault(ticket_id, set()).add(name)
    return {ticket_id: tuple(name for name in DONE if name in names) for ticket_id, names in found.items()}


def _lists(day: Day, policy: Policy) -> dict[str, tuple[Select[Any], ...]]:
    """Whose tickets are in each list, in one query or several."""
    reached = select(Visit.ticket_id).where(within(Visit.at, day), Visit.reached)
    missed = select(Visit.ticket_id).where(within(Visit.at, day), ~Visit.reached)
    ended = select(_Ticket.id).where(within(_Ticket.closed_at, day))
    share = select(SubOrder.ticket_id).where(SubOrder.parent_id.is_(None))  # not what units pass down
    stands = SubOrder.state != Order.RECALLED
    answers = select(Ending.ticket_id).where(Ending.kind == "answered")
    again = select(TicketNote.ticket_id).where(TicketNote.kind == "reopened")
    ill = [grade.code for grade in policy.handling.satisfaction if not grade.satisfied]
    rated = {
        f"rated-{grade.code}": (reached.where(Visit.satisfied == grade.code),)
        for grade in policy.handling.satisfaction
    }
    return {
        "accepted": (select(_Ticket.id).where(within(_Ticket.created_at, day)),),
        "direct": (answers.where(within(Ending.at, day)),),
        "sent": (share.where(within(SubOrder.sent_at, day), stands),),
        "replied": (share.where(within(SubOrder.replied_at, day)),),
        "closed": (ended.where(_Ticket.state == State.DONE),),
        "otherwise": (ended.where(_Ticket.state != State.DONE),),
        "visited": (reached,),
        "missed": (missed,),
        "reopened": (again.where(within(TicketNote.at, day)), reached.where(Visit.satisfied.in_(ill))),
        **rated,
        "unrated": (reached.where(Visit.satisfied == ""),),
    }
