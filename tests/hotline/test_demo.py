"""The demo city is laid out once, believable, and reaches nobody."""

import hashlib
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
import soundfile
from sqlalchemy import func, select, update

from cases import logins, recordings
from cases.tickets import TicketSearch, list_tickets
from cases.visible import visible_calls, visible_recordings
from hotline import demo, demo_recordings
from routing.policy import load
from storage.database import Database
from storage.files import content
from storage.staff import Person
from storage.tables import Call, Recording, Ticket, TicketCall
from storage.viewer import COMMAND_LINE, STAFF, Role, Viewer
from telephony.ledger import Ledger, Swept
from tests.hotline.demo_cities import laid
from tests.pool import Pool

POLICIES = Path(__file__).resolve().parents[2] / "policies"


@pytest.fixture
def city(database: Database, pool: Pool) -> Path:
    """Mianyang laid out: the folder of what was recorded there."""
    return laid(pool, load(POLICIES / "mianyang-962299.toml")).incoming


@pytest.mark.parametrize("name", ["mianyang-962299.toml", "nanning-direct-line.toml"])
def test_a_city_is_laid_out_once_and_every_login_works(
    database: Database, pool: Pool, tmp_path: Path, name: str
) -> None:
    policy = load(POLICIES / name)
    laid(pool, policy)
    assert not demo.lay_out(database, policy, tmp_path)
    logins = demo.logins(database)
    assert {login.role for login in logins} == set(STAFF)
    places = {login.user: login.place for login in logins}
    assert len(places) == 20
    assert places["clerk"] == next(unit.name for unit in policy.units if unit.level == "county")
    assert places["chief"] == policy.lines[0].number
    with database.session() as session:
        calls = session.scalar(select(func.count()).select_from(Call)) or 0
        assert 60 <= calls <= 80


def test_the_demos_sealed_matters_show_to_the_discipline_officer_only(database: Database, city: Path) -> None:
    with database.session() as session:
        seen = list_tickets(session, COMMAND_LINE, TicketSearch(limit=500))
        assert seen and not any(ticket.sealed for ticket in seen)
        assert not any(call.sealed for call in session.scalars(visible_calls(COMMAND_LINE)))
        assert session.scalar(select(func.count()).where(Ticket.sealed)) == 6


def test_the_demos_clerks_have_something_to_do_and_leaders_something_to_read(
    database: Database, city: Path
) -> None:
    with database.session() as session:
        seen = {}
        for login in ("clerk", "clerk2", "clerk3", "chief", "secretary"):
            person = session.scalars(select(Person).where(Person.login == login)).one()
            viewer = logins.viewer_of(session, person)
            seen[login] = len(list_tickets(session, viewer, TicketSearch(limit=500)))
        assert all(seen.values())
        assert max(seen["clerk"], seen["clerk2"], seen["clerk3"]) < seen["chief"]


def test_a_changed_password_is_no_demo_login(database: Database, city: Path) -> None:
    with database.session() as session:
        session.execute(update(Person).where(Person.login == "admin").values(password_hash=logins._decoy()))
    assert "admin" not in {login.user for login in demo.logins(database)}


@pytest.fixture
def swept(database: Database, city: Path, tmp_path: Path) -> Path:
    """The kept recordings of a city that the ledger has been through."""
    policy = load(POLICIES / "mianyang-962299.toml")
    incoming, kept = tmp_path / "incoming", tmp_path / "kept"
    shutil.copytree(city, incoming)
    kept.mkdir()
    with database.session() as session:
        answered = session.scalar(select(func.count()).where(Call.answered_at.is_not(None))) or 0
    ledger = Ledger(incoming, kept, database, zone=policy.zone)
    assert ledger.sweep(datetime.now(UTC)) == Swept(kept=answered)
    assert not list(incoming.iterdir())
    return kept


