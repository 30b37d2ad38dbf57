"""The record's side of a lab call."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cases import lab, recordings
from hotline.lab import audio
from hotline.lab.ground import Ground
from storage import files
from storage.tables import CallStep, Recording


@dataclass(frozen=True)
class Record:
    """What is on record of a call; `voices`: caller's and agent's, once the recording is kept."""

    told: lab.Told
    voices: tuple[audio.Samples, audio.Samples] | None

    @property
    def recording(self) -> Recording | None:
        """The call's own, not that of a consultation."""
        return next((each for each in self.told.recordings if each.part == "call"), None)

    def steps(self, name: str) -> list[CallStep]:
        return [step for step in self.told.steps if step.step == name]

    def document(self) -> dict[str, Any]:
        """For programs; times are ISO 8601 in UTC."""
        call = self.told.call
        facts = ("id", "line", "kind", "sealed", "language", "outcome", "origin")
        times = ("began_at", "queued_at", "answered_at", "ended_at")
        leg_facts = ("part", "channel", "person_id", "cause")
        recording_facts = ("name", "part", "state", "duration_seconds", "sha256", "note")
        return {
            **{name: getattr(call, name) for name in facts},
            **{name: _iso(getattr(call, name)) for name in times},
            "steps": [
                {"at": _iso(step.at), "step": step.step, "detail": step.detail, "source": step.source}
                for step in self.told.steps
            ],
            "legs": [
                {name: getattr(leg, name) for name in leg_facts}
                | {name: _iso(getattr(leg, name)) for name in ("began_at", "answered_at", "ended_at")}
                for leg in self.told.legs
            ],
            "recordings": [
                {name: getattr(each, name) for name in recording_facts} for each in self.told.recordings
            ],
        }


def read(ground: Ground, number: str, since: datetime) -> Record | None:
    """The record of the lab's call from this number, as far as it is written. Raises DatabaseAway."""
    with ground.database.session() as session:
        told = lab.told(session, number, since)
    if told is None:
        return None
    kept = next((each for each in told.recordings if each.part == "call" and each.state == "ready"), None)
    if kept is None or not (ground.home.recordings_kept / kept.path).is_file():
        return Record(told, None)
    sound = recordings.sound(ground.home.recordings_kept, kept)
    return Record(told, audio.read_voices(files.content(sound)))


def _iso(at: datetime | None) -> str | None:
    return at.isoformat(timespec="milliseconds") if at else None
