"""The clock takes its turn at deadlines: all that is due at once, and ladders that changed, once."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from hotline.levels import Levels
from routing.policy import Policy
from storage.database import Database
from storage.tables import Journal, Outbox
from storage.work import Rung
from tests.cases.conftest import Staff, listed, policy, staff
from tests.cases.levels import new_order
from tests.cases.test_units import Hire, hire

__all__ = ["hire", "listed", "policy", "staff"]


def test_one_turn_fires_all_that_is_due_and_the_next_has_nothing_to_do(
    database: Database, policy: Policy, staff: Staff, hire: Hire
) -> None:
    now = datetime.now(UTC)
    with database.session(60) as session:
        for _ in range(3):
            new_order(session, staff, policy, now - timedelta(days=60))
    levels = Levels(database, policy)
    for _ in range(2):
        levels.sweep()
    with database.session() as session:
        assert session.scalar(select(func.count()).select_from(Rung)) == 3 * len(policy.ladders["order"])
        assert session.scalar(select(func.count()).where(Outbox.kind == "rung")) == 3
    Levels(database, policy).sweep()  # another start, with the same ladders
    with database.session() as session:
        assert session.scalar(select(func.count()).where(Journal.act == "policy.ladders")) == 1
