"""What was recorded of the demo city's calls: dialogues in demo_sounds/, spoken by script/voices.

`python -m hotline.demo_recordings [--all]` speaks those whose words changed, as `hotline prompts
--render` does the prompts. Laying out a call puts its two legs where Asterisk would have written them;
the ledger does the rest, as with any call.
"""

import hashlib
import io
import itertools
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import soundfile

from hotline.prompts import VOICES, render
from speech import dialogues
from speech.dialogues import RATE, SIDES, Dialogue

FOLDER = Path(__file__).parent / "demo_sounds"
TEXTS = FOLDER / "dialogues.toml"
MANIFEST = FOLDER / "manifest.json"


@dataclass(frozen=True, slots=True)
class DemoRecording:
    """A dialogue ready to be somebody's call: the legs as WAV bytes, by side."""

    dialogue: Dialogue
    seconds: float
    legs: dict[str, bytes]

    def write_legs(self, incoming: Path, call_id: str, ended_at: datetime) -> None:
        """As Asterisk leaves them behind a call that ended then. Raises OSError."""
        for side, content in self.legs.items():
            file = incoming / f"{call_id}.{side}.wav"
            file.write_bytes(content)
            os.utime(file, (ended_at.timestamp(), ended_at.timestamp()))


def load() -> dict[str, DemoRecording]:
    """Every dialogue that is recorded, by name."""
    return {
        name: _load(dialogue)
        for name, dialogue in dialogues.read(TEXTS).items()
        if _sound(dialogue).is_file()
    }


def stale() -> list[Dialogue]:
    """Those whose recording says something else, or is not there."""
    manifest = _manifest()
    return [
        each
        for each in dialogues.read(TEXTS).values()
        if not _sound(each).is_file() or manifest.get(each.name, {}).get("text_sha256") != each.fingerprint
    ]


def speak(wanted: list[Dialogue]) -> int:
    """Speak these into their files; 1 when one could not be spoken."""
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        jobs = {each.name: _jobs(each, folder) for each in wanted}
        results = render(VOICES / "bin" / "python", [job for some in jobs.values() for job in some])
        for dialogue in wanted:
            told = list(itertools.islice(results, len(jobs[dialogue.name])))
            unspoken = [each["fault"] for each in told if "fault" in each]
            faults += len(unspoken)
            print(f"{dialogue.name}: {'; '.join(unspoken) or 'spoken'}", file=sys.stderr, flush=True)
            if not unspoken:
                _mix(dialogue, [each["target"] for each in told])
    return 1 if faults else 0


def _jobs(dialogue: Dialogue, folder: str) -> list[dict[str, object]]:
    jobs: list[dict[str, object]] = []
    for turn in dialogue.turns:
        if turn.side:
            voice, speed = dialogue.voices[turn.side].split()
            target = f"{folder}/{dialogue.name}-{len(jobs)}.wav"
            jobs.append({"text": turn.text, "voice": voice, "speed": float(speed), "target": target})
    return jobs


def _mix(dialogue: Dialogue, files: list[str]) -> None:
    frames = dialogues.mix(dialogue, [soundfile.read(file, dtype="float32")[0] for file in files])
    soundfile.write(_sound(dialogue), frames, RATE, subtype="PCM_16")
    _note(dialogue, len(frames) / RATE)


def _load(dialogue: Dialogue) -> DemoRecording:
    frames, rate = soundfile.read(_sound(dialogue), dtype="int16", always_2d=True)
    legs = {}
    for channel, side in enumerate(SIDES):
        out = io.BytesIO()
        soundfile.write(out, frames[:, channel], rate, format="WAV", subtype="PCM_16")
        legs[side] = out.getvalue()
    return DemoRecording(dialogue, len(frames) / rate, legs)


def _sound(dialogue: Dialogue) -> Path:
    return FOLDER / f"{dialogue.name}.flac"


def _note(dialogue: Dialogue, seconds: float) -> None:
    entry = {
        "text_sha256": dialogue.fingerprint,
        "seconds": round(seconds, 3),
        "sha256": hashlib.sha256(_sound(dialogue).read_bytes()).hexdigest(),
    }
    text = json.dumps({**_manifest(), dialogue.name: entry}, indent=1, sort_keys=True)
    MANIFEST.write_text(f"{text}\n", encoding="utf-8")


def _manifest() -> dict[str, Any]:
    entries: dict[str, Any] = json.loads(MANIFEST.read_text(encoding="utf-8")) if MANIFEST.exists() else {}
    return entries


if __name__ == "__main__":
    sys.exit(speak(list(dialogues.read(TEXTS).values()) if "--all" in sys.argv else stale()))
