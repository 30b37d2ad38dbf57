"""Notes of progress on urgent matters: the clock sees to it that they come."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select

from cases import closing, notices, orders, passing, rulings, tickets
from cases.ticket_form import TicketForm
from storage.notices import Notice
from storage.viewer import Viewer
from storage.work import Supervision
from tests.cases.conftest import NOW
from tests.cases.handled import COUNTY, HOUR, OFFICE, POWER, REPLY, Desk, desk
from tests.cases.levels import fired, settle

__all__ = ["desk"]
LATER = NOW + 3 * HOUR


def awaited(desk: Desk, order_id: int) -> datetime | None:
    return desk.order(order_id).progress_at


def test_a_note_that_does_not_come_is_noticed_urged_and_supervised_each_once(desk: Desk) -> None:
    (order_id,) = desk.case(POWER, urgency="critical")
    seen = []
    for minutes in (59, 60, 150, 179, 180, 200, 359, 360, 900):  # due after two hours
        for _ in range(2):
            settle(desk.database, desk.policy, NOW + minutes * HOUR / 60)
        seen.append(len(fired(desk.database, "progress")))
    assert seen == [0, 1, 1, 1, 2, 2, 2, 3, 3]
    with desk.database.session() as session:
        row = session.scalars(select(Supervision)).one()
        assert row.ground in {each.code for each in desk.policy.handling.supervision_grounds}
        assert (row.ground, row.at) == ("silent", NOW + 6 * HOUR)
        while notices.plan(session, desk.policy, [], NOW + 9 * HOUR):
            pass
        mine = Notice.person_id == desk.power.person_id, Notice.order_id == order_id
        told = session.scalars(select(Notice.kind).where(*mine, Notice.kind.like("rung.%"))).all()
    assert sorted(told) == ["rung.after", "rung.after", "rung.before"]


def test_each_note_begins_it_anew_and_a_reply_ends_it(desk: Desk) -> None:
    (order_id,) = desk.case(POWER, urgency="critical")
    for hours in (1, 2, 3, 4):
        desk.does(orders.note_progress, desk.power, order_id, "在办", NOW + hours * HOUR)
        settle(desk.database, desk.policy, NOW + hours * HOUR)
    assert fired(desk.database, "progress") == []  # an hour before it was due, a note came
    desk.does(orders.reply, desk.power, order_id, REPLY, desk.policy, NOW + 4 * HOUR)
    settle(desk.database, desk.policy, NOW + 100 * HOUR)
    assert fired(desk.database, "progress") == []


def test_it_is_asked_for_from_when_the_matter_became_urgent(desk: Desk) -> None:
    (order_id,) = desk.case(POWER)
    for urgency, is_awaited in (("urgent", True), ("critical", True), ("normal", False)):
        ticket, was = desk.ticket(order_id), awaited(desk, order_id)
        form = TicketForm(kind="help", content="厂区停电", urgency=urgency)
        desk.does(tickets.change_ticket, desk.staff.agent, ticket.number, form, ticket.version, desk.policy)
        assert (awaited(desk, order_id) is not None) is is_awaited
        assert was is None or awaited(desk, order_id) in (was, None)


@pytest.mark.parametrize("way", ["passed down", "done again below", "overruled", "sent back"])
def test_who_sets_out_again_has_the_whole_time(desk: Desk, way: str) -> None:
    def does(act: Callable[..., Any], who: Viewer, *given: object) -> None:
        desk.does(act, who, *given, desk.policy, LATER)

    (order_id,) = desk.case(COUNTY, urgency="critical")
    if way == "overruled":
        ground = desk.policy.handling.objection_grounds[0].code
        desk.does(orders.object_, desk.county, order_id, ground, "不归我", "", desk.policy, NOW)
        does(rulings.rule_objection, desk.dispatcher, order_id, False, "归你")
    elif way == "sent back":
        number = desk.ticket(order_id).number
        desk.does(orders.reply, desk.county, order_id, REPLY, desk.policy, NOW)
        desk.does(closing.submit, desk.county, number, REPLY, desk.policy, NOW)
        does(closing.audit, desk.reviewer, number, "send_back", "未说明原因")
    else:
        order_id = desk.does(passing.pass_down, desk.county, order_id, OFFICE, "", LATER).id
        if way == "done again below":
            desk.does(orders.reply, desk.office, order_id, REPLY, desk.policy, LATER)
            desk.does(passing.send_back, desk.county, order_id, "再查", LATER)
    assert awaited(desk, order_id) == LATER
