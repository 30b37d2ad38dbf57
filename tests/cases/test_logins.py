"""Log-ins: the second step, sessions that are listed and ended, browsers that are known."""

from datetime import UTC, datetime, timedelta

import pytest
from argon2 import Type
from sqlalchemy import select

from cases import logins
from cases.errors import NotAllowed, NotVisible
from cases.people import dismiss, set_password
from storage.database import Database
from storage.staff import KnownBrowser, Person, WebSession
from storage.tables import Journal
from storage.viewer import Viewer
from tests.cases.conftest import PASSWORD, Staff
from tests.cases.test_totp import code_at, proved

NOW = datetime(2026, 9, 18, 2, 0, tzinfo=UTC)
SHIPPED = logins.hasher  # tests begin with a quicker one, once all files are read


def start(database: Database, viewer: Viewer, address: str = "192.0.2.9") -> str:
    with database.session() as session:
        return logins.start_session(session, session.get_one(Person, viewer.person_id), address)


def is_in(database: Database, token: str) -> bool:
    with database.session() as session:
        return logins.logged_in(session, token) is not None


def ids(database: Database, viewer: Viewer) -> list[int]:
    with database.session() as session:
        return [one.id for one in logins.own_sessions(session, viewer)]


# -- the password -----------------------------------------------------------------------------------


