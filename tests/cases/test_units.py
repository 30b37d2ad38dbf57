"""Units come from the policy; a ticket is sent to the one that must act, never to the one that is accused."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from sqlalchemy import select

from cases import instructions, logins, people, units
from cases.dispatch import Share, send, undo
from cases.errors import NotAllowed, NotVisible, Refused
from cases.ticket_form import TicketForm
from cases.tickets import TicketSearch as Search
from cases.tickets import change_ticket, list_tickets, open_ticket, save_ticket
from cases.visible import visible_tickets
from routing.policy import Policy
from storage.database import Database
from storage.staff import Person, Unit
from storage.tables import Journal, Named
from storage.viewer import Role, Viewer
from storage.work import SubOrder
from tests.cases.conftest import NOW, PASSWORD, NewCall, Staff

COUNTY, OFFICE, OTHER = "fucheng", "fucheng_market_supervision", "power"
HELP = TicketForm(kind="help", content="停电")
Hire = Callable[..., Viewer]


@pytest.fixture
def hire(database: Database, listed: None) -> Hire:
    """Somebody new, seen as her log-in would see; the policy's units are there."""

    def make(login: str, role: Role = Role.UNIT_CLERK, unit: str = "", lines: Sequence[str] = ()) -> Viewer:
        with database.session() as session:
            person = people.create_person(session, login, login, role, PASSWORD, unit=unit, lines=lines)
            return logins.viewer_of(session, person)

    return make


def _ticket(database: Database, policy: Policy, staff: Staff, form: TicketForm = HELP) -> str:
    with database.session() as session:
        return save_ticket(session, staff.agent, form, None, policy, NOW).number


def _numbers(database: Database, viewer: Viewer) -> list[str]:
    with database.session() as session:
        return [ticket.number for ticket in list_tickets(session, viewer, Search())]


def test_the_table_is_what_the_policy_lists_however_often_it_is_told(
    database: Database, policy: Policy
) -> None:
    for listed in (policy.units, policy.units):
        with database.session() as session:
            units.sync(session, listed)
    with database.session() as session:
        found = units.all_active(session)
        assert [(unit.code, unit.name, unit.level) for unit in found] == [
            (unit.code, unit.name, unit.level) for unit in policy.units
        ]
        office = units.by_code(session, OFFICE)
        county = units.by_code(session, COUNTY)
        assert office and county and office.parent_id == county.id


def test_a_unit_that_left_the_policy_is_inactive_and_comes_back_as_itself(
    database: Database, policy: Policy
) -> None:
    with database.session() as session:
        units.sync(session, policy.units)
        before = session.scalars(select(Unit.id).where(Unit.code == OTHER)).one()
        units.sync(session, [unit for unit in policy.units if unit.code != OTHER])
        assert units.by_code(session, OTHER) is None
        assert len(units.everyone(session)) == len(policy.units)
        units.sync(session, policy.units)
        again = units.by_code(session, OTHER)
        assert again and again.id == before


def test_a_ticket_is_seen_by_its_unit_and_those_above_and_by_no_other(
    database: Database, policy: Policy, staff: Staff, hire: Hire
) -> None:
    office, county, other = hire("office", unit=OFFICE), hire("county", unit=COUNTY), hire("oth", unit=OTHER)
    dispatcher = hire("dispatcher", Role.DISPATCHER)
    number = _ticket(database, policy, staff)
    assert [_numbers(database, each) for each in (office, county, other)] == [[], [], []]
    with database.session() as session:
        send(session, dispatcher, number, [Share(OFFICE)], policy, NOW)
    assert [_numbers(database, each) for each in (office, county, other)] == [[number], [number], []]
    with database.session() as session:
        noted = session.scalars(select(Journal).where(Journal.act == "ticket.dispatch")).one()
        assert (noted.actor_id, noted.rule) == (dispatcher.person_id, "dispatcher/charge_units/all")
        share = session.scalars(select(SubOrder)).one()
        sent = {"units": [OFFICE], "orders": [share.id], "parts": ["lead"]}
        assert noted.detail == {"was": "accepted", **sent}
        assert (session.get_one(Unit, share.unit_id).code, share.sent_by) == (OFFICE, dispatcher.person_id)


