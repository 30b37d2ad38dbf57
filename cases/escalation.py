"""The levels before and after a deadline (policy.ladders), each fired once and only once by the clock.

What fires is a Rung, unique by subject, level and due moment; what it does and what it owes come with it in
one transaction. Clocks that run side by side, are killed, wake after an outage or see time jump fire nothing
twice. A deadline that is moved has its levels anew. Of several levels that are found reached at once all are
on record, and people are told of the highest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from operator import itemgetter
from typing import Any, TypeAlias

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, load_only

from cases import instructions, journal, supervision
from cases.deadlines import level_at, progress_due
from cases.states import OPEN, State
from routing.handling import Level, Subject
from routing.policy import Policy
from routing.working_time import Calendar
from storage import outbox
from storage.tables import Journal, Ticket
from storage.waking import WAKING
from storage.work import Instruction, Rung, SubOrder, Supervision

Deadline: TypeAlias = Ticket | SubOrder | Instruction | Supervision
ROWS: dict[Subject, type[Deadline]] = {
    "ticket": Ticket,
    "visit": Ticket,
    "order": SubOrder,
    "progress": SubOrder,
    "instruction": Instruction,
    "supervision": Supervision,
}
ASKED_AGAIN = timedelta(hours=1)  # a share or a supervision of a case that is over, which may be reopened
_OF_A_TICKET = load_only(
    *(Ticket.id, Ticket.state, Ticket.sealed, Ticket.urgency, Ticket.urged),
    *(Ticket.due_at, Ticket.visit_due_at, Ticket.created_at),
    *(Ticket.next_at, Ticket.next_for, Ticket.next_in),
)


# -- the reckoning: pure ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reached:
    """`levels` whose time has come, lowest first; `next_at`: when the next one comes, None: never."""

    levels: tuple[Level, ...]
    next_at: datetime | None


def moments(
    due_at: datetime, ladder: Sequence[Level], policy: Policy, calendar: Calendar
) -> list[tuple[datetime, Level]]:
    """When each level of a ladder comes, lowest first."""
    timed = [(level_at(due_at, level, policy, calendar), level) for level in ladder]
    return sorted(timed, key=itemgetter(0))  # stable: of one moment, the later in the policy is the higher


def schedule(
    subject: Subject, kept: datetime, urgency: str, policy: Policy, calendar: Calendar
) -> tuple[datetime, list[tuple[datetime, Level]]]:
    """The deadline of which a row has `kept` a moment, and its ladder's `moments`.

    Of progress that moment is the last note's; where the policy asks for none, no level comes.
    """
    due_at = kept
    if subject == "progress":
        due = progress_due(kept, urgency, policy, calendar)
        if due is None:
            return kept, []
        due_at = due.at
    return due_at, moments(due_at, policy.ladders.get(subject, ()), policy, calendar)


def reached(timed: Sequence[tuple[datetime, Level]], since: datetime | None, now: datetime) -> Reached:
    """What of a deadline's `moments` has come, if it began to run at `since`.

    A level before the deadline that would have come before `since` is none of it: a matter of two hours has
    no notice a day ahead.
    """
    own = [(at, level) for at, level in timed if since is None or level.when == "after" or at > since]
    return Reached(
        tuple(level for at, level in own if at <= now), next((at for at, _ in own if at > now), None)
    )


# -- the sweep --------------------------------------------------------------------------------------


def sweep(session: Session, policy: Policy, calendar: Calendar, now: datetime, limit: int = 100) -> int:
    """Fire what is due; how many deadlines were looked at, `limit` of each kind at most: 0, and all is done.

    Waits for nobody: what another holds is left to the next sweep.
    """
    return sum(_sweep(session, subject, policy, calendar, now, limit) for subject in ROWS)


def reckon_anew(session: Session) -> None:
    """Every running deadline is looked at again: the ladders, or the calendar behind them, have changed."""
    for subject, table in ROWS.items():
        waking = WAKING[subject]
        session.execute(
            update(table)
            .where(text(f"{waking.runs} AND NOT {waking.stale}"))
            .values({waking.next_for: None})
            .execution_options(synchronize_session=False)
        )


def take_up(session: Session, policy: Policy) -> None:
    """At the clock's start: ladders that are not those of the start before are reckoned by anew."""
    told = ";".join(f"{name}={ladder!r}" for name, ladder in sorted(policy.ladders.items()))
    told += f";{policy.handling.progress_every!r}"
    mark = sha256(told.encode()).hexdigest()[:16]
    last = (
        select(Journal.detail["mark"].astext)
        .where(Journal.subject_kind == "policy", Journal.subject_id == "ladders")
        .order_by(Journal.id.desc())
        .limit(1)
    )
    if session.scalar(last) != mark:
        reckon_anew(session)
        journal.append(session, None, "policy.ladders", "policy", "ladders", mark=mark)


def _sweep(
    session: Session, subject: Subject, policy: Policy, calendar: Calendar, now: datetime, limit: int
) -> int:
    ids = _awake(session, subject, now, limit)
    rows = _rows(session, subject, ids)
    for ticket, row in rows:
        _look(session, subject, ticket, row, policy, calendar, now)
    session.flush()
    return len(rows)


