"""Whoever has an interest in a matter does not know of it: by her own word, by another's, or by her unit."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from cases import logins, people, recusals, units
from cases.errors import NotAllowed, NotVisible, Refused
from cases.offers import offered, read_call
from cases.ticket_form import TicketForm
from cases.tickets import open_ticket, save_ticket
from cases.visible import visible_calls, visible_recordings, visible_tickets
from routing.policy import Policy
from storage.database import Database
from storage.staff import Person
from storage.tables import Journal, Recusal
from storage.viewer import Role, Viewer
from tests.cases.conftest import NOW, PASSWORD, NewCall, Staff

COUNTY, OFFICE = "fucheng", "fucheng_market_supervision"


def _seen(database: Database, viewer: Viewer) -> tuple[int, int, int]:
    """How many tickets, calls and recordings she sees."""
    with database.session() as session:
        queries = (visible_tickets(viewer), visible_calls(viewer), visible_recordings(viewer))
        return tuple(len(session.scalars(query).all()) for query in queries)  # type: ignore[return-value]


@pytest.fixture
def matter(database: Database, policy: Policy, staff: Staff, new_call: NewCall) -> tuple[str, str]:
    """An ordinary call and its ticket's number."""
    call_id = new_call()
    with database.session() as session:
        form = TicketForm(kind="help", content="停电")
        return call_id, save_ticket(session, staff.agent, form, call_id, policy, NOW).number


@pytest.mark.parametrize("kind", ["ticket", "call"])
def test_by_her_own_word_she_loses_the_ticket_its_call_and_its_recording_at_once(
    database: Database, staff: Staff, matter: tuple[str, str], kind: recusals.Kind
) -> None:
    assert _seen(database, staff.leader) == (1, 1, 1)
    with database.session() as session:
        recusals.recuse_self(session, staff.leader, kind, matter[1 if kind == "ticket" else 0])
    assert _seen(database, staff.leader) == (0, 0, 0)
    assert _seen(database, staff.supervisor) == (1, 1, 1)
    with pytest.raises(NotVisible), database.session() as session:
        open_ticket(session, staff.leader, matter[1])
    with pytest.raises(NotVisible), database.session() as session:
        recusals.recuse_self(session, staff.leader, kind, matter[1 if kind == "ticket" else 0])
    with database.session() as session:
        noted = session.scalars(select(Journal).where(Journal.act == f"{kind}.recused")).one()
        assert noted.actor_id == staff.leader.person_id
        assert noted.rule == f"shift_leader/see_{kind}s/all"
        assert noted.detail == {"person_id": staff.leader.person_id, "why": "own_word"}


def test_the_token_of_a_ring_does_not_bring_back_what_she_recused_herself_from(
    database: Database, staff: Staff, new_call: NewCall
) -> None:
    call_id = new_call(answered_by=None)
    with database.session() as session:
        recusals.recuse_self(session, staff.other, "call", call_id)
    with pytest.raises(NotVisible), database.session() as session:
        offered(session, staff.other, call_id, f"token-{call_id}")


def test_those_who_may_recuse_anybody_else_and_lift_it_again(
    database: Database, staff: Staff, matter: tuple[str, str]
) -> None:
    with database.session() as session:
        recusals.recuse(session, staff.supervisor, "ticket", matter[1], staff.agent.person_id, "kin")
        recusals.recuse(session, staff.supervisor, "ticket", matter[1], staff.agent.person_id, "other")
    assert _seen(database, staff.agent) == (0, 0, 0)
    with database.session() as session:
        row = session.scalars(select(Recusal)).one()
        assert (row.why, row.by_id) == ("kin", staff.supervisor.person_id)
        (told,) = recusals.recused_from(session, open_ticket(session, staff.supervisor, matter[1]).ticket)
        assert told.person.id == staff.agent.person_id
        recusals.lift(session, staff.discipline, row.id)
    assert _seen(database, staff.agent) == (1, 1, 1)
    with database.session() as session:
        acts = session.execute(
            select(Journal.act, Journal.rule).where(Journal.act.like("ticket.recus%")).order_by(Journal.id)
        ).all()
        assert [tuple(row) for row in acts] == [
            ("ticket.recused", "supervisor/recuse_others/all"),
            ("ticket.recusal_lifted", "discipline/recuse_others/all"),
        ]


