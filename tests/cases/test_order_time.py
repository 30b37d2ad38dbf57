"""More time for a share, as the policy lets a unit ask; and who may act for a unit at all."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from cases import orders, passing, rulings
from cases.deadlines import limit_due, load_calendar
from cases.errors import NotAllowed, NotVisible, Refused
from cases.states import GONE
from cases.ticket_form import TicketForm
from cases.tickets import change_ticket
from routing.policy import Policy
from storage.tables import Ticket
from storage.viewer import Viewer
from storage.work import SubOrder
from tests.cases.conftest import NOW
from tests.cases.handled import COUNTY, GAS, HOUR, OFFICE, POWER, REPLY, Desk, desk

__all__ = ["desk"]

LATER = NOW + HOUR
GROUND, CHOICE = "非我单位职责", "out_of_remit"


def objects(session: Session, who: Viewer, order_id: int, policy: Policy, at: datetime = LATER) -> Any:
    return orders.object_(session, who, order_id, CHOICE, GROUND, "", policy, at)


def asks(session: Session, who: Viewer, order_id: int, policy: Policy, at: datetime = LATER) -> Any:
    return orders.ask_extension(session, who, order_id, "complex", "需多部门会商", "", policy, at)


def replies(session: Session, who: Viewer, order_id: int, policy: Policy, at: datetime = LATER) -> Any:
    return orders.reply(session, who, order_id, REPLY, policy, at)


# -- asking for time --------------------------------------------------------------------------------


def test_more_time_is_counted_from_the_deadline_that_there_is(desk: Desk) -> None:
    (order_id,) = desk.case(POWER)
    asked = desk.does(asks, desk.power, order_id, desk.policy)
    due = desk.order(order_id).due_at
    assert due is not None
    (complex_,) = (each for each in desk.policy.handling.extensions if each.code == "complex")
    with desk.database.session() as session:
        after = limit_due(due, complex_, desk.policy, load_calendar(session)).at
    assert (asked.due_before, asked.due_after) == (due, after)
    assert desk.order(order_id).due_at == due  # asking is not having
    assert len(desk.owed("extension.asked")) == 1


@pytest.mark.parametrize(
    ("choice", "ground", "law", "faults"),
    [
        ("", "", "", {"choice": "required", "ground": "required"}),
        ("for_ever", "x", "", {"choice": "unknown"}),
        ("statutory", "x", "", {"law": "required"}),
        ("statutory", "x", "法" * 201, {"law": "too_long"}),
        ("statutory", "x", "行政许可法第四十二条", {}),
    ],
)
def test_an_extension_is_one_of_the_policys_with_its_law_where_it_needs_one(
    desk: Desk, choice: str, ground: str, law: str, faults: dict[str, str]
) -> None:
    (order_id,) = desk.case(POWER)
    given = order_id, choice, ground, law, desk.policy, LATER
    if not faults:
        assert desk.does(orders.ask_extension, desk.power, *given).law == law
        return
    with pytest.raises(Refused) as caught:
        desk.does(orders.ask_extension, desk.power, *given)
    assert caught.value.faults == faults


@pytest.mark.parametrize("after_due", [False, True])
@pytest.mark.parametrize("off", [timedelta(0), timedelta(seconds=1)])
def test_whether_it_is_too_late_to_ask_the_policy_says(desk: Desk, after_due: bool, off: timedelta) -> None:
    (order_id,) = desk.case(POWER)
    due = desk.order(order_id).due_at
    assert due is not None
    handling = desk.policy.handling.model_copy(update={"extension_after_due": after_due})
    policy = desk.policy.model_copy(update={"handling": handling})
    if after_due or not off:
        desk.does(asks, desk.power, order_id, policy, due + off)
        return
    with pytest.raises(Refused) as caught:
        desk.does(asks, desk.power, order_id, policy, due + off)
    assert caught.value.faults == {"order": "after_due"}


def test_it_is_asked_for_once_at_a_time_and_granted_so_often_at_most(desk: Desk) -> None:
    (order_id,) = desk.case(POWER)
    desk.does(asks, desk.power, order_id, desk.policy)
    with pytest.raises(Refused) as caught:
        desk.does(asks, desk.power, order_id, desk.policy)
    assert caught.value.faults == {"order": "asked_already"}
    desk.does(rulings.rule_extension, desk.reviewer, order_id, True, "", desk.policy, LATER)
    with pytest.raises(Refused) as caught:
        desk.does(asks, desk.power, order_id, desk.policy)
    assert caught.value.faults == {"choice": "often_enough"}


def test_for_what_was_passed_down_the_unit_above_asks(desk: Desk) -> None:
    (order_id,) = desk.case(COUNTY)
    child = desk.does(passing.pass_down, desk.county, order_id, OFFICE, "", NOW).id
    with pytest.raises(Refused) as caught:
        desk.does(asks, desk.office, child, desk.policy)
    assert caught.value.faults == {"order": "from_above"}


# -- who may ------------------------------------------------------------------------------------------

EVERY_ACT: dict[str, Callable[[Desk, Viewer, int], object]] = {
    "take": lambda d, who, it: d.does(orders.take, who, it, LATER),
    "reply": lambda d, who, it: d.does(replies, who, it, d.policy),
    "progress": lambda d, who, it: d.does(orders.note_progress, who, it, "x", LATER),
    "pass": lambda d, who, it: d.does(passing.pass_down, who, it, OFFICE, "", LATER),
    "object": lambda d, who, it: d.does(objects, who, it, d.policy),
    "extend": lambda d, who, it: d.does(asks, who, it, d.policy),
    "send_back": lambda d, who, it: d.does(passing.send_back, who, it, "x", LATER),
    "take_back": lambda d, who, it: d.does(passing.take_back, who, it, "x", LATER),
}


@pytest.mark.parametrize("act", EVERY_ACT)
def test_a_share_is_not_there_for_other_units_nor_for_those_below(desk: Desk, act: str) -> None:
    (county,), (power, _) = desk.case(COUNTY), desk.case(POWER, GAS)
    for who, order_id in ((desk.office, county), (desk.gas, county), (desk.gas, power), (desk.power, 17)):
        with pytest.raises(NotVisible):
            EVERY_ACT[act](desk, who, order_id)


@pytest.mark.parametrize("act", EVERY_ACT)
def test_nor_for_the_accused_or_who_is_no_clerk(desk: Desk, act: str) -> None:
    (order_id,) = desk.case(COUNTY)
    with desk.database.session() as session:
        session.execute(update(Ticket).values(accused_unit_id=session.get_one(SubOrder, order_id).unit_id))
    with pytest.raises(NotVisible):
        EVERY_ACT[act](desk, desk.county, order_id)
    for who in (desk.staff.agent, desk.reviewer, desk.staff.supervisor):
        with pytest.raises(NotAllowed):
            EVERY_ACT[act](desk, who, order_id)


@pytest.mark.parametrize("act", EVERY_ACT)
def test_a_sealed_share_is_there_for_the_clerks_who_are_named_alone(desk: Desk, act: str) -> None:
    (order_id,) = desk.case(OFFICE, sealed=True)
    for who in (desk.county, desk.dispatcher, desk.gas):
        with pytest.raises(NotVisible):
            EVERY_ACT[act](desk, who, order_id)


def test_a_unit_that_becomes_the_accused_loses_its_share(desk: Desk) -> None:
    (order_id,) = desk.case(POWER)
    ticket = desk.ticket(order_id)
    with desk.database.session() as session:
        accuses = TicketForm(kind="help", content="厂区停电", accused_unit=POWER)
        change_ticket(session, desk.staff.agent, ticket.number, accuses, ticket.version, desk.policy)
    assert desk.order(order_id).state in GONE
    with pytest.raises(NotVisible):
        desk.does(orders.take, desk.power, order_id, LATER)
