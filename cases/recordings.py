"""The recording ledger's rows, and who may listen. Files are telephony/ledger.py's."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import exists, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cases import journal, lab
from cases.errors import NotVisible
from cases.looks import note_listed
from cases.permissions import Action, rule
from cases.search import OfCalls, newest, of_calls
from cases.ticket_numbers import called
from cases.visible import visible_recordings, visible_tickets
from storage.files import Plain, Sealed, opened
from storage.staff import Person
from storage.tables import Call, CallLeg, CallStep, Recording, TicketCall
from storage.viewer import Viewer

LEDGER_LOOKS_BACK = timedelta(days=30)  # for calls without recording: not over the years at each sweep


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingSearch(OfCalls):
    """`ticket` is a ticket's number."""

    ticket: str = ""


@dataclass(frozen=True, slots=True)
class FoundRecording:
    recording: Recording
    call: Call
    agent_name: str
    ticket_numbers: list[str]


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a call and one of its recordings have come; for the ledger, shown to nobody."""

    began_at: datetime
    ended_at: datetime | None
    ready_path: str  # '' until kept
    ready_at: datetime | None


@dataclass(frozen=True, slots=True)
class Given:
    """A phone that answered, and has had the caller from `at` on; after a consultation that is later.

    `ended_at`: when its channel ended, None if Asterisk could not tell.
    """

    uniqueid: str
    answered_at: datetime
    at: datetime
    ended_at: datetime | None


def file_context(name: str) -> str:
    """What a recording's file is sealed as, so that none can be put in another's place."""
    return f"recording/{name}"


def sound(folder: Path, recording: Recording) -> Sealed | Plain:
    """A ready recording's sound (WAV); `folder` is the recordings'. Raises FileFault, OSError, VaultError."""
    return opened(folder / recording.path, file_context(recording.name), recording.key_id)


def standing(session: Session, call_id: str, name: str) -> Standing | None:
    """None while the call is not in the record."""
    call = session.get(Call, call_id)
    if call is None:
        return None
    kept = session.scalar(select(Recording).where(Recording.name == name, Recording.state == "ready"))
    if kept is None:
        return Standing(call.began_at, call.ended_at, "", None)
    return Standing(call.began_at, call.ended_at, kept.path, kept.ready_at)


def register(session: Session, call_id: str, name: str, part: str, began_at: datetime) -> bool:
    """A recording has begun; harmless when known. False when the call is not in the record yet."""
    known_call = select(Call.id).where(Call.id == call_id)
    if session.scalar(known_call) is None:
        return False
    row = insert(Recording).values(call_id=call_id, name=name, part=part, state="open", began_at=began_at)
    session.execute(row.on_conflict_do_nothing())
    return True


def keep(
    session: Session,
    name: str,
    *,
    path: str,
    sha256: str,
    duration_seconds: float,
    size_bytes: int,
    key_id: str = "",
    repaired: bool = False,
    note: str = "",
    peaks: dict[str, Any] | None = None,
) -> None:
    """The file is whole, hashed and in its place; `path` is relative to the recordings folder.

    `sha256` and `size_bytes` are of the plain sound, which stays the same under every key.
    """
    recording = _named(session, name)
    recording.state, recording.path, recording.sha256 = "ready", path, sha256
    recording.duration_seconds, recording.size_bytes = duration_seconds, size_bytes
    recording.key_id = key_id
    recording.repaired, recording.note, recording.peaks = repaired, note, peaks
    recording.ready_at = datetime.now(UTC)
    journal.append(session, None, "recording.kept", "recording", recording.id, sha256=sha256)


def remove(session: Session, folder: Path, recording: Recording, why: str) -> None:
    """The sound goes, then what the row says of it; that there was one stays. `why`: a code."""
    (folder / recording.path).unlink(missing_ok=True)
    recording.state, recording.path, recording.key_id, recording.peaks = "removed", "", "", None
    journal.append(
        session, None, "recording.removed", "recording", recording.id, call=recording.call_id, why=why
    )


def mark_gap(session: Session, call_id: str, name: str, note: str, began_at: datetime | None = None) -> None:
    """Nothing could be kept; `note` says why. A recording that is ready stays as it is."""
    row = insert(Recording).values(
        call_id=call_id, name=name, state="gap", note=note, began_at=began_at or datetime.now(UTC)
    )
    marked = session.scalar(
        row.on_conflict_do_update(
            index_elements=[Recording.name],
            set_={"state": "gap", "note": note},
            where=Recording.state != literal("ready"),
        ).returning(Recording.id)
    )
    if marked is not None:
        journal.append(session, None, "recording.gap", "recording", marked)


def unsettled(session: Session) -> list[Recording]:
    """Recordings that began and were neither kept nor given up."""
    return list(
        session.scalars(select(Recording).where(Recording.state == "open").order_by(Recording.began_at))
    )


def calls_without_recording(session: Session, ended_before: datetime) -> list[str]:
    """Answered calls of the last weeks, over since then, that the ledger knows nothing of."""
    known = exists().where(Recording.call_id == Call.id)
    over = Call.ended_at.between(ended_before - LEDGER_LOOKS_BACK, ended_before)
    missing = select(Call.id).where(Call.answered_at.is_not(None), over, ~known)
    return list(session.scalars(missing.order_by(Call.began_at)))


def recording_began(session: Session, call_id: str) -> list[datetime]:
    """When the call's own recording began, and began anew after each pause."""
    began = select(CallStep.at).where(CallStep.call_id == call_id, CallStep.step == "recording")
    return list(session.scalars(began.order_by(CallStep.at)))


