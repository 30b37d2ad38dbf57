"""What units ask is ruled on: by the role that the policy names, once, and never by who asked."""

from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from sqlalchemy import select, update

from cases import joining, orders, passing, rulings
from cases.dispatch import Share, send
from cases.errors import Conflict, NotAllowed, NotVisible, Refused
from cases.states import Order, State
from cases.ticket_form import TicketForm
from cases.tickets import TicketSearch as Search
from cases.tickets import list_tickets, save_ticket
from routing.rule import Rule
from storage.tables import Ticket
from storage.viewer import Viewer
from storage.work import SubOrder, Supervision, UnitRequest
from tests.cases.conftest import NOW
from tests.cases.handled import COUNTY, GAS, HOUR, OFFICE, POWER, REPLY, Desk, desk

__all__ = ["desk"]

LATER = NOW + HOUR


def objected(desk: Desk, *to: str, by: Viewer | None = None, **form: Any) -> int:
    """A share whose unit objects to it."""
    order_id = desk.case(*(to or (POWER,)), **form)[0]
    asked = order_id, "out_of_remit", "非我单位职责", "", desk.policy, LATER
    desk.does(orders.object_, by or desk.power, *asked)
    return order_id


def extension(desk: Desk, *to: str, by: Viewer | None = None, **form: Any) -> int:
    """A share whose unit asks for more time."""
    order_id = desk.case(*(to or (POWER,)), **form)[0]
    asked = order_id, "complex", "需会商", "", desk.policy, LATER
    desk.does(orders.ask_extension, by or desk.power, *asked)
    return order_id


def rules(
    desk: Desk, who: Viewer, order_id: int, granted: bool, remark: str = "", kind: str = "objection"
) -> Any:
    act = rulings.rule_objection if kind == "objection" else rulings.rule_extension
    return desk.does(act, who, order_id, granted, remark, desk.policy, LATER)


# -- objections -------------------------------------------------------------------------------------


def test_an_upheld_objection_returns_the_share_and_the_last_one_the_ticket(desk: Desk) -> None:
    order_id = objected(desk)
    asked = rules(desk, desk.dispatcher, order_id, True)
    order, ticket = desk.order(order_id), desk.ticket(order_id)
    assert (order.state, order.ended_at) == (Order.RETURNED, LATER)
    assert (ticket.state, ticket.returned) == (State.ACCEPTED, 1)
    assert (asked.decision, asked.decided_by) == ("granted", desk.dispatcher.person_id)
    assert desk.owed("order.ruled") == [
        {"ticket_id": ticket.id, "order_id": order_id, "request_id": asked.id}
    ]
    with desk.database.session() as session:
        assert list_tickets(session, desk.power, Search()) == []
        send(session, desk.dispatcher, ticket.number, [Share(GAS)], desk.policy, LATER)  # sent anew


def test_while_another_unit_has_it_the_case_goes_on(desk: Desk) -> None:
    order_id = objected(desk, POWER, GAS)
    rules(desk, desk.dispatcher, order_id, True)
    assert desk.ticket(order_id).state == State.HANDLING


def test_a_refused_objection_designates_the_unit_which_then_may_not_object(desk: Desk) -> None:
    order_id = objected(desk)
    with pytest.raises(Refused) as caught:
        rules(desk, desk.dispatcher, order_id, False)
    assert caught.value.faults == {"remark": "required"}
    rules(desk, desk.dispatcher, order_id, False, "三定方案明确由你单位负责")
    order = desk.order(order_id)
    assert (order.state, order.designated, order.taken_at) == (Order.TAKEN, True, LATER)
    with pytest.raises(Refused) as again:
        asked = order_id, "out_of_remit", "x", "", desk.policy, LATER
        desk.does(orders.object_, desk.power, *asked)
    assert again.value.faults == {"order": "is_designated"}


def test_a_case_that_came_back_twice_is_supervised_and_its_supervision_is_one(desk: Desk) -> None:
    order_id = objected(desk)
    rules(desk, desk.dispatcher, order_id, True)
    number = desk.ticket(order_id).number
    for unit, clerk in ((GAS, desk.gas), (COUNTY, desk.county)):
        with desk.database.session() as session:
            assert len(session.scalars(select(Supervision)).all()) == (0 if unit == GAS else 1)
            (sent,) = send(session, desk.dispatcher, number, [Share(unit)], desk.policy, LATER)
            sent_id = sent.id
        desk.does(orders.object_, clerk, sent_id, "other_place", "属地不符", "", desk.policy, LATER)
        rules(desk, desk.dispatcher, sent_id, True)
    with desk.database.session() as session:
        (seen_to,) = session.scalars(select(Supervision)).all()
        assert (seen_to.ground, seen_to.by_id) == ("returned", None)
        assert seen_to.due_at is not None
    assert desk.ticket(order_id).returned == 3
    assert len(desk.owed("supervised")) == 1


