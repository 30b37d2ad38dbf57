"""What a unit does with its share: every state and every act, what the policy lets it ask, who may at all."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cases import orders, passing, rulings, shares
from cases.deadlines import limit_due, load_calendar
from cases.errors import Conflict, Refused
from cases.order_reply import Reply
from cases.permissions import Action
from cases.states import ORDER, Order, State, Turn
from routing.policy import Policy
from storage.tables import Ticket
from storage.viewer import Viewer
from storage.work import SubOrder, TicketNote, UnitRequest
from tests.cases.conftest import NOW
from tests.cases.handled import COUNTY, DAY, GAS, HOUR, OFFICE, POWER, REPLY, Desk, desk

__all__ = ["desk"]

LATER = NOW + HOUR
GROUND, CHOICE = "非我单位职责", "out_of_remit"


def objects(session: Session, who: Viewer, order_id: int, policy: Policy, at: datetime = LATER) -> Any:
    return orders.object_(session, who, order_id, CHOICE, GROUND, "", policy, at)


def asks(session: Session, who: Viewer, order_id: int, policy: Policy, at: datetime = LATER) -> Any:
    return orders.ask_extension(session, who, order_id, "complex", "需多部门会商", "", policy, at)


def replies(session: Session, who: Viewer, order_id: int, policy: Policy, at: datetime = LATER) -> Any:
    return orders.reply(session, who, order_id, REPLY, policy, at)


# -- every state and every turn ---------------------------------------------------------------------

Does = Callable[[Session, Desk, int], object]
TURNS: dict[Turn, Does] = {
    Turn.TAKE: lambda s, d, it: orders.take(s, d.dispatcher, it, LATER),
    Turn.OBJECT: lambda s, d, it: objects(s, d.dispatcher, it, d.policy),
    Turn.UPHOLD: lambda s, d, it: rulings.rule_objection(s, d.dispatcher, it, True, "", d.policy, LATER),
    Turn.OVERRULE: lambda s, d, it: rulings.rule_objection(s, d.dispatcher, it, False, "否", d.policy, LATER),
    Turn.REPLY: lambda s, d, it: replies(s, d.dispatcher, it, d.policy),
    Turn.REDO: lambda s, d, it: passing.send_back(s, d.dispatcher, it, "不实", LATER),
    Turn.RECALL: lambda s, d, it: passing.take_back(s, d.dispatcher, it, "不需要了", LATER),
    Turn.FINISH: lambda s, d, it: _finish(s, d, it),
}


def _finish(session: Session, at: Desk, order_id: int) -> None:
    """The case's end takes the share along, or leaves it as it is."""
    ticket = session.get_one(Ticket, session.get_one(SubOrder, order_id).ticket_id)
    before = session.get_one(SubOrder, order_id).state
    shares.finish(session, at.dispatcher, ticket, Action.CLOSE, LATER)
    if session.get_one(SubOrder, order_id).state == before:
        raise Refused({"event": f"not_in_{before}"})


def _in_state(at: Desk, state: Order, turn: Turn) -> int:
    """A share that a county passed down, put into a state with what that state comes with."""
    (above,) = at.case(COUNTY)
    order_id = int(at.does(passing.pass_down, at.county, above, OFFICE, "", NOW).id)
    with at.database.session() as session:
        session.execute(update(SubOrder).where(SubOrder.id == order_id).values(state=state))
        if turn in (Turn.UPHOLD, Turn.OVERRULE):
            asker = at.office.person_id
            session.add(UnitRequest(order_id=order_id, kind="objection", ground=GROUND, asked_by=asker))
    return order_id


@pytest.mark.parametrize(("state", "turn"), list(product(Order, Turn)))
def test_in_every_state_every_turn_is_taken_as_the_table_says_or_refused_with_a_reason(
    desk: Desk, state: Order, turn: Turn
) -> None:
    order_id = _in_state(desk, state, turn)
    if turn in ORDER[state]:
        with desk.database.session() as session:
            TURNS[turn](session, desk, order_id)
        assert desk.order(order_id).state == ORDER[state][turn]
        return
    with pytest.raises(Refused) as caught, desk.database.session() as session:
        TURNS[turn](session, desk, order_id)
    assert caught.value.faults == {"event": f"not_in_{state}"}
    assert desk.order(order_id).state == state


