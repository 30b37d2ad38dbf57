"""When the next level of a deadline comes, noted for thousands at a time: after a change of the calendar, or
of the ladders, every one of them is to be looked at again, and hardly any has a level that came meanwhile.

Those that have are left to the sweep (cases/escalation.py), which fires; nothing here fires anything.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from cases.deadlines import load_calendar
from cases.escalation import ROWS, reached, schedule
from cases.states import OPEN, State
from routing.handling import Level, Subject
from routing.policy import Policy
from storage import bulk
from storage.waking import WAKING
from storage.work import Rung

_IN: dict[Subject, State] = {"ticket": State.ACCEPTED, "visit": State.VISIT}
_Seen = list[tuple[datetime, Level]]


def note_ahead(session: Session, policy: Policy, now: datetime, limit: int = 1000) -> int:
    """Of `limit` of each kind at most: how many have been noted. 0: what is left is the sweep's.

    Waits for nobody. A transaction that is killed has noted none, and the next one finds them all.
    """
    return sum(_of(session, subject, policy, now, limit) for subject in ROWS)


def _of(session: Session, subject: Subject, policy: Policy, now: datetime, limit: int) -> int:
    rows = session.execute(text(_query(subject)), {"left": limit}).all()
    if not rows:
        return 0
    calendar = load_calendar(session)  # after the rows: what made them stale is in it
    fired = _fired(session, subject, [row.id for row in rows])
    waking = WAKING[subject]
    known: dict[tuple[datetime, str], tuple[datetime, _Seen]] = {}
    quiet: list[dict[str, Any]] = []
    for row in rows:
        asked = row.due, row.urgency
        if asked not in known:
            known[asked] = schedule(subject, *asked, policy, calendar)
        due_at, timed = known[asked]
        found = reached(timed, row.since, now)
        if row.open and all((row.id, level.code, due_at) in fired for level in found.levels):
            noted = {waking.next_at: found.next_at, waking.next_for: row.due}
            quiet.append({"id": row.id, **noted, **_state(subject)})
    bulk.update_all(session, ROWS[subject], quiet)
    return len(quiet)


def _query(subject: Subject) -> str:
    """What has to be reckoned, locked. `open`: its case goes on, without which a share waits. `urgency`:
    the case's, where it has a say."""
    waking = WAKING[subject]
    states = ", ".join(f"'{state}'" for state in sorted(OPEN))
    its = f"FROM ticket WHERE ticket.id = {waking.table}.ticket_id"
    urgency = f"(SELECT urgency {its})" if subject == "progress" else "''"
    since = waking.since or "NULL::timestamptz"
    goes_on = "true" if waking.table == "ticket" else f"(SELECT state {its}) IN ({states})"
    return (
        f"SELECT id, {waking.due} AS due, {since} AS since, {goes_on} AS open, {urgency} AS urgency"  # noqa: S608
        f" FROM {waking.table} WHERE {waking.runs} AND {waking.stale}"
        f" ORDER BY id LIMIT :left FOR UPDATE OF {waking.table} SKIP LOCKED"
    )


def _fired(session: Session, subject: Subject, ids: Sequence[int]) -> set[tuple[int, str, datetime]]:
    """The levels that are behind them: subject, level, deadline."""
    theirs = select(Rung.subject_id, Rung.level, Rung.due_at).where(
        Rung.subject_kind == subject, Rung.subject_id.in_(ids)
    )
    return {(row.subject_id, row.level, row.due_at) for row in session.execute(theirs)}


def _state(subject: Subject) -> dict[str, str]:
    return {"next_in": _IN[subject].value} if subject in _IN else {}
