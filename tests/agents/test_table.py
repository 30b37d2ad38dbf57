"""The table of permissions held cell by cell against the running desk.

Everybody logs in for real and tries each action's doors on six matters of her own: one within the widest
scope, one in nobody's but ALL, a sealed one that she is named for, one that she is not, and two that she is
recused from. What the doors answer must be what the cell says.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from cases import duty, erasing, export, journal, logins, people, units
from cases.calls import Arrival, Leg, apply_legs, end_call, mark_answered, open_call
from cases.errors import NotAllowed, NotVisible, Refused
from cases.permissions import NOTHING, Action, Cell, Scope, cell, may
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from routing.numbers import normalise
from routing.policy import load
from storage.staff import Person
from storage.tables import Alarm, Call, Named, Recusal, Ticket
from storage.viewer import STAFF, Role, Viewer
from storage.work import SubOrder
from tests.web.site import PASSWORD, POLICY, Site, record
from tests.web.test_routes import actions, routes

LINE, OTHER_LINE = "962299", "962298"
COUNTY, OFFICE, OTHER_UNIT = "fucheng", "fucheng_tax", "power"
REACHED, KEPT_OUT = (200, 303, 409, 422), (403, 404)
NO_PAGE = {"Accept": "application/json"}  # of a fault the status is enough: most of its time is the page's
numbers = count(13_911_110_000)


@dataclass(frozen=True)
class Matter:
    """A call with its recording and its ticket; `number` is the caller's, as it is dialled."""

    call_id: str
    recording_id: int
    ticket: str
    number: str
    order_id: int
    day: str  # of its call and its ticket, in the city's own time


@dataclass(frozen=True)
class Somebody:
    """Somebody of a role, logged in, and her matters by their state."""

    site: Site
    viewer: Viewer
    client: httpx.Client
    matters: Mapping[str, Matter]


STATES: Mapping[str, Callable[[Cell], bool]] = {
    "own": lambda it: it.ordinary is not Scope.NONE,
    "foreign": lambda it: it.ordinary is Scope.ALL,
    "named": lambda it: it.sealed is Scope.NAMED,
    "unnamed": lambda _: False,
    "recused": lambda _: False,
    "named_and_recused": lambda _: False,
}
"""What a matter is to her → whether a cell opens it."""


# -- the doors: each says whether it let her in ------------------------------------------------------


def _in(answer: httpx.Response) -> bool:
    assert answer.status_code in (*REACHED, *KEPT_OUT), f"{answer.request.url}: {answer.status_code}"
    return answer.status_code in REACHED


@dataclass(frozen=True)
class Door:
    """`sees`: what of a matter stands behind it; nobody gets there who may not see that."""

    lets_in: Callable[[Somebody, Matter], bool]
    sees: Action


def _behind(path: str) -> Action:
    return Action.SEE_TICKETS if path.startswith(("/tickets", "/orders")) else Action.SEE_CALLS


def opens(path: str) -> Door:
    return Door(lambda her, it: _in(her.client.get(path.format(it=it), headers=NO_PAGE)), _behind(path))


def posts(path: str, **data: str) -> Door:
    """What is sent would be refused or put off, but only to those who may."""
    return Door(
        lambda her, it: _in(her.client.post(path.format(it=it), data=data, headers=NO_PAGE)), _behind(path)
    )


def lists(path: str, told: str) -> Door:
    """The list, asked for the matter, tells of it."""

    def lets_in(her: Somebody, it: Matter) -> bool:
        answer = her.client.get(path.format(it=it))
        return _in(answer) and told.format(it=it) in answer.text

    return Door(lets_in, _behind(path))


def tells_number(path: str, method: str = "GET") -> Door:
    """The caller's number stands there in full."""

    def lets_in(her: Somebody, it: Matter) -> bool:
        answer = her.client.request(method, path.format(it=it))
        return _in(answer) and it.number in re.sub("[ -]", "", answer.text)

    return Door(lets_in, _behind(path))


def either(*doors: Door) -> Door:
    """Who decides on what is the policy's word: one of them is hers."""
    return Door(lambda her, it: any(door.lets_in(her, it) for door in doors), doors[0].sees)


def act(sees: Action, does: Callable[[Session, Viewer, Matter], object]) -> Door:
    """An act that has no page: done, and undone at once."""

    def lets_in(her: Somebody, it: Matter) -> bool:
        try:
            with her.site.database.session() as session:
                done = does(session, her.viewer, it)
                session.rollback()
                return done is not False
        except (NotAllowed, NotVisible):
            return False
        except Refused:
            return True

    return Door(lets_in, sees)


