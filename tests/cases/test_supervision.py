"""Urging, supervising, reporting to leaders, their word and what came of it: each act, and who may do it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cases import board, instructions, leading, logins, people, supervision, units
from cases.deadlines import limit_due, load_calendar
from cases.errors import NotAllowed, NotVisible, Refused
from cases.permissions import Action
from cases.states import State
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from cases.visible import name, reaches
from routing.policy import Policy
from storage.database import Database
from storage.tables import Journal, Named, Outbox, Recusal, Ticket
from storage.viewer import Role, Viewer
from storage.work import Instruction, SubOrder, Supervision, TicketNote
from tests.cases.conftest import NOW, PASSWORD, NewCall, Staff
from tests.cases.test_units import Hire, hire

__all__ = ["hire"]
HELP = TicketForm(kind="help", content="停电")
REPORT = TicketForm(kind="report", content="索贿")
Person = Callable[..., Viewer]


@pytest.fixture
def person(database: Database, staff: Staff, hire: Hire) -> Person:
    """Somebody new of a role, as her log-in would see."""

    def make(role: Role, login: str = "", *lines: str, unit: str = "") -> Viewer:
        with database.session() as session:
            led = (lines or ("962299",)) if role in (Role.LEADER, Role.SECRETARY) else ()
            made = people.create_person(
                session, login or role.value, login or role.value, role, PASSWORD, unit=unit, lines=led
            )
            return logins.viewer_of(session, made)

    return make


@pytest.fixture
def number(database: Database, policy: Policy, staff: Staff, hire: Hire) -> str:
    """A case of no line that the power company handles and owes."""
    return _case(database, policy, staff)


def _case(
    database: Database,
    policy: Policy,
    staff: Staff,
    form: TicketForm = HELP,
    call_id: str | None = None,
    unit_codes: tuple[str, ...] = ("power",),
) -> str:
    with database.session() as session:
        ticket = save_ticket(session, staff.agent, form, call_id, policy, NOW)
        for code in unit_codes:
            unit = units.by_code(session, code)
            assert unit is not None
            session.add(SubOrder(ticket_id=ticket.id, unit_id=unit.id, due_at=ticket.due_at, sent_at=NOW))
        ticket.state = State.HANDLING
        return ticket.number


def _ticket(session: Session, number: str) -> Ticket:
    return session.scalars(select(Ticket).where(Ticket.number == number)).one()


def _do(database: Database, act: Callable[..., Any], *told: Any, **named: Any) -> Any:
    with database.session() as session:
        return act(session, *told, **named)


def _refused(database: Database, act: Callable[..., Any], *told: Any, **named: Any) -> dict[str, str]:
    with pytest.raises(Refused) as refused:
        _do(database, act, *told, **named)
    return refused.value.faults


def _acts(database: Database) -> list[tuple[str, str]]:
    with database.session() as session:
        rows = select(Journal.act, Journal.rule).where(Journal.act != "ticket.created").order_by(Journal.id)
        return [(act, rule) for act, rule in session.execute(rows) if act.startswith("ticket.")]


def _owed(database: Database, kind: str) -> list[dict[str, Any]]:
    with database.session() as session:
        return list(session.scalars(select(Outbox.payload).where(Outbox.kind == kind)))


# -- urging -----------------------------------------------------------------------------------------


def test_a_unit_is_urged_and_the_urging_counted_journalled_and_owed(
    database: Database, staff: Staff, number: str
) -> None:
    with database.session() as session:
        order_id = session.scalars(select(SubOrder.id)).one()
    note = _do(database, supervision.urge, staff.supervisor, number, " 请尽快 ", NOW, order_id=order_id)
    with database.session() as session:
        ticket = _ticket(session, number)
        assert (ticket.urged, ticket.version) == (1, 1)  # nobody's form over it is in the way
        row = session.get_one(TicketNote, note.id)
        assert (row.kind, row.text, row.order_id, row.by_id) == (
            *("urging", "请尽快", order_id),
            staff.supervisor.person_id,
        )
    assert _acts(database) == [("ticket.urge", "supervisor/supervise/all")]
    assert _owed(database, "urged") == [{"ticket_id": ticket.id, "note_id": note.id}]


def test_urging_all_needs_no_word_and_counts_each_time(database: Database, staff: Staff, number: str) -> None:
    for _ in range(2):
        _do(database, supervision.urge, staff.supervisor, number, "", NOW)
    with database.session() as session:
        assert _ticket(session, number).urged == 2


def test_who_owes_nothing_is_not_urged(database: Database, staff: Staff, number: str) -> None:
    with database.session() as session:
        order_id = session.scalars(update(SubOrder).values(state="replied").returning(SubOrder.id)).one()
    faults = _refused(database, supervision.urge, staff.supervisor, number, "", NOW, order_id=order_id)
    assert faults == {"event": "not_owed"}
    assert _refused(database, supervision.urge, staff.supervisor, number, "", NOW, order_id=1) == {
        "event": "not_owed"
    }
    assert _refused(database, supervision.urge, staff.supervisor, number, "催" * 2001, NOW) == {
        "words": "too_long"
    }
    with database.session() as session:
        _ticket(session, number).state = State.DONE
    assert _refused(database, supervision.urge, staff.supervisor, number, "", NOW) == {"event": "not_in_done"}


@pytest.mark.parametrize("role", [Role.DISPATCHER, Role.REVIEWER, Role.LEADER, Role.AUDITOR])
def test_only_who_supervises_urges_supervises_and_ends_it(
    database: Database, policy: Policy, number: str, person: Person, role: Role
) -> None:
    her = person(role, "somebody")
    for act, told in (
        (supervision.urge, ("", NOW)),
        (supervision.supervise, ("late", "限期", policy, NOW)),
        (supervision.end, ("办了", NOW)),
    ):
        with pytest.raises(NotAllowed):
            _do(database, act, her, number, *told)
    assert _acts(database) == []


# -- supervising ------------------------------------------------------------------------------------


def test_a_case_is_supervised_until_its_outcome_is_said(
    database: Database, policy: Policy, staff: Staff, number: str
) -> None:
    made = _do(database, supervision.supervise, staff.supervisor, number, "hard", "三日内解决", policy, NOW)
    with database.session() as session:
        row = session.get_one(Supervision, made.id)
        due = limit_due(NOW, policy.handling.supervision, policy, load_calendar(session))
        assert (row.due_at, row.due_rule, row.due_provisional) == (due.at, due.rule, due.provisional)
        assert (row.ground, row.demand) == ("hard", "三日内解决")
    assert _owed(database, "supervised") == [{"ticket_id": row.ticket_id, "supervision_id": row.id}]
    again = _refused(database, supervision.supervise, staff.supervisor, number, "hard", "再", policy, NOW)
    assert again == {"event": "supervised_already"}
    with database.session() as session:
        _ticket(session, number).state = State.DONE  # it may be closed before anybody says so
    _do(database, supervision.end, staff.supervisor, number, "已恢复供电", NOW)
    faults = _refused(database, supervision.end, staff.supervisor, number, "又", NOW)
    assert faults == {"event": "not_supervised"}
    with database.session() as session:
        row = session.get_one(Supervision, made.id)
        assert (row.outcome, row.ended_by, row.ended_at) == ("已恢复供电", staff.supervisor.person_id, NOW)
    assert [act for act, _ in _acts(database)] == ["ticket.supervise", "ticket.supervision_end"]


@pytest.mark.parametrize(
    ("ground", "demand", "faults"),
    [
        ("", "x", {"ground": "required"}),
        ("nonsense", "x", {"ground": "unknown"}),
        ("late", " ", {"demand": "required"}),
        ("", "x" * 2001, {"ground": "required", "demand": "too_long"}),
    ],
)
def test_a_supervision_needs_a_ground_of_the_policys_and_a_demand(
    database: Database,
    policy: Policy,
    staff: Staff,
    number: str,
    ground: str,
    demand: str,
    faults: dict[str, str],
) -> None:
    told = (staff.supervisor, number, ground, demand, policy, NOW)
    assert _refused(database, supervision.supervise, *told) == faults
    assert _refused(database, supervision.end, staff.supervisor, number, "", NOW) == {"outcome": "required"}


# -- reporting to a leader --------------------------------------------------------------------------


def test_a_leader_sees_what_was_reported_to_him_and_his_secretary_does_and_no_other(
    database: Database, staff: Staff, number: str, person: Person
) -> None:
    chief, secretary = person(Role.LEADER, "chief"), person(Role.SECRETARY, "secretary")
    other, hers = person(Role.LEADER, "deputy", "962298"), person(Role.SECRETARY, "hers", "962298")

    def seen() -> list[bool]:
        with database.session() as session:
            ticket = _ticket(session, number)
            return [reaches(session, who, Action.INSTRUCT, ticket) for who in (chief, secretary, other, hers)]

    assert seen() == [False] * 4
    row = _do(
        database, instructions.report_up, staff.supervisor, number, chief.person_id, "多次停电，请批示", NOW
    )
    assert seen() == [True, True, False, False]
    assert _owed(database, "reported") == [{"ticket_id": row.ticket_id, "instruction_id": row.id}]
    assert _acts(database) == [("ticket.report_up", "supervisor/report_up/all")]
    told = (staff.supervisor, number, chief.person_id, "再报", NOW)
    assert _refused(database, instructions.report_up, *told) == {"leader": "reported_already"}


def test_a_report_is_refused_for_whom_it_cannot_reach(
    database: Database, staff: Staff, number: str, person: Person
) -> None:
    chief = person(Role.LEADER, "chief")
    for leader, report, faults in (
        (0, "x", {"leader": "required"}),
        (staff.agent.person_id, "x", {"leader": "unknown"}),
        (chief.person_id, "", {"report": "required"}),
    ):
        assert (
            _refused(database, instructions.report_up, staff.supervisor, number, leader, report, NOW)
            == faults
        )
    with database.session() as session:
        ticket = _ticket(session, number)
        session.add(Recusal(person_id=chief.person_id, ticket_id=ticket.id, why="kin"))
    told = (staff.supervisor, number, chief.person_id, "x", NOW)
    assert _refused(database, instructions.report_up, *told) == {"leader": "recused"}
    with database.session() as session:
        assert session.scalars(select(Instruction)).all() == []


def test_a_leader_is_not_told_of_a_sealed_case_unless_he_is_named_which_is_an_act_of_its_own(
    database: Database, policy: Policy, staff: Staff, hire: Hire, person: Person
) -> None:
    number = _case(database, policy, staff, REPORT)
    chief, secretary = person(Role.LEADER, "chief"), person(Role.SECRETARY, "secretary")
    told = (staff.discipline, number, chief.person_id, "请示", NOW)
    with pytest.raises(NotVisible):
        _do(database, instructions.report_up, staff.supervisor, *told[1:])
    assert _refused(database, instructions.report_up, *told) == {"leader": "not_named"}
    with database.session() as session:
        assert not reaches(session, chief, Action.SEE_TICKETS, _ticket(session, number))
    _do(database, instructions.report_up, *told, naming=True)
    with database.session() as session:
        ticket = _ticket(session, number)
        named = select(Named.why).where(Named.ticket_id == ticket.id, Named.person_id == chief.person_id)
        assert session.scalars(named).one() == "reported"
        assert reaches(session, chief, Action.INSTRUCT, ticket)
        assert not reaches(session, secretary, Action.SEE_TICKETS, ticket)
    told_acts = [act for act in _acts(database) if act[0] in ("ticket.named", "ticket.report_up")]
    allowed = "discipline/report_up/named"
    assert told_acts[-2:] == [("ticket.named", allowed), ("ticket.report_up", allowed)]


def test_who_is_named_already_is_told_without_being_named_again(
    database: Database, policy: Policy, staff: Staff, hire: Hire, person: Person
) -> None:
    number, chief = _case(database, policy, staff, REPORT), person(Role.LEADER, "chief")
    with database.session() as session:
        name(session, chief.person_id, "policy", ticket_id=_ticket(session, number).id)
    _do(database, instructions.report_up, staff.discipline, number, chief.person_id, "请示", NOW)
    assert "ticket.named" not in [act for act, _ in _acts(database)]


# -- his word ---------------------------------------------------------------------------------------


@pytest.fixture
def reported(database: Database, staff: Staff, number: str, person: Person) -> tuple[Viewer, int]:
    """A leader, and the report that he has before him."""
    chief = person(Role.LEADER, "chief")
    row = _do(database, instructions.report_up, staff.supervisor, number, chief.person_id, "请批示", NOW)
    return chief, row.id


def test_a_leaders_word_has_a_deadline_of_its_own_and_is_carried_out(
    database: Database, policy: Policy, staff: Staff, number: str, reported: tuple[Viewer, int]
) -> None:
    chief, report = reported
    _do(database, instructions.instruct, chief, number, " 一周内解决 ", policy, NOW, report_id=report)
    with database.session() as session:
        row = session.get_one(Instruction, report)
        due = limit_due(NOW, policy.handling.instruction, policy, load_calendar(session))
        assert (row.words, row.given_by, row.given_at) == ("一周内解决", chief.person_id, NOW)
        assert (row.due_at, row.due_rule, row.due_provisional) == (due.at, due.rule, due.provisional)
    assert _owed(database, "instructed") == [{"ticket_id": row.ticket_id, "instruction_id": report}]
    again = (chief, number, "又", policy, NOW)
    assert _refused(database, instructions.instruct, *again, report_id=report) == {"event": "given_already"}
    told = (staff.supervisor, number, report)
    assert _refused(database, instructions.fulfil, *told, "", NOW) == {"outcome": "required"}
    _do(database, instructions.fulfil, *told, "已换变压器", NOW)
    assert _refused(database, instructions.fulfil, *told, "x", NOW) == {"event": "done_already"}
    with database.session() as session:
        row = session.get_one(Instruction, report)
        assert (row.outcome, row.done_by) == ("已换变压器", staff.supervisor.person_id)


def test_what_nobody_has_written_yet_cannot_be_carried_out(
    database: Database, staff: Staff, number: str, reported: tuple[Viewer, int]
) -> None:
    told = (staff.supervisor, number, reported[1], "办了", NOW)
    assert _refused(database, instructions.fulfil, *told) == {"event": "not_given"}


def test_a_secretary_enters_her_leaders_word_and_the_record_says_who_did(
    database: Database, policy: Policy, number: str, reported: tuple[Viewer, int], person: Person
) -> None:
    chief, report = reported
    secretary = person(Role.SECRETARY, "secretary")
    _do(database, instructions.instruct, secretary, number, "抓紧", policy, NOW, report_id=report)
    with database.session() as session:
        row = session.get_one(Instruction, report)
        assert (row.leader_id, row.given_by) == (chief.person_id, secretary.person_id)
    assert _acts(database)[-1] == ("ticket.instruct", "secretary/instruct/line")


def test_nobody_writes_in_the_name_of_a_leader_who_is_not_hers(
    database: Database,
    policy: Policy,
    staff: Staff,
    number: str,
    reported: tuple[Viewer, int],
    person: Person,
) -> None:
    chief, report = reported
    other = person(Role.LEADER, "deputy", "962298")
    _do(database, instructions.report_up, staff.supervisor, number, other.person_id, "也报", NOW)
    with pytest.raises(NotVisible):
        _do(database, instructions.instruct, other, number, "我批", policy, NOW, report_id=report)
    secretary = person(Role.SECRETARY, "secretary")
    with database.session() as session:
        theirs = session.scalars(select(Instruction.id).where(Instruction.leader_id == other.person_id)).one()
    told = (secretary, number, "代批", policy, NOW)
    assert _refused(database, instructions.instruct, *told, report_id=theirs) == {"leader": "unknown"}
    assert _refused(database, instructions.instruct, *told) == {"leader": "required"}
    with pytest.raises(NotAllowed):
        _do(database, instructions.instruct, staff.supervisor, *told[1:], leader_id=chief.person_id)


def test_a_leader_writes_of_his_own_accord_on_what_came_by_his_line(
    database: Database, policy: Policy, staff: Staff, hire: Hire, person: Person, new_call: NewCall
) -> None:
    number, chief = _case(database, policy, staff, call_id=new_call("help")), person(Role.LEADER, "chief")
    _do(database, instructions.instruct, chief, number, "请重视", policy, NOW)
    with database.session() as session:
        row = session.scalars(select(Instruction)).one()
        assert (row.leader_id, row.reported_by, row.report) == (chief.person_id, None, "")


def test_a_designated_unit_may_object_no_more(
    database: Database, policy: Policy, number: str, reported: tuple[Viewer, int]
) -> None:
    chief, report = reported
    told = (chief, number, "由供电公司办", policy, NOW)
    assert _refused(database, instructions.instruct, *told, report_id=report, unit_code="nowhere") == {
        "unit": "unknown"
    }
    _do(database, instructions.instruct, *told, report_id=report, unit_code="power")
    with database.session() as session:
        order = session.scalars(select(SubOrder)).one()
        assert order.designated
        assert session.get_one(Instruction, report).unit_id == order.unit_id


# -- the board --------------------------------------------------------------------------------------


def test_each_list_of_the_board_is_as_long_as_its_count_and_holds_what_it_says(
    database: Database, policy: Policy, staff: Staff, hire: Hire, person: Person
) -> None:
    ill = next(grade.code for grade in policy.handling.satisfaction if not grade.satisfied)
    now = datetime(2026, 11, 1, tzinfo=UTC)
    numbers = {which: _case(database, policy, staff) for which in ("late", "soon", "ill", "returned")}
    numbers["many"] = _case(database, policy, staff, unit_codes=("power", "gas", "tax"))
    numbers["supervised"], numbers["instructed"] = (_case(database, policy, staff) for _ in range(2))
    sealed = _case(database, policy, staff, REPORT)
    chief = person(Role.LEADER, "chief")
    with database.session() as session:
        ahead = now + timedelta(days=9)
        session.execute(update(Ticket).values(due_at=ahead))
        session.execute(update(SubOrder).values(due_at=ahead))
        late = select(Ticket.id).where(Ticket.number.in_([numbers["late"], sealed]))
        session.execute(update(SubOrder).where(SubOrder.ticket_id.in_(late)).values(due_at=now - NOON))
        _ticket(session, numbers["soon"]).due_at = now + NOON
        _ticket(session, numbers["ill"]).satisfied = ill
        _ticket(session, numbers["returned"]).returned = 2
    _do(database, supervision.supervise, staff.supervisor, numbers["supervised"], "hard", "x", policy, now)
    _do(database, instructions.report_up, staff.supervisor, numbers["instructed"], chief.person_id, "x", now)
    with database.session() as session:
        report = session.scalars(select(Instruction.id)).one()
    _do(database, instructions.instruct, chief, numbers["instructed"], "办", policy, now, report_id=report)
    with database.session() as session:
        for which in board.LISTS:
            rows = board.tray(session, staff.supervisor, which, policy, now)
            assert [row.ticket.number for row in rows] == [numbers[which]], which
        assert board.counts(session, staff.supervisor, policy, now) == dict.fromkeys(board.LISTS, 1)
        hers = board.tray(session, staff.discipline, "late", policy, now)
        assert {row.ticket.number for row in hers} == {numbers["late"], sealed}
        assert board.counts(session, staff.discipline, policy, now)["late"] == 2
        assert board.counts(session, staff.agent, policy, now) == {}
        assert board.hers(session, staff.agent, policy, now) == 0
        assert board.tray(session, staff.agent, "late", policy, now) == []
        assert board.hers(session, staff.supervisor, policy, now) == 2
        _ticket(session, numbers["supervised"]).due_at = now - NOON
        assert board.hers(session, staff.supervisor, policy, now) == 2  # one case, in both lists


NOON = timedelta(hours=12)


def test_a_leaders_page_counts_what_it_lists(
    database: Database, policy: Policy, staff: Staff, hire: Hire, person: Person, new_call: NewCall
) -> None:
    call_id = new_call("help")
    number, chief = _case(database, policy, staff, call_id=call_id), person(Role.LEADER, "chief")
    other = person(Role.LEADER, "deputy", "962298")
    _do(database, instructions.report_up, staff.supervisor, number, chief.person_id, "x", NOW)
    with database.session() as session:
        assert leading.counts(session, chief, policy, NOW) == {"waiting": 1, "running": 0, "calls": 1}
        assert [each.ticket.number for each in leading.told(session, chief, "waiting", NOW)] == [number]
        found = leading.calls(session, chief, policy, NOW)
        assert [(each.call.id, each.ticket and each.ticket.number) for each in found] == [(call_id, number)]
        assert leading.counts(session, other, policy, NOW) == {"waiting": 0, "running": 0, "calls": 0}
        assert leading.counts(session, chief, policy, NOW + timedelta(days=1))["calls"] == 0