def test_every_turn_of_the_table_is_tried_above() -> None:
    assert set(TURNS) == set(Turn)


BESIDE: dict[str, Does] = {
    "progress": lambda s, d, it: orders.note_progress(s, d.dispatcher, it, "已联系", LATER),
    "extension": lambda s, d, it: asks(s, d.dispatcher, it, d.policy),
    "pass_down": lambda s, d, it: passing.pass_down(s, d.dispatcher, it, OFFICE, "", LATER),
}


@pytest.mark.parametrize(("state", "act"), list(product(Order, BESIDE)))
def test_what_is_no_turn_is_for_who_has_it_to_do(desk: Desk, state: Order, act: str) -> None:
    (order_id,) = desk.case(COUNTY)
    with desk.database.session() as session:
        session.execute(update(SubOrder).where(SubOrder.id == order_id).values(state=state))
    if state in (Order.SENT, Order.TAKEN):
        with desk.database.session() as session:
            BESIDE[act](session, desk, order_id)
        return
    with pytest.raises(Refused) as caught, desk.database.session() as session:
        BESIDE[act](session, desk, order_id)
    assert caught.value.faults == {"event": f"not_in_{state}"}


@pytest.mark.parametrize("state", [state for state in State if state is not State.HANDLING])
@pytest.mark.parametrize("act", [orders.take, replies, objects, asks])
def test_while_the_case_is_not_being_handled_a_unit_does_nothing(
    desk: Desk, state: State, act: Callable[..., Any]
) -> None:
    (order_id,) = desk.case(POWER)
    with desk.database.session() as session:
        session.execute(update(Ticket).values(state=state))
    given = LATER if act is orders.take else desk.policy
    with pytest.raises(Refused) as caught:
        desk.does(act, desk.power, order_id, given)
    assert caught.value.faults == {"event": f"not_in_{state}"}


# -- what each act leaves behind ----------------------------------------------------------------------


def test_taking_notes_who_and_when(desk: Desk) -> None:
    (order_id,) = desk.case(POWER)
    desk.does(orders.take, desk.power, order_id, LATER)
    order = desk.order(order_id)
    assert (order.state, order.taken_at, order.taken_by) == (Order.TAKEN, LATER, desk.power.person_id)
    assert desk.acts() == ["order.take"]


def test_a_reply_is_kept_and_ends_what_was_asked(desk: Desk) -> None:
    (order_id,) = desk.case(POWER)
    desk.does(asks, desk.power, order_id, desk.policy)
    said = replace(REPLY, contacted_how="phone", contacted_at="2026-09-18T10:30")
    desk.does(orders.reply, desk.power, order_id, said, desk.policy, LATER)
    order = desk.order(order_id)
    assert (order.account, order.public_reply, order.finding) == (REPLY.account, REPLY.public_reply, "true")
    assert order.contacted_at == NOW + timedelta(minutes=30)
    assert (order.replied_at, order.replied_by) == (LATER, desk.power.person_id)
    with desk.database.session() as session:
        assert session.scalars(select(UnitRequest.decision)).all() == ["lapsed"]
        (note,) = session.scalars(select(TicketNote)).all()
        assert (note.kind, note.text) == ("reply", f"{REPLY.account}\n\n{REPLY.public_reply}")


