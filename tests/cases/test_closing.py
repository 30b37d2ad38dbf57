"""The closing form by who leads, its audit by somebody else, and what follows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from cases import closing, orders, people, shares
from cases.errors import Conflict, NotAllowed, NotVisible, Refused
from cases.logins import viewer_of
from cases.states import State
from cases.ticket_form import TicketForm
from cases.visible import name
from storage.database import Database
from storage.tables import Outbox
from storage.viewer import Role
from storage.work import Closing, SubOrder
from tests.cases.conftest import NOW, PASSWORD
from tests.cases.office import FORM, LATER, OTHER_UNIT, REPLY, Office, office

__all__ = ["office"]


def kinds(session: Session) -> list[str]:
    return list(session.scalars(select(Outbox.kind).order_by(Outbox.id)))


def test_the_leading_unit_closes_the_case_with_an_account_and_a_reply(
    database: Database, office: Office
) -> None:
    with database.session() as session:
        ticket = office.into(session, State.REVIEW)
        (form,) = closing.forms(session, ticket)
        assert (form.account, form.public_reply) == (REPLY.account, REPLY.public_reply)
        assert (form.by_id, form.at, form.decision) == (office.clerk.person_id, LATER, "")
        assert form.contacted_at == NOW + timedelta(hours=1)  # 11:00 by the city's clock
        assert "closing.submitted" in kinds(session)


def test_the_dispatcher_closes_for_any_unit_and_an_assisting_unit_for_none(
    database: Database, office: Office
) -> None:
    with database.session() as session:
        ticket = office.into(session, State.HANDLING)
        office.sent(session, ticket, OTHER_UNIT, "assist")
        office.replied(session, ticket)
        with pytest.raises(NotAllowed):
            office.submitted(session, ticket, by=office.other_clerk)
        office.submitted(session, ticket, by=office.dispatcher)
        assert ticket.state == State.REVIEW


def test_a_case_is_not_closed_while_a_unit_still_owes_its_reply(database: Database, office: Office) -> None:
    with database.session() as session:
        ticket = office.into(session, State.HANDLING)
        office.replied(session, ticket)
        office.sent(session, ticket, OTHER_UNIT, "assist")
        with pytest.raises(Refused, match="event: units_owe"):
            office.submitted(session, ticket)
        office.replied(session, ticket)
        office.submitted(session, ticket)


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"account": ""}, {"account": "required"}),
        ({"public_reply": ""}, {"public_reply": "required"}),
        ({"finding": "perhaps"}, {"finding": "unknown"}),
        ({"solved": "no"}, {"why_unsolved": "required"}),
        ({"contacted_how": "visit", "contacted_at": ""}, {"contacted_at": "required"}),
        ({"account": "长" * 5001}, {"account": "too_long"}),
    ],
)
def test_a_closing_form_says_what_is_missing(
    database: Database, office: Office, wrong: dict[str, str], fault: dict[str, str]
) -> None:
    with database.session() as session:
        ticket = office.into(session, State.HANDLING)
        office.replied(session, ticket)
        with pytest.raises(Refused) as refused:
            closing.submit(
                session, office.clerk, ticket.number, replace(REPLY, **wrong), office.policy, LATER
            )
        assert refused.value.faults == fault
        assert ticket.state == State.HANDLING


def test_what_a_mask_hid_of_the_units_words_is_stored_as_it_was(database: Database, office: Office) -> None:
    told = replace(REPLY, account="已电话告知李强 13812345678。")
    with database.session() as session:
        ticket = office.into(session, State.HANDLING)
        order = session.scalars(select(SubOrder.id).where(SubOrder.ticket_id == ticket.id)).one()
        orders.reply(session, office.clerk, order, told, office.policy, LATER)
        masked = replace(told, account="已电话告知李** 138****5678，并现场查看。")
        form = closing.submit(session, office.clerk, ticket.number, masked, office.policy, LATER)
        assert form.account == "已电话告知李强 13812345678，并现场查看。"


# -- its audit ----------------------------------------------------------------------------------------


def test_nobody_audits_what_she_submitted_herself(database: Database, office: Office) -> None:
    hers = office.policy.model_copy(
        update={"decisions": {**office.policy.decisions, "closing": "dispatcher"}}
    )
    with database.session() as session:
        ticket = office.into(session, State.HANDLING)
        office.replied(session, ticket)
        office.submitted(session, ticket, by=office.dispatcher)
        assert closing.counts(session, office.dispatcher, hers) == {"closing": 0}
        with pytest.raises(Refused, match="event: two_people"):
            closing.audit(session, office.dispatcher, ticket.number, "approve", "", hers, LATER)
        second = people.create_person(session, "second", "Second", Role.DISPATCHER, PASSWORD)
        other = viewer_of(session, second)
        assert closing.counts(session, other, hers) == {"closing": 1}
        closing.audit(session, other, ticket.number, "approve", "", hers, LATER)
        assert ticket.state == State.VISIT


def test_who_audits_is_the_policys_to_say(database: Database, office: Office) -> None:
    with database.session() as session:
        ticket = office.into(session, State.REVIEW)
        for viewer in (office.dispatcher, office.clerk, office.visitor, office.agent):
            with pytest.raises((NotAllowed, NotVisible)):
                closing.audit(session, viewer, ticket.number, "approve", "", office.policy, LATER)


def test_an_approved_case_waits_for_its_visit_with_a_limit_and_its_caller_is_told(
    database: Database, office: Office
) -> None:
    with database.session() as session:
        ticket = office.into(session, State.VISIT)
        assert ticket.visit_due_at is not None
        assert ticket.visit_due_at > LATER
        assert [each.state for each in shares.of(session, ticket)] == ["done"]
        assert {"visit.due", "ticket.done"} <= set(kinds(session))


@pytest.mark.parametrize("form", [replace(FORM, reply_wanted=False), replace(FORM, contact_number="")])
def test_nobody_is_asked_who_wants_no_reply_or_cannot_be_reached(
    database: Database, office: Office, form: TicketForm
) -> None:
    with database.session() as session:
        ticket = office.into(session, State.REVIEW, form)
        office.approved(session, ticket)
        assert (ticket.state, ticket.closed_at) == (State.DONE, LATER)
        assert not {"visit.due", "ticket.done"} & set(kinds(session))


def test_a_form_that_is_sent_back_has_a_remark_and_the_units_act_again(
    database: Database, office: Office
) -> None:
    with database.session() as session:
        ticket = office.into(session, State.REVIEW)
        due = ticket.due_at
        with pytest.raises(Refused) as refused:
            closing.audit(session, office.reviewer, ticket.number, "send_back", "", office.policy, LATER)
        assert refused.value.faults == {"remark": "required"}
        with pytest.raises(Refused, match="verdict: unknown"):
            closing.audit(session, office.reviewer, ticket.number, "maybe", "", office.policy, LATER)
        later = LATER + timedelta(days=1)
        closing.audit(
            session, office.reviewer, ticket.number, "send_back", "未说明原因", office.policy, later
        )
        (order,) = shares.of(session, ticket)
        assert (ticket.state, order.state, order.redone) == (State.HANDLING, "taken", 1)
        assert (order.replied_at, order.account) == (None, REPLY.account)
        assert ticket.due_at == due  # what the caller was promised stays
        assert "closing.sent_back" in kinds(session)
        orders.reply(session, office.clerk, order.id, REPLY, office.policy, later)
        closing.submit(session, office.clerk, ticket.number, REPLY, office.policy, later)
        assert [each.decision for each in closing.forms(session, ticket)] == ["", "sent_back"]


@pytest.mark.parametrize(
    ("urgency", "day", "due"),
    [
        ("normal", 22, None),  # what it had
        ("normal", 16 + 30, datetime(2026, 10, 21, 15, 59, 59, tzinfo=UTC)),  # over: three working days
        ("critical", 22, datetime(2026, 9, 22, 6, 0, tzinfo=UTC)),  # no more than the two hours of its kind
    ],
)
def test_what_is_sent_back_is_due_as_the_policy_says(
    database: Database, office: Office, urgency: str, day: int, due: datetime | None
) -> None:
    with database.session() as session:
        ticket = office.into(session, State.REVIEW, replace(FORM, urgency=urgency))
        (order,) = shares.of(session, ticket)
        had, at = order.due_at, LATER + timedelta(days=day - 18)  # from the 18th of September
        closing.audit(session, office.reviewer, ticket.number, "send_back", "未说明原因", office.policy, at)
        assert order.due_at == (due or had)


def test_two_who_audit_at_once_are_told_apart_by_the_version(database: Database, office: Office) -> None:
    with database.session() as session:
        ticket = office.into(session, State.REVIEW)
        version = ticket.version
        policy = office.policy
        closing.audit(session, office.reviewer, ticket.number, "approve", "", policy, LATER, version=version)
        with pytest.raises(Conflict):
            closing.audit(
                session, office.reviewer, ticket.number, "send_back", "x", policy, LATER, version=version
            )


def test_the_tray_has_the_oldest_due_first_and_its_count_is_its_length(
    database: Database, office: Office
) -> None:
    with database.session() as session:
        late, early = office.into(session, State.REVIEW), office.into(session, State.REVIEW)
        office.into(session, State.VISIT)
        early.due_at = NOW
        session.flush()
        rows = closing.tray(session, office.reviewer, office.policy, 10)
        assert [ticket.id for ticket, _ in rows] == [early.id, late.id]
        assert closing.counts(session, office.reviewer, office.policy) == {"closing": 2}
        assert closing.counts(session, office.agent, office.policy) == {}
        assert closing.tray(session, office.dispatcher, office.policy, 10) == []


def test_a_sealed_closing_is_audited_by_another_discipline_officer_and_seen_by_no_reviewer(
    database: Database, office: Office
) -> None:
    with database.session() as session:
        ticket = office.saved(session, replace(FORM, sealed=True))
        mine = replace(office, agent=office.discipline, dispatcher=office.discipline)
        mine.sent(session, ticket)
        mine.replied(session, ticket)
        mine.submitted(session, ticket, by=office.discipline)
        assert closing.counts(session, office.reviewer, office.policy) == {"closing": 0}
        assert closing.counts(session, office.discipline, office.policy) == {"closing": 0}
        with pytest.raises(NotVisible):
            office.approved(session, ticket)
        person = people.create_person(session, "second", "Second", Role.DISCIPLINE, PASSWORD)
        second = viewer_of(session, person)
        name(session, second.person_id, "policy", ticket_id=ticket.id)
        assert closing.counts(session, second, office.policy) == {"closing": 1}
        closing.audit(session, second, ticket.number, "approve", "", office.policy, LATER)
        assert ticket.state == State.VISIT
        assert "ticket.done" not in kinds(session)  # the caller is asked by a person, never by a message


def test_a_form_once_submitted_is_the_only_open_one(database: Database, office: Office) -> None:
    with database.session() as session:
        ticket = office.into(session, State.REVIEW)
        with pytest.raises(Refused, match="not_in_review"):
            office.submitted(session, ticket)
        assert len(session.scalars(select(Closing)).all()) == 1