DOORS: Mapping[Action, tuple[Door, ...]] = {
    Action.SEE_CALLS: (opens("/calls/{it.call_id}"), lists("/calls?number={it.number}", "{it.call_id}")),
    Action.SEE_TICKETS: (opens("/tickets/{it.ticket}"), lists("/tickets?number={it.number}", "{it.ticket}")),
    Action.TAKE_CALLS: (opens("/desk/calls/{it.call_id}"),),
    Action.CALL_OUT: (posts("/tickets/{it.ticket}/dial"),),
    Action.WRITE_TICKETS: (
        opens("/tickets/{it.ticket}/edit"),
        posts("/tickets/{it.ticket}", version="999", kind="help", content="x"),
        posts("/tickets/{it.ticket}/answer", version="999", answer="x"),
        posts("/tickets/{it.ticket}/withdrawal", version="999", ground="x"),
        posts("/tickets/{it.ticket}/reopening", version="999", why="x"),
    ),
    Action.SORT: (
        posts("/tickets/{it.ticket}/refusal", version="999", ground="x", words="x"),
        posts("/tickets/{it.ticket}/transfer", version="999", ground="x"),
        posts("/tickets/{it.ticket}/receipt", version="999", receipt="x"),
        posts("/tickets/{it.ticket}/merge", version="999", lead="x"),
        posts("/tickets/{it.ticket}/split", version="999"),
    ),
    Action.HANDLE: tuple(
        posts(f"/orders/{{it.order_id}}/{each}", version="999", text="x")
        for each in ("take", "reply", "progress", "pass", "object", "extend", "send_back", "take_back")
    ),
    Action.DECIDE: (
        either(
            posts("/tickets/{it.ticket}/closing/audit", version="999", verdict="approve"),
            posts("/orders/{it.order_id}/ruling", kind="objection", decision="refuse"),
            posts("/orders/{it.order_id}/ruling", kind="extension", decision="refuse"),
        ),
    ),
    Action.CLOSE: (posts("/tickets/{it.ticket}/closing", version="999", account="x"),),
    Action.VISIT: (posts("/tickets/{it.ticket}/visit", version="999", reached="no"),),
    Action.CHARGE_UNITS: (
        posts("/tickets/{it.ticket}/dispatch", unit="nowhere", version="999"),
        posts("/tickets/{it.ticket}/dispatch/undo"),
    ),
    Action.HEAR: (opens("/recordings/{it.recording_id}"), opens("/recordings/{it.recording_id}/audio")),
    Action.SEARCH_RECORDINGS: (lists("/recordings?number={it.number}", "/recordings/{it.recording_id}"),),
    Action.SEE_PERSONAL: (tells_number("/tickets/{it.ticket}"), tells_number("/calls/{it.call_id}")),
    Action.SHOW_PERSONAL: (
        tells_number("/tickets/{it.ticket}/full", "POST"),
        tells_number("/calls/{it.call_id}/full", "POST"),
    ),
    Action.EXPORT: (
        act(
            Action.SEE_CALLS,
            lambda s, who, it: it.call_id in {row["id"] for row in export.export_calls(s, who)},
        ),
        act(
            Action.SEE_TICKETS,
            lambda s, who, it: it.ticket in {row["number"] for row in export.export_tickets(s, who)},
        ),
    ),
    Action.READ_DAY: (
        lists("/day?date={it.day}", "/tickets/{it.ticket}"),
        lists("/day?date={it.day}", "/calls/{it.call_id}"),
    ),
    Action.RECUSE_OTHERS: (
        posts("/tickets/{it.ticket}/recusals", person="0", why="kin"),
        posts("/calls/{it.call_id}/recusals", person="0", why="kin"),
    ),
    Action.HAND_OVER: (
        posts("/tickets/{it.ticket}/take-over"),  # from nobody: none of these was named for taking it
        posts("/calls/{it.call_id}/take-over"),
    ),
    Action.HOLD: (posts("/tickets/{it.ticket}/hold", why=""), posts("/calls/{it.call_id}/hold", why="")),
    Action.ERASE: (
        act(
            Action.SEE_CALLS,
            lambda s, who, it: it.call_id in {call.id for call in _hers(s, who, it).calls},
        ),
        act(
            Action.SEE_TICKETS,
            lambda s, who, it: it.ticket in {ticket.number for ticket in _hers(s, who, it).tickets},
        ),
    ),
    Action.UNSEAL: (
        posts("/tickets/{it.ticket}/unsealing", ground=""),
        posts("/tickets/{it.ticket}/unsealing/decision", decision="refuse"),
    ),
    Action.SUPERVISE: (
        posts("/tickets/{it.ticket}/urging", words="催" * 2001),
        posts("/tickets/{it.ticket}/supervision", ground=""),
        posts("/tickets/{it.ticket}/supervision/end", outcome=""),
    ),
    Action.REPORT_UP: (posts("/tickets/{it.ticket}/report", leader="0"),),
    Action.INSTRUCT: (posts("/tickets/{it.ticket}/instruction", words=""),),
    Action.LIST_LOOKS: (lists("/looks?ticket={it.ticket}", 'href="/tickets/{it.ticket}" data-row'),),
}
"""What an action does to calls and tickets, by every door that there is."""