def test_a_sealed_share_that_is_returned_is_known_there_no_longer(desk: Desk) -> None:
    order_id = objected(desk, sealed=True)
    for who in (desk.dispatcher, desk.reviewer):
        with pytest.raises(NotVisible):
            rules(desk, who, order_id, True)
    rules(desk, desk.staff.discipline, order_id, True)
    with desk.database.session() as session:
        assert list_tickets(session, desk.power, Search()) == []


# -- more time --------------------------------------------------------------------------------------


def test_more_time_moves_the_share_what_was_passed_down_of_it_and_the_promise(desk: Desk) -> None:
    (order_id,) = desk.case(COUNTY, contact_number="13812345678")
    child = desk.does(passing.pass_down, desk.county, order_id, OFFICE, "", NOW).id
    before = desk.order(order_id)
    asked = order_id, "complex", "需会商", "", desk.policy, LATER
    desk.does(orders.ask_extension, desk.county, *asked)
    given = rules(desk, desk.reviewer, order_id, True, kind="extension")
    order, ticket = desk.order(order_id), desk.ticket(order_id)
    assert order.due_at == given.due_after == ticket.due_at == desk.order(child).due_at
    assert order.due_at and before.due_at and order.due_at > before.due_at + timedelta(days=15)
    assert len(Rule.read(order.due_rule).spans) == 2  # so that it can be reckoned anew
    assert ticket.due_rule == order.due_rule
    assert ticket.extended == 1
    assert desk.owed("ticket.progress") == [{"ticket_id": ticket.id}]
    assert len(desk.owed("extension.ruled")) == 1


def test_callers_whose_repeats_were_merged_into_it_are_told_that_it_takes_longer(desk: Desk) -> None:
    order_id = extension(desk, contact_number="13812345678")
    lead = desk.ticket(order_id)
    with desk.database.session() as session:
        form = TicketForm(kind="help", content="又停电", contact_number="13812345678")
        again = save_ticket(session, desk.staff.agent, form, None, desk.policy, NOW)
        silent = replace(form, reply_wanted=False)
        quiet = save_ticket(session, desk.staff.agent, silent, None, desk.policy, NOW)
        for each in (again, quiet):
            joining.merge(session, desk.dispatcher, each.number, lead.number, desk.policy, NOW)
        told = [lead.id, again.id]
    rules(desk, desk.reviewer, order_id, True, kind="extension")
    assert desk.owed("ticket.progress") == [{"ticket_id": each} for each in told]


@pytest.mark.parametrize("form", [{"reply_wanted": False}, {"sealed": True}, {"contact_number": ""}])
def test_who_wants_no_reply_or_cannot_be_told_is_not_and_of_what_is_sealed_nobody(
    desk: Desk, form: dict[str, Any]
) -> None:
    order_id = extension(desk, **{"contact_number": "13812345678", **form})
    ruler = desk.staff.discipline if "sealed" in form else desk.reviewer
    rules(desk, ruler, order_id, True, kind="extension")
    assert desk.owed("ticket.progress") == []


def test_a_promise_that_is_later_anyway_stays(desk: Desk) -> None:
    order_id = extension(desk)
    far = NOW + timedelta(days=300)
    with desk.database.session() as session:
        session.execute(update(Ticket).values(due_at=far))
    rules(desk, desk.reviewer, order_id, True, kind="extension")
    assert desk.ticket(order_id).due_at == far
    assert desk.owed("ticket.progress") == []


def test_refused_time_moves_nothing_and_says_why(desk: Desk) -> None:
    order_id = extension(desk)
    before = desk.order(order_id).due_at
    with pytest.raises(Refused) as caught:
        rules(desk, desk.reviewer, order_id, False, kind="extension")
    assert caught.value.faults == {"remark": "required"}
    asked = rules(desk, desk.reviewer, order_id, False, "可按期办结", kind="extension")
    assert (asked.decision, asked.remark) == ("refused", "可按期办结")
    assert (desk.order(order_id).due_at, desk.ticket(order_id).extended) == (before, 0)
    assert desk.acts()[-1] == "order.extension_refused"


def test_a_reply_leaves_nothing_to_rule_on(desk: Desk) -> None:
    order_id = extension(desk)
    desk.does(orders.reply, desk.power, order_id, REPLY, desk.policy, LATER)
    with pytest.raises(Conflict):
        rules(desk, desk.reviewer, order_id, True, kind="extension")


