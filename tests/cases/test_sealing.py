"""A ticket is sealed while units have it: who sees it no more is rid of it, and learns nothing by that."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from cases import closing, dispatch, notices, orders, passing, tickets
from cases.deadlines import load_calendar
from cases.dispatch import Share
from cases.errors import NotVisible
from cases.escalation import sweep
from cases.ticket_form import TicketForm
from cases.units import CHARGED
from cases.visible import name
from storage.notices import Notice
from storage.tables import Journal, Ticket
from storage.work import Rung, UnitRequest
from tests.cases.conftest import NOW, NewCall
from tests.cases.handled import COUNTY, DAY, GAS, HOUR, OFFICE, POWER, REPLY, Desk, desk

__all__ = ["desk"]
PLAIN = TicketForm(kind="help", content="厂区停电")
LATER = NOW + 2 * HOUR


def seal(desk: Desk, order_id: int) -> Ticket:
    """By its writer, who learned that it is a report."""
    was = desk.ticket(order_id)
    report = replace(PLAIN, kind="report")
    desk.does(tickets.change_ticket, desk.staff.agent, was.number, report, was.version, desk.policy)
    return desk.ticket(order_id)


def test_every_share_that_its_unit_sees_no_more_is_recalled_also_what_was_passed_down(desk: Desk) -> None:
    county, gas, power = desk.case(COUNTY, GAS, POWER)
    below = desk.does(passing.pass_down, desk.county, county, OFFICE, "", LATER).id
    desk.does(orders.reply, desk.gas, gas, REPLY, desk.policy, LATER)
    ground = desk.policy.handling.extensions[0].code
    desk.does(orders.ask_extension, desk.power, power, ground, "待料", "", desk.policy, LATER)
    ticket = seal(desk, county)
    assert (ticket.sealed, ticket.state) == (True, "accepted")
    for order_id in (county, gas, power, below):
        order = desk.order(order_id)
        assert order.state == "recalled" and order.ended_at is not None
    with desk.database.session() as session:
        why = select(Journal.detail["why"].astext).where(Journal.act == "order.recall")
        assert list(session.scalars(why)) == ["sealed"] * 4
        assert session.scalars(select(UnitRequest.decision)).all() == ["lapsed"]
        while sweep(session, desk.policy, load_calendar(session), NOW + 90 * DAY):
            pass
        assert set(session.scalars(select(Rung.subject_kind))) <= {"ticket", "supervision"}


def test_no_unit_is_told_of_it_and_the_discipline_office_sends_it_anew(desk: Desk) -> None:
    (county, _) = desk.case(COUNTY, POWER)
    ticket = seal(desk, county)
    assert desk.owed("order.sent", "order.recalled", "order.due_moved") == []
    with desk.database.session() as session:
        while notices.plan(session, desk.policy, [], NOW + DAY):
            pass
        clerks = [who.person_id for who in (desk.county, desk.office, desk.power, desk.gas)]
        assert session.scalars(select(Notice).where(Notice.person_id.in_(clerks))).all() == []
    shares = [Share(POWER)]
    (again,) = desk.does(dispatch.send, desk.staff.discipline, ticket.number, shares, desk.policy, LATER)
    desk.does(orders.take, desk.power, again.id, LATER)
    assert desk.ticket(county).state == "handling"


def test_a_unit_where_somebody_is_named_for_it_keeps_its_share(desk: Desk) -> None:
    county, gas = desk.case(COUNTY, GAS)
    with desk.database.session() as session:
        name(session, desk.gas.person_id, CHARGED, ticket_id=desk.ticket(gas).id)
    assert seal(desk, county).state == "handling"
    assert (desk.order(county).state, desk.order(gas).state) == ("recalled", "sent")


def test_a_call_that_is_sealed_takes_its_other_tickets_from_their_units(
    desk: Desk, new_call: NewCall
) -> None:
    call_id = new_call()
    writer = desk.staff.agent
    number = desk.does(tickets.save_ticket, writer, PLAIN, call_id, desk.policy, NOW).number
    (order,) = desk.does(dispatch.send, desk.dispatcher, number, [Share(POWER)], desk.policy, NOW)
    desk.does(tickets.save_ticket, writer, replace(PLAIN, kind="report"), call_id, desk.policy, NOW)
    assert (desk.order(order.id).state, desk.ticket(order.id).state) == ("recalled", "accepted")


def test_what_its_audit_sends_back_goes_to_no_unit_that_cannot_see_it(desk: Desk) -> None:
    (power,) = desk.case(POWER)
    desk.does(orders.reply, desk.power, power, REPLY, desk.policy, LATER)
    number = desk.ticket(power).number
    desk.does(closing.submit, desk.power, number, REPLY, desk.policy, LATER)
    ticket = seal(desk, power)
    assert (ticket.state, desk.order(power).state) == ("review", "replied")  # its word stands
    remark = "重新核查"
    desk.does(closing.audit, desk.staff.discipline, ticket.number, "send_back", remark, desk.policy, LATER)
    assert (desk.ticket(power).state, desk.order(power).state) == ("accepted", "recalled")
    with pytest.raises(NotVisible):
        desk.does(orders.take, desk.power, power, LATER + timedelta(hours=1))
