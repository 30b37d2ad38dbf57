"""A unit has one below it act as well; it hears first and answers for both."""

from typing import Any

import pytest
from sqlalchemy import select, update

from cases import orders, passing
from cases.errors import NotAllowed, Refused
from cases.states import Order
from cases.tickets import TicketSearch as Search
from cases.tickets import list_tickets
from storage.tables import Ticket
from storage.viewer import Viewer
from storage.work import SubOrder, TicketNote
from tests.cases.conftest import NOW
from tests.cases.handled import COUNTY, HOUR, OFFICE, POWER, REPLY, Desk, desk

__all__ = ["desk"]

LATER = NOW + HOUR


def passed(desk: Desk, note: str = "请三日内报结果") -> tuple[int, int]:
    """A county's share and what it passed down of it."""
    (above,) = desk.case(COUNTY)
    return above, int(desk.does(passing.pass_down, desk.county, above, OFFICE, note, NOW).id)


def sees(desk: Desk, who: Viewer) -> int:
    with desk.database.session() as session:
        return len(list_tickets(session, who, Search()))


def test_the_unit_below_sees_it_from_then_on_and_has_the_same_deadline(desk: Desk) -> None:
    (above,) = desk.case(COUNTY)
    assert sees(desk, desk.office) == 0
    child = int(desk.does(passing.pass_down, desk.county, above, OFFICE, "", LATER).id)
    assert sees(desk, desk.office) == 1
    mine, theirs = desk.order(above), desk.order(child)
    assert (theirs.parent_id, theirs.part, theirs.way) == (above, "lead", "web")
    assert (theirs.due_at, theirs.due_rule) == (mine.due_at, mine.due_rule)
    assert (mine.state, mine.taken_by) == (Order.TAKEN, desk.county.person_id)  # passing down is taking
    assert {"ticket_id": mine.ticket_id, "order_id": child} in desk.owed("order.sent")


def test_the_unit_above_answers_once_it_has_heard_from_below(desk: Desk) -> None:
    above, child = passed(desk)
    with pytest.raises(Refused) as caught:
        desk.does(orders.reply, desk.county, above, REPLY, desk.policy, LATER)
    assert caught.value.faults == {"order": "below_owes"}
    desk.does(orders.reply, desk.office, child, REPLY, desk.policy, LATER)
    assert desk.order(above).state == Order.TAKEN
    desk.does(orders.reply, desk.county, above, REPLY, desk.policy, LATER)
    assert (desk.order(above).state, desk.order(child).state) == (Order.REPLIED, Order.REPLIED)


def test_a_reply_that_will_not_do_is_sent_back_and_what_it_said_stays(desk: Desk) -> None:
    _, child = passed(desk)
    desk.does(orders.reply, desk.office, child, REPLY, desk.policy, LATER)
    with pytest.raises(Refused) as caught:
        desk.does(passing.send_back, desk.county, child, "", LATER)
    assert caught.value.faults == {"text": "required"}
    desk.does(passing.send_back, desk.county, child, "没有说明原因", LATER)
    order = desk.order(child)
    assert (order.state, order.redone, order.replied_at) == (Order.TAKEN, 1, None)
    with desk.database.session() as session:
        notes = session.scalars(select(TicketNote).order_by(TicketNote.id)).all()
        assert [note.kind for note in notes] == ["reply", "remark"]


def test_what_was_taken_back_is_not_seen_below_any_more(desk: Desk) -> None:
    above, child = passed(desk)
    desk.does(passing.take_back, desk.county, child, "改由本级办理", LATER)
    assert sees(desk, desk.office) == 0
    assert desk.order(child).ended_at == LATER
    assert desk.owed("order.recalled") == [{"ticket_id": desk.order(above).ticket_id, "order_id": child}]
    desk.does(passing.pass_down, desk.county, above, OFFICE, "", LATER)  # and may be passed down again
    assert sees(desk, desk.office) == 1


def test_a_unit_below_neither_sends_back_nor_takes_back_its_own(desk: Desk) -> None:
    _, child = passed(desk)
    for act in (passing.send_back, passing.take_back):
        with pytest.raises(NotAllowed):
            desk.does(act, desk.office, child, "x", LATER)
    (sent,) = desk.case(OFFICE)  # sent by the dispatcher: the county is above it and did not pass it down
    with pytest.raises(Refused) as caught:
        desk.does(passing.take_back, desk.county, sent, "x", LATER)
    assert caught.value.faults == {"order": "not_from_below"}


def test_a_unit_above_acts_for_one_below_that_has_no_clerks(desk: Desk) -> None:
    (above,) = desk.case(COUNTY)
    child = desk.does(passing.pass_down, desk.county, above, "fucheng_city_management", "", NOW)
    assert desk.order(child.id).way == "phone"
    desk.does(orders.reply, desk.county, child.id, REPLY, desk.policy, LATER)
    assert desk.order(child.id).replied_by == desk.county.person_id


@pytest.mark.parametrize(
    ("to", "form", "faults"),
    [
        ("", {}, {"unit": "required"}),
        ("nowhere", {}, {"unit": "unknown"}),
        (COUNTY, {}, {"unit": "not_below"}),
        (POWER, {}, {"unit": "not_below"}),
        (OFFICE, {"accused_unit": OFFICE}, {"unit": "accused"}),
    ],
)
def test_it_goes_to_a_unit_below_and_never_to_the_accused(
    desk: Desk, to: str, form: dict[str, Any], faults: dict[str, str]
) -> None:
    (above,) = desk.case(COUNTY, **form)
    with pytest.raises(Refused) as caught:
        desk.does(passing.pass_down, desk.county, above, to, "", LATER)
    assert caught.value.faults == faults
    assert desk.order(above).state == Order.SENT  # nothing is half done


def test_a_unit_has_a_case_once(desk: Desk) -> None:
    above, _ = passed(desk)
    with pytest.raises(Refused) as caught:
        desk.does(passing.pass_down, desk.county, above, OFFICE, "字" * 2001, LATER)
    assert caught.value.faults == {"unit": "twice", "note": "too_long"}


def test_what_a_unit_below_had_done_before_the_case_began_again_it_does_once_more(desk: Desk) -> None:
    above, child = passed(desk)
    with desk.database.session() as session:
        session.execute(update(SubOrder).where(SubOrder.id == child).values(state=Order.DONE))
    again = desk.does(passing.pass_down, desk.county, above, OFFICE, "", LATER)
    assert (again.id, desk.order(child).state, desk.order(child).redone) == (child, Order.TAKEN, 1)


def test_what_is_sealed_is_not_passed_on(desk: Desk) -> None:
    (above,) = desk.case(COUNTY, sealed=True)
    with pytest.raises(Refused) as caught:
        desk.does(passing.pass_down, desk.county, above, OFFICE, "", LATER)
    assert caught.value.faults == {"unit": "sealed_stays"}
    with desk.database.session() as session:
        assert session.scalars(select(Ticket.sealed)).all() == [True]
    assert sees(desk, desk.office) == 0
