"""The clock's sweep over many open deadlines: with nothing due, with one in a hundred due, and after a change
of the calendar that touches all of them."""

import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from statistics import median

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from bench.callers import BenchError
from bench.cases_grown import Grown
from cases import ahead, calendar, escalation
from cases.calendar import Change
from cases.deadlines import load_calendar
from hotline.levels import BATCH
from routing.holidays import Listed
from routing.policy import Policy
from storage.database import Database
from storage.viewer import Role
from storage.waking import WAKING
from storage.work import Rung, SubOrder

IDLE_TURNS = 50
DUE_EVERY = 100  # deadlines
AHEAD = timedelta(hours=24)
LIMIT_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Swept:
    """`watched`: deadlines; `idle_ms`: a sweep with nothing due; then seconds, and how many of what."""

    watched: int
    idle_ms: float
    first_seconds: float
    due: int
    due_seconds: float
    changed: int
    change_seconds: float
    after_seconds: float
    longest_seconds: float


def measure(grown: Grown) -> Swept:
    """In a database of its own."""
    policy = _by_the_hour(grown.city.policy)
    with closing(Database(grown.urls["clock"], pool_size=2)) as database:
        watched = _watched(database)
        now = datetime.now(UTC)
        first, _ = _sweep(database, policy, now)
        idle = [_sweep(database, policy, now)[0] for _ in range(IDLE_TURNS)]
        due, at = _make_due(database, watched // DUE_EVERY, now)
        _sweep(database, policy, now)
        before = _fired(database)
        due_seconds, _ = _sweep(database, policy, at)
        if (found := _fired(database) - before) != due:
            raise BenchError(f"{due} levels were due, {found} fired")
        change_seconds, changed = _change(grown, database, policy, at)
        after, longest = _sweep(database, policy, at)
    return Swept(
        watched, median(idle) * 1000, first, due, due_seconds, changed, change_seconds, after, longest
    )


def _watched(database: Database) -> int:
    """As the clock's indexes have them."""
    counted = " UNION ALL ".join(
        f"SELECT count(*) AS n FROM {each.table} WHERE {each.runs}" for each in WAKING.values()
    )
    with database.session(LIMIT_SECONDS) as session:
        return int(session.scalar(text(f"SELECT sum(n) FROM ({counted}) AS each")))


def _sweep(database: Database, policy: Policy, now: datetime) -> tuple[float, float]:
    """As hotline/levels.py until nothing is left, at one moment: seconds, and of the longest transaction."""

    def fire(session: Session) -> int:
        return escalation.sweep(session, policy, load_calendar(session), now, BATCH)

    longest, began = 0.0, time.perf_counter()
    for turn in (lambda session: ahead.note_ahead(session, policy, now), fire):
        left = 1
        while left:
            turn_began = time.perf_counter()
            with database.session(LIMIT_SECONDS) as session:
                left = turn(session)
            longest = max(longest, time.perf_counter() - turn_began)
    return time.perf_counter() - began, longest


def _make_due(database: Database, many: int, now: datetime) -> tuple[int, datetime]:
    """So many shares are to be told of in a minute, and nothing else is: how many, and when."""
    with database.session(LIMIT_SECONDS) as session:
        shares = select(SubOrder.id).where(SubOrder.state.in_(("sent", "taken"))).order_by(SubOrder.id)
        ids = session.scalars(shares.limit(many)).all()
        alone = {"due_at": now + AHEAD + timedelta(minutes=1), "sent_at": now - timedelta(days=9)}
        session.execute(update(SubOrder).where(SubOrder.id.in_(ids)).values(alone))
    return len(ids), now + timedelta(minutes=1, seconds=1)


def _by_the_hour(policy: Policy) -> Policy:
    """The city's ladders, but for their first level, which comes by the clock: then few deadlines can be made
    due on any day of the week."""
    first, *rest = policy.ladders["order"]
    hours = first.model_copy(update={"unit": "hours", "amount": AHEAD // timedelta(hours=1)})
    return policy.model_copy(update={"ladders": {**policy.ladders, "order": (hours, *rest)}})


def _fired(database: Database) -> int:
    with database.session(LIMIT_SECONDS) as session:
        return session.scalar(select(func.count()).select_from(Rung)) or 0


def _change(grown: Grown, database: Database, policy: Policy, now: datetime) -> tuple[float, int]:
    """A working day that all of them are waiting for is free; as the administrator's page does it."""
    who = grown.city.staff[Role.ADMINISTRATOR]
    with database.session() as session:
        days = load_calendar(session)
    day: date = now.astimezone(policy.zone).date() + timedelta(days=1)
    while not days.works(day):
        day += timedelta(days=1)
    began = time.perf_counter()
    with database.session(LIMIT_SECONDS) as session:
        free = Change(days=[Listed(day, False, "地方假日")])
        done = calendar.change(session, who, free, policy)
    with database.session(LIMIT_SECONDS) as session:
        calendar.catch_up(session, done, policy)
    return time.perf_counter() - began, done.reckoned.moved