def test_a_password_is_hashed_as_owasp_advises_and_anew_where_it_was_hashed_more_weakly(
    database: Database, staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (SHIPPED.type, SHIPPED.time_cost, SHIPPED.memory_cost) == (Type.ID, 2, 19 * 1024)
    monkeypatch.setattr(logins, "hasher", SHIPPED)
    with database.session() as session:
        person = session.get_one(Person, staff.agent.person_id)
        assert SHIPPED.check_needs_rehash(person.password_hash)
        assert not logins.verifies(person, "wrong") and SHIPPED.check_needs_rehash(person.password_hash)
        assert logins.verifies(person, PASSWORD) and not SHIPPED.check_needs_rehash(person.password_hash)


# -- the second step --------------------------------------------------------------------------------


def test_without_an_app_the_password_lets_one_in(database: Database, staff: Staff) -> None:
    with database.session() as session:
        begun = logins.begin(session, "agent", PASSWORD)
        assert begun is not None and not begun.awaits_code
        assert logins.begin(session, "agent", "wrong") is None
    assert is_in(database, begun.token)


def test_with_an_app_the_password_opens_nothing_until_its_code_does(database: Database, staff: Staff) -> None:
    secret, _ = proved(database, staff.agent)
    with database.session() as session:
        begun = logins.begin(session, "agent", PASSWORD)
        assert begun is not None and begun.awaits_code
    assert not is_in(database, begun.token)
    now = datetime.now(UTC) + timedelta(minutes=2)
    with database.session() as session:
        assert logins.awaiting(session, begun.token, now) is not None
        whole = logins.prove(session, begun.token, code_at(secret, now), now)
        assert whole is not None
        assert logins.awaiting(session, begun.token, now) is None
    assert whole != begun.token
    assert is_in(database, whole)
    assert not is_in(database, begun.token)


def test_a_few_wrong_codes_end_the_half_log_in(database: Database, staff: Staff) -> None:
    secret, _ = proved(database, staff.agent)
    with database.session() as session:
        begun = logins.begin(session, "agent", PASSWORD)
        assert begun is not None
    now = datetime.now(UTC) + timedelta(minutes=2)
    for _ in range(logins.MOST_WRONG_CODES):
        with database.session() as session:
            assert logins.prove(session, begun.token, "000000x", now) is None
    with database.session() as session:
        assert logins.awaiting(session, begun.token, now) is None
        assert logins.prove(session, begun.token, code_at(secret, now), now) is None
        refused = session.scalars(select(Journal).where(Journal.act == "person.code_refused")).all()
        assert len(refused) == logins.MOST_WRONG_CODES


def test_a_half_log_in_is_over_after_some_minutes(database: Database, staff: Staff) -> None:
    secret, _ = proved(database, staff.agent)
    with database.session() as session:
        begun = logins.begin(session, "agent", PASSWORD)
        assert begun is not None
        late = datetime.now(UTC) + logins.CODE_WITHIN + timedelta(seconds=1)
        assert logins.prove(session, begun.token, code_at(secret, late), late) is None


def test_a_recovery_code_lets_one_in_once(database: Database, staff: Staff) -> None:
    _, codes = proved(database, staff.agent)
    for expected in (True, False):
        with database.session() as session:
            begun = logins.begin(session, "agent", PASSWORD)
            assert begun is not None
            assert (logins.prove(session, begun.token, codes[0]) is not None) is expected


# -- sessions ---------------------------------------------------------------------------------------


def test_one_sees_and_ends_ones_own_sessions_and_nobody_elses(database: Database, staff: Staff) -> None:
    here, there, others = (
        start(database, staff.agent),
        start(database, staff.agent, "198.51.100.7"),
        start(database, staff.other),
    )
    with database.session() as session:
        seen = logins.own_sessions(session, staff.agent)
        assert {one.address for one in seen} == {"192.0.2.9", "198.51.100.7"}
        elsewhere = next(one.id for one in seen if one.address == "198.51.100.7")
        logins.end_own(session, staff.agent, elsewhere)
    assert (is_in(database, here), is_in(database, there), is_in(database, others)) == (True, False, True)
    with pytest.raises(NotVisible), database.session() as session:
        logins.end_own(session, staff.agent, ids(database, staff.other)[0])
    assert is_in(database, others)


def test_all_others_end_and_this_one_stays(database: Database, staff: Staff) -> None:
    here, *rest = (start(database, staff.agent) for _ in range(3))
    with database.session() as session:
        assert logins.end_others(session, staff.agent, logins.hashed(here)) == 2
    assert is_in(database, here)
    assert not any(is_in(database, token) for token in rest)


def test_an_administrator_ends_anybodys_and_the_journal_says_by_which_rule(
    database: Database, staff: Staff
) -> None:
    token = start(database, staff.agent)
    (which,) = ids(database, staff.agent)
    for viewer in (staff.agent, staff.leader, staff.supervisor, staff.discipline):
        with pytest.raises(NotAllowed), database.session() as session:
            logins.revoke(session, viewer, which)
        with pytest.raises(NotAllowed), database.session() as session:
            logins.all_sessions(session, viewer)
    with database.session() as session:
        assert which in [one.id for one in logins.all_sessions(session, staff.administrator)]
        logins.revoke(session, staff.administrator, which)
    assert not is_in(database, token)
    with database.session() as session:
        line = session.scalars(select(Journal).where(Journal.act == "session.ended")).one()
        assert (line.actor_id, line.rule) == (
            staff.administrator.person_id,
            "administrator/manage_people/all",
        )
    with pytest.raises(NotVisible), database.session() as session:
        logins.revoke(session, staff.administrator, which)


def test_a_new_password_and_a_dismissal_tell_every_process_which_sessions_are_over(
    database: Database, staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(logins, "notify_all", lambda _session, notes: told.extend(n.topic for n in notes))
    start(database, staff.agent)
    start(database, staff.other)
    expected = [f"session:{ids(database, who)[0]}" for who in (staff.agent, staff.other)]
    with database.session() as session:
        set_password(session, "agent", "another password")
        dismiss(session, "other")
    assert told == expected


# -- known browsers ---------------------------------------------------------------------------------


def test_a_browser_is_known_after_a_log_in_until_long_unseen(database: Database, staff: Staff) -> None:
    with database.session() as session:
        token = logins.remember_browser(session, "")
        assert logins.remember_browser(session, token) == token
        assert logins.remember_browser(session, "made-up") not in ("made-up", token)
        assert token not in session.scalars(select(KnownBrowser.token_hash)).all()
    with database.session() as session:
        assert logins.knows_browser(session, token)
        assert not logins.knows_browser(session, "made-up")
        assert not logins.knows_browser(session, "")
        for row in session.scalars(select(KnownBrowser)):
            row.seen_at = datetime.now(UTC) - logins.BROWSER_KEPT
    with database.session() as session:
        assert not logins.knows_browser(session, token)


def test_of_a_cookie_only_its_hash_is_kept(database: Database, staff: Staff) -> None:
    token = start(database, staff.agent)
    with database.session() as session:
        row = session.scalars(select(WebSession)).one()
        assert token not in (row.token_hash, row.user_agent, row.address)
