"""A ticket is sent in shares, one or many at once."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from cases import charging, dispatch, units
from cases.deadlines import load_calendar, order_due
from cases.dispatch import Sending, Share, undo_within
from cases.errors import Conflict, NotAllowed, NotVisible, Refused
from cases.ticket_form import TicketForm
from cases.tickets import change_ticket, open_ticket
from routing.policy import Policy
from storage.database import Database
from storage.tables import Ticket
from storage.viewer import Role, Viewer
from storage.work import Instruction
from tests.cases.conftest import NOW, Staff
from tests.cases.sorted_desk import (
    COUNTY,
    OTHER,
    THIRD,
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


# -- sending --------------------------------------------------------------------------------------


def test_one_unit_leads_and_others_assist_each_with_its_own_note_way_and_clock(
    database: Database, policy: Policy, dispatcher: Viewer, new: New
) -> None:
    number, later = new(), NOW + timedelta(hours=3)
    shares = [Share(COUNTY, "lead", "请牵头"), Share(OTHER, "assist", "请抢修", "phone")]
    with database.session() as session:
        first, second = dispatch.send(session, dispatcher, number, shares, policy, later)
        assert [(each.part, each.note, each.way) for each in (first, second)] == [
            ("lead", "请牵头", "web"),
            ("assist", "请抢修", "phone"),
        ]
        ticket = session.scalars(select(Ticket)).one()
        due = order_due(later, ticket, policy, load_calendar(session))
        assert [each.due_at for each in (first, second)] == [due.at, due.at]
        assert first.due_rule == due.rule
        assert (ticket.state, ticket.sent_at, ticket.due_at) == ("handling", later, due.at)
    leaves_at = later + undo_within(policy)
    assert [(each.payload["order_id"], each.due_at) for each in owed(database, "order.sent")] == [
        (first.id, leaves_at),
        (second.id, leaves_at),
    ]


@pytest.mark.parametrize(
    ("shares", "faults"),
    [
        ([], {"unit": "required"}),
        ([Share("")], {"unit": "required"}),
        ([Share("nowhere")], {"unit": "unknown"}),
        ([Share(THIRD)], {"unit": "accused"}),
        ([Share(OTHER), Share(OTHER, "assist")], {"unit_1": "twice"}),
        ([Share(OTHER), Share(COUNTY)], {"part": "two_leads"}),
        ([Share(OTHER, "assist")], {"part": "needs_lead"}),
        ([Share(OTHER, "chief")], {"part": "unknown"}),
        ([Share(OTHER, way="pigeon")], {"way": "unknown"}),
        ([Share(OTHER, note="长" * 2001)], {"note": "too_long"}),
        (
            [Share(OTHER), Share("", "assist"), Share(THIRD, "assist")],
            {"unit_1": "required", "unit_2": "accused"},
        ),
    ],
)
def test_what_will_not_do_is_refused_at_its_field_and_nothing_is_sent(
    database: Database,
    policy: Policy,
    dispatcher: Viewer,
    new: New,
    shares: list[Share],
    faults: dict[str, str],
) -> None:
    number = new(TicketForm(kind="help", content="推诿", accused_unit=THIRD))
    with pytest.raises(Refused) as caught, database.session() as session:
        dispatch.send(session, dispatcher, number, shares, policy, NOW)
    assert caught.value.faults == faults
    assert shares_of(database) == {}
    assert ticket_of(database, number).state == "accepted"
    assert owed(database, "order.sent") == []


def test_a_unit_that_has_the_ticket_is_not_sent_it_again_and_a_second_unit_cannot_lead(
    database: Database, policy: Policy, dispatcher: Viewer, new: New
) -> None:
    number = new()
    with database.session() as session:
        dispatch.send(session, dispatcher, number, [Share(OTHER)], policy, NOW)
    for share, faults in (
        (Share(OTHER, "assist"), {"unit": "twice"}),
        (Share(COUNTY), {"part": "two_leads"}),
    ):
        with pytest.raises(Refused) as caught, database.session() as session:
            dispatch.send(session, dispatcher, number, [share], policy, NOW)
        assert caught.value.faults == faults
    with database.session() as session:
        dispatch.send(session, dispatcher, number, [Share(COUNTY, "assist")], policy, NOW)
    assert shares_of(database) == {OTHER: "sent", COUNTY: "sent"}


def test_a_longer_limit_is_chosen_with_the_first_sending_and_not_later(
    database: Database, policy: Policy, dispatcher: Viewer, new: New
) -> None:
    number, choice = new(), next(iter(policy.kind("help").longer))
    with database.session() as session:
        dispatch.send(session, dispatcher, number, [Share(OTHER)], policy, NOW, choice=choice)
    ticket = ticket_of(database, number)
    with database.session() as session:
        assert ticket.due_at == order_due(NOW, ticket, policy, load_calendar(session)).at
    assert ticket.due_choice == choice
    other = new()
    for given, fault in (("nonsense", "unknown"), ("", "")):
        share = [Share(OTHER)]
        if fault:
            with pytest.raises(Refused) as caught, database.session() as session:
                dispatch.send(session, dispatcher, other, share, policy, NOW, choice=given)
            assert caught.value.faults == {"choice": fault}
        else:
            with database.session() as session:
                dispatch.send(session, dispatcher, other, share, policy, NOW, choice=given)
    with pytest.raises(Refused) as caught, database.session() as session:
        assist = [Share(COUNTY, "assist")]
        dispatch.send(session, dispatcher, other, assist, policy, NOW, choice=choice)
    assert caught.value.faults == {"choice": "after_sending"}


def test_where_the_clock_starts_at_acceptance_sending_moves_no_deadline(
    database: Database, policy: Policy, dispatcher: Viewer, new: New
) -> None:
    city = policy.model_copy(
        update={"handling": policy.handling.model_copy(update={"clock_starts": "acceptance"})}
    )
    number = new()
    promised = ticket_of(database, number).due_at
    with database.session() as session:
        (order,) = dispatch.send(session, dispatcher, number, [Share(OTHER)], city, NOW + timedelta(days=2))
        assert order.due_at == promised
    assert ticket_of(database, number).due_at == promised


def test_a_closed_ticket_is_sent_nowhere_and_says_so(
    database: Database, policy: Policy, dispatcher: Viewer, new: New
) -> None:
    number = new(TicketForm(kind="help", content="已答", done=True, answer="已告知"))
    with pytest.raises(Refused) as caught, database.session() as session:
        dispatch.send(session, dispatcher, number, [Share(OTHER)], policy, NOW)
    assert caught.value.faults == {"event": "not_in_done"}


def test_what_somebody_else_changed_since_it_was_read_is_a_conflict(
    database: Database, policy: Policy, dispatcher: Viewer, new: New, staff: Staff
) -> None:
    number = new()
    with database.session() as session:
        change_ticket(session, staff.agent, number, TicketForm(kind="help", content="又停电"), 1, policy)
    with pytest.raises(Conflict), database.session() as session:
        dispatch.send(session, dispatcher, number, [Share(OTHER)], policy, NOW, version=1)
    assert shares_of(database) == {}


def test_of_two_dispatchers_who_send_at_once_one_is_told_that_she_came_second(
    database: Database, policy: Policy, hire: Hire, dispatcher: Viewer, new: New
) -> None:
    number, second = new(), hire("second", Role.DISPATCHER)
    ready, told = threading.Barrier(2), []

    def send(viewer: Viewer, unit: str) -> None:
        ready.wait(20)
        try:
            with database.session() as session:
                dispatch.send(session, viewer, number, [Share(unit)], policy, NOW, version=1)
            told.append("sent")
        except Conflict:
            told.append("changed")

    threads = [threading.Thread(target=send, args=each) for each in ((dispatcher, OTHER), (second, COUNTY))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(told) == ["changed", "sent"]
    assert len(shares_of(database)) == 1


def test_only_those_whose_table_says_so_send_undo_and_recall(
    database: Database, policy: Policy, staff: Staff, hire: Hire, dispatcher: Viewer, new: New
) -> None:
    number = new()
    with database.session() as session:
        (order,) = dispatch.send(session, dispatcher, number, [Share(OTHER)], policy, NOW)
    for viewer in (staff.agent, staff.supervisor, hire("reviewer", Role.REVIEWER), hire("c", unit=OTHER)):
        with database.session() as session:
            with pytest.raises(NotAllowed):
                dispatch.send(session, viewer, number, [Share(COUNTY, "assist")], policy, NOW)
            with pytest.raises(NotAllowed):
                dispatch.undo(session, viewer, number, NOW, policy)
            with pytest.raises(NotAllowed):
                dispatch.recall(session, viewer, order.id, "派错", policy, NOW)
            with pytest.raises(NotAllowed):
                charging.note_told(session, viewer, order.id, "告知值班员", "", NOW)


def test_a_unit_that_the_directory_or_a_leader_names_may_not_object_and_others_may(
    database: Database, policy: Policy, dispatcher: Viewer, new: New, staff: Staff
) -> None:
    number, plain = new(), new()
    with database.session() as session:
        ticket = session.scalars(select(Ticket).where(Ticket.number == number)).one()
        third = units.by_code(session, THIRD)
        assert third is not None
        word = Instruction(
            ticket_id=ticket.id, leader_id=staff.leader.person_id, unit_id=third.id, given_at=NOW
        )
        session.add(word)
        session.flush()
        shares = [Share(OTHER), Share(COUNTY, "assist"), Share(THIRD, "assist")]
        sent = dispatch.send(session, dispatcher, number, shares, policy, NOW, designated=True)
        assert [each.designated for each in sent] == [True, False, True]
        (order,) = dispatch.send(session, dispatcher, plain, [Share(THIRD)], policy, NOW)
        assert not order.designated


def test_a_unit_that_had_done_its_share_does_it_once_more_when_the_case_is_opened_again(
    database: Database, policy: Policy, dispatcher: Viewer, new: New
) -> None:
    number, later = new(), NOW + timedelta(days=9)
    with database.session() as session:
        (order,) = dispatch.send(session, dispatcher, number, [Share(OTHER)], policy, NOW)
        order.state, order.account, order.ended_at = "done", "已查", NOW
        session.scalars(select(Ticket).where(Ticket.number == number)).one().state = "accepted"
    with database.session() as session:
        (again,) = dispatch.send(session, dispatcher, number, [Share(OTHER)], policy, later)
        assert (again.id, again.state, again.redone, again.sent_at) == (order.id, "taken", 1, later)
        assert (again.account, again.ended_at) == ("已查", None)
    assert ticket_of(database, number).state == "handling"


# -- many at once ---------------------------------------------------------------------------------


def test_of_a_batch_each_ticket_is_sent_or_refused_by_itself(
    database: Database, policy: Policy, dispatcher: Viewer, new: New
) -> None:
    good, accused, sent = new(), new(TicketForm(kind="help", content="x", accused_unit=OTHER)), new()
    with database.session() as session:
        dispatch.send(session, dispatcher, sent, [Share(COUNTY)], policy, NOW)
    wanted = [(good, 1), (accused, 1), (sent, 1), ("260918999999", 1)]
    with database.session() as session:
        batch = [Sending(number, Share(OTHER), version) for number, version in wanted]
        results = dispatch.send_many(session, dispatcher, batch, policy, NOW)
    assert [(each.number, each.fault) for each in results] == [
        (good, ""),
        (accused, "accused"),
        (sent, "changed"),
        ("260918999999", "missing"),
    ]
    assert ticket_of(database, good).state == "handling"
    assert ticket_of(database, accused).state == "accepted"
    assert len(owed(database, "order.sent")) == 2


def test_what_is_refused_in_a_batch_leaves_nobody_named(
    database: Database, policy: Policy, staff: Staff, hire: Hire, new: New
) -> None:
    clerk, number = hire("clerk", unit=OTHER), new(TicketForm(kind="report", content="收受购物卡"))
    with database.session() as session:
        batch = [Sending(number, Share(OTHER, note="长" * 2001))]
        (result,) = dispatch.send_many(session, staff.discipline, batch, policy, NOW)
    assert result.fault == "too_long"
    with pytest.raises(NotVisible), database.session() as session:
        open_ticket(session, clerk, number)