PLACES: Mapping[Action, Door] = {
    Action.MANAGE_DUTY: act(
        Action.MANAGE_DUTY, lambda s, who, _: duty.set_wanted(s, who, _another(s, who), "off")
    ),
    Action.MANAGE_PEOPLE: opens("/people"),
    Action.MANAGE_CITY: opens("/city/directory"),
    Action.READ_KNOWLEDGE: opens("/knowledge"),
    Action.EDIT_KNOWLEDGE: opens("/knowledge/new"),
    Action.SEE_PARTIES: opens("/callers"),
    Action.MERGE_PARTIES: posts("/callers/1000/merge", number=""),
    Action.SEE_ALARMS: Door(
        lambda her, _: 'data-alarm="queue"' in her.client.get("/banner").text, Action.SEE_ALARMS
    ),
    Action.READ_JOURNAL: opens("/journal"),
}
"""What an action opens that is about no call or ticket."""


# -- the people and their matters --------------------------------------------------------------------


@pytest.fixture(scope="module")
def staff(site: Site) -> dict[Role, Somebody]:
    """One person a role, with matters of her own."""
    with site.database.session() as session:
        units.sync(session, load(POLICY).units)
        session.add(Alarm(name="queue", detail={}, raised_at=datetime.now(UTC)))
        somebody = people.create_person(session, "somebody", "别人", Role.AGENT, PASSWORD)
        writer = logins.viewer_of(session, somebody)
    found = {}
    for role in STAFF:
        with site.database.session() as session:
            leads = cell(role, Action.SEE_TICKETS).ordinary is Scope.LINE
            person = people.create_person(
                session,
                f"the-{role.value}",
                role.value,
                role,
                PASSWORD,
                unit=COUNTY if role is Role.UNIT_CLERK else "",
                lines=[LINE] if leads else (),
            )
            viewer = logins.viewer_of(session, person)
        matters = {state: _matter(site, viewer, writer, state) for state in STATES}
        found[role] = Somebody(site, viewer, site.client(f"the-{role.value}"), matters)
    return found


def _matter(site: Site, her: Viewer, writer: Viewer, state: str) -> Matter:
    number, at = str(next(numbers)), datetime.now(UTC) - timedelta(hours=2)
    foreign = state == "foreign"
    owner, call_id = (writer if foreign else her).person_id, f"table-{her.role.value}-{state}"
    with site.database.session() as session:
        arrival = Arrival(call_id, call_id, OTHER_LINE if foreign else LINE, number, False, at)
        open_call(session, arrival, load(POLICY))
        mark_answered(session, call_id, owner, at)
        apply_legs(session, [Leg(call_id, call_id, "PJSIP/e1", "agent", at, owner, at, at)])
        end_call(session, call_id, at + timedelta(minutes=1))
        recording_id = record(session, site.folder, call_id, at, 1)
        form = TicketForm(kind="help", content="停电", contact_number=number)
        ticket = save_ticket(session, writer, form, call_id, load(POLICY), at)
        unit = units.by_code(session, OTHER_UNIT if foreign else OFFICE)
        assert unit is not None
        ticket.created_by = owner
        order = SubOrder(ticket_id=ticket.id, unit_id=unit.id)
        session.add(order)
        if state in ("named", "unnamed", "named_and_recused"):
            ticket.sealed = session.get_one(Call, call_id).sealed = True
        if state in ("named", "named_and_recused"):
            session.add(Named(person_id=her.person_id, call_id=call_id, why="policy"))
            session.add(Named(person_id=her.person_id, ticket_id=ticket.id, why="policy"))
        journal.append(session, writer, "ticket.read", "ticket", ticket.id)
        if state in ("recused", "named_and_recused"):
            session.add(Recusal(person_id=her.person_id, ticket_id=ticket.id, why="kin"))
        session.flush()
        day = at.astimezone(load(POLICY).zone).date().isoformat()
        return Matter(call_id, recording_id, ticket.number, number, order.id, day)