def given(session: Session, call_id: str) -> list[Given]:
    """Who has had the caller, first one first."""
    phones = (
        select(CallLeg, CallStep.at)
        .join(CallStep, CallStep.detail["uniqueid"].astext == CallLeg.uniqueid)
        .where(CallStep.call_id == call_id, CallStep.step == "answer")
    )
    return [
        Given(leg.uniqueid, leg.answered_at or at, at, leg.ended_at)
        for leg, at in session.execute(phones.order_by(CallStep.at))
    ]


def find_recordings(session: Session, viewer: Viewer, search: RecordingSearch) -> list[FoundRecording]:
    """Recordings that the viewer may hear but the lab's, newest first."""
    query = of_calls(visible_recordings(viewer, Action.SEARCH_RECORDINGS), search).where(lab.real_call())
    if search.ticket:
        mine = visible_tickets(viewer).where(called(search.ticket)).subquery()
        linked = select(TicketCall.call_id).join(mine, mine.c.id == TicketCall.ticket_id)
        query = query.where(Recording.call_id.in_(linked))
    found = session.scalars(newest(query, Recording.began_at, Recording.id, search)).all()
    rows = _with_calls(session, viewer, list(found))
    sealed = [row.recording.id for row in rows if row.call.sealed]
    note_listed(session, viewer, Action.SEARCH_RECORDINGS, "recording", sealed)
    return rows


def recording_of(session: Session, viewer: Viewer, recording_id: int) -> Recording:
    """One recording that the viewer may hear, for the parts of a play. Raises NotVisible."""
    recording = session.scalar(visible_recordings(viewer).where(Recording.id == recording_id))
    if recording is None:
        raise NotVisible(f"no recording {recording_id}")
    return recording


def played(session: Session, viewer: Viewer, recording_id: int) -> Recording:
    """Somebody listens: journalled, once per play. Raises NotVisible."""
    recording = recording_of(session, viewer, recording_id)
    allowed = rule(viewer, Action.HEAR, sealed=session.get_one(Call, recording.call_id).sealed)
    journal.append(
        session,
        viewer,
        "recording.played",
        "recording",
        recording_id,
        rule=allowed,
        call=recording.call_id,
    )
    return recording


def _with_calls(session: Session, viewer: Viewer, found: list[Recording]) -> list[FoundRecording]:
    ids = {recording.call_id for recording in found}
    calls = {call.id: call for call in session.scalars(select(Call).where(Call.id.in_(ids)))}
    spoke = {call.agent_id for call in calls.values() if call.agent_id is not None}
    agents = {
        person.id: person.name for person in session.scalars(select(Person).where(Person.id.in_(spoke)))
    }
    mine = visible_tickets(viewer).subquery()
    numbers = {
        call_id: list(tickets)
        for call_id, tickets in session.execute(
            select(TicketCall.call_id, func.array_agg(mine.c.number))
            .join(mine, mine.c.id == TicketCall.ticket_id)
            .where(TicketCall.call_id.in_(ids))
            .group_by(TicketCall.call_id)
        )
    }
    return [
        FoundRecording(
            recording=recording,
            call=calls[recording.call_id],
            agent_name=agents.get(calls[recording.call_id].agent_id or 0, ""),
            ticket_numbers=sorted(numbers.get(recording.call_id, [])),
        )
        for recording in found
    ]


def _named(session: Session, name: str) -> Recording:
    recording = session.scalar(select(Recording).where(Recording.name == name).with_for_update())
    if recording is None:
        raise NotVisible(f"no recording {name}")
    return recording
