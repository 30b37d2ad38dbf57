"""A ticket is sent in shares, undone within the policy's seconds, recalled with a reason."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from cases import charging, dispatch, logins, people, units
from cases.deadlines import load_calendar, order_due
from cases.dispatch import Sending, Share, undo_within
from cases.errors import Conflict, NotAllowed, NotVisible, Refused
from cases.ticket_form import TicketForm
from cases.tickets import change_ticket, open_ticket, save_ticket
from routing.policy import Policy
from storage import outbox
from storage.database import Database
from storage.staff import Unit
from storage.tables import Journal, Outbox, Ticket
from storage.viewer import Role, Viewer
from storage.work import Instruction, SubOrder, TicketNote, UnitRequest
from tests.cases.conftest import NOW, PASSWORD, NewCall, Staff

COUNTY, OFFICE, OTHER, THIRD = "fucheng", "fucheng_market_supervision", "power", "housing"
HELP = TicketForm(kind="help", content="停电")
Hire = Callable[..., Viewer]
New = Callable[..., str]


@pytest.fixture
def hire(database: Database, policy: Policy, staff: Staff) -> Hire:
    with database.session() as session:
        units.sync(session, policy.units)

    def make(login: str, role: Role = Role.UNIT_CLERK, unit: str = "") -> Viewer:
        with database.session() as session:
            person = people.create_person(session, login, login, role, PASSWORD, unit=unit)
            return logins.viewer_of(session, person)

    return make


@pytest.fixture
def dispatcher(hire: Hire) -> Viewer:
    return hire("dispatcher", Role.DISPATCHER)


@pytest.fixture
def new(database: Database, policy: Policy, staff: Staff) -> New:
    def make(form: TicketForm = HELP, call_id: str | None = None) -> str:
        with database.session() as session:
            return save_ticket(session, staff.agent, form, call_id, policy, NOW).number

    return make


def _shares(database: Database) -> dict[str, str]:
    with database.session() as session:
        return dict(session.execute(select(Unit.code, SubOrder.state).join(SubOrder)).all())


def _ticket(database: Database, number: str) -> Ticket:
    with database.session() as session:
        return session.scalars(select(Ticket).where(Ticket.number == number)).one()


def _owed(database: Database, kind: str) -> list[Outbox]:
    with database.session() as session:
        return list(session.scalars(select(Outbox).where(Outbox.kind == kind).order_by(Outbox.id)))


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
    assert [(each.payload["order_id"], each.due_at) for each in _owed(database, "order.sent")] == [
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
    assert _shares(database) == {}
    assert _ticket(database, number).state == "accepted"
    assert _owed(database, "order.sent") == []


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
    assert _shares(database) == {OTHER: "sent", COUNTY: "sent"}


def test_a_longer_limit_is_chosen_with_the_first_sending_and_not_later(
    database: Database, policy: Policy, dispatcher: Viewer, new: New
) -> None:
    number, choice = new(), next(iter(policy.kind("help").longer))
    with database.session() as session:
        dispatch.send(session, dispatcher, number, [Share(OTHER)], policy, NOW, choice=choice)
    ticket = _ticket(database, number)
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
    promised = _ticket(database, number).due_at
    with database.session() as session:
        (order,) = dispatch.send(session, dispatcher, number, [Share(OTHER)], city, NOW + timedelta(days=2))
        assert order.due_at == promised
    assert _ticket(database, number).due_at == promised


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
    assert _shares(database) == {}


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
    assert len(_shares(database)) == 1


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
    assert _ticket(database, number).state == "handling"


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
    assert _ticket(database, good).state == "handling"
    assert _ticket(database, accused).state == "accepted"
    assert len(_owed(database, "order.sent")) == 2


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


# -- undoing --------------------------------------------------------------------------------------


def test_what_is_undone_was_never_sent_and_no_notice_of_it_leaves(
    database: Database, policy: Policy, dispatcher: Viewer, new: New
) -> None:
    number = new()
    before = _ticket(database, number)
    with database.session() as session:
        shares = [Share(OTHER), Share(COUNTY, "assist")]
        dispatch.send(session, dispatcher, number, shares, policy, NOW + timedelta(hours=1))
    assert len(_owed(database, "order.sent")) == 2
    with database.session() as session:
        dispatch.undo(session, dispatcher, number, NOW + timedelta(hours=1, seconds=30), policy)
    after = _ticket(database, number)
    assert (after.state, after.sent_at, after.due_at) == ("accepted", None, before.due_at)
    assert _shares(database) == {OTHER: "recalled", COUNTY: "recalled"}
    assert _owed(database, "order.sent") == _owed(database, "order.recalled") == []
    with database.session() as session:
        why = session.scalars(select(Journal.detail["why"].as_string()).where(Journal.act == "order.recall"))
        assert list(why) == ["undone", "undone"]


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
    assert _shares(database) == {OTHER: "recalled" if is_undone else "sent"}


def test_what_a_sender_has_had_or_a_unit_has_taken_is_undone_no_more(
    database: Database, policy: Policy, dispatcher: Viewer, new: New
) -> None:
    claimed, taken = new(), new()
    for number in (claimed, taken):
        with database.session() as session:
            dispatch.send(session, dispatcher, number, [Share(OTHER)], policy, NOW)
    with database.session() as session:
        mine = session.scalars(
            select(SubOrder).where(SubOrder.ticket_id == _ticket(database, taken).id)
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
    assert _shares(database) == {OTHER: "sent", COUNTY: "recalled"}
    assert _ticket(database, number).state == "handling"


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
    assert _shares(database) == {COUNTY: "recalled", OFFICE: "recalled", OTHER: "sent"}
    assert _ticket(database, number).state == "handling"
    told = {each.payload["order_id"] for each in _owed(database, "order.recalled")}
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
