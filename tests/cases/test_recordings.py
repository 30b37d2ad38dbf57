"""The ledger's rows: begun, kept or given up, found, played."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from cases.errors import NotVisible
from cases.recordings import (
    RecordingSearch,
    calls_without_recording,
    find_recordings,
    keep,
    mark_gap,
    played,
    register,
    unsettled,
)
from cases.ticket_form import TicketForm
from cases.tickets import open_ticket, save_ticket
from routing.policy import Policy
from storage.database import Database
from storage.tables import Journal, Recording
from tests.cases.conftest import NOW, NewCall, Staff

KEPT = {"path": "2026/09/18/x.wav", "sha256": "ab" * 32, "duration_seconds": 61.5, "size_bytes": 12}


def test_a_recording_of_a_call_not_yet_in_the_record_waits(database: Database) -> None:
    with database.session() as session:
        assert register(session, "unknown", "unknown", "call", NOW) is False


def test_begun_then_kept(database: Database, new_call: NewCall) -> None:
    call_id = new_call(recorded=False)
    with database.session() as session:
        assert register(session, call_id, call_id, "call", NOW)
        assert register(session, call_id, call_id, "call", NOW)
        assert [recording.name for recording in unsettled(session)] == [call_id]
        keep(session, call_id, **KEPT, repaired=True, peaks={"caller": [1], "agent": [0]})  # type: ignore[arg-type]
    with database.session() as session:
        assert unsettled(session) == []
        kept = session.scalars(select(Recording)).one()
        assert (kept.state, kept.repaired, kept.duration_seconds) == ("ready", True, 61.5)
        mark_gap(session, call_id, call_id, "too late")
    with database.session() as session:
        assert session.scalars(select(Recording.state)).one() == "ready"
        acts = session.scalars(select(Journal.act).where(Journal.subject_kind == "recording")).all()
        assert acts == ["recording.kept"]


def test_keeping_what_never_began_is_an_error(database: Database) -> None:
    with pytest.raises(NotVisible), database.session() as session:
        keep(session, "none", **KEPT)  # type: ignore[arg-type]


def test_an_answered_call_without_any_recording_is_noticed_and_becomes_a_gap(
    database: Database, new_call: NewCall
) -> None:
    bare = new_call(recorded=False)
    new_call()
    new_call(recorded=False, answered_by=None)
    with database.session() as session:
        assert calls_without_recording(session, NOW + timedelta(hours=1)) == [bare]
        assert calls_without_recording(session, NOW) == []
        mark_gap(session, bare, bare, "Asterisk was killed")
        assert calls_without_recording(session, NOW + timedelta(hours=1)) == []


def test_found_by_number_line_agent_day_and_ticket(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    first = new_call(at=NOW - timedelta(days=1))
    second = new_call(number="0816-2223344", answered_by=staff.other)
    with database.session() as session:
        form = TicketForm(kind="help", content="x")
        ticket = save_ticket(session, staff.agent, form, first, policy, NOW).number

    def found(search: RecordingSearch) -> list[str]:
        with database.session() as session:
            return [each.call.id for each in find_recordings(session, staff.supervisor, search)]

    assert found(RecordingSearch()) == [second, first]
    assert found(RecordingSearch(line="962299", limit=1, offset=1)) == [first]
    assert found(RecordingSearch(line="12345")) == []
    assert found(RecordingSearch(number="+868162223344")) == [second]
    assert found(RecordingSearch(agent_id=staff.other.person_id)) == [second]
    assert found(RecordingSearch(since=NOW - timedelta(days=2), until=NOW)) == [first]
    assert found(RecordingSearch(ticket=ticket)) == [first]
    assert found(RecordingSearch(ticket="none")) == []
    with database.session() as session:
        everything = find_recordings(session, staff.supervisor, RecordingSearch())
        assert [(each.agent_name, each.ticket_numbers) for each in everything] == [
            ("Other", []),
            ("Agent", [ticket]),
        ]
        record = open_ticket(session, staff.agent, ticket)
        assert [recording.call_id for recording in record.recordings] == [first]


def test_each_play_is_journalled(database: Database, staff: Staff, new_call: NewCall) -> None:
    call_id = new_call()
    with database.session() as session:
        recording_id = session.scalars(select(Recording.id)).one()
        for _ in range(2):
            assert played(session, staff.leader, recording_id).call_id == call_id
        with pytest.raises(NotVisible):
            played(session, staff.other, recording_id)
    with database.session() as session:
        plays = session.scalars(select(Journal).where(Journal.act == "recording.played")).all()
        assert [(play.actor_id, play.address) for play in plays] == [
            (staff.leader.person_id, "192.0.2.1")
        ] * 2
