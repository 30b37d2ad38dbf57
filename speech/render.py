"""Render texts to telephone audio: jobs in as JSON on standard input, results out as JSON lines.

`python -m speech.render VOICES_FOLDER` in the voices' own environment. A job is
{"text", "voice", "speed", "target"}; a result {"target", "seconds", "sha256"} or {"target", "fault"}.
"""

import functools
import hashlib
import json
import sys
from pathlib import Path
from typing import TypedDict

from speech import polish, voices


class Job(TypedDict):
    text: str
    voice: str  # a Mandarin voice file's stem, or "heart", the English voice
    speed: float
    target: str


class Renderer:
    """Keeps each voice loaded once it has spoken."""

    def __init__(self, folder: Path) -> None:
        self._mandarin = functools.cache(lambda name: voices.Mandarin(folder / f"{name}.bin"))
        self._english = functools.cache(voices.English)

    def render(self, job: Job) -> dict[str, object]:
        """Speak one text into its file. Raises OSError and ValueError with the reason."""
        english = self._english()
        mandarin = english if job["voice"] == "heart" else self._mandarin(job["voice"])
        spoken = voices.speak(job["text"], job["speed"], mandarin, english)
        audio = polish.for_telephone(spoken, voices.RATE)
        target = Path(job["target"])
        polish.write(target, audio)
        return {
            "target": job["target"],
            "seconds": round(len(audio) / polish.TELEPHONE_RATE, 3),
            "sha256": hashlib.sha256(target.read_bytes()).hexdigest(),
        }


def main() -> int:
    renderer = Renderer(Path(sys.argv[1]))
    faults = 0
    for job in json.load(sys.stdin):
        try:
            result = renderer.render(job)
        except (OSError, ValueError) as fault:
            faults += 1
            result = {"target": job["target"], "fault": str(fault)}
        print(json.dumps(result, ensure_ascii=False), flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