def _hers(session: Session, who: Viewer, it: Matter) -> erasing.Hers:
    """What `hotline erase` would erase of the matter's caller."""
    return erasing.of_caller(session, who, normalise(it.number, "0816").number or "")


def _another(session: Session, who: Viewer) -> int:
    return session.scalars(select(Person.id).where(Person.login == "liu", Person.id != who.person_id)).one()


# -- the table ---------------------------------------------------------------------------------------


def test_every_action_has_its_doors() -> None:
    assert {*DOORS, *PLACES} == set(Action)
    assert not DOORS.keys() & PLACES.keys()


@pytest.mark.parametrize("role", STAFF)
@pytest.mark.parametrize("action", DOORS)
def test_the_doors_open_as_the_cell_says(staff: dict[Role, Somebody], role: Role, action: Action) -> None:
    her, said = staff[role], cell(role, action)
    for state in STATES if said != NOTHING else ("own", "named"):
        is_open = STATES[state]
        found = [door.lets_in(her, her.matters[state]) for door in DOORS[action]]
        expected = [is_open(said) and is_open(cell(role, door.sees)) for door in DOORS[action]]
        assert found == expected, f"{state}: {said}"


@pytest.mark.parametrize("role", STAFF)
@pytest.mark.parametrize("action", PLACES)
def test_a_place_is_open_to_those_whose_cell_says_so(
    staff: dict[Role, Somebody], role: Role, action: Action
) -> None:
    her = staff[role]
    assert PLACES[action].lets_in(her, her.matters["own"]) == (cell(role, action).ordinary is not Scope.NONE)


@pytest.mark.parametrize("role", STAFF)
def test_every_route_is_shut_to_whom_the_table_does_not_give_its_action(
    staff: dict[Role, Somebody], site: Site, role: Role
) -> None:
    her, it = staff[role], staff[Role.AGENT].matters["foreign"]
    ids = {"call_id": it.call_id, "number": it.ticket, "recording_id": str(it.recording_id)}
    for name, route in routes(site.app):
        method, path = name.split(" ", 1)
        if all(may(her.viewer, action) for action in actions(route)):
            continue
        address = re.sub(r"{(\w+)(?::\w+)?}", lambda found: ids.get(found[1], "1"), path)
        assert her.client.request(method, address, headers=NO_PAGE).status_code == 403, name


def test_who_has_a_place_begins_there_and_sees_no_other_in_the_rail(staff: dict[Role, Somebody]) -> None:
    editor = staff[Role.EDITOR].client
    assert editor.get("/").headers["location"] == "/knowledge/shelf"
    rail = re.findall(r'data-place="(/[a-z]+)"', editor.get("/me").text)
    assert [place for place in rail if place not in ("/notices", "/me")] == ["/knowledge"]


def test_a_caller_is_no_member_of_staff_and_has_no_cell(site: Site) -> None:
    assert all(cell(Role.CALLER, action) == Cell(Scope.NONE) for action in Action)
    with pytest.raises(Refused), site.database.session() as session:
        people.create_person(session, "caller", "来电人", Role.CALLER, PASSWORD)


def test_nobody_may_do_anything_to_what_she_does_not_see() -> None:
    for role in Role:
        calls, tickets = cell(role, Action.SEE_CALLS), cell(role, Action.SEE_TICKETS)
        for action in (*DOORS,):
            said = cell(role, action)
            for scope, seen in (
                (said.ordinary, {calls.ordinary, tickets.ordinary}),
                (said.sealed, {calls.sealed, tickets.sealed}),
            ):
                narrow = scope is Scope.OWN and Scope.ALL in seen
                assert scope is Scope.NONE or scope in seen or narrow, f"{role} {action} {scope}"


def test_the_ticket_is_still_there_for_the_next_one(staff: dict[Role, Somebody], site: Site) -> None:
    """What was tried above was refused or undone: a changed matter would make later cells say nothing."""
    with site.database.session() as session:
        for her in staff.values():
            for it in her.matters.values():
                assert session.scalars(select(Ticket.version).where(Ticket.number == it.ticket)).one() == 1
