"""The day's sheet, put together: figures beside those of the working day before, calls, cases, open steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from cases import awaiting, day
from cases.awaiting import Count, Step
from cases.day import Case, Day, OfLine, Ring
from cases.deadlines import load_calendar
from routing.policy import Policy
from storage.viewer import Viewer

ROWS = 200  # of each table on paper; a list by itself has pages


@dataclass(frozen=True, slots=True)
class Figures:
    """A day's counts, each of the list of that name (cases/day.py); a rate of nothing is None."""

    day: Day
    counts: Mapping[str, int]
    waited_seconds: float  # by all who were answered, together

    @property
    def answer_rate(self) -> float | None:
        """Answered ÷ offered."""
        return _share(self.counts["answered"], self.counts["offered"])

    @property
    def soon_rate(self) -> float | None:
        """Answered within 15 s ÷ answered."""
        return _share(self.counts["soon"], self.counts["answered"])

    @property
    def mean_wait_seconds(self) -> float | None:
        """ASA: Σ wait of answered ÷ answered."""
        return _share(self.waited_seconds, self.counts["answered"])


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is on the page. Steps (cases/awaiting.py) are as they stand now, and told of today only."""

    figures: Figures
    before: Figures  # the working day before
    calls: Sequence[Ring]
    cases: Sequence[Case]
    lines: Sequence[OfLine]
    step_counts: Mapping[str, Count]
    steps: Sequence[Step]


def figures(session: Session, viewer: Viewer, which: Day, policy: Policy) -> Figures:
    """The day's counts as the viewer may know them."""
    calls, waited_seconds = day.call_counts(session, viewer, which)
    return Figures(which, calls | day.case_counts(session, viewer, which, policy), waited_seconds)


def sheet(session: Session, viewer: Viewer, which: Day, policy: Policy, now: datetime) -> Sheet:
    """All of the page, of a day that is not to come."""
    before = day.working_day_before(which, policy, load_calendar(session))
    is_today = which.since <= now < which.until
    counts = awaiting.counts(session, viewer, which.line, now) if is_today else {}
    return Sheet(
        figures=figures(session, viewer, which, policy),
        before=figures(session, viewer, before, policy),
        calls=day.calls(session, viewer, "calls", which, ROWS),
        cases=day.cases(session, viewer, "cases", which, policy, ROWS),
        lines=() if which.line else day.by_line(session, viewer, which),
        step_counts=counts,
        steps=[
            step
            for name, count in counts.items()
            if count.all
            for step in awaiting.steps(session, viewer, name, which.line, policy, ROWS)
        ],
    )


def _share(part: float, whole: int) -> float | None:
    return part / whole if whole else None
