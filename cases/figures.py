"""The hotline in figures, for operators: traffic, not content.

Sealed calls are counted as traffic like all others; nothing here goes by kind, line, queue or person,
because a small count by kind would tell of a sealed case. Hence no viewer.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Float, cast, exists, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from cases import lab
from cases.duty import Shown, duties
from storage.tables import Call, Outbox, Recording

ANSWER_SECONDS = (5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is over. `answers[n]` counts answers within `ANSWER_SECONDS[n]` and above the limit before it;
    the last one those beyond all limits. `recordings`: by state of the ledger."""

    calls: Counter[tuple[str, str]] = field(default_factory=Counter)  # by outcome and origin
    answers: Counter[int] = field(default_factory=Counter)
    answer_seconds: float = 0.0
    recordings: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: "Traffic") -> "Traffic":
        return Traffic(
            self.calls + other.calls,
            self.answers + other.answers,
            self.answer_seconds + other.answer_seconds,
            self.recordings + other.recordings,
        )


@dataclass(frozen=True, slots=True)
class Moment:
    """How it stands now."""

    calls: Mapping[str, int]  # menu | waiting | talking
    longest_wait_seconds: float
    agents: Mapping[str, int]  # by cases/duty.py's Shown
    outbox: int  # messages owed and due


def traffic(session: Session, since: datetime | None, until: datetime | None) -> Traffic:
    """Calls that began within [since, until) and are over, and their recordings."""
    waited = func.extract("epoch", Call.answered_at - Call.queued_at)
    limits = cast(literal(list(ANSWER_SECONDS), ARRAY(Float)), ARRAY(Float))
    bucket = func.width_bucket(cast(waited, Float), limits)
    ours = [Call.began_at >= since] if since else []
    ours += [Call.began_at < until] if until else []
    counted = (
        select(Call.outcome, Call.origin, bucket, func.count(), func.coalesce(func.sum(waited), 0.0))
        .where(Call.outcome != "live", *ours)
        .group_by(Call.outcome, Call.origin, bucket)
    )
    calls: Counter[tuple[str, str]] = Counter()
    answers: Counter[int] = Counter()
    seconds = 0.0
    for outcome, origin, place, count, waiting in session.execute(counted):
        calls[outcome, origin] += count
        if place is not None and origin not in (lab.ORIGIN, lab.OUT):
            answers[place] += count
            seconds += float(waiting)
    began = [Recording.began_at >= since] if since else []
    began += [Recording.began_at < until] if until else []
    states = select(Recording.state, func.count()).join(Call, Call.id == Recording.call_id)
    states = states.where(lab.real_call(), *began).group_by(Recording.state)
    recordings = Counter({state: number for state, number in session.execute(states)})  # noqa: C416
    return Traffic(calls, answers, seconds, recordings)


def moment(session: Session, now: datetime) -> Moment:
    """Calls that are on the line, agents, and what is owed."""
    stages = {"menu": 0, "waiting": 0, "talking": 0}
    longest = 0.0
    live = select(Call.queued_at, Call.answered_at).where(Call.outcome == "live", lab.incoming_call())
    for queued_at, answered_at in session.execute(live):
        stages["talking" if answered_at else "waiting" if queued_at else "menu"] += 1
        if queued_at and not answered_at:
            longest = max(longest, (now - queued_at).total_seconds())
    agents = Counter(duty.shown.value for duty in duties(session))
    owed = select(func.count()).select_from(Outbox).where(Outbox.done_at.is_(None), Outbox.due_at <= now)
    return Moment(
        stages, longest, {each.value: agents[each.value] for each in Shown}, session.scalar(owed) or 0
    )


def gaps(session: Session, since: datetime) -> int:
    """Answered calls that ended since then and have no recording, by the ledger's word.

    Without sealed ones: whoever is told of a gap and finds none in her list would know of a sealed call.
    The discipline office is told of those by cases/looks.py.
    """
    lost = exists().where(Recording.call_id == Call.id, Recording.state == "gap")
    answered = Call.answered_at.is_not(None) & (Call.ended_at >= since) & lab.real_call()
    answered &= Call.sealed.is_(False)
    return session.scalar(select(func.count()).select_from(Call).where(answered, lost)) or 0
