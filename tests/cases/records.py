"""Tickets that make records of callers and enterprises, for the tests of these."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cases.people import create_person
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from routing.policy import Policy
from storage.database import Database
from storage.tables import Ticket
from storage.viewer import Role, Viewer
from tests.cases.conftest import NOW, PASSWORD, NewCall, Staff

CODE, OTHER_CODE = "91510700MA6DEMAA5X", "91510700MA6DEMAA74"
NUMBER, OTHER = "+8613812345678", "+8613912345678"
HELP = TicketForm(kind="help", content="停电", caller_name="王敏", company="恒泰机械", place="涪城区")

Save = Callable[..., Ticket]


@pytest.fixture
def save(database: Database, staff: Staff, policy: Policy, new_call: NewCall) -> Save:
    """A ticket of a call from `number`, or of none; its row as stored."""

    def saved(form: TicketForm = HELP, number: str | None = "13812345678", **call: Any) -> Ticket:
        call_id = new_call(number=number, **call) if number is not None else None
        with database.session() as session:
            ticket = save_ticket(session, staff.agent, form, call_id, policy, NOW)
            session.expunge(ticket)
            return ticket

    return saved


@pytest.fixture
def dispatcher(database: Database, staff: Staff) -> Viewer:
    with database.session() as session:
        person = create_person(session, "song", "宋佳", Role.DISPATCHER, PASSWORD)
        return Viewer(person.id, Role.DISPATCHER, person.name, "192.0.2.9")


def count(session: Session, table: type[Any]) -> int:
    return session.scalar(select(func.count()).select_from(table)) or 0


def only(session: Session, table: type[Any]) -> Any:
    return session.scalars(select(table)).one()
