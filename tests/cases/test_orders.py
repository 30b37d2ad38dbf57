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
from cases.errors import Conflict, NotAllowed, NotVisible, Refused
from cases.order_reply import Reply
from cases.permissions import Action
from cases.states import GONE, ORDER, Order, State, Turn
from cases.ticket_form import TicketForm
from cases.tickets import change_ticket
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

    def due(order_id: int, last: datetime | None = None) -> datetime | None:
        with desk.database.session() as session:
            order = session.get_one(SubOrder, order_id)
            ticket = session.get_one(Ticket, order.ticket_id)
            found = orders.progress_due(ticket, order, last, desk.policy, load_calendar(session))
            return found.at if found else None

    assert due(usual) is None
    assert due(urgent) == NOW + 2 * HOUR
    note = desk.does(orders.note_progress, desk.power, urgent, "抢修队已到场", LATER)
    assert (note.kind, note.text, note.order_id) == ("progress", "抢修队已到场", urgent)
    assert due(urgent, LATER) == LATER + 2 * HOUR
    desk.does(replies, desk.power, urgent, desk.policy)
    assert due(urgent, LATER) is None


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