def test_what_is_sent_to_the_county_is_not_seen_by_its_offices(
    database: Database, policy: Policy, staff: Staff, hire: Hire
) -> None:
    office, dispatcher = hire("office", unit=OFFICE), hire("dispatcher", Role.DISPATCHER)
    number = _ticket(database, policy, staff)
    with database.session() as session:
        send(session, dispatcher, number, [Share(COUNTY)], policy, NOW)
    assert _numbers(database, office) == []


@pytest.mark.parametrize(
    ("accused", "to", "fault"),
    [
        (OFFICE, OFFICE, "accused"),
        (COUNTY, OFFICE, "accused"),
        (OFFICE, "", "required"),
        (OFFICE, "nowhere", "unknown"),
    ],
)
def test_a_ticket_is_never_sent_to_the_accused_nor_below_it(
    database: Database, policy: Policy, staff: Staff, hire: Hire, accused: str, to: str, fault: str
) -> None:
    dispatcher = hire("dispatcher", Role.DISPATCHER)
    form = TicketForm(kind="help", content="多次推诿", accused_unit=accused)
    number = _ticket(database, policy, staff, form)
    with pytest.raises(Refused) as caught, database.session() as session:
        send(session, dispatcher, number, [Share(to)], policy, NOW)
    assert caught.value.faults == {"unit": fault}
    with database.session() as session:
        assert session.scalars(select(SubOrder)).all() == []


def test_it_may_be_sent_to_the_unit_above_the_accused(
    database: Database, policy: Policy, staff: Staff, hire: Hire
) -> None:
    county, office = hire("county", unit=COUNTY), hire("office", unit=OFFICE)
    number = _ticket(database, policy, staff, TicketForm(kind="help", content="x", accused_unit=OFFICE))
    with database.session() as session:
        send(session, hire("dispatcher", Role.DISPATCHER), number, [Share(COUNTY)], policy, NOW)
    assert _numbers(database, county) == [number]
    assert _numbers(database, office) == []


def test_a_unit_that_becomes_accused_has_the_ticket_no_longer(
    database: Database, policy: Policy, staff: Staff, hire: Hire
) -> None:
    office, dispatcher = hire("office", unit=OFFICE), hire("dispatcher", Role.DISPATCHER)
    number = _ticket(database, policy, staff)
    with database.session() as session:
        send(session, dispatcher, number, [Share(OFFICE)], policy, NOW)
        send(session, dispatcher, number, [Share(OTHER, "assist")], policy, NOW)
        changed = TicketForm(kind="help", content="停电", accused_unit=COUNTY)
        version = open_ticket(session, staff.agent, number).ticket.version
        change_ticket(session, staff.agent, number, changed, version, policy)
    assert _numbers(database, office) == []
    with database.session() as session:
        states = session.execute(select(Unit.code, SubOrder.state).join(SubOrder).order_by(Unit.code))
        assert dict(states.tuples().all()) == {OFFICE: "recalled", OTHER: "sent"}
        detail = session.scalars(select(Journal.detail).where(Journal.act == "order.recall")).one()
        assert detail["why"] == "accused"


def test_a_unit_that_left_the_policy_stays_the_accused_one_and_is_no_new_choice(
    database: Database, policy: Policy, staff: Staff, hire: Hire
) -> None:
    hire("somebody", Role.REVIEWER)
    form = TicketForm(kind="help", content="x", accused_unit=OTHER)
    number = _ticket(database, policy, staff, form)
    with database.session() as session:
        units.sync(session, [unit for unit in policy.units if unit.code != OTHER])
        change_ticket(session, staff.agent, number, form, 1, policy)
        assert open_ticket(session, staff.agent, number).ticket.accused_unit_id is not None
    with pytest.raises(Refused) as caught:
        _ticket(database, policy, staff, form)
    assert caught.value.faults == {"accused_unit": "unknown"}


