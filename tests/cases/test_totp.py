"""Codes of an authenticator app: once each, half a minute of drift; recovery codes; turning it off."""

from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from sqlalchemy import select, text

from cases import totp
from cases.errors import NotAllowed, Refused
from storage.database import Database
from storage.staff import RecoveryCode
from storage.tables import Journal
from storage.viewer import Viewer
from tests.cases.conftest import Staff

NOW = datetime(2026, 9, 18, 2, 0, 15, tzinfo=UTC)
SECRET = pyotp.random_base32()
STEP = timedelta(seconds=totp.STEP_SECONDS)


def code_at(secret: str, at: datetime) -> str:
    return pyotp.TOTP(secret).at(at)


def proved(database: Database, viewer: Viewer, at: datetime = NOW) -> tuple[str, list[str]]:
    """The app of this person is set up: its secret, and the recovery codes."""
    with database.session() as session:
        secret = totp.begin(session, viewer)
        codes = totp.finish(session, viewer, code_at(secret, at), at)
    assert codes is not None
    return secret, codes


def accepts(database: Database, viewer: Viewer, code: str, at: datetime) -> bool:
    with database.session() as session:
        return totp.accept(session, viewer, code, at)


def test_nothing_is_asked_for_before_a_code_has_proved_the_app(database: Database, staff: Staff) -> None:
    with database.session() as session:
        secret = totp.begin(session, staff.agent)
        assert totp.pending(session, staff.agent) == secret
        assert not totp.is_on(session, staff.agent.person_id)
        assert totp.finish(session, staff.agent, code_at(secret, NOW + 10 * STEP), NOW) is None
        assert not totp.is_on(session, staff.agent.person_id)
        assert totp.finish(session, staff.agent, code_at(secret, NOW), NOW) is not None
        assert totp.is_on(session, staff.agent.person_id)
        assert totp.pending(session, staff.agent) is None
    with pytest.raises(Refused), database.session() as session:
        totp.begin(session, staff.agent)


@pytest.mark.parametrize(("drift", "good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_off_by_one_step(database: Database, staff: Staff, drift: int, good: bool) -> None:
    secret, _ = proved(database, staff.agent)
    later = NOW + 10 * STEP
    assert accepts(database, staff.agent, code_at(secret, later + drift * STEP), later) is good


def test_a_code_is_good_once_and_none_before_it_any_more(database: Database, staff: Staff) -> None:
    secret, _ = proved(database, staff.agent)
    later = NOW + 10 * STEP
    assert not accepts(database, staff.agent, code_at(secret, NOW), NOW)  # spent by the proof
    assert accepts(database, staff.agent, code_at(secret, later), later)
    assert not accepts(database, staff.agent, code_at(secret, later), later)
    assert not accepts(database, staff.agent, code_at(secret, later - STEP), later)
    assert accepts(database, staff.agent, code_at(secret, later + STEP), later)


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "１２３４５６", "²²²²²²", "0" * 400])
def test_what_is_no_code_is_refused(database: Database, staff: Staff, code: str) -> None:
    proved(database, staff.agent)
    assert not accepts(database, staff.agent, code, NOW + 10 * STEP)


def test_spaces_in_a_code_do_not_matter(database: Database, staff: Staff) -> None:
    secret, _ = proved(database, staff.agent)
    later = NOW + 10 * STEP
    code = code_at(secret, later)
    assert accepts(database, staff.agent, f" {code[:3]} {code[3:]} ", later)


def test_ten_recovery_codes_each_good_once_however_they_are_written(database: Database, staff: Staff) -> None:
    _, codes = proved(database, staff.agent)
    assert len(set(codes)) == 10
    written = [codes[0], codes[1].upper(), codes[2].replace("-", ""), f" {codes[3].replace('-', ' ')} "]
    for code in written:
        assert accepts(database, staff.agent, code, NOW)
        assert not accepts(database, staff.agent, code, NOW)
    assert not accepts(database, staff.other, codes[4], NOW)
    with database.session() as session:
        assert totp.recovery_codes_left(session, staff.agent.person_id) == 6
        stored = session.scalars(select(RecoveryCode.digest)).all()
        assert not set(stored) & {code.replace("-", "") for code in codes}
        used = session.scalars(select(Journal).where(Journal.act == "person.recovery_code")).all()
        assert len(used) == 4


def test_the_secret_cannot_be_read_in_the_database(database: Database, staff: Staff) -> None:
    secret, _ = proved(database, staff.agent)
    with database.session() as session:
        stored = bytes(session.scalar(text("SELECT secret FROM totp")))
    assert secret.encode() not in stored


def test_turned_off_nothing_of_it_is_left(database: Database, staff: Staff) -> None:
    _, codes = proved(database, staff.agent)
    with database.session() as session:
        totp.turn_off(session, staff.agent)
    assert not accepts(database, staff.agent, codes[0], NOW)
    with database.session() as session:
        assert not totp.is_on(session, staff.agent.person_id)
        assert totp.recovery_codes_left(session, staff.agent.person_id) == 0
    proved(database, staff.agent, NOW + 20 * STEP)


def test_an_administrator_turns_it_off_for_somebody_on_record_and_nobody_else_does(
    database: Database, staff: Staff
) -> None:
    proved(database, staff.agent)
    for viewer in (staff.agent, staff.leader, staff.supervisor):
        with pytest.raises(NotAllowed), database.session() as session:
            totp.turn_off_for(session, viewer, "agent")
    with database.session() as session:
        assert [one.login for one in totp.people_with(session, staff.administrator)] == ["agent"]
        totp.turn_off_for(session, staff.administrator, "agent")
        assert totp.people_with(session, staff.administrator) == []
        line = session.scalars(select(Journal).where(Journal.act == "person.totp_off")).one()
        assert (line.actor_id, line.subject_id, line.rule) == (
            staff.administrator.person_id,
            str(staff.agent.person_id),
            "administrator/manage_people/all",
        )
    with pytest.raises(Refused), database.session() as session:
        totp.turn_off_for(session, staff.administrator, "nobody")


def test_the_picture_names_account_and_hotline(database: Database, staff: Staff) -> None:
    address = totp.address(SECRET, "wang.fang", "962299 企业服务热线")
    parsed = pyotp.parse_uri(address)
    assert isinstance(parsed, pyotp.TOTP)
    assert (parsed.secret, parsed.name, parsed.issuer) == (SECRET, "wang.fang", "962299 企业服务热线")
