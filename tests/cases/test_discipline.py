"""The discipline office's lists: each matter where it belongs, as long as it does."""

from datetime import timedelta

import pytest

from cases import discipline
from cases.states import OPEN, State
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from routing.policy import Policy
from storage.database import Database
from tests.cases.conftest import NOW, Staff


@pytest.mark.parametrize("state", sorted(OPEN))
def test_a_matter_is_late_until_its_caller_has_an_answer(
    database: Database, policy: Policy, staff: Staff, state: State
) -> None:
    with database.session() as session:
        form = TicketForm(kind="report", content="收受购物卡")
        ticket = save_ticket(session, staff.agent, form, None, policy, NOW)
        ticket.state = state
        number, overdue = ticket.number, (ticket.due_at or NOW) + timedelta(hours=1)
    with database.session() as session:
        found = [each.number for each in discipline.tray(session, staff.discipline, "late", overdue)]
        assert found == ([] if state is State.VISIT else [number])
        assert discipline.counts(session, staff.discipline, overdue)["late"] == len(found)
