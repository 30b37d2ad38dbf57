"""The clock's turn at the levels of deadlines (cases/escalation.py)."""

import time
from datetime import UTC, datetime

from cases import ahead, escalation
from cases.deadlines import load_calendar
from routing.policy import Policy
from storage.database import Database

SECONDS = 5  # between two turns, and how long one may take
FIRST_SECONDS = 60  # to take up ladders that have changed
BATCH, BATCH_SECONDS = 50, 30  # deadlines of a kind in one transaction, and how long it may take


class Levels:
    """The levels of deadlines that are due, in short transactions until none is."""

    def __init__(self, database: Database, policy: Policy) -> None:
        self._database = database
        self._policy = policy
        self._taken_up = False

    def sweep(self) -> None:
        """Ends after some seconds, so that what is owed by an outage is done turn by turn."""
        until = time.monotonic() + SECONDS
        if not self._taken_up:
            with self._database.session(limit_seconds=FIRST_SECONDS) as session:
                escalation.take_up(session, self._policy)
            self._taken_up = True
        for turn in (self._note_ahead, self._fire):
            while turn() and time.monotonic() < until:
                pass

    def _note_ahead(self) -> int:
        with self._database.session(limit_seconds=BATCH_SECONDS) as session:
            return ahead.note_ahead(session, self._policy, datetime.now(UTC))

    def _fire(self) -> int:
        """The calendar is read anew each time: it may have changed since the last."""
        with self._database.session(limit_seconds=BATCH_SECONDS) as session:
            calendar = load_calendar(session)
            return escalation.sweep(session, self._policy, calendar, datetime.now(UTC), BATCH)
