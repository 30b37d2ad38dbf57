"""The recording ledger: what Asterisk wrote becomes one hashed stereo file per call, or a gap with a reason.

The legs are plain while Asterisk writes them: it knows no keys.
The file is sealed, and they go once it is kept.

The order makes every step repeatable: file whole under its name, then the row, then the legs go.
Killed in between, the next sweep does the same again and comes to the same end.
"""

import errno
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from cases import recordings
from storage.database import Database
from telephony.overlay import Voices, piece
from telephony.wav import Leg, Piece, WavError, join, read_leg

CALLER, AGENT = ".caller.wav", ".agent.wav"  # behind the stem
CONSULT = "-consult-"
CLOSING_SECONDS = 3  # Asterisk closes its files this long after the call, at most
QUIET_SECONDS = 600  # a call that nobody saw end is over when nothing was written for so long
GRACE = timedelta(minutes=5)  # how long an ended call may wait for its file

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Take:
    """The files of one recording. `name` is their stem: <call id> or <call id>-consult-…."""

    name: str
    files: dict[str, Path] = field(default_factory=dict)  # by ending

    @property
    def call_id(self) -> str:
        return self.name.split(CONSULT)[0]

    @property
    def part(self) -> str:
        return "consult" if CONSULT in self.name else "call"

    @property
    def uniqueid(self) -> str:
        """The channel that a consultation's recording was made on; '' for a call's own."""
        return self.name.partition(CONSULT)[2]

    def written_at(self) -> float:
        """Seconds since 1970; 0 when the files went away."""
        return max((file.stat().st_mtime for file in self.files.values() if file.exists()), default=0.0)


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did; `waiting` recordings are still written or belong to no known call yet."""

    kept: int = 0
    gaps: int = 0
    waiting: int = 0


class Ledger:
    """One per system, swept by the clock; sweeps never overlap."""

    def __init__(
        self,
        incoming: Path,
        kept: Path,
        database: Database,
        *,
        zone: ZoneInfo,
        is_live: Callable[[str], bool] = lambda _call_id: False,
        quiet_seconds: float = QUIET_SECONDS,
        grace: timedelta = GRACE,
    ) -> None:
        """`zone`: whose days the folders are; `is_live`: is this call id on the line right now?"""
        self._incoming = incoming
        self._kept = kept
        self._database = database
        self._zone = zone
        self._is_live = is_live
        self._quiet_seconds = quiet_seconds
        self._grace = grace
        self._complaints: set[str] = set()

    def sweep(self, now: datetime) -> Swept:
        """Take in all that is finished, then mark the gaps. Raises DatabaseAway; then nothing is lost."""
        outcomes: Counter[str] = Counter()
        takes = self._takes()
        for _, of_call in groupby(takes, key=lambda take: take.call_id):
            outcomes.update(self._take_in_call(list(of_call), now))
        gaps = self._mark_gaps(now, {take.call_id for take in takes}, {take.name for take in takes})
        return Swept(outcomes["kept"], outcomes["gap"] + gaps, outcomes["waiting"])

    def _takes(self) -> list[Take]:
        """What lies in the incoming folder, call by call, each call's own recording first."""
        takes: dict[str, Take] = {}
        for ending in (CALLER, AGENT):
            for file in self._incoming.glob(f"*{ending}"):
                name = file.name.removesuffix(ending)
                takes.setdefault(name, Take(name)).files[ending] = file
        return sorted(takes.values(), key=lambda take: (take.call_id, take.uniqueid))

    def _take_in_call(self, takes: list[Take], now: datetime) -> Iterator[str]:
        """What became of each; consultations wait for the call's own recording, which needs them."""
        written_at = max(take.written_at() for take in takes)
        own_waits = False
        for take in takes:
            with structlog.contextvars.bound_contextvars(call=take.call_id):
                try:
                    outcome = "waiting" if own_waits else self._take_in(take, written_at, takes, now)
                except OSError as error:
                    self._complain_of_disk(error, take)
                    outcome = "waiting"
            own_waits |= take.part == "call" and outcome == "waiting"
            yield outcome

    def _take_in(self, take: Take, written_at: float, of_call: list[Take], now: datetime) -> str:
        """kept | gap | waiting | done (it was kept before). Raises OSError, DatabaseAway."""
        if self._is_live(take.call_id) or now.timestamp() - written_at < CLOSING_SECONDS:
            return "waiting"  # without a question to the database: most takes, on a busy day
        with self._database.session() as session:
            standing = recordings.standing(session, take.call_id, take.name)
        if standing is None:
            if self._quiet(take, now):
                self._complain(
                    take.name, "recording of a call that is not in the record yet", call=take.call_id
                )
            return "waiting"
        if not self._is_over(take, standing.ended_at, now):
            return "waiting"
        if standing.ready_path and (self._kept / standing.ready_path).is_file():
            return self._clear(take, standing.ready_at)
        return self._keep(take, standing.began_at, of_call)

    def _is_over(self, take: Take, ended_at: datetime | None, now: datetime) -> bool:
        if ended_at is None:
            return self._quiet(take, now)
        return now.timestamp() - ended_at.timestamp() >= CLOSING_SECONDS

    def _quiet(self, take: Take, now: datetime) -> bool:
        return now.timestamp() - take.written_at() >= self._quiet_seconds

    def _keep(self, take: Take, began_at: datetime, of_call: list[Take]) -> str:
        try:
            voices, notes = self._voices(take)
            if not any(leg and leg.frames for leg in (voices.caller, voices.agent)):
                return self._mark_silent(take, began_at)
            day = began_at.astimezone(self._zone)
            path = Path(f"{day:%Y}") / f"{day:%m}" / f"{day:%d}" / f"{take.name}.wav"
            target = self._kept / path
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            pieces = self._pieces(take, voices, of_call) if take.part == "call" else []
            joined = join(voices.caller, voices.agent, target, recordings.file_context(take.name), pieces)
        except WavError as error:
            return self._give_up(take, str(error), began_at)
        with self._database.session() as session:
            recordings.register(session, take.call_id, take.name, take.part, began_at)
            recordings.keep(
                session,
                take.name,
                path=path.as_posix(),
                sha256=joined.sha256,
                duration_seconds=joined.seconds,
                size_bytes=joined.size_bytes,
                key_id=joined.key_id,
                repaired=any(leg and leg.repaired for leg in (voices.caller, voices.agent)),
                note="; ".join(notes),
                peaks=joined.peaks,
            )
        self._remove(take)
        return "kept"

    def _voices(self, take: Take) -> tuple[Voices, list[str]]:
        """Both voices, and what is wrong with them; a damaged one is set aside while the other can be read.

        Raises WavError when neither can.
        """
        legs, damaged = _legs(take)
        if not legs:
            raise WavError("; ".join(damaged.values()) or "neither voice was written apart")
        self._set_aside(take, list(damaged))
        notes = [
            damaged.get(ending, f"{take.name}{ending} is missing")
            for ending in (CALLER, AGENT)
            if ending not in legs
        ]
        return Voices(legs.get(CALLER), legs.get(AGENT)), notes

    def _pieces(self, take: Take, voices: Voices, of_call: list[Take]) -> list[Piece]:
        """The voices of colleagues who were given the caller after a consultation."""
        consultations = {each.uniqueid: each for each in of_call if each.part == "consult"}
        if not consultations:
            return []
        with self._database.session() as session:
            began = recordings.recording_began(session, take.call_id)
            given = recordings.given(session, take.call_id)
        pieces = []
        for colleague in given:
            if colleague.uniqueid in consultations:
                legs, _ = _legs(consultations[colleague.uniqueid])
                hers = Voices(legs.get(CALLER), legs.get(AGENT))
                pieces.append(piece(voices, began, hers, colleague))
        return [each for each in pieces if each]

    def _give_up(self, take: Take, reason: str, began_at: datetime) -> str:
        """A gap; what was written is set aside, not thrown away."""
        with self._database.session() as session:
            recordings.register(session, take.call_id, take.name, take.part, began_at)
            recordings.mark_gap(session, take.call_id, take.name, reason, began_at)
        self._set_aside(take, list(take.files))
        log.warning("recording unreadable", name=take.name, reason=reason)
        return "gap"

    def _set_aside(self, take: Take, endings: list[str]) -> None:
        """Keep for whoever can read them: <incoming>/unreadable/."""
        aside = self._incoming / "unreadable"
        for ending in endings:
            aside.mkdir(mode=0o700, exist_ok=True)
            file = take.files.pop(ending)
            file.replace(aside / file.name)

    def _mark_silent(self, take: Take, began_at: datetime) -> str:
        """The call was over before a sample was written: a gap, and nothing worth setting aside."""
        with self._database.session() as session:
            recordings.register(session, take.call_id, take.name, take.part, began_at)
            recordings.mark_gap(session, take.call_id, take.name, "no sound was written", began_at)
        self._remove(take)
        return "gap"

    def _clear(self, take: Take, ready_at: datetime | None) -> str:
        """The take is in the ledger already: its legs go, unless they were written to since."""
        if ready_at and take.written_at() > ready_at.timestamp():
            self._complain(
                take.name, "recording written to after it was kept; look at both", call=take.call_id
            )
            return "waiting"
        self._remove(take)
        return "done"

    def _remove(self, take: Take) -> None:
        for file in take.files.values():
            file.unlink(missing_ok=True)
        self._complaints.discard(take.name)
        self._complaints.discard("disk")

    def _mark_gaps(self, now: datetime, calls_here: set[str], names_here: set[str]) -> int:
        """Answered calls of which nothing was written, and recordings that began and never came."""
        gaps = 0
        with self._database.session() as session:
            for call_id in recordings.calls_without_recording(session, now - self._grace):
                if call_id not in calls_here:
                    recordings.mark_gap(session, call_id, call_id, "no recording was written")
                    gaps += 1
            for row in recordings.unsettled(session):
                standing = recordings.standing(session, row.call_id, row.name)
                ended_at = standing.ended_at if standing else None
                if row.name not in names_here and ended_at and ended_at < now - self._grace:
                    recordings.mark_gap(session, row.call_id, row.name, "the recording's files are gone")
                    gaps += 1
        if gaps:
            log.warning("calls without recording", calls=gaps)
        return gaps

    def _complain_of_disk(self, error: OSError, take: Take) -> None:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = f"free space under {self._kept}; nothing is lost, the legs wait in {self._incoming}"
            self._complain("disk", "no space for recordings", remedy=remedy)
        else:
            self._complain(take.name, "recording cannot be kept", fault=str(error), call=take.call_id)

    def _complain(self, about: str, event: str, **facts: str) -> None:
        """Once for each fault, not at each sweep."""
        if about not in self._complaints:
            self._complaints.add(about)
            log.error(event, **facts)


def _legs(take: Take) -> tuple[dict[str, Leg], dict[str, str]]:
    """By ending: the legs that can be read, and what is wrong with the others. Raises OSError."""
    legs: dict[str, Leg] = {}
    damaged: dict[str, str] = {}
    for ending, file in take.files.items():
        try:
            legs[ending] = read_leg(file)
        except WavError as error:
            damaged[ending] = f"{file.name}: {error}"
    return legs, damaged
