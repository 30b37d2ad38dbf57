"""Recordings: the supervisors' page, the player, and the sound itself for those who may hear it."""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from agents.filters import Filter, Wanted, list_page
from agents.waveform import WIDTH, Waveform, draw
from cases import personal
from cases import recordings as ledger
from cases.permissions import Action
from cases.recordings import FoundRecording, RecordingSearch
from storage.files import FileFault, Plain, Sealed
from storage.tables import Call, Recording
from storage.viewer import Viewer
from web import ranges
from web.answers import SOUND_OR_FILE, file_of
from web.faults import Refused
from web.login import needs, services, signed_in
from web.render import page
from web.sessions import Login

log = structlog.get_logger()
router = APIRouter()
PLAYS_REMEMBERED = 20_000
LIST_COLUMNS = 80  # a list's picture is small


@dataclass(frozen=True, slots=True)
class Player:
    """One recording ready to be shown; `play` is the nonce of this opening of it."""

    recording: Recording
    wave: Waveform | None
    play: str


class Plays:
    """Which plays are in the journal already: a play is many range requests, but one act.

    A play is one opening of a player by one session. Kept in memory: after a restart the next request
    of an open player is journalled again, which is the safe side.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, int, str], None] = OrderedDict()

    def known(self, key: tuple[str, int, str]) -> bool:
        """True when this play is journalled."""
        with self._lock:
            return key in self._known

    def add(self, key: tuple[str, int, str]) -> None:
        """This play is journalled now."""
        with self._lock:
            self._known[key] = None
            if len(self._known) > PLAYS_REMEMBERED:
                self._known.popitem(last=False)


plays = Plays()


def players(recordings: Iterable[Recording], columns: int = WIDTH) -> list[Player]:
    """Recordings as the templates' player takes them."""
    return [Player(each, draw(each.peaks, columns), secrets.token_urlsafe(9)) for each in recordings]


@router.get("/recordings")
def recordings_page(
    request: Request,
    who: Annotated[Viewer, Depends(needs(Action.SEARCH_RECORDINGS))],
    typed: Annotated[Filter, Depends()],
) -> Response:
    """Recordings newest first, found by number, line, agent, day and ticket."""

    def find(session: Session, wanted: Wanted) -> list[tuple[FoundRecording, Player]]:
        search = RecordingSearch(
            **wanted.rows, line=typed.line, agent_id=wanted.agent_id, ticket=typed.ticket.strip()
        )
        found = ledger.find_recordings(session, who, search)
        rows = [replace(row, call=personal.shown(row.call, full=False)) for row in found]
        return list(zip(rows, players((row.recording for row in rows), LIST_COLUMNS), strict=True))

    return list_page(request, "recordings", typed, find)


@router.get("/recordings/{recording_id}")
def recording_page(
    request: Request,
    recording_id: int,
    who: Annotated[Viewer, Depends(needs(Action.HEAR))],
    dock: bool = False,
) -> Response:
    """One recording with its player: a page of its own, or (`dock`) just the player above the list."""
    with services(request).database.session() as session:
        recording = ledger.recording_of(session, who, recording_id)
        call = session.get_one(Call, recording.call_id)
        full = personal.sees_call(session, who, call)
    template = "recordings_dock.html" if dock else "recordings_one.html"
    return page(request, template, call=personal.shown(call, full=full), player=players([recording])[0])


@router.get(
    "/recordings/{recording_id}/audio",
    dependencies=[Depends(needs(Action.HEAR))],
    responses=file_of("The sound", "audio/wav") | SOUND_OR_FILE,
)
def audio(
    request: Request,
    recording_id: int,
    login: Annotated[Login, Depends(signed_in)],
    play: str = "",
) -> Response:
    """The sound (WAV), by ranges. The first request of a play is journalled before a byte goes out."""
    key = (login.token_hash, recording_id, play[:40])
    with services(request).database.session() as session:
        recording = ledger.recording_of(session, login.viewer, recording_id)
        sound = sound_of(services(request).recordings, recording)
        if not play or not plays.known(key):
            ledger.played(session, login.viewer, recording_id)
    plays.add(key)
    headers = {"Cache-Control": "private, no-cache"}
    return ranges.answer(request, sound, "audio/wav", f'"{recording.sha256}"', headers)


def sound_of(folder: Path, recording: Recording) -> Sealed | Plain:
    """The sound of a ready recording. Raises Refused with what is wrong and who can help."""
    if recording.state != "ready":
        raise Refused(f"recordings.not_{recording.state}", status=409)
    file = (folder / recording.path).resolve()
    if not file.is_relative_to(folder.resolve()) or not file.is_file():
        raise Refused("recordings.file_gone", status=410, name=recording.name)
    try:
        return ledger.sound(folder, recording)
    except FileFault as fault:
        log.error("recording damaged", recording=recording.id, fault=str(fault))
        raise Refused("recordings.file_damaged", status=410, name=recording.name) from fault
