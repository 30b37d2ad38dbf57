"""Phones' secrets: derived from a log-in, or made for a hardware phone; which log-ins are over."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from cases import logins, phones
from cases.errors import Refused
from cases.people import create_person, dismiss
from storage.database import Database
from storage.staff import Person
from storage.viewer import Role
from tests.cases.conftest import PASSWORD, Staff


def start(database: Database, staff: Staff) -> str:
    with database.session() as session:
        token = logins.start_session(session, session.get_one(Person, staff.agent.person_id))
        phones.place_for(session, logins.hashed(token))
    return token


def places_over(database: Database, now: datetime | None = None) -> list[int]:
    with database.session() as session:
        return [one.place for one in phones.over(session, now)]


def test_a_secret_is_the_log_ins_own_and_says_nothing_of_its_cookie() -> None:
    one, other = phones.secret_of("a cookie"), phones.secret_of("another cookie")
    assert one == phones.secret_of("a cookie")
    assert one != other
    assert len(one) == 32
    assert "cookie" not in one


def test_the_digest_is_the_one_of_sip() -> None:
    assert phones.digest("e00000001", "secret") == "20965102db3d57734c59913422ddbc51"


def test_a_log_in_keeps_its_place_and_a_third_takes_the_longest_unseen_ones(
    database: Database, staff: Staff
) -> None:
    first, second = start(database, staff), start(database, staff)
    with database.session() as session:
        assert phones.place_for(session, logins.hashed(first)) == 1
        assert phones.place_for(session, logins.hashed(second)) == 2
        found = logins.logged_in(session, second)
        assert found is not None
        found[2].seen_at -= timedelta(hours=1)
    third = start(database, staff)
    with database.session() as session:
        assert phones.place_for(session, logins.hashed(third)) == 2
        assert phones.place_for(session, logins.hashed(first)) == 1


def test_an_ended_log_ins_place_goes_first(database: Database, staff: Staff) -> None:
    first, second = start(database, staff), start(database, staff)
    with database.session() as session:
        logins.end_session(session, second)
        assert phones.place_for(session, logins.hashed(start_within(session, staff))) == 2
        assert phones.place_for(session, logins.hashed(first)) == 1


def start_within(session: Session, staff: Staff) -> str:
    return logins.start_session(session, session.get_one(Person, staff.agent.person_id))


def test_over_are_log_ins_that_ended_idled_grew_old_or_whose_person_left(
    database: Database, staff: Staff
) -> None:
    token = start(database, staff)
    now = datetime.now(UTC)
    assert places_over(database) == []
    assert places_over(database, now + phones.SESSION_IDLE + timedelta(minutes=1)) == [1]
    with database.session() as session:
        logins.end_session(session, token)
    assert places_over(database) == [1]
    start(database, staff)
    with database.session() as session:
        dismiss(session, "agent")
    assert places_over(database) == [1, 2]


def test_a_hardware_phone_has_one_secret_of_which_the_digest_is_kept(
    database: Database, staff: Staff
) -> None:
    with database.session() as session:
        person = create_person(session, "night", "夜班", Role.AGENT, PASSWORD, "8050", "hardware")
        first = phones.new_secret(person)
        second = phones.new_secret(person)
        session.flush()
        (phone,) = [one for one in phones.phones(session) if one.kind == "hardware"]
        assert first != second
        assert phone.digest == phones.digest(phone.endpoint, second)
        with pytest.raises(Refused):
            phones.new_secret(session.get_one(Person, staff.agent.person_id))