def _awake(session: Session, subject: Subject, now: datetime, limit: int) -> list[int]:
    """Rows to look at, locked; first those whose level has come."""
    found: list[int] = []
    for query in queries(subject):
        rows = session.execute(text(query), {"now": now, "left": limit - len(found)})
        found += [key for (key,) in rows if key not in found]
    return found


def queries(subject: Subject) -> tuple[str, str]:
    """What is due by `:now`, and what has to be reckoned; `:left` of either, each by its index."""
    waking = WAKING[subject]
    asked = f"SELECT id FROM {waking.table} WHERE {waking.runs} AND "  # noqa: S608 - words of ours
    taken = " LIMIT :left FOR UPDATE SKIP LOCKED"
    return (
        f"{asked}{waking.next_at} <= :now ORDER BY {waking.next_at}, id{taken}",
        f"{asked}{waking.stale} ORDER BY id{taken}",
    )


def _rows(session: Session, subject: Subject, ids: Sequence[int]) -> list[tuple[Ticket, Deadline]]:
    """Those whose ticket is nobody else's now either, with it."""
    if not ids:
        return []
    table: Any = ROWS[subject]
    mine = select(table).where(table.id.in_(ids)).execution_options(populate_existing=True)
    found: Sequence[Deadline] = session.scalars(mine.options(_OF_A_TICKET) if table is Ticket else mine).all()
    locked = select(Ticket).where(Ticket.id.in_({_ticket_id(row) for row in found})).options(_OF_A_TICKET)
    locked = locked.with_for_update(skip_locked=True).execution_options(populate_existing=True)
    tickets = {ticket.id: ticket for ticket in session.scalars(locked)}
    return [(tickets[_ticket_id(row)], row) for row in found if _ticket_id(row) in tickets]


def _ticket_id(row: Deadline) -> int:
    return row.id if isinstance(row, Ticket) else row.ticket_id


def _look(
    session: Session,
    subject: Subject,
    ticket: Ticket,
    row: Deadline,
    policy: Policy,
    calendar: Calendar,
    now: datetime,
) -> None:
    """Fire what is due of one deadline, and note when to look again."""
    waking = WAKING[subject]
    kept = getattr(row, waking.due)
    assert kept is not None, "WAKING asks for rows that have one"
    setattr(row, waking.next_for, kept)
    if isinstance(row, Ticket):
        row.next_in = row.state
    if isinstance(row, SubOrder | Supervision) and ticket.state not in OPEN:
        setattr(row, waking.next_at, now + ASKED_AGAIN)
        return
    due_at, timed = schedule(subject, kept, ticket.urgency, policy, calendar)
    found = reached(timed, getattr(row, waking.since) if waking.since else None, now)
    setattr(row, waking.next_at, found.next_at)
    for level in found.levels:
        told = level is found.levels[-1]
        if (rung_id := _fire(session, subject, ticket, row.id, level, due_at, now, told)) is not None:
            _do(session, subject, level, ticket, row, policy, calendar, now, told)
            if told:
                outbox.put(session, "rung", {"rung_id": rung_id}, now)


def _fire(
    session: Session,
    subject: Subject,
    ticket: Ticket,
    row_id: int,
    level: Level,
    due_at: datetime,
    now: datetime,
    told: bool,
) -> int | None:
    """The rung's id, or None when it was fired before."""
    facts = {"ticket_id": ticket.id, "subject_kind": subject, "subject_id": row_id, "level": level.code}
    rung = insert(Rung).values(**facts, due_at=due_at, told=told, fired_at=now).on_conflict_do_nothing()
    rung_id = session.scalar(rung.returning(Rung.id))
    if rung_id is not None:
        journal.append(
            session, None, "ticket.rung", "ticket", ticket.id, of=subject, level=level.code, told=told
        )
    return rung_id


def _do(
    session: Session,
    subject: Subject,
    level: Level,
    ticket: Ticket,
    row: Deadline,
    policy: Policy,
    calendar: Calendar,
    now: datetime,
    told: bool,
) -> None:
    """A level's act. What merely tells somebody is left out when a higher level tells more."""
    match level.act:
        case "urge" if (
            told and ticket.state != State.VISIT
        ):  # there the rung tells the visitors: no unit owes
            supervision.urge_by_clock(session, ticket, row if isinstance(row, SubOrder) else None, now)
        case "supervise":
            ground = supervision.SILENT if subject == "progress" else supervision.LATE
            supervision.supervise_by_itself(session, ticket, ground, policy, calendar, now)
        case "report":
            own = row.leader_id if isinstance(row, Instruction) else None
            instructions.report_by_clock(session, ticket, policy, now, own)


def fired(session: Session, ticket: Ticket) -> Iterator[Rung]:
    """The levels that were reached in a case, oldest first, for a viewer who sees it."""
    yield from session.scalars(select(Rung).where(Rung.ticket_id == ticket.id).order_by(Rung.id))