def test_a_recusal_needs_somebody_else_and_a_reason(
    database: Database, staff: Staff, matter: tuple[str, str]
) -> None:
    for person_id, why, faults in (
        (staff.supervisor.person_id, "kin", {"person": "self"}),
        (999_999, "kin", {"person": "unknown"}),
        (staff.agent.person_id, "own_word", {"why": "unknown"}),
        (staff.agent.person_id, "", {"why": "required"}),
    ):
        with pytest.raises(Refused) as caught, database.session() as session:
            recusals.recuse(session, staff.supervisor, "call", matter[0], person_id, why)
        assert caught.value.faults == faults
    with pytest.raises(NotAllowed), database.session() as session:
        recusals.recuse(session, staff.leader, "call", matter[0], staff.agent.person_id, "kin")


def test_nobody_lifts_her_own_recusal(database: Database, staff: Staff, matter: tuple[str, str]) -> None:
    with database.session() as session:
        recusals.recuse_self(session, staff.supervisor, "ticket", matter[1])
        row = session.scalars(select(Recusal)).one()
    with pytest.raises(NotVisible), database.session() as session:
        recusals.lift(session, staff.supervisor, row.id)
    with pytest.raises(NotAllowed), database.session() as session:
        recusals.lift(session, staff.agent, row.id)
    assert _seen(database, staff.supervisor) == (0, 0, 0)


def test_a_recusal_says_nothing_of_a_sealed_matter_to_those_not_named(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    sealed = new_call(kind="complaint")
    for key in (sealed, "never-was"):
        with pytest.raises(NotVisible), database.session() as session:
            recusals.recuse(session, staff.supervisor, "call", key, staff.other.person_id, "kin")
    with database.session() as session:
        recusals.recuse(session, staff.discipline, "call", sealed, staff.agent.person_id, "kin")
    with pytest.raises(NotVisible), database.session() as session:  # named, and recused all the same
        read_call(session, staff.agent, sealed)
    with database.session() as session:
        row = session.scalars(select(Recusal)).one()
    for recusal_id in (row.id, 999_999):
        with pytest.raises(NotVisible), database.session() as session:
            recusals.lift(session, staff.supervisor, recusal_id)


@pytest.fixture
def of_unit(database: Database, policy: Policy, staff: Staff) -> Callable[[str], Viewer]:
    """A discipline officer who belongs to a unit: she would see everything else."""
    with database.session() as session:
        units.sync(session, policy.units)

    def hire(code: str) -> Viewer:
        with database.session() as session:
            login = f"officer-{code}"
            person = people.create_person(session, login, login, Role.DISCIPLINE, PASSWORD, unit=code)
            return logins.viewer_of(session, person)

    return hire


@pytest.mark.parametrize("kind", ["help", "report"])
def test_whose_unit_is_accused_or_one_above_it_is_recused_without_a_word(
    database: Database,
    policy: Policy,
    staff: Staff,
    new_call: NewCall,
    of_unit: Callable[[str], Viewer],
    kind: str,
) -> None:
    county, office, other = of_unit(COUNTY), of_unit(OFFICE), of_unit("tax")
    with database.session() as session:
        form = TicketForm(kind=kind, content="x", accused_unit=COUNTY)
        save_ticket(session, staff.agent, form, new_call(), policy, NOW)
    assert _seen(database, county)[:2] == (0, 0)  # her own unit
    assert _seen(database, office)[:2] == (0, 0)  # her superiors
    assert _seen(database, other)[:2] == (1, 1)


def test_the_unit_above_the_accused_is_not_recused(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall, of_unit: Callable[[str], Viewer]
) -> None:
    county, office = of_unit(COUNTY), of_unit(OFFICE)
    with database.session() as session:
        form = TicketForm(kind="report", content="x", accused_unit=OFFICE)
        save_ticket(session, staff.agent, form, new_call(), policy, NOW)
    assert _seen(database, county)[:2] == (1, 1)
    assert _seen(database, office)[:2] == (0, 0)


def test_a_transfer_to_the_accused_unit_blinds_who_came_there(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall, of_unit: Callable[[str], Viewer]
) -> None:
    officer = of_unit("tax")
    with database.session() as session:
        form = TicketForm(kind="report", content="x", accused_unit=COUNTY)
        save_ticket(session, staff.agent, form, new_call(), policy, NOW)
    assert _seen(database, officer)[:2] == (1, 1)
    with database.session() as session:
        person = session.get_one(Person, officer.person_id)
        found = units.by_code(session, OFFICE)
        assert found is not None
        person.unit_id = found.id
        session.flush()
        moved = logins.viewer_of(session, person)
    assert _seen(database, moved)[:2] == (0, 0)
