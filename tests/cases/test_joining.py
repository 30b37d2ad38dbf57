"""Repeats that are merged into one ticket: proposed, ended together, split again."""

from dataclasses import replace

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from cases import answering, joining
from cases.errors import NotVisible, Refused
from cases.repeats import repeats_of
from cases.states import State
from cases.ticket_form import TicketForm
from cases.tickets import open_ticket
from storage.database import Database
from storage.tables import Outbox
from tests.cases.conftest import NOW
from tests.cases.office import FORM, LATER, Office, office

__all__ = ["office"]


def owed(session: Session, kind: str) -> list[int]:
    """Whose callers are owed this message."""
    found = session.scalars(select(Outbox).where(Outbox.kind == kind).order_by(Outbox.id))
    return [row.payload["ticket_id"] for row in found]


def test_repeats_end_with_their_lead_and_every_caller_is_told(database: Database, office: Office) -> None:
    with database.session() as session:
        lead, again, once_more = (office.saved(session) for _ in range(3))
        silent = office.saved(session, replace(FORM, reply_wanted=False))
        for each in (again, silent):
            joining.merge(session, office.dispatcher, each.number, lead.number, office.policy, NOW)
        joining.merge(session, office.dispatcher, once_more.number, lead.number, office.policy, NOW)
        answering.answer_directly(session, office.agent, lead.number, "已恢复供电。", LATER)
        assert owed(session, "ticket.done") == [lead.id, again.id, once_more.id]
        assert {each.state for each in (again, once_more, silent)} == {State.MERGED}
        assert joining.lead_of(session, office.agent, again) is lead


def test_what_was_merged_into_a_repeat_goes_with_it(database: Database, office: Office) -> None:
    with database.session() as session:
        first, second, third = (office.saved(session) for _ in range(3))
        joining.merge(session, office.dispatcher, first.number, second.number, office.policy, NOW)
        joining.merge(session, office.dispatcher, second.number, third.number, office.policy, NOW)
        assert joining.followers(session, second) == []
        assert joining.followers(session, third) == [first, second]


def test_a_ticket_that_was_split_off_stands_by_itself(database: Database, office: Office) -> None:
    with database.session() as session:
        lead, again = office.saved(session), office.saved(session)
        joining.merge(session, office.dispatcher, again.number, lead.number, office.policy, NOW)
        joining.split(session, office.dispatcher, again.number, LATER)
        assert (again.state, joining.followers(session, lead)) == (State.ACCEPTED, [])
        answering.answer_directly(session, office.agent, lead.number, "已恢复供电。", LATER)
        assert owed(session, "ticket.done") == [lead.id]


def test_a_merged_ticket_is_taken_from_the_unit_that_had_it(database: Database, office: Office) -> None:
    with database.session() as session:
        again, lead = office.into(session, State.HANDLING), office.saved(session)
        joining.merge(session, office.dispatcher, again.number, lead.number, office.policy, NOW)
        with pytest.raises(NotVisible):
            open_ticket(session, office.clerk, again.number)


def test_a_lead_must_be_another_open_ticket_that_she_sees_and_sealed_alike(
    database: Database, office: Office
) -> None:
    with database.session() as session:
        ticket = office.saved(session)
        sealed = office.saved(session, TicketForm(kind="report", content="举报"))
        done = office.into(session, State.DONE)
        for lead, fault in (
            ("", "required"),
            ("260101999999", "unknown"),
            (sealed.number, "unknown"),  # nobody named her for it
            (ticket.number, "merge_itself"),
            (done.number, "merge_ended"),
        ):
            with pytest.raises(Refused) as refused:
                joining.merge(session, office.dispatcher, ticket.number, lead, office.policy, NOW)
            assert refused.value.faults == {"lead": fault}
        # The discipline office sees both, but sorts only what is sealed.
        with pytest.raises(Refused, match="lead: unknown"):
            joining.merge(session, office.discipline, sealed.number, ticket.number, office.policy, NOW)


def test_a_ticket_that_leads_others_cannot_be_withdrawn(database: Database, office: Office) -> None:
    with database.session() as session:
        lead, again = office.saved(session), office.saved(session)
        joining.merge(session, office.dispatcher, again.number, lead.number, office.policy, NOW)
        with pytest.raises(Refused, match="leads_others"):
            answering.withdraw(session, office.agent, lead.number, "by_caller", "", office.policy, LATER)


def test_repeats_are_proposed_by_number_company_and_title_and_nothing_sealed_among_them(
    database: Database, office: Office
) -> None:
    other = TicketForm(kind="help", title="道路破损", content="厂门口道路破损。")
    with database.session() as session:
        ticket = office.saved(session)
        by_title = office.saved(session, replace(other, title="厂区频繁停电影响生产"))
        by_all = office.saved(session)
        office.saved(session, other)
        office.saved(session, replace(FORM, sealed=True))
        office.into(session, State.DONE)
        found = repeats_of(session, office.dispatcher, ticket)
        assert [(each.ticket.id, each.why) for each in found] == [
            (by_all.id, ("number", "company", "title")),
            (by_title.id, ("title",)),
        ]
        assert repeats_of(session, office.clerk, ticket) == []
        secret = office.saved(session, replace(FORM, sealed=True))
        assert repeats_of(session, office.discipline, secret) == []
