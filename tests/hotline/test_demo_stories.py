"""The demo city's cases stand where their stories say, on every page of both cities, at any hour."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from cases import (
    board,
    closing,
    discipline,
    leading,
    logins,
    notices_mine,
    order_trays,
    rulings,
    sorting,
    units,
    visits,
)
from cases.deadlines import seed_calendar
from cases.states import Order, State
from hotline import demo
from routing.policy import Policy, load
from storage.database import Database
from storage.notices import Receipt
from storage.server import EmbeddedServer
from storage.staff import Person
from storage.tables import Journal, Outbox, Ticket
from storage.viewer import Viewer
from storage.work import SubOrder, Visit
from tests.pool import Pool

POLICIES = Path(__file__).resolve().parents[2] / "policies"
AFTERNOON = datetime(2026, 4, 16, 7, 10, tzinfo=UTC)  # a Thursday, 15:10 in both cities
MOMENTS = {
    "an afternoon": AFTERNOON,
    "after midnight": datetime(2026, 6, 8, 16, 20, tzinfo=UTC),  # a Tuesday, 00:20
    "a Sunday": datetime(2026, 11, 22, 9, 0, tzinfo=UTC),
    "the end of a long holiday": datetime(2026, 10, 8, 1, 5, tzinfo=UTC),
    "December, before an unknown year": datetime(2026, 12, 23, 2, 40, tzinfo=UTC),
}


@pytest.fixture(params=["mianyang-962299", "nanning-direct-line"])
def policy(request: pytest.FixtureRequest) -> Policy:
    return load(POLICIES / f"{request.param}.toml")


@pytest.fixture
def laid_out(database: Database, pool: Pool, policy: Policy, tmp_path: Path) -> Iterator[Session]:
    city = pool.begun(policy.lines[0].number, lambda: demo.lay_out(database, policy, tmp_path, AFTERNOON))
    assert city
    with database.session() as session:
        yield session


def _who(session: Session, login: str) -> Viewer:
    return logins.viewer_of(session, session.scalars(select(Person).where(Person.login == login)).one())


@pytest.mark.parametrize("now", MOMENTS.values(), ids=MOMENTS.keys())
def test_every_list_of_every_tray_has_something_in_it(
    database: Database, policy: Policy, tmp_path: Path, now: datetime
) -> None:
    with capture_logs() as logs:
        demo.lay_out(database, policy, tmp_path, now)
    assert [each for each in logs if each["event"] == "demo_story_stopped"] == []
    with database.session() as session:
        counted = _counted(session, policy, now)
    if policy.handling.visit_retry.unit == "working_hours":
        counted.pop("visitor.later")  # called again on the same day
    assert {name for name, count in counted.items() if not count} == set()


def _counted(session: Session, policy: Policy, now: datetime) -> dict[str, int]:
    """Every list of every role's page, by "<log-in>.<list>"."""
    found: dict[str, dict[str, int]] = {}
    for login in ("dispatcher", "clerk"):
        found[login] = order_trays.counts(session, _who(session, login), now)
    found["dispatcher"] |= sorting.counts(session, _who(session, "dispatcher"), now)
    asked = {
        each: rulings.counts(session, _who(session, each), policy) for each in ("dispatcher", "reviewer")
    }
    found["dispatcher"]["objection"] = asked["dispatcher"]["objection"]
    found["reviewer"] = {"extension": asked["reviewer"]["extension"]}
    found["reviewer"] |= closing.counts(session, _who(session, "reviewer"), policy)
    found["visitor"] = visits.counts(session, _who(session, "visitor"), policy, now)
    found["supervisor"] = board.counts(session, _who(session, "supervisor"), policy, now)
    for login in ("chief", "chief2", "secretary"):
        found[login] = leading.counts(session, _who(session, login), policy, now)
    for login in ("discipline", "discipline2"):
        found[login] = discipline.counts(session, _who(session, login), now)
    found["discipline2"] |= closing.counts(session, _who(session, "discipline2"), policy)
    found["clerk2"] = {"all": order_trays.counts(session, _who(session, "clerk2"), now)["owed"]}
    found["clerk3"] = {"all": order_trays.counts(session, _who(session, "clerk3"), now)["to_take"]}
    for login in found.keys() - {"secretary"}:  # who hears of what is reported from him
        found[login] |= {"notices": len(notices_mine.mine(session, _who(session, login)))}
    return {f"{login}.{name}": count for login, lists in found.items() for name, count in lists.items()}


def test_every_state_of_a_ticket_and_of_a_share_is_there(laid_out: Session) -> None:
    assert set(laid_out.scalars(select(Ticket.state))) == {each.value for each in State}
    assert set(laid_out.scalars(select(SubOrder.state))) == {each.value for each in Order}
    assert set(laid_out.scalars(select(SubOrder.way))) == {"web", "phone", "paper"}
    assert set(laid_out.scalars(select(Visit.reached))) == {True, False}


def test_nothing_of_it_is_owed_to_anybody(laid_out: Session) -> None:
    assert laid_out.scalar(select(func.count()).select_from(Outbox).where(Outbox.done_at.is_(None))) == 0
    assert laid_out.scalar(select(func.count()).select_from(Receipt)) == 0


def test_laid_out_twice_at_one_moment_it_is_the_same(
    database: Database, policy: Policy, tmp_path: Path
) -> None:
    first, second = (_once(database, policy, tmp_path) for _ in range(2))
    assert first == second


def _once(database: Database, policy: Policy, incoming: Path) -> list[Any]:
    """Laid out and taken back: titles, states and times; numbers and ids are drawn."""
    with database.session(60) as session:
        seed_calendar(session)
        units.sync(session, policy.units)
        demo._City(session, policy, AFTERNOON, incoming).build()
        told = (Ticket.title, Ticket.state, Ticket.created_at, Ticket.due_at, Ticket.version, Ticket.urged)
        tickets = [tuple(row) for row in session.execute(select(*told).order_by(Ticket.id))]
        share = (SubOrder.state, SubOrder.way, SubOrder.sent_at, SubOrder.due_at, SubOrder.version)
        shares = sorted((tuple(row) for row in session.execute(select(*share))), key=str)
        session.rollback()
    return [tickets, shares]


def test_laid_out_by_the_tables_owner_the_journal_tells_when_each_thing_was_done(
    server: EmbeddedServer, database: Database, policy: Policy, tmp_path: Path
) -> None:
    owner = Database(server.owner_url.replace("@/hotline?", "@/tests?"))
    demo.lay_out(owner, policy, tmp_path, AFTERNOON)
    with database.session() as session:
        ats = session.scalars(select(Journal.at).order_by(Journal.id)).all()
        assert list(ats) == sorted(ats)
        assert ats[-1] <= AFTERNOON
        done = select(Journal.at).where(Journal.act == "order.reply")
        replied = select(SubOrder.replied_at).where(SubOrder.replied_at.is_not(None))
        assert set(session.scalars(replied)) <= set(session.scalars(done))
    owner.close()
