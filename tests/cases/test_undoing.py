"""A share is undone within seconds, recalled with a reason, told by telephone; who is named for it."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from cases import charging, dispatch, units
from cases.dispatch import Share, undo_within
from cases.errors import NotVisible, Refused
from cases.ticket_form import TicketForm
from cases.tickets import open_ticket
from routing.policy import Policy
from storage import outbox
from storage.database import Database
from storage.tables import Journal, Outbox, Ticket
from storage.viewer import Role, Viewer
from storage.work import SubOrder, TicketNote, UnitRequest
from tests.cases.conftest import NOW, NewCall, Staff
from tests.cases.sorted_desk import (
    COUNTY,
    OFFICE,
    OTHER,
    Hire,
    New,
    dispatcher,
    hire,
    new,
    owed,
    shares_of,
    ticket_of,
)

__all__ = ["dispatcher", "hire", "new"]


# -- undoing --------------------------------------------------------------------------------------


def test_what_is_undone_was_never_sent_and_no_notice_of_it_leaves(
    database: Database, policy: Policy, dispatcher: Viewer, new: New
) -> None:
    number = new()
    before = ticket_of(database, number)
    with database.session() as session:
        shares = [Share(OTHER), Share(COUNTY, "assist")]
        dispatch.send(session, dispatcher, number, shares, policy, NOW + timedelta(hours=1))
    assert len(owed(database, "order.sent")) == 2
    with database.session() as session:
        dispatch.undo(session, dispatcher, number, NOW + timedelta(hours=1, seconds=30), policy)
    after = ticket_of(database, number)
    assert (after.state, after.sent_at, after.due_at) == ("accepted", None, before.due_at)
    assert shares_of(database) == {OTHER: "recalled", COUNTY: "recalled"}
    assert owed(database, "order.sent") == owed(database, "order.recalled") == []
    with database.session() as session:
        why = session.scalars(select(Journal.detail["why"].as_string()).where(Journal.act == "order.recall"))
        assert list(why) == ["undone", "undone"]


@pytest.mark.parametrize("written", ["", "legacy"])
def test_a_longer_limit_that_was_chosen_with_it_is_undone_as_well(
    database: Database, policy: Policy, dispatcher: Viewer, new: New, written: str
) -> None:
    number = new(TicketForm(kind="help", content="停电", choice=written))
    before = ticket_of(database, number)
    for choice in ("complex", ""):  # chosen and undone; then sent as it was written, and undone
        with database.session() as session:
            dispatch.send(session, dispatcher, number, [Share(OTHER)], policy, NOW, choice=choice)
        assert ticket_of(database, number).due_choice == (choice or written)
        with database.session() as session:
            dispatch.undo(session, dispatcher, number, NOW + timedelta(seconds=30), policy)
        after = ticket_of(database, number)
        assert (after.due_choice, after.due_at) == (written, before.due_at)


@pytest.mark.parametrize(
    ("short_of", "is_undone"), [(timedelta(microseconds=1), True), (timedelta(0), False)]
)
def test_it_can_be_undone_until_the_very_moment_at_which_the_notice_leaves(
    database: Database,
    policy: Policy,
    dispatcher: Viewer,
    new: New,
    short_of: timedelta,
    is_undone: bool,
) -> None:
    number, at = new(), NOW + undo_within(policy) - short_of
    with database.session() as session:
        dispatch.send(session, dispatcher, number, [Share(OTHER)], policy, NOW)
    with database.session() as session:
        assert bool(outbox.claim(session, ["order.sent"], at)) is not is_undone
        session.rollback()
    if is_undone:
        with database.session() as session:
            dispatch.undo(session, dispatcher, number, at, policy)
    else:
        with pytest.raises(Refused) as caught, database.session() as session:
            dispatch.undo(session, dispatcher, number, at, policy)
        assert caught.value.faults == {"undo": "undo_late"}
    assert shares_of(database) == {OTHER: "recalled" if is_undone else "sent"}


def test_what_a_sender_has_had_or_a_unit_has_taken_is_undone_no_more(
    database: Database, policy: Policy, dispatcher: Viewer, new: New
) -> None:
    claimed, taken = new(), new()
    for number in (claimed, taken):
        with database.session() as session:
            dispatch.send(session, dispatcher, number, [Share(OTHER)], policy, NOW)
    with database.session() as session:
        mine = session.scalars(
            select(SubOrder).where(SubOrder.ticket_id == ticket_of(database, taken).id)
        ).one()
        mine.state = "taken"
        owed = session.scalars(select(Outbox).where(Outbox.payload["order_id"].as_string() != str(mine.id)))
        for row in owed:
            row.claimed_at = NOW
    for number, fault in ((claimed, "undo_late"), (taken, "undo_taken")):
        with pytest.raises(Refused) as caught, database.session() as session:
            dispatch.undo(session, dispatcher, number, NOW + timedelta(seconds=1), policy)
        assert caught.value.faults == {"undo": fault}


def test_nobody_undoes_what_a_colleague_sent_and_only_the_last_sending_is_undone(
    database: Database, policy: Policy, hire: Hire, dispatcher: Viewer, new: New
) -> None:
    number = new()
    with database.session() as session:
        dispatch.send(session, dispatcher, number, [Share(OTHER)], policy, NOW)
        assist = [Share(COUNTY, "assist")]
        dispatch.send(session, dispatcher, number, assist, policy, NOW + timedelta(seconds=10))
    with pytest.raises(Refused), database.session() as session:
        second = hire("second", Role.DISPATCHER)
        dispatch.undo(session, second, number, NOW + timedelta(seconds=11), policy)
    with database.session() as session:
        dispatch.undo(session, dispatcher, number, NOW + timedelta(seconds=11), policy)
    assert shares_of(database) == {OTHER: "sent", COUNTY: "recalled"}
    assert ticket_of(database, number).state == "handling"


# -- recalling ------------------------------------------------------------------------------------


def test_a_recalled_share_is_gone_with_its_reason_and_what_was_passed_down_and_its_unit_is_told(
    database: Database, policy: Policy, dispatcher: Viewer, new: New
) -> None:
    number, later = new(), NOW + timedelta(days=1)
    with database.session() as session:
        (order,) = dispatch.send(session, dispatcher, number, [Share(COUNTY)], policy, NOW)
        dispatch.send(session, dispatcher, number, [Share(OTHER, "assist")], policy, NOW)
        office = units.by_code(session, OFFICE)
        assert office is not None
        below = SubOrder(ticket_id=order.ticket_id, unit_id=office.id, parent_id=order.id, state="taken")
        session.add(below)
        session.flush()
        for row in outbox.claim(session, ["order.sent"], later):
            row.done_at = later
        asked = UnitRequest(order_id=order.id, kind="extension", ground="复杂", asked_by=dispatcher.person_id)
        session.add(asked)
    with database.session() as session:
        dispatch.recall(session, dispatcher, order.id, "不属涪城区", policy, later)
    assert shares_of(database) == {COUNTY: "recalled", OFFICE: "recalled", OTHER: "sent"}
    assert ticket_of(database, number).state == "handling"
    told = {each.payload["order_id"] for each in owed(database, "order.recalled")}
    assert told == {order.id, below.id}
    with database.session() as session:
        note = session.scalars(select(TicketNote)).one()
        assert (note.kind, note.text, note.order_id) == ("recall", "不属涪城区", order.id)
        assert session.scalars(select(UnitRequest.decision)).one() == "lapsed"


def test_with_the_last_share_the_ticket_is_to_be_sorted_again_and_can_be_sent_anew(
    database: Database, policy: Policy, dispatcher: Viewer, new: New
) -> None:
    number = new()
    with database.session() as session:
        (order,) = dispatch.send(session, dispatcher, number, [Share(OTHER)], policy, NOW)
        ticket = dispatch.recall(session, dispatcher, order.id, "派错", policy, NOW + timedelta(days=1))
        assert ticket.state == "accepted"
        again = dispatch.send(session, dispatcher, number, [Share(OTHER)], policy, NOW + timedelta(days=1))
        assert [each.id != order.id for each in again] == [True]
        assert ticket.sent_at == NOW  # the first time stays the first


@pytest.mark.parametrize(("reason", "fault"), [("", "required"), ("长" * 2001, "too_long")])
def test_a_recall_says_why(
    database: Database, policy: Policy, dispatcher: Viewer, new: New, reason: str, fault: str
) -> None:
    with database.session() as session:
        (order,) = dispatch.send(session, dispatcher, new(), [Share(OTHER)], policy, NOW)
    with pytest.raises(Refused) as caught, database.session() as session:
        dispatch.recall(session, dispatcher, order.id, reason, policy, NOW)
    assert caught.value.faults == {"reason": fault}
    with pytest.raises(NotVisible), database.session() as session:
        dispatch.recall(session, dispatcher, order.id + 1, "派错", policy, NOW)


# -- by telephone, and sealed ---------------------------------------------------------------------


def test_who_was_told_by_telephone_is_noted_with_the_recorded_call(
    database: Database, policy: Policy, dispatcher: Viewer, new: New, new_call: NewCall
) -> None:
    call_id = new_call(kind="help")
    sealed_call = new_call(kind="report")
    with database.session() as session:
        phone = [Share(OTHER, way="phone")]
        (order,) = dispatch.send(session, dispatcher, new(), phone, policy, NOW)
        charging.note_told(session, dispatcher, order.id, "供电公司值班员王强", call_id, NOW)
    for told, given, faults in (
        ("", call_id, {"told": "required"}),
        ("王强", "no-such-call", {"call": "unknown"}),
        ("王强", sealed_call, {"call": "unknown"}),
    ):
        with pytest.raises(Refused) as caught, database.session() as session:
            charging.note_told(session, dispatcher, order.id, told, given, NOW)
        assert caught.value.faults == faults
    with database.session() as session:
        note = session.scalars(select(TicketNote)).one()
        assert (note.kind, note.call_id, note.by_id) == ("charge", call_id, dispatcher.person_id)
        assert session.scalar(select(Journal.rule).where(Journal.act == "order.told")) is not None


@pytest.mark.parametrize(
    ("table", "state"),
    [(SubOrder, "replied"), (SubOrder, "returned"), (SubOrder, "recalled"), (Ticket, "withdrawn")],
)
def test_a_unit_that_has_to_act_no_more_is_told_of_nothing(
    database: Database, policy: Policy, dispatcher: Viewer, new: New, table: type[Any], state: str
) -> None:
    with database.session() as session:
        phone = [Share(OTHER, way="phone")]
        (order,) = dispatch.send(session, dispatcher, new(), phone, policy, NOW)
        session.execute(update(table).values(state=state))
    with pytest.raises(Refused) as caught, database.session() as session:
        charging.note_told(session, dispatcher, order.id, "王强", "", NOW)
    assert caught.value.faults == {"event": f"not_in_{state}"}


def test_of_a_sealed_ticket_the_clerks_are_named_while_their_unit_has_it_and_no_longer(
    database: Database, policy: Policy, staff: Staff, hire: Hire, new: New, dispatcher: Viewer
) -> None:
    clerk, number = hire("clerk", unit=OTHER), new(TicketForm(kind="report", content="收受购物卡"))
    with pytest.raises(NotVisible), database.session() as session:
        dispatch.send(session, dispatcher, number, [Share(OTHER)], policy, NOW)
    with database.session() as session:
        (order,) = dispatch.send(session, staff.discipline, number, [Share(OTHER)], policy, NOW)
    with database.session() as session:
        assert open_ticket(session, clerk, number).ticket.number == number
    with pytest.raises(NotVisible), database.session() as session:
        dispatch.recall(session, dispatcher, order.id, "派错", policy, NOW)
    with database.session() as session:
        dispatch.recall(session, staff.discipline, order.id, "派错", policy, NOW)
    with pytest.raises(NotVisible), database.session() as session:
        open_ticket(session, clerk, number)
    with pytest.raises(Refused) as caught, database.session() as session:
        dispatch.send(session, staff.discipline, number, [Share(COUNTY)], policy, NOW)
    assert caught.value.faults == {"unit": "nobody"}