@pytest.mark.parametrize(
    ("changed", "faults"),
    [
        ({"account": ""}, {"account": "required"}),
        ({"public_reply": ""}, {"public_reply": "required"}),
        ({"account": "字" * 5001}, {"account": "too_long"}),
        ({"finding": ""}, {"finding": "required"}),
        ({"finding": "maybe", "solved": "soon"}, {"finding": "unknown", "solved": "unknown"}),
        ({"solved": "no"}, {"why_unsolved": "required"}),
        ({"solved": "partly", "why_unsolved": "配件未到"}, {}),
        ({"contacted_how": ""}, {"contacted_how": "required"}),
        ({"contacted_how": "phone"}, {"contacted_at": "required"}),
        ({"contacted_how": "phone", "contacted_at": "昨天"}, {"contacted_at": "moment"}),
        ({"contacted_how": "phone", "contacted_at": "2026-09-18T11:01"}, {"contacted_at": "later"}),
        ({"contacted_how": "phone", "contacted_at": "2026-09-18T11:00"}, {}),
        ({"contacted_how": "phone", "contacted_at": "2026-09-18T10:00"}, {}),
        ({"contacted_how": "phone", "contacted_at": "2026-09-18T09:59"}, {"contacted_at": "before_it"}),
    ],
)
def test_a_reply_is_checked_field_by_field(
    desk: Desk, changed: dict[str, Any], faults: dict[str, str]
) -> None:
    (order_id,) = desk.case(POWER)
    form = replace(REPLY, **changed)
    if not faults:
        desk.does(orders.reply, desk.power, order_id, form, desk.policy, LATER)
        return
    with pytest.raises(Refused) as caught:
        desk.does(orders.reply, desk.power, order_id, form, desk.policy, LATER)
    assert caught.value.faults == faults
    assert desk.order(order_id).state == Order.SENT


def test_only_who_leads_owes_words_for_the_caller_and_only_if_she_wants_any(desk: Desk) -> None:
    silent = replace(REPLY, public_reply="")
    _, assisting = desk.case(POWER, GAS)
    desk.does(orders.reply, desk.gas, assisting, silent, desk.policy, LATER)
    (unasked,) = desk.case(POWER, reply_wanted=False)
    desk.does(orders.reply, desk.power, unasked, silent, desk.policy, LATER)


def test_words_that_a_mask_hid_are_put_back_where_she_left_them(desk: Desk) -> None:
    (order_id,) = desk.case(POWER, caller_name="王芳芳")
    said = replace(REPLY, account="已电话告知王芳芳，13812345678。")
    desk.does(orders.reply, desk.power, order_id, said, desk.policy, LATER)
    with desk.database.session() as session:
        session.execute(update(SubOrder).values(state=Order.TAKEN))
    again = replace(REPLY, account="已电话告知王**，138****5678。现已办妥。")
    desk.does(orders.reply, desk.power, order_id, again, desk.policy, LATER)
    assert desk.order(order_id).account == "已电话告知王芳芳，13812345678。现已办妥。"


def test_a_form_as_it_was_typed_is_read_and_what_is_no_field_passed_over() -> None:
    typed = {"account": " 说明 ", "out_of_remit": "1", "version": "3", "order": "x"}
    assert Reply.read(typed) == Reply(account="说明", out_of_remit=True)
    assert Reply.read({}) == Reply()


def test_somebody_was_faster_and_nothing_is_done(desk: Desk) -> None:
    (order_id,) = desk.case(POWER)
    read = desk.order(order_id).version
    desk.does(orders.take, desk.power, order_id, LATER)
    with pytest.raises(Conflict) as caught:
        desk.does(orders.reply, desk.power, order_id, REPLY, desk.policy, LATER, version=read)
    assert caught.value.yours == REPLY
    assert desk.order(order_id).state == Order.TAKEN


def test_a_unit_without_accounts_is_answered_for_by_the_dispatcher(desk: Desk) -> None:
    (order_id,) = desk.case("water")
    desk.does(orders.reply, desk.dispatcher, order_id, REPLY, desk.policy, LATER)
    order = desk.order(order_id)
    assert (order.state, order.replied_by) == (Order.REPLIED, desk.dispatcher.person_id)


# -- progress ---------------------------------------------------------------------------------------


def test_urgent_matters_ask_for_progress_at_the_policys_rhythm(desk: Desk) -> None:
    (urgent,), (usual,) = desk.case(POWER, urgency="critical"), desk.case(GAS)

    def due(order_id: int) -> datetime | None:
        with desk.database.session() as session:
            order = session.get_one(SubOrder, order_id)
            ticket = session.get_one(Ticket, order.ticket_id)
            return orders.next_note(ticket, order, desk.policy, load_calendar(session))

    assert due(usual) is None
    assert due(urgent) == NOW + 2 * HOUR
    note = desk.does(orders.note_progress, desk.power, urgent, "抢修队已到场", LATER)
    assert (note.kind, note.text, note.order_id) == ("progress", "抢修队已到场", urgent)
    assert due(urgent) == LATER + 2 * HOUR
    desk.does(replies, desk.power, urgent, desk.policy)
    assert due(urgent) is None


