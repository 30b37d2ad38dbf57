"""Tickets that are there to be sent, who sends them, and what became of it."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from cases import logins, people
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from routing.policy import Policy
from storage.database import Database
from storage.staff import Unit
from storage.tables import Outbox, Ticket
from storage.viewer import Role, Viewer
from storage.work import SubOrder
from tests.cases.conftest import NOW, PASSWORD, Staff

COUNTY, OFFICE, OTHER, THIRD = "fucheng", "fucheng_market_supervision", "power", "housing"
HELP = TicketForm(kind="help", content="停电")
Hire = Callable[..., Viewer]
New = Callable[..., str]


@pytest.fixture
def hire(database: Database, listed: None) -> Hire:
    def make(login: str, role: Role = Role.UNIT_CLERK, unit: str = "") -> Viewer:
        with database.session() as session:
            person = people.create_person(session, login, login, role, PASSWORD, unit=unit)
            return logins.viewer_of(session, person)

    return make


@pytest.fixture
def dispatcher(hire: Hire) -> Viewer:
    return hire("dispatcher", Role.DISPATCHER)


@pytest.fixture
def new(database: Database, policy: Policy, staff: Staff) -> New:
    def make(form: TicketForm = HELP, call_id: str | None = None) -> str:
        with database.session() as session:
            return save_ticket(session, staff.agent, form, call_id, policy, NOW).number

    return make


def shares_of(database: Database) -> dict[str, str]:
    with database.session() as session:
        return dict(session.execute(select(Unit.code, SubOrder.state).join(SubOrder)).all())


def ticket_of(database: Database, number: str) -> Ticket:
    with database.session() as session:
        return session.scalars(select(Ticket).where(Ticket.number == number)).one()


def owed(database: Database, kind: str) -> list[Outbox]:
    with database.session() as session:
        return list(session.scalars(select(Outbox).where(Outbox.kind == kind).order_by(Outbox.id)))