def test_every_answered_call_of_the_demo_can_be_heard_for_as_long_as_it_lasted(
    database: Database, swept: Path
) -> None:
    with database.session() as session:
        found = session.execute(select(Recording, Call).join(Call, Call.id == Recording.call_id)).all()
        for recording, call in found:
            sound = content(recordings.sound(swept, recording))
            assert (recording.state, recording.repaired, recording.note) == ("ready", False, "")
            assert hashlib.sha256(sound.read()).hexdigest() == recording.sha256
            sound.seek(0)
            info = soundfile.info(sound)
            assert (info.channels, info.samplerate, info.subtype) == (2, 8000, "PCM_16")
            assert info.duration == pytest.approx(recording.duration_seconds, abs=0.001)
            talked = (call.ended_at - call.answered_at).total_seconds()
            assert talked == pytest.approx(recording.duration_seconds, abs=0.001)


def test_the_demos_sealed_calls_are_heard_by_those_named_only(database: Database, swept: Path) -> None:
    with database.session() as session:

        def heard_by(role: Role) -> set[int]:
            person = session.scalars(select(Person).where(Person.role == role)).first()
            assert person is not None
            return {each.id for each in session.scalars(visible_recordings(Viewer(person.id, role, "")))}

        sealed = select(Recording.id).join(Call, Call.id == Recording.call_id).where(Call.sealed)
        ids = set(session.scalars(sealed))
        assert ids and not ids & heard_by(Role.SUPERVISOR)
        assert ids <= heard_by(Role.DISCIPLINE)


def test_a_matter_told_in_the_demo_is_the_one_that_is_heard(database: Database, city: Path) -> None:
    """Its call has its own dialogue's length, and the sexes of its voices."""
    recordings = demo_recordings.load()
    plan = demo._read("demo_stories.toml")["stories"]
    own = {each["title"]: recordings[each["sound"]] for each in plan if "sound" in each}
    assert len(own) == 6
    sexes = {each["name"]: each["sex"] for each in demo._plan()["people"] if each["role"] == "agent"}
    with database.session() as session:
        told = {ticket.title: ticket for ticket in session.scalars(select(Ticket))}
        for title, recording in own.items():
            ticket = told[title]
            call = session.scalars(
                select(Call)
                .join(TicketCall, TicketCall.call_id == Call.id)
                .where(TicketCall.ticket_id == ticket.id)
            ).one()
            assert (city / f"{call.id}.caller.wav").read_bytes() == recording.legs["caller"]
            assert ticket.caller_sex == recording.dialogue.sex("caller")
            assert sexes[session.get_one(Person, call.agent_id).name] == recording.dialogue.sex("agent")


def test_every_dialogue_is_recorded_as_it_is_written_and_small() -> None:
    assert demo_recordings.stale() == []
    manifest = json.loads(demo_recordings.MANIFEST.read_text())
    files = {file.stem: file for file in demo_recordings.FOLDER.glob("*.flac")}
    assert set(files) == set(manifest) == set(demo_recordings.load())
    for name, entry in manifest.items():
        assert hashlib.sha256(files[name].read_bytes()).hexdigest() == entry["sha256"]
        assert soundfile.info(files[name]).duration == pytest.approx(entry["seconds"], abs=0.001)
    assert sum(file.stat().st_size for file in files.values()) < 2_500_000


def test_no_side_of_a_dialogue_is_ever_digitally_silent_and_both_are_heard() -> None:
    for name, recording in demo_recordings.load().items():
        frames, _ = soundfile.read(demo_recordings.FOLDER / f"{name}.flac", dtype="int16")
        for channel, side in enumerate(("caller", "agent")):
            leg = frames[: len(frames) // 800 * 800, channel].reshape(-1, 800)
            assert (leg != 0).any(axis=1).all(), (name, side)
            speaks = any(turn.side == side for turn in recording.dialogue.turns)
            assert (abs(leg).max() > 3000) == speaks, (name, side)
