"""The demo city's past: deeds in the order of their time, and what happens by itself between them.

The clock fires the levels of deadlines as they come, and people are told of their work on their page. Nothing
of it leaves the house.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

from sqlalchemy import event, func, select, text
from sqlalchemy.orm import Session, UOWTransaction

from cases import escalation, notices
from cases.deadlines import hold_calendar
from routing.hours import is_open
from routing.policy import Line, Policy
from routing.terms import Unit
from routing.working_time import days_away, on_the_clock
from storage.tables import Journal, Outbox
from storage.waking import WAKING

OVERNIGHT, EVERY_HOUR = timedelta(hours=12), timedelta(hours=1)
LATELY = timedelta(hours=4)
_AT = re.compile(r"(?P<minutes>\d+)m|(?P<days>\d+)(/(?P<quick>\d+))?(?P<unit>[dc]) (?P<clock>\d\d:\d\d)")
_WAKES = " UNION ALL ".join(
    f"SELECT min({each.next_at}) AS at FROM {each.table} WHERE {each.runs}"  # noqa: S608 - words of ours
    for each in WAKING.values()
)
_NEXT = text(f"SELECT min(at) FROM ({_WAKES}) AS wakes")  # noqa: S608


@dataclass(order=True, slots=True)
class Deed:
    """Something that was done at some moment; of one moment, in the order of the plan."""

    at: datetime
    place: int
    do: Callable[[datetime], None] = field(compare=False)


class When:
    """Moments of a plan: "40m" (minutes ago), "3d 09:40" (working days ago, at that hour), "3c 09:40"
    (calendar days). "9/2d 09:40": 9 days, or 2 in a city whose limits are hours."""

    def __init__(self, session: Session, policy: Policy, now: datetime) -> None:
        self._calendar = hold_calendar(session)
        self._zone, self._hours = policy.zone, policy.hours
        self._now = now
        self._quick = policy.kinds[0].deadline.unit in (Unit.HOURS, Unit.WORKING_HOURS)

    def __call__(self, said: str) -> datetime:
        found = _AT.fullmatch(said)
        if found is None:
            raise ValueError(f"no moment: {said}")
        if found["minutes"]:
            return self._now - timedelta(minutes=int(found["minutes"]))
        count = int(found["quick"] if self._quick and found["quick"] else found["days"])
        unit = Unit.WORKING_DAYS if found["unit"] == "d" else Unit.CALENDAR_DAYS
        today = self._now.astimezone(self._zone).date()
        day = days_away(today, count, unit, self._calendar, back=True)
        return datetime.combine(day, time.fromisoformat(found["clock"]), self._zone)

    def rings(self, line: Line, at: datetime) -> bool:
        """Whether somebody takes this line's calls then."""
        return is_open(self._hours[line.hours], at, self._calendar, self._zone)

    def lately(self, line: Line, at: datetime) -> tuple[datetime, datetime]:
        """The last hours before then in which this line's calls were taken, four at most, of one day."""
        day = at.astimezone(self._zone).date()
        hours = self._hours[line.hours]
        while True:
            if hours.days == "all" or self._calendar.works(day):
                begins = on_the_clock(day, hours.opens, self._zone)
                ends = min(on_the_clock(day, hours.closes, self._zone), at)
                if begins < ends:
                    return max(begins, ends - LATELY), ends
            day -= timedelta(days=1)


class Past:
    """Plays deeds in the order of their time, and what happens by itself in between.

    From its making on what is written is dated. Of what people were told long ago nothing is left.
    """

    def __init__(self, session: Session, policy: Policy, when: When) -> None:
        self._session, self._policy, self._now = session, policy, when("0m")
        self._calendar = hold_calendar(session)
        self._at = when("30c 08:00")  # before all stories
        self._looked_at: datetime | None = None
        self._wakes_at: datetime | None = None  # when the next level comes, as far as was reckoned
        self._told_at = self._told_since = when("2d 08:00")
        # Only who owns the journal may date its lines; the application's own role can't.
        self._may = session.scalar(select(func.has_column_privilege("journal", "at", "INSERT")))
        event.listen(session, "before_flush", self._date)

    def play(self, deeds: Sequence[Deed]) -> None:
        for deed in sorted(deeds):
            self._go_on_to(deed.at)
            deed.do(deed.at)
            self._session.flush()
        self._go_on_to(self._now)
        self._look(self._now)
        self._tell(self._now)

    def _go_on_to(self, at: datetime) -> None:
        """The levels that come till then, each at its time; new deadlines are reckoned overnight, and people
        are told every hour."""
        if self._looked_at is None or at - self._looked_at > OVERNIGHT:
            self._look(at)
        while self._wakes_at is not None and self._wakes_at <= at:
            self._look(self._wakes_at)
        if at - self._told_at > EVERY_HOUR:
            self._tell(at)
        self._at = at

    def _look(self, at: datetime) -> None:
        self._at = self._looked_at = at
        escalation.sweep(self._session, self._policy, self._calendar, at)
        self._wakes_at = self._session.scalar(_NEXT)

    def _tell(self, at: datetime) -> None:
        self._at = self._told_at = at
        while notices.plan(self._session, self._policy, (), at):
            pass

    def _date(self, session: Session, _context: UOWTransaction, _instances: object) -> None:
        """What says of itself when it was, says when it was played."""
        for row in session.new:
            if isinstance(row, Journal) and self._may:
                row.at = self._at
            elif isinstance(row, Outbox):
                row.created_at, row.due_at = self._at, row.due_at or self._at
                row.done_at = self._at if self._at <= self._told_since else None
