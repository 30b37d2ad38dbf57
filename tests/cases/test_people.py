"""Staff, passwords, log-ins, phones' secrets."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from cases import units
from cases.errors import Refused
from cases.logins import check_password, end_session, logged_in, start_session, viewer_of
from cases.people import create_person, dismiss, misplaced, place, set_password
from cases.phones import SESSION_IDLE, SESSION_LONGEST, phones
from routing.policy import Policy
from storage.database import Database
from storage.staff import Person, WebSession
from storage.tables import Journal
from storage.viewer import Role
from tests.cases.conftest import PASSWORD, Staff


def test_a_password_opens_only_its_own_active_login(database: Database, staff: Staff) -> None:
    with database.session() as session:
        person = check_password(session, " Agent ", PASSWORD)
        assert person is not None and person.id == staff.agent.person_id
        assert PASSWORD not in person.password_hash
        assert check_password(session, "agent", "wrong") is None
        assert check_password(session, "nobody", PASSWORD) is None
        person.active = False
        session.flush()
        assert check_password(session, "agent", PASSWORD) is None


def test_a_log_in_lasts_until_it_is_ended_or_idle_or_too_old(database: Database, staff: Staff) -> None:
    now = datetime.now(UTC)
    with database.session() as session:
        person = session.get_one(Person, staff.agent.person_id)
        token = start_session(session, person, "192.0.2.9", "browser")
    with database.session() as session:
        stored = session.scalars(select(WebSession)).one()
        assert token not in stored.token_hash
        found = logged_in(session, token, "192.0.2.9")
        assert found is not None
        viewer, _, _ = found
        assert (viewer.person_id, viewer.role, viewer.address) == (person.id, Role.AGENT, "192.0.2.9")
        assert logged_in(session, "another") is None
        assert logged_in(session, token, now=now + SESSION_IDLE + timedelta(minutes=1)) is None
    step = SESSION_IDLE / 2
    with database.session() as session:
        at = now
        while at + step < now + SESSION_LONGEST:
            at += step
            assert logged_in(session, token, now=at) is not None
            session.flush()
        assert logged_in(session, token, now=now + SESSION_LONGEST + timedelta(minutes=1)) is None
    with database.session() as session:
        end_session(session, token)
        end_session(session, token)
        assert logged_in(session, token) is None


def test_whoever_has_left_is_logged_out_at_once(database: Database, staff: Staff) -> None:
    with database.session() as session:
        person = session.get_one(Person, staff.agent.person_id)
        token = start_session(session, person)
        person.active = False
    with database.session() as session:
        assert logged_in(session, token) is None


@pytest.mark.parametrize(
    ("login", "name", "password", "extension", "faults"),
    [
        ("", "名", PASSWORD, None, {"login": "required"}),
        ("new", " ", PASSWORD, None, {"name": "required"}),
        ("new", "名", "short", None, {"password": "too_short"}),
        ("AGENT", "名", PASSWORD, None, {"login": "taken"}),
        ("new", "名", PASSWORD, "8001", {"extension": "taken"}),
        ("new", "名", PASSWORD, "80x", {"extension": "number"}),
    ],
)
def test_a_person_is_refused_with_the_field(
    database: Database,
    staff: Staff,
    login: str,
    name: str,
    password: str,
    extension: str | None,
    faults: dict[str, str],
) -> None:
    with pytest.raises(Refused) as caught, database.session() as session:
        create_person(session, login, name, Role.AGENT, password, extension)
    assert caught.value.faults == faults


@pytest.mark.parametrize(
    ("role", "given", "faults"),
    [
        (Role.UNIT_CLERK, {}, {"unit": "required"}),
        (Role.UNIT_CLERK, {"unit": "nowhere"}, {"unit": "unknown"}),
        (Role.LEADER, {}, {"lines": "required"}),
        (Role.SECRETARY, {}, {"lines": "required"}),
        (Role.AGENT, {"lines": ["962299"]}, {"lines": "role"}),
        (Role.CALLER, {}, {"role": "unknown"}),
        (Role.REVIEWER, {"extension": "8020"}, {"phone": "role"}),
    ],
)
def test_a_role_needs_the_place_that_it_sees_by(
    database: Database, staff: Staff, role: Role, given: dict[str, Any], faults: dict[str, str]
) -> None:
    with pytest.raises(Refused) as caught, database.session() as session:
        create_person(session, "new", "名", role, PASSWORD, **given)
    assert caught.value.faults == faults


def test_a_desk_phone_may_stand_on_anybodys_desk(database: Database, staff: Staff) -> None:
    with database.session() as session:
        person = create_person(session, "new", "名", Role.REVIEWER, PASSWORD, "8020", "hardware")
        assert person.endpoint


def test_only_people_with_an_extension_have_a_phone(database: Database, staff: Staff) -> None:
    with database.session() as session:
        assert [phone.extension for phone in phones(session)] == ["8001", "8002", "8003"]


def test_a_new_password_ends_the_log_ins_of_the_old_one(database: Database, staff: Staff) -> None:
    with database.session() as session:
        person = session.get_one(Person, staff.agent.person_id)
        token = start_session(session, person)
        set_password(session, person.login, "another password")
        assert check_password(session, person.login, PASSWORD) is None
        assert check_password(session, person.login, "another password") is not None
        session.expire_all()
        assert logged_in(session, token) is None


def test_who_leaves_has_no_log_in_and_no_phone(database: Database, staff: Staff) -> None:
    with database.session() as session:
        person = session.get_one(Person, staff.agent.person_id)
        token = start_session(session, person)
        dismiss(session, person.login)
        assert check_password(session, person.login, PASSWORD) is None
        assert person.id not in [phone.person_id for phone in phones(session)]
        session.expire_all()
        assert logged_in(session, token) is None
        with pytest.raises(Refused):
            dismiss(session, person.login)


def test_the_demo_city_and_real_people_are_never_in_one_hotline(database: Database, staff: Staff) -> None:
    with database.session() as session:
        create_person(session, "demo", "演示", Role.AGENT, PASSWORD, demo=True)
    with pytest.raises(Refused) as caught, database.session() as session:
        create_person(session, "real", "真人", Role.AGENT, PASSWORD)
    assert caught.value.faults == {"login": "demo"}
    with database.session() as session:
        create_person(session, "demo2", "演示", Role.AGENT, PASSWORD, demo=True)


def test_who_is_placed_anew_sees_by_her_new_unit_and_who_is_left_behind_is_told(
    database: Database, policy: Policy, staff: Staff
) -> None:
    with database.session() as session:
        units.sync(session, policy.units)
        clerk = create_person(session, "clerk", "名", Role.UNIT_CLERK, PASSWORD, unit="tax")
        create_person(session, "chief", "名", Role.LEADER, PASSWORD, lines=["962299"])
        assert misplaced(session, ["962299"]) == []
        units.sync(session, [unit for unit in policy.units if unit.code != "tax"])
        assert misplaced(session, ["962298"]) == ["chief", "clerk"]
        place(session, "clerk", "power")
        power = units.by_code(session, "power")
        assert power and viewer_of(session, clerk).units == (power.id,)
        assert misplaced(session, ["962299"]) == []
        noted = session.scalars(select(Journal).where(Journal.act == "person.placed")).one()
        assert noted.detail == {"unit": "power", "lines": []}
    for faulty in ("", "nowhere"):
        with pytest.raises(Refused), database.session() as session:
            place(session, "clerk", faulty)
