"""A whole office to take a case through its steps with, and a ticket in every state, by the acts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from cases import answering, closing, dispatch, joining, logins, orders, people, units, visits
from cases.dispatch import Share
from cases.order_reply import Reply
from cases.states import State
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from cases.visits import VisitForm
from routing.policy import Policy
from storage.database import Database
from storage.tables import Ticket
from storage.viewer import Role, Viewer
from storage.work import SubOrder
from tests.cases.conftest import NOW, PASSWORD, Staff
from tests.pool import Pool

UNIT, OTHER_UNIT = "power", "water"
FORM = TicketForm(
    kind="help",
    title="厂区频繁停电",
    content="本月第三次夜间停电，请协调。",
    caller_name="李强",
    contact_number="13812345678",
    company="长虹机械厂",
)
REPLY = Reply(
    account="已更换变压器，费用由我方承担。",
    public_reply="线路已改造，供电恢复正常。",
    finding="true",
    solved="yes",
    contacted_how="phone",
    contacted_at="2026-09-18T11:00",
)
LATER = NOW + timedelta(hours=2)
PLEASED = VisitForm(reached="yes", true="yes", contacted="yes", solved="yes", satisfied="satisfied")
ANGRY = replace(PLEASED, solved="no", satisfied="dissatisfied", words="又停电了。")
NOBODY = VisitForm(reached="no")


@dataclass(frozen=True)
class Office:
    """Who takes a case through its steps; `clerk` is of UNIT, `other_clerk` of OTHER_UNIT."""

    policy: Policy
    agent: Viewer
    dispatcher: Viewer
    clerk: Viewer
    other_clerk: Viewer
    reviewer: Viewer
    visitor: Viewer
    discipline: Viewer

    def saved(self, session: Session, form: TicketForm = FORM, at: datetime = NOW) -> Ticket:
        return save_ticket(session, self.agent, form, None, self.policy, at)

    def sent(self, session: Session, ticket: Ticket, unit: str = UNIT, part: str = "lead") -> SubOrder:
        shares = [Share(unit, part)]
        (order,) = dispatch.send(session, self.dispatcher, ticket.number, shares, self.policy, NOW)
        return order

    def replied(self, session: Session, ticket: Ticket) -> None:
        """By the dispatcher for every unit that owes."""
        owing = select(SubOrder.id).where(SubOrder.ticket_id == ticket.id, SubOrder.state == "sent")
        for order_id in session.scalars(owing).all():
            orders.reply(session, self.dispatcher, order_id, REPLY, self.policy, LATER)

    def submitted(self, session: Session, ticket: Ticket, by: Viewer | None = None) -> None:
        closing.submit(session, by or self.clerk, ticket.number, REPLY, self.policy, LATER)

    def approved(self, session: Session, ticket: Ticket) -> None:
        closing.audit(session, self.reviewer, ticket.number, "approve", "", self.policy, LATER)

    def into(self, session: Session, state: State, form: TicketForm = FORM) -> Ticket:
        """A new ticket, brought into this state."""
        ticket = self.saved(session, form)
        _WAYS[state](self, session, ticket)
        assert ticket.state == state
        return ticket


def _handling(office: Office, session: Session, ticket: Ticket) -> None:
    office.sent(session, ticket)


def _review(office: Office, session: Session, ticket: Ticket) -> None:
    _handling(office, session, ticket)
    office.replied(session, ticket)
    office.submitted(session, ticket)


def _visit(office: Office, session: Session, ticket: Ticket) -> None:
    _review(office, session, ticket)
    office.approved(session, ticket)


def _done(office: Office, session: Session, ticket: Ticket) -> None:
    _visit(office, session, ticket)
    visits.record(session, office.visitor, ticket.number, PLEASED, office.policy, LATER)


def _refused(office: Office, session: Session, ticket: Ticket) -> None:
    ground = office.policy.handling.refusal_grounds[0].code
    answering.refuse(session, office.dispatcher, ticket.number, ground, "已进入诉讼。", office.policy, NOW)


def _transferred(office: Office, session: Session, ticket: Ticket) -> None:
    ground = office.policy.handling.transfer_grounds[0].code
    answering.transfer(session, office.dispatcher, ticket.number, ground, "", office.policy, NOW)


def _merged(office: Office, session: Session, ticket: Ticket) -> None:
    lead = office.saved(session)
    joining.merge(session, office.dispatcher, ticket.number, lead.number, office.policy, NOW)


def _withdrawn(office: Office, session: Session, ticket: Ticket) -> None:
    ground = office.policy.handling.withdrawal_grounds[0].code
    answering.withdraw(session, office.agent, ticket.number, ground, "", office.policy, NOW)


_WAYS: Mapping[State, Callable[[Office, Session, Ticket], None]] = {
    State.ACCEPTED: lambda *_: None,
    State.HANDLING: _handling,
    State.REVIEW: _review,
    State.VISIT: _visit,
    State.DONE: _done,
    State.REFUSED: _refused,
    State.TRANSFERRED: _transferred,
    State.MERGED: _merged,
    State.WITHDRAWN: _withdrawn,
}


@pytest.fixture
def office(database: Database, pool: Pool, staff: Staff, listed: None, policy: Policy) -> Office:
    """The rest of the office is hired."""

    def hire_the_rest() -> Office:
        with database.session() as session:
            return office_of(session, staff, policy)

    return pool.begun("office", hire_the_rest)


def office_of(session: Session, staff: Staff, policy: Policy) -> Office:
    """The same in a database of another kind."""
    units.sync(session, policy.units)

    def hire(login: str, role: Role, unit: str = "") -> Viewer:
        person = people.create_person(session, login, login.title(), role, PASSWORD, unit=unit)
        return logins.viewer_of(session, person)

    return Office(
        policy=policy,
        agent=staff.agent,
        discipline=staff.discipline,
        dispatcher=hire("dispatcher", Role.DISPATCHER),
        clerk=hire("clerk", Role.UNIT_CLERK, UNIT),
        other_clerk=hire("other-clerk", Role.UNIT_CLERK, OTHER_UNIT),
        reviewer=hire("reviewer", Role.REVIEWER),
        visitor=hire("visitor", Role.VISITOR),
    )