def test_of_a_sealed_ticket_the_clerks_of_that_very_unit_are_named(
    database: Database, policy: Policy, staff: Staff, hire: Hire, new_call: NewCall
) -> None:
    county, office, other = hire("county", unit=COUNTY), hire("office", unit=OFFICE), hire("oth", unit=OTHER)
    report = TicketForm(kind="report", content="收受购物卡")
    with database.session() as session:
        number = save_ticket(session, staff.agent, report, new_call(), policy, NOW).number
    with pytest.raises(NotVisible), database.session() as session:
        send(session, hire("dispatcher", Role.DISPATCHER), number, [Share(OFFICE)], policy, NOW)
    with database.session() as session:
        send(session, staff.discipline, number, [Share(OFFICE)], policy, NOW)
    assert [_numbers(database, each) for each in (office, county, other)] == [[number], [], []]
    with database.session() as session:
        assert session.scalar(select(Named.why).where(Named.person_id == office.person_id)) == "charged"
        record = open_ticket(session, office, number)
        assert (record.calls, record.recordings) == ([], [])
    with pytest.raises(Refused) as caught, database.session() as session:
        send(session, staff.discipline, number, [Share("tax", "assist")], policy, NOW)
    assert caught.value.faults == {"unit": "nobody"}


def test_a_list_that_begins_from_what_may_be_hers_has_all_that_she_sees(
    database: Database, policy: Policy, staff: Staff, hire: Hire, new_call: NewCall
) -> None:
    dispatcher = hire("dispatcher", Role.DISPATCHER)
    chief = hire("chief", Role.LEADER, lines=["962299"])
    clerks = [hire(unit, unit=unit) for unit in (COUNTY, OFFICE, OTHER)]
    plain = [_ticket(database, policy, staff) for _ in range(4)]
    with database.session() as session:
        by_line = save_ticket(session, staff.agent, HELP, new_call(), policy, NOW).number
        sealed = save_ticket(session, staff.discipline, replace(HELP, sealed=True), None, policy, NOW).number
        send(session, dispatcher, plain[0], [Share(OFFICE), Share(OTHER, "assist")], policy, NOW)
        send(session, dispatcher, plain[1], [Share(COUNTY)], policy, NOW)
        undo(session, dispatcher, plain[1], NOW, policy)
        send(session, staff.discipline, sealed, [Share(OTHER)], policy, NOW)
        instructions.report_up(session, staff.supervisor, plain[2], chief.person_id, "请阅示", NOW)
    seen = {who.name: set(_numbers(database, who)) for who in (*clerks, chief)}
    assert list(seen.values()) == [{plain[0]}, {plain[0]}, {plain[0], sealed}, {plain[2], by_line}]
    with database.session() as session:
        for who in (*clerks, chief):
            assert seen[who.name] == {each.number for each in session.scalars(visible_tickets(who))}


def test_only_those_whose_table_says_so_send_tickets(
    database: Database, policy: Policy, staff: Staff, hire: Hire
) -> None:
    number = _ticket(database, policy, staff)
    for viewer in (staff.agent, staff.supervisor, hire("reviewer", Role.REVIEWER)):
        with pytest.raises(NotAllowed), database.session() as session:
            send(session, viewer, number, [Share(OTHER)], policy, NOW)
    with pytest.raises(NotVisible), database.session() as session:  # an ordinary one is not hers to send
        send(session, staff.discipline, number, [Share(OTHER)], policy, NOW)


def test_a_clerk_whose_unit_left_the_policy_goes_on_with_what_it_has(
    database: Database, policy: Policy, staff: Staff, hire: Hire
) -> None:
    clerk, number = hire("clerk", unit=OTHER), _ticket(database, policy, staff)
    with database.session() as session:
        send(session, hire("dispatcher", Role.DISPATCHER), number, [Share(OTHER)], policy, NOW)
        units.sync(session, [unit for unit in policy.units if unit.code != OTHER])
    with database.session() as session:
        again = logins.viewer_of(session, session.get_one(Person, clerk.person_id))
        assert open_ticket(session, again, number).ticket.number == number
