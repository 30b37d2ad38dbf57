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
    visits,
)
from cases.deadlines import published_calendar
from cases.states import Order, State
from hotline import demo
from routing.hours import is_open, next_opening
from routing.policy import Policy, load
from storage.database import Database
from storage.notices import Receipt
from storage.staff import Person
from storage.tables import Call, Journal, Outbox, Ticket, TicketCall
from storage.viewer import Viewer
from storage.work import SubOrder, Visit
from tests.hotline.demo_cities import AFTERNOON, Laid, laid, stories_stopped
from tests.pool import Pool

POLICIES = Path(__file__).resolve().parents[2] / "policies"
MOMENTS = {
    "after midnight": datetime(2026, 6, 8, 16, 20, tzinfo=UTC),  # a Tuesday, 00:20
    "a Sunday": datetime(2026, 11, 22, 9, 0, tzinfo=UTC),
    "the end of a long holiday": datetime(2026, 10, 8, 1, 5, tzinfo=UTC),
    "December, before an unknown year": datetime(2026, 12, 23, 2, 40, tzinfo=UTC),
}


@pytest.fixture(params=["mianyang-962299", "nanning-direct-line"])
def policy(request: pytest.FixtureRequest) -> Policy:
    return load(POLICIES / f"{request.param}.toml")


@pytest.fixture
def city(database: Database, pool: Pool, policy: Policy) -> Laid:
    """As it stands on an afternoon."""
    return laid(pool, policy)


@pytest.fixture
def laid_out(database: Database, city: Laid) -> Iterator[Session]:
    with database.session() as session:
        yield session


def _who(session: Session, login: str) -> Viewer:
    return logins.viewer_of(session, session.scalars(select(Person).where(Person.login == login)).one())


def test_every_list_of_every_tray_has_something_in_it(city: Laid, laid_out: Session, policy: Policy) -> None:
    assert city.stopped == []
    assert _empty(laid_out, policy, AFTERNOON) == set()


@pytest.mark.parametrize("now", MOMENTS.values(), ids=MOMENTS.keys())
def test_every_list_has_something_in_it_whenever_it_is_laid_out(
    database: Database, policy: Policy, tmp_path: Path, now: datetime
) -> None:
    with capture_logs() as logs:
        demo.lay_out(database, policy, tmp_path, now)
    assert stories_stopped(logs) == []
    with database.session() as session:
        assert _empty(session, policy, now) == set()
        assert _rang_while_closed(session, policy) == []


def _empty(session: Session, policy: Policy, now: datetime) -> set[str]:
    counted = _counted(session, policy, now)
    if policy.handling.visit_retry.unit == "working_hours":
        counted.pop("visitor.later")  # called again on the same day
    if not _opened_today(policy, now):
        counted = {name: count for name, count in counted.items() if not name.endswith(".calls")}
    return {name for name, count in counted.items() if not count}


def _rang_while_closed(session: Session, policy: Policy) -> list[str]:
    """Calls outside of their lines' hours, and tickets that say they came by telephone and have no call."""
    calls = session.scalars(select(Call)).all()
    closed = [call.id for call in calls if not _is_open(policy, call.line, call.began_at)]
    linked = select(TicketCall.ticket_id)
    silent = select(Ticket.number).where(Ticket.channel == "phone", Ticket.id.not_in(linked))
    assert len(calls) > 30
    return [*closed, *session.scalars(silent)]


def _is_open(policy: Policy, number: str, at: datetime) -> bool:
    line = policy.line(number)
    assert line is not None
    return is_open(policy.hours[line.hours], at, published_calendar(), policy.zone)


def _opened_today(policy: Policy, now: datetime) -> bool:
    hours, today = policy.hours[policy.lines[0].hours], now.astimezone(policy.zone)
    return next_opening(hours, today.replace(hour=0, minute=0), published_calendar(), policy.zone) < now


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


def test_laid_out_again_at_the_same_moment_by_whomever_it_is_the_same(
    city: Laid, database: Database, pool: Pool, policy: Policy, tmp_path: Path
) -> None:
    first = _told(database)
    pool.empty()
    assert demo.lay_out(database, policy, tmp_path, AFTERNOON)
    assert _told(database) == first


def _told(database: Database) -> list[Any]:
    """Titles, states and times; numbers and ids are drawn."""
    told = (Ticket.title, Ticket.state, Ticket.created_at, Ticket.due_at, Ticket.version, Ticket.urged)
    share = (SubOrder.state, SubOrder.way, SubOrder.sent_at, SubOrder.due_at, SubOrder.version)
    with database.session() as session:
        tickets = [tuple(row) for row in session.execute(select(*told).order_by(Ticket.id))]
        return [tickets, sorted((tuple(row) for row in session.execute(select(*share))), key=str)]


def test_the_journal_tells_when_each_thing_was_done(laid_out: Session) -> None:
    """Laid out by the tables' owner, that is, as it always is."""
    ats = laid_out.scalars(select(Journal.at).order_by(Journal.id)).all()
    assert list(ats) == sorted(ats)
    assert ats[-1] <= AFTERNOON
    done = select(Journal.at).where(Journal.act == "order.reply")
    replied = select(SubOrder.replied_at).where(SubOrder.replied_at.is_not(None))
    assert set(laid_out.scalars(replied)) <= set(laid_out.scalars(done))
