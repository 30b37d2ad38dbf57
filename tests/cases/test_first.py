"""The first administrator is made by a link: an hour, once, on an empty hotline only."""

from datetime import UTC, datetime, timedelta

import pytest

from cases import first
from cases.errors import Refused
from storage.database import Database
from storage.staff import FirstLink
from storage.viewer import Role
from tests.cases.conftest import PASSWORD, Staff


def test_it_makes_one_administrator_and_is_used_up(database: Database) -> None:
    with database.session() as session:
        token = first.new_link(session)
        assert token is not None
        assert token not in [row.token_hash for row in session.query(FirstLink)]
        assert first.opens(session, token)
    with database.session() as session:
        person = first.make_administrator(session, token, "wang", "王芳", PASSWORD)
        assert person is not None
        assert (person.role, person.login) == (Role.ADMINISTRATOR, "wang")
    with database.session() as session:
        assert first.make_administrator(session, token, "li", "李强", PASSWORD) is None
        assert first.new_link(session) is None


def test_a_slip_in_the_form_does_not_use_it_up(database: Database) -> None:
    with database.session() as session:
        token = first.new_link(session)
        assert token is not None
    with pytest.raises(Refused), database.session() as session:
        first.make_administrator(session, token, "wang", "王芳", "short")
    with database.session() as session:
        assert first.make_administrator(session, token, "wang", "王芳", PASSWORD) is not None


def test_after_an_hour_it_is_void(database: Database) -> None:
    with database.session() as session:
        token = first.new_link(session, datetime.now(UTC) - first.GOOD_FOR - timedelta(seconds=1))
        assert token is not None
        assert not first.opens(session, token)
        assert first.make_administrator(session, token, "wang", "王芳", PASSWORD) is None


def test_a_newer_link_voids_the_one_before(database: Database) -> None:
    with database.session() as session:
        old, new = first.new_link(session), first.new_link(session)
        assert old is not None and new is not None
        assert (first.opens(session, old), first.opens(session, new)) == (False, True)
        assert not first.opens(session, "guessed")


def test_where_somebody_works_there_is_none(database: Database, staff: Staff) -> None:
    with database.session() as session:
        assert first.new_link(session) is None
