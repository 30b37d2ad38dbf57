"""The table of permissions held cell by cell against the running desk.

Everybody logs in for real and tries each action's doors on six matters of her own: one within the widest
scope, one in nobody's but ALL, a sealed one that she is named for, one that she is not, and two that she is
recused from. What the doors answer must be what the cell says.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from cases import duty, export, logins, people, sealed, units, unsealing
from cases.calls import Arrival, Leg, apply_legs, end_call, mark_answered, open_call
from cases.errors import NotAllowed, NotVisible, Refused
from cases.permissions import Action, Cell, Scope, cell
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from routing.policy import load
from storage.tables import Alarm, Call, Named, Person, Recusal, Ticket, TicketUnit
from storage.viewer import STAFF, Role, Viewer
from tests.web.site import PASSWORD, POLICY, Site, record

LINE, OTHER_LINE = "962299", "962298"
COUNTY, OFFICE, OTHER_UNIT = "fucheng", "fucheng_tax", "power"
REACHED, KEPT_OUT = (200, 303, 409, 422), (403, 404)
numbers = count(13_911_110_000)


@dataclass(frozen=True)
class Matter:
    """A call with its recording and its ticket; `number` is the caller's, as it is dialled."""

    call_id: str
    recording_id: int
    ticket: str
    number: str


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


Door = Callable[[Somebody, Matter], bool]


def opens(path: str) -> Door:
    return lambda her, it: _in(her.client.get(path.format(it=it)))


def posts(path: str, **data: str) -> Door:
    """What is sent would be refused or put off, but only to those who may."""
    return lambda her, it: _in(her.client.post(path.format(it=it), data=data))


def lists(path: str, told: str) -> Door:
    """The list, asked for the matter's number, tells of it."""

    def door(her: Somebody, it: Matter) -> bool:
        answer = her.client.get(path, params={"number": it.number})
        return _in(answer) and told.format(it=it) in answer.text

    return door


def tells_number(path: str, method: str = "GET") -> Door:
    """The caller's number stands there in full."""

    def door(her: Somebody, it: Matter) -> bool:
        answer = her.client.request(method, path.format(it=it))
        plain = answer.text.replace(" ", "").replace("-", "")
        return _in(answer) and it.number in plain

    return door


@contextmanager
def _undone(her: Somebody) -> Iterator[Session]:
    """A transaction that is rolled back."""
    with her.site.database.session() as session:
        try:
            yield session
        finally:
            session.rollback()


def act(does: Callable[..., object]) -> Door:
    """An act that has no page: done, and undone at once."""

    def door(her: Somebody, it: Matter) -> bool:
        try:
            with _undone(her) as session:
                return does(session, her.viewer, it) is not False
        except (NotAllowed, NotVisible):
            return False
        except Refused:
            return True

    return door


DOORS: Mapping[Action, tuple[Door, ...]] = {
    Action.SEE_CALLS: (opens("/calls/{it.call_id}"), lists("/calls", "{it.call_id}")),
    Action.SEE_TICKETS: (opens("/tickets/{it.ticket}"), lists("/tickets", "{it.ticket}")),
    Action.TAKE_CALLS: (opens("/desk/calls/{it.call_id}"),),
    Action.WRITE_TICKETS: (
        opens("/tickets/{it.ticket}/edit"),
        posts("/tickets/{it.ticket}", version="999", kind="help", content="x"),
        posts("/tickets/{it.ticket}/state", version="999", event="finish"),
    ),
    Action.CHARGE_UNITS: (posts("/tickets/{it.ticket}/units", unit="nowhere"),),
    Action.HEAR: (opens("/recordings/{it.recording_id}"), opens("/recordings/{it.recording_id}/audio")),
    Action.SEARCH_RECORDINGS: (lists("/recordings", "/recordings/{it.recording_id}"),),
    Action.SEE_PERSONAL: (tells_number("/tickets/{it.ticket}"), tells_number("/calls/{it.call_id}")),
    Action.SHOW_PERSONAL: (
        tells_number("/tickets/{it.ticket}/full", "POST"),
        tells_number("/calls/{it.call_id}/full", "POST"),
    ),
    Action.EXPORT: (
        act(lambda s, who, it: it.call_id in {row["id"] for row in export.export_calls(s, who)}),
        act(lambda s, who, it: it.ticket in {row["number"] for row in export.export_tickets(s, who)}),
    ),
    Action.RECUSE_OTHERS: (
        posts("/tickets/{it.ticket}/recusals", person="0", why="kin"),
        posts("/calls/{it.call_id}/recusals", person="0", why="kin"),
    ),
    Action.HAND_OVER: (
        act(lambda s, who, it: sealed.take_over(s, who, "ticket", it.ticket)),
        act(lambda s, who, it: sealed.take_over(s, who, "call", it.call_id)),
    ),
    Action.UNSEAL: (act(lambda s, who, it: unsealing.ask(s, who, it.ticket, "", datetime.now(UTC))),),
}
"""What an action does to calls and tickets, by every door that there is."""

PLACES: Mapping[Action, Door] = {
    Action.MANAGE_DUTY: act(lambda s, who, it: duty.set_wanted(s, who, _another(s, who), "off")),
    Action.MANAGE_PEOPLE: opens("/people"),
    Action.SEE_ALARMS: lambda her, _: 'data-alarm="queue"' in her.client.get("/banner").text,
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
    owner, call_id = (writer if foreign else her).person_id, f"table-{number}"
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
        session.add(TicketUnit(ticket_id=ticket.id, unit_id=unit.id))
        if state in ("named", "unnamed", "named_and_recused"):
            ticket.sealed = session.get_one(Call, call_id).sealed = True
        if state in ("named", "named_and_recused"):
            session.add(Named(person_id=her.person_id, call_id=call_id, why="policy"))
            session.add(Named(person_id=her.person_id, ticket_id=ticket.id, why="policy"))
        if state in ("recused", "named_and_recused"):
            session.add(Recusal(person_id=her.person_id, ticket_id=ticket.id, why="kin"))
        return Matter(call_id, recording_id, ticket.number, number)


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
    for state, expected in STATES.items():
        found = [door(her, her.matters[state]) for door in DOORS[action]]
        assert found == [expected(said)] * len(found), f"{state}: {said}"


@pytest.mark.parametrize("role", STAFF)
@pytest.mark.parametrize("action", PLACES)
def test_a_place_is_open_to_those_whose_cell_says_so(
    staff: dict[Role, Somebody], role: Role, action: Action
) -> None:
    her = staff[role]
    assert PLACES[action](her, her.matters["own"]) == (cell(role, action).ordinary is not Scope.NONE)


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
