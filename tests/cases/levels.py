"""Cases whose deadlines have levels, and what the sweep made of them."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases import units
from cases.ahead import note_ahead
from cases.deadlines import load_calendar
from cases.escalation import sweep
from cases.states import State
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from routing.policy import Policy
from storage.database import Database
from storage.tables import Outbox, Ticket
from storage.work import Rung, SubOrder
from tests.cases.conftest import NOW, Staff

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DUE = datetime(2026, 10, 16, 15, 59, 59, tzinfo=UTC)
AT_NINE = {day: datetime(2026, 10, day, 1, 0, tzinfo=UTC) for day in range(1, 32)}  # 09:00 in Mianyang


def new_ticket(session: Session, staff: Staff, policy: Policy, call_id: str | None = None) -> Ticket:
    return save_ticket(session, staff.agent, TicketForm(kind="help", content="停电"), call_id, policy, NOW)


def new_order(
    session: Session, staff: Staff, policy: Policy, due_at: datetime, call_id: str | None = None
) -> SubOrder:
    """A share of a case that is under way."""
    ticket = new_ticket(session, staff, policy, call_id)
    unit = units.by_code(session, "power")
    assert unit is not None
    ticket.state, ticket.sent_at = State.HANDLING, NOW
    order = SubOrder(ticket_id=ticket.id, unit_id=unit.id, due_at=due_at, sent_at=NOW)
    session.add(order)
    session.flush()
    return order


def sweep_once(database: Database, policy: Policy, now: datetime, limit: int = 100) -> int:
    with database.session(60) as session:
        return sweep(session, policy, load_calendar(session), now, limit)


def settle(database: Database, policy: Policy, now: datetime) -> None:
    """As the clock does: what nothing is due of is noted in bulk before."""
    with database.session(60) as session:
        while note_ahead(session, policy, now):
            pass
    while sweep_once(database, policy, now):
        pass


def fired(database: Database, subject: str = "order") -> list[tuple[str, bool]]:
    with database.session() as session:
        rows = session.scalars(select(Rung).where(Rung.subject_kind == subject).order_by(Rung.id))
        return [(rung.level, rung.told) for rung in rows]


def owed(database: Database, *subjects: str) -> list[str]:
    """The levels that people are told of, by the outbox; of these subjects only, if any is named."""
    with database.session() as session:
        told = select(Outbox.payload["rung_id"].as_integer()).where(Outbox.kind == "rung")
        ids = list(session.scalars(told.order_by(Outbox.id)))
        rungs = {rung.id: rung for rung in session.scalars(select(Rung).where(Rung.id.in_(ids)))}
        return [rungs[each].level for each in ids if not subjects or rungs[each].subject_kind in subjects]
