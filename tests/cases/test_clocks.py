"""However many clocks run, and whenever they die, each level of a deadline is fired once."""

import random
import threading
from collections.abc import Iterator
from datetime import datetime
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from sqlalchemy import func, select

from cases import notices
from routing.policy import Policy
from storage.database import Database
from storage.notices import Notice, NoticeSetting, Receipt
from storage.tables import Journal, Outbox, Ticket
from storage.work import Rung, Supervision, TicketNote
from tests.cases import sweeper
from tests.cases.conftest import Staff
from tests.cases.levels import AT_NINE, DAY, DUE, new_order, settle
from tests.cases.test_units import Hire, hire

__all__ = ["hire"]
POLICY_FILE = Path(__file__).resolve().parents[2] / "policies" / "mianyang-962299.toml"


# -- three clocks, killed at random ----------------------------------------------------------------


@pytest.fixture
def clocks(database_url: str, keys: Path) -> Iterator["Clocks"]:
    clocks = Clocks(database_url, keys)
    yield clocks
    clocks.stop()


class Clocks:
    """Processes that sweep without end, at a time that is `now` for all of them.

    They are forked from one that has imported all they need: a start takes no second of the dozen kills.
    """

    def __init__(self, url: str, keys: Path) -> None:
        self._context = get_context("forkserver")
        self._context.set_forkserver_preload([sweeper.__name__])
        self._words = (url, str(keys), str(POLICY_FILE))
        self._running: list[ForkServerProcess] = []
        self.killed = 0

    def start(self, now: datetime) -> None:
        clock = self._context.Process(target=sweeper.main, args=(*self._words, now.isoformat()), daemon=True)
        clock.start()
        self._running.append(clock)

    def kill_one(self) -> None:
        victim = self._running.pop(random.randrange(len(self._running)))
        victim.kill()
        victim.join(20)
        self.killed += 1

    def stop(self) -> None:
        while self._running:
            self.kill_one()

    def all_run(self) -> bool:
        return all(clock.is_alive() for clock in self._running)


CASES = 240
PAUSE = threading.Event()


def test_three_clocks_killed_at_random_fire_each_level_once(
    database: Database, policy: Policy, staff: Staff, hire: Hire, clocks: Clocks
) -> None:
    """Half of the cases are a day late; the others were forgotten over an outage and have three levels.

    Counted in levels, in messages owed, and in the notices and receipts of a clerk who wants e-mail."""
    clerk = hire("clerk", unit="power").person_id
    with database.session(60) as session:
        session.add(NoticeSetting(person_id=clerk, channel="email", address="clerk@example.cn"))
        for index in range(CASES):
            due = DUE if index % 2 else DUE - 3 * DAY
            new_order(session, staff, policy, due)
    now, expected = AT_NINE[19], CASES // 2 * 2 + CASES // 2 * 3
    for _ in range(3):
        clocks.start(now)
    seen = 0
    for _ in range(600):
        PAUSE.wait(0.1)
        with database.session() as session:
            fired = session.scalar(select(func.count()).select_from(Rung)) or 0
        if fired == expected:
            break
        if fired > seen and clocks.killed < 12:  # they are at work: now is the time
            clocks.kill_one()
            clocks.start(now)
        seen = fired
        assert clocks.all_run()
    PAUSE.wait(0.5)  # a clock that would fire twice has the time to
    clocks.stop()
    assert clocks.killed >= 4
    settle(database, policy, now)
    planned = 1
    while planned:
        with database.session(60) as session:
            planned = notices.plan(session, policy, ["email"], now, limit=100)
    with database.session() as session:
        rungs = session.execute(select(Rung.subject_id, Rung.level, Rung.due_at)).all()
        owed = session.scalars(
            select(Outbox.payload["rung_id"].as_integer()).where(Outbox.kind == "rung")
        ).all()
        told = session.scalars(select(Rung.id).where(Rung.told)).all()
        lines = session.scalar(select(func.count()).where(Journal.act == "ticket.rung"))
        urged = session.scalar(select(func.sum(Ticket.urged)))
        notes = session.scalar(select(func.count()).select_from(TicketNote))
        supervised = session.scalar(select(func.count()).select_from(Supervision))
        hers = Notice.person_id == clerk, Notice.kind.like("rung.%")
        noticed = session.scalars(select(Notice.ticket_id).where(*hers)).all()
        receipts = session.scalars(select(Receipt.ticket_id).where(Receipt.person_id == clerk)).all()
    assert len(rungs) == len(set(rungs)) == expected == lines
    assert sorted(owed) == sorted(told) and len(owed) == CASES
    assert len(noticed) == len(set(noticed)) == CASES and sorted(receipts) == sorted(noticed)
    assert urged == notes == CASES // 2 and supervised == CASES // 2
