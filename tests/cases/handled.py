"""A case in the hands of units, for tests: clerks of units above, below and beside, and who rules."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import select

from cases import dispatch, logins, people
from cases.dispatch import Share
from cases.order_reply import Reply
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from routing.policy import Policy
from storage.database import Database
from storage.tables import Journal, Outbox, Ticket
from storage.viewer import Role, Viewer
from storage.work import SubOrder
from tests.cases.conftest import NOW, PASSWORD, Staff
from tests.pool import Pool

COUNTY, OFFICE, POWER, GAS = "fucheng", "fucheng_tax", "power", "gas"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
REPLY = Reply(
    account="已派员现场核实，线路老化。",
    public_reply="线路已更换，恢复供电。",
    finding="true",
    solved="yes",
    contacted_how="none",
)


@dataclass
class Desk:
    """Who works on the case, and the database that it is in."""

    database: Database
    policy: Policy
    staff: Staff
    dispatcher: Viewer
    dispatcher2: Viewer
    reviewer: Viewer
    county: Viewer
    office: Viewer
    power: Viewer
    gas: Viewer
    _forms = count(1)

    def case(self, *to: str, at: datetime = NOW, by: Viewer | None = None, **form: Any) -> list[int]:
        """A ticket that was sent to these units, the first leads; the ids of their shares."""
        sealed = bool(form.get("sealed"))
        with self.database.session() as session:
            writer = self.staff.discipline if sealed else self.staff.agent
            typed = TicketForm(**{"kind": "help", "content": "厂区停电", **form})
            number = save_ticket(session, writer, typed, None, self.policy, at).number
            shares = [Share(unit, "assist" if index else "lead") for index, unit in enumerate(to)]
            sender = by or (self.staff.discipline if sealed else self.dispatcher)
            sent = dispatch.send(session, sender, number, shares, self.policy, at)
            return [order.id for order in sent]

    def does(self, act: Callable[..., Any], viewer: Viewer, *given: Any, **more: Any) -> Any:
        """One act in a transaction of its own."""
        with self.database.session() as session:
            return act(session, viewer, *given, **more)

    def order(self, order_id: int) -> SubOrder:
        """The share as it is now."""
        with self.database.session() as session:
            found = session.get_one(SubOrder, order_id)
            session.expunge(found)
            return found

    def ticket(self, order_id: int) -> Ticket:
        """The ticket that it is a share of, as it is now."""
        with self.database.session() as session:
            ticket_id = session.get_one(SubOrder, order_id).ticket_id
            found = session.get_one(Ticket, ticket_id)
            session.expunge(found)
            return found

    def owed(self, *kinds: str) -> list[dict[str, Any]]:
        """The payloads of messages of these kinds, as they were put."""
        with self.database.session() as session:
            return list(
                session.scalars(select(Outbox.payload).where(Outbox.kind.in_(kinds)).order_by(Outbox.id))
            )

    def acts(self) -> list[str]:
        """What the journal says was done to shares."""
        with self.database.session() as session:
            done = select(Journal.act).where(Journal.act.like("order.%")).order_by(Journal.id)
            return list(session.scalars(done))


@pytest.fixture
def desk(database: Database, pool: Pool, policy: Policy, staff: Staff, listed: None) -> Desk:
    return pool.begun("desk", lambda: _desk_of(database, policy, staff))


def _desk_of(database: Database, policy: Policy, staff: Staff) -> Desk:
    def hire(login: str, role: Role = Role.UNIT_CLERK, unit: str = "") -> Viewer:
        with database.session() as session:
            person = people.create_person(session, login, login, role, PASSWORD, unit=unit)
            return logins.viewer_of(session, person)

    return Desk(
        database,
        policy,
        staff,
        dispatcher=hire("dispatcher", Role.DISPATCHER),
        dispatcher2=hire("dispatcher2", Role.DISPATCHER),
        reviewer=hire("reviewer", Role.REVIEWER),
        county=hire("county", unit=COUNTY),
        office=hire("office", unit=OFFICE),
        power=hire("power", unit=POWER),
        gas=hire("gas", unit=GAS),
    )
