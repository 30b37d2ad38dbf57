"""A small staff and calls to work with, on the real database."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from cases import people, units
from cases.calls import Arrival, end_call, mark_answered, open_call, route_call
from cases.deadlines import seed_calendar
from cases.recordings import keep, register
from routing.policy import Policy, load
from storage.database import Database
from storage.viewer import Role, Viewer
from tests.pool import Pool

NOW = datetime(2026, 9, 18, 2, 0, tzinfo=UTC)  # 10:00 in Mianyang, a Friday
PASSWORD = "correct horse"


@dataclass(frozen=True)
class Staff:
    """`agent` answers the calls; `other` is an agent who has nothing to do with them."""

    agent: Viewer
    other: Viewer
    leader: Viewer
    supervisor: Viewer
    discipline: Viewer
    administrator: Viewer

    def outsiders(self) -> list[Viewer]:
        return [self.other, self.leader, self.supervisor, self.administrator]


@pytest.fixture(scope="session")
def policy() -> Policy:
    return load(Path(__file__).resolve().parents[2] / "policies" / "mianyang-962299.toml")


@pytest.fixture
def staff(database: Database, pool: Pool) -> Staff:
    return pool.begun("staff", lambda: _hired(database))


def _hired(database: Database) -> Staff:
    with database.session() as session:
        seed_calendar(session)

        def hire(login: str, role: Role, extension: str | None = None) -> Viewer:
            person = people.create_person(session, login, login.title(), role, PASSWORD, extension)
            return Viewer(person.id, role, person.name, "192.0.2.1")

        return Staff(
            agent=hire("agent", Role.AGENT, "8001"),
            other=hire("other", Role.AGENT, "8002"),
            leader=hire("leader", Role.SHIFT_LEADER, "8003"),
            supervisor=hire("supervisor", Role.SUPERVISOR),
            discipline=hire("discipline", Role.DISCIPLINE),
            administrator=hire("administrator", Role.ADMINISTRATOR),
        )


@pytest.fixture
def listed(database: Database, pool: Pool, staff: Staff, policy: Policy) -> None:
    """The policy's units are there."""

    def sync() -> None:
        with database.session() as session:
            units.sync(session, policy.units)

    pool.begun("units", sync)


NewCall = Callable[..., str]


@pytest.fixture
def new_call(database: Database, policy: Policy, staff: Staff) -> NewCall:
    """Make a call that the agent answered; returns its id. Its token is "token-<id>"."""
    numbers = count(1)

    def make(
        kind: str = "",
        number: str = "13812345678",
        answered_by: Viewer | None = staff.agent,
        at: datetime = NOW,
        recorded: bool = True,
        withheld: bool = False,
    ) -> str:
        call_id = f"call-{next(numbers)}"
        with database.session() as session:
            arrival = Arrival(call_id, call_id, "962299", number, withheld, at, f"token-{call_id}")
            open_call(session, arrival, policy)
            sealed = bool(kind) and policy.kind(kind).sealed
            route_call(session, call_id, kind, sealed, "zh", at + timedelta(seconds=20), policy)
            if answered_by:
                mark_answered(session, call_id, answered_by.person_id, at + timedelta(seconds=30))
                end_call(session, call_id, at + timedelta(seconds=90))
            if recorded:
                _record(session, call_id, at)
        return call_id

    return make


def _record(session: Session, call_id: str, at: datetime) -> None:
    register(session, call_id, call_id, "call", at)
    keep(
        session,
        call_id,
        path=f"{call_id}.wav",
        sha256="0" * 64,
        duration_seconds=60.0,
        size_bytes=1000,
        peaks={"caller": [0.1], "agent": [0.2]},
    )
