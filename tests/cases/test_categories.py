"""A ticket's category: chosen from the policy's list, with its say in the deadline; older words stay."""

from datetime import datetime

import pytest
from sqlalchemy import select, update

from cases.deadlines import say_rule
from cases.errors import Refused
from cases.ticket_form import TicketForm
from cases.tickets import change_ticket, save_ticket
from routing.policy import Policy
from storage.database import Database
from storage.tables import Ticket
from tests.cases.conftest import NOW, Staff

HELP = TicketForm(kind="help", content="用地手续停滞")


def local(at: datetime | None, policy: Policy) -> str:
    assert at is not None
    return at.astimezone(policy.zone).strftime("%Y-%m-%d")


@pytest.mark.parametrize(
    ("category", "due", "why"),
    [
        ("", "2026-09-29", "求助 7个工作日"),
        ("land", "2026-10-15", "求助 · 用地与规划 15个工作日"),
        ("permits", "2026-09-24", "求助 · 证照办理 5个工作日"),
        ("gas_supply", "2026-09-22", "求助 · 供气 3个工作日"),  # as the category above it says
    ],
)
def test_a_category_says_how_long_it_takes(
    database: Database, staff: Staff, policy: Policy, category: str, due: str, why: str
) -> None:
    with database.session() as session:
        form = TicketForm(kind="help", content="事", category=category)
        ticket = save_ticket(session, staff.agent, form, None, policy, NOW)
        assert (local(ticket.due_at, policy), say_rule(ticket.due_rule, policy)) == (due, why)


def test_a_category_that_is_changed_counts_from_the_beginning(
    database: Database, staff: Staff, policy: Policy
) -> None:
    with database.session() as session:
        number = save_ticket(session, staff.agent, HELP, None, policy, NOW).number
    with database.session() as session:
        form = TicketForm(kind="help", content=HELP.content, category="land")
        ticket = change_ticket(session, staff.agent, number, form, 1, policy)
        assert local(ticket.due_at, policy) == "2026-10-15"


@pytest.mark.parametrize(
    ("kind", "category", "fault"),
    [("help", "亂收費", "unknown"), ("help", "manner", "other_kind"), ("inquiry", "land", "other_kind")],
)
def test_a_category_that_is_not_for_its_kind_is_refused(
    database: Database, staff: Staff, policy: Policy, kind: str, category: str, fault: str
) -> None:
    form = TicketForm(kind=kind, content="事", category=category)
    with database.session() as session, pytest.raises(Refused) as refused:
        save_ticket(session, staff.agent, form, None, policy, NOW)
    assert refused.value.faults == {"category": fault}


def test_words_of_before_there_was_a_list_stay_until_another_is_chosen(
    database: Database, staff: Staff, policy: Policy
) -> None:
    with database.session() as session:
        number = save_ticket(session, staff.agent, HELP, None, policy, NOW).number
        session.execute(update(Ticket).values(category="涉企收费", due_rule="help - - 7 working_days"))
    with database.session() as session:
        kept = TicketForm(kind="help", content="改了的内容", category="涉企收费", urgency="urgent")
        ticket = change_ticket(session, staff.agent, number, kept, 1, policy)
        assert (ticket.category, ticket.content) == ("涉企收费", "改了的内容")
        assert say_rule(ticket.due_rule, policy) == "求助 · 紧急 1个工作日"
        assert local(ticket.due_at, policy) == "2026-09-20"
        version = ticket.version
    with database.session() as session:
        other = TicketForm(kind="help", content="改了的内容", category="涉企用地")
        with pytest.raises(Refused):
            change_ticket(session, staff.agent, number, other, version, policy)
        assert session.scalars(select(Ticket.category)).one() == "涉企收费"