@pytest.mark.parametrize(("text", "code"), [("", "required"), ("字" * 2001, "too_long")])
def test_progress_says_something_and_not_too_much(desk: Desk, text: str, code: str) -> None:
    (order_id,) = desk.case(POWER)
    with pytest.raises(Refused) as caught:
        desk.does(orders.note_progress, desk.power, order_id, text, LATER)
    assert caught.value.faults == {"text": code}


def test_a_note_of_progress_disturbs_nobody_who_is_typing(desk: Desk) -> None:
    (order_id,) = desk.case(POWER)
    before = desk.order(order_id).version, desk.ticket(order_id).version
    desk.does(orders.note_progress, desk.power, order_id, "在办", LATER)
    assert (desk.order(order_id).version, desk.ticket(order_id).version) == before


# -- objecting --------------------------------------------------------------------------------------


def test_an_objection_waits_for_its_ruling_and_is_told(desk: Desk) -> None:
    (order_id,) = desk.case(POWER)
    asked = desk.does(orders.object_, desk.power, order_id, CHOICE, GROUND, GAS, desk.policy, LATER)
    assert desk.order(order_id).state == Order.OBJECTED
    assert desk.owed("order.objected") == [
        {"ticket_id": desk.ticket(order_id).id, "order_id": order_id, "request_id": asked.id}
    ]


@pytest.mark.parametrize(("off", "code"), [(timedelta(0), ""), (timedelta(seconds=1), "window_over")])
def test_the_window_of_objections_is_counted_from_the_sending_and_its_last_moment_is_within(
    desk: Desk, off: timedelta, code: str
) -> None:
    (order_id,) = desk.case(POWER)
    desk.does(orders.take, desk.power, order_id, NOW + DAY)  # taking late wins nothing
    with desk.database.session() as session:
        last = limit_due(NOW, desk.policy.handling.objection_window, desk.policy, load_calendar(session)).at
    if not code:
        desk.does(objects, desk.power, order_id, desk.policy, last + off)
        return
    with pytest.raises(Refused) as caught:
        desk.does(objects, desk.power, order_id, desk.policy, last + off)
    assert caught.value.faults == {"order": code}


def test_a_designated_unit_has_to_keep_it(desk: Desk) -> None:
    (order_id,) = desk.case(POWER)
    with desk.database.session() as session:
        session.execute(update(SubOrder).values(designated=True))
    with pytest.raises(Refused) as caught:
        desk.does(objects, desk.power, order_id, desk.policy)
    assert caught.value.faults == {"order": "is_designated"}


def test_what_was_passed_down_is_not_objected_to(desk: Desk) -> None:
    (order_id,) = desk.case(COUNTY)
    child = desk.does(passing.pass_down, desk.county, order_id, OFFICE, "", NOW).id
    with pytest.raises(Refused) as caught:
        desk.does(objects, desk.county, order_id, desk.policy)
    assert caught.value.faults == {"order": "passed_down"}
    desk.does(passing.take_back, desk.county, child, "改由本级办理", NOW)
    desk.does(objects, desk.county, order_id, desk.policy)


@pytest.mark.parametrize(
    ("choice", "ground", "unit", "faults"),
    [
        ("", "", "", {"choice": "required", "ground": "required"}),
        ("whim", "字" * 2001, "", {"choice": "unknown", "ground": "too_long"}),
        (CHOICE, GROUND, "nowhere", {"unit": "unknown"}),
        (CHOICE, GROUND, POWER, {"unit": "itself"}),
        (CHOICE, GROUND, OFFICE, {"unit": "accused"}),
    ],
)
def test_an_objection_has_a_ground_and_names_a_unit_that_could_have_it(
    desk: Desk, choice: str, ground: str, unit: str, faults: dict[str, str]
) -> None:
    (order_id,) = desk.case(POWER, accused_unit=COUNTY)
    with pytest.raises(Refused) as caught:
        desk.does(orders.object_, desk.power, order_id, choice, ground, unit, desk.policy, LATER)
    assert caught.value.faults == faults
