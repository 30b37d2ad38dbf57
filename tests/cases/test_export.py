"""Exports: what belongs together comes in one question, however many rows there are."""

from datetime import timedelta

from sqlalchemy import event

from cases.export import export_calls, export_tickets
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from routing.policy import Policy
from storage.database import Database
from tests.cases.conftest import NOW, NewCall, Staff

FORM = TicketForm(kind="help", content="供电不稳", title="供电不稳")


def test_calls_and_tickets_name_each_other_in_one_question(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    ids = [new_call(at=NOW + timedelta(minutes=minute)) for minute in range(3)]
    with database.session() as session:
        first, second = [save_ticket(session, staff.agent, FORM, ids[0], policy, NOW).number for _ in "12"]
    asked: list[str] = []

    def ask(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(database.engine, "before_cursor_execute", ask)
    with database.session() as session:
        calls = list(export_calls(session, staff.supervisor))
    assert [(call["id"], call["tickets"]) for call in calls] == [
        (ids[0], [first, second]),
        (ids[1], []),
        (ids[2], []),
    ]
    with database.session() as session:
        tickets = list(export_tickets(session, staff.supervisor))
    assert [(ticket["number"], ticket["calls"]) for ticket in tickets] == [
        (first, [ids[0]]),
        (second, [ids[0]]),
    ]
    assert sum(statement.lstrip().startswith("SELECT") and "call" in statement for statement in asked) == 2
