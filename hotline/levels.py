"""The clock's turn at the levels of deadlines (cases/escalation.py)."""

import time
from datetime import UTC, datetime

from cases import escalation
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
        with self._database.session() as session:
            calendar = load_calendar(session)
        if not self._taken_up:
            with self._database.session(limit_seconds=FIRST_SECONDS) as session:
                escalation.take_up(session, self._policy)
            self._taken_up = True
        while time.monotonic() < until:
            with self._database.session(limit_seconds=BATCH_SECONDS) as session:
                if not escalation.sweep(session, self._policy, calendar, datetime.now(UTC), BATCH):
                    return