# -- who rules, and how often -------------------------------------------------------------------------


def test_the_policy_says_who_rules(desk: Desk) -> None:
    objection, more_time = objected(desk), extension(desk)
    with pytest.raises(NotAllowed):
        rules(desk, desk.reviewer, objection, True)
    with pytest.raises(NotAllowed):
        rules(desk, desk.dispatcher, more_time, True, kind="extension")
    for who in (desk.power, desk.staff.agent, desk.staff.supervisor):
        with pytest.raises(NotAllowed):
            rules(desk, who, objection, True)
    other = {"objection": "reviewer", "extension": "dispatcher"}
    desk.policy = desk.policy.model_copy(update={"decisions": {**desk.policy.decisions, **other}})
    rules(desk, desk.reviewer, objection, True)
    rules(desk, desk.dispatcher, more_time, True, kind="extension")


def test_who_asked_for_the_unit_does_not_rule(desk: Desk) -> None:
    order_id = objected(desk, by=desk.dispatcher)
    with pytest.raises(Refused) as caught:
        rules(desk, desk.dispatcher, order_id, True)
    assert caught.value.faults == {"order": "own_request"}
    rules(desk, desk.dispatcher2, order_id, True)


def test_a_remark_has_an_end(desk: Desk) -> None:
    order_id = objected(desk)
    with pytest.raises(Refused) as caught:
        rules(desk, desk.dispatcher, order_id, True, "字" * 2001)
    assert caught.value.faults == {"remark": "too_long"}


@pytest.mark.parametrize("kind", ["objection", "extension"])
def test_of_two_rulings_at_once_one_holds_and_the_other_is_told(desk: Desk, kind: str) -> None:
    if kind == "objection":
        order_id, rulers = objected(desk), (desk.dispatcher, desk.dispatcher2)
    else:
        order_id, rulers = extension(desk), (desk.reviewer, desk.reviewer)
    start, ended = Barrier(2), list[str]()

    def rule(who: Viewer, granted: bool) -> None:
        start.wait(10)
        try:
            rules(desk, who, order_id, granted, "已核", kind)
            ended.append("done")
        except Conflict:
            ended.append("told")

    threads = [Thread(target=rule, args=(who, index == 0)) for index, who in enumerate(rulers)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert sorted(ended) == ["done", "told"]
    with desk.database.session() as session:
        assert len(session.scalars(select(UnitRequest).where(UnitRequest.decision != "")).all()) == 1
    assert len(desk.owed("order.ruled", "extension.ruled")) == 1


@pytest.mark.parametrize("state", [Order.REPLIED, Order.OBJECTED, Order.DONE, Order.RECALLED])
def test_more_time_is_for_who_is_at_work(desk: Desk, state: Order) -> None:
    order_id = extension(desk)
    with desk.database.session() as session:
        session.execute(update(SubOrder).values(state=state))
    with pytest.raises(Refused) as caught:
        rules(desk, desk.reviewer, order_id, True, kind="extension")
    assert caught.value.faults == {"event": f"not_in_{state}"}


# -- the list ---------------------------------------------------------------------------------------


def test_each_sees_what_she_may_rule_on_and_as_much_as_is_counted(desk: Desk) -> None:
    objection, more_time = objected(desk), extension(desk)
    sealed = objected(desk, GAS, by=desk.gas, sealed=True)
    expected = {
        desk.dispatcher: [objection],
        desk.reviewer: [more_time],
        desk.staff.discipline: [sealed],
        desk.power: [],
        desk.staff.agent: [],
    }
    for who, orders_of_hers in expected.items():
        with desk.database.session() as session:
            found = rulings.waiting(session, who, desk.policy)
            assert [each.order.id for each in found] == orders_of_hers
            counted = rulings.counts(session, who, desk.policy)
            assert sum(counted.values()) == len(found)
            for kind in rulings.KINDS:
                assert len(rulings.waiting(session, who, desk.policy, kind)) == counted[kind]
    with desk.database.session() as session:
        (one,) = rulings.waiting(session, desk.dispatcher, desk.policy)
        assert one.by is not None
        assert one.unit.code == POWER


def test_what_was_taken_back_waits_no_longer(desk: Desk) -> None:
    order_id = objected(desk)
    with desk.database.session() as session:
        session.execute(update(SubOrder).where(SubOrder.id == order_id).values(state=Order.RECALLED))
        assert rulings.waiting(session, desk.dispatcher, desk.policy) == []
