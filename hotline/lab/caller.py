"""The caller's side of a lab call: what she does, what she hears, and when. The record's side: record.py."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from hotline.lab import audio
from hotline.lab.sipp import Message, SippCall

KNOWN_BY_SECONDS = 0.6  # of its opening a prompt is known
LIKE = 0.6  # what lost packets leave of it; two prompts differ by more
MUSIC_SECONDS = 0.5
ANSWER_SECONDS = 20.0
KEY_SECONDS = 3.0
BEAT_SECONDS = 0.1
LATE_SECONDS = 1.0  # by so much packets of one sound may come apart

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Seen:
    """Something the caller did or noticed; `at` is the wall clock, seconds since 1970."""

    at: float
    what: str  # invite | answer | prompt | key | music | voice | bye
    detail: str = ""


@dataclass(frozen=True)
class Sounds:
    """The sounds that this Asterisk plays, as they lie in its folder."""

    folder: Path  # <language>/hotline/<prompt>.wav
    music_folder: Path

    def prompt(self, key: str, language: str) -> audio.Samples | None:
        """None when the file is not there."""
        file = self.folder / language / "hotline" / f"{key}.wav"
        return audio.read_sound(file) if file.is_file() else None

    @cached_property
    def music(self) -> list[audio.Haystack]:
        files = sorted(self.music_folder.glob("*.wav"))
        return [audio.Haystack(audio.read_sound(file)) for file in files]


@dataclass
class Caller:
    """A call under way. Each act returns whether it came about; `seen` has what did."""

    sipp: SippCall
    sounds: Sounds
    said: audio.Samples
    tell: Callable[[str], None]
    seen: list[Seen] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._heard_until = self._plays_until = time.monotonic()  # what came before is known already
        self.answer: Message | None = None
        self.keys = ""
        self.agent_hz = 0.0  # the tone that an agent spoke with, who is waited for

    def wait_answer(self) -> bool:
        """Until the hotline has said yes or no; True for a 200, and she speaks from then on."""
        self.tell("INVITE sent")
        self.answer = self._wait(self.sipp.final, ANSWER_SECONDS)
        invite = next((m for m in self.sipp.trace() if m.sent and m.start.startswith("INVITE")), None)
        if invite:
            self.seen.append(Seen(invite.at, "invite"))
        if self.answer is None:
            return False
        self._note("answer", self.answer.start.removeprefix("SIP/2.0 "), at=self.answer.at)
        self._heard_until = self._plays_until = time.monotonic()
        self.sipp.media.play(self.said)
        return self.answer.status == 200

    def wait_prompt(self, key: str, language: str, limit_seconds: float) -> bool:
        """Until this prompt is heard, by its opening; `limit_seconds` beyond the prompt that plays."""
        prompt = self.sounds.prompt(key, language)
        if prompt is None:
            return False
        wanted = audio.opening(prompt, KNOWN_BY_SECONDS)
        media, since = self.sipp.media, self._heard_until

        def begun() -> float | None:
            nonlocal since
            looks_at = time.monotonic()
            likeness, sample = audio.find(wanted, media.heard(since))
            if likeness > LIKE:
                return media.moment(since, sample)
            since = max(since, looks_at - KNOWN_BY_SECONDS - LATE_SECONDS)  # what came before is searched
            return None

        at = self._wait(begun, self._plays_until - time.monotonic() + limit_seconds)
        if at is None:
            return False
        self._heard_until = at + len(wanted) / audio.RATE
        self._plays_until = at + len(prompt) / audio.RATE
        self._note("prompt", f"{key} ({language})", at=_wall(at))
        return True

    def wait_music(self, limit_seconds: float) -> bool:
        """Until the music of the queue is heard."""

        def plays() -> bool:
            last = self.sipp.media.last(MUSIC_SECONDS)
            enough = audio.sound_seconds(last) > MUSIC_SECONDS * 0.6
            return enough and any(piece.find(last)[0] > LIKE for piece in self.sounds.music)

        self.stay(self._plays_until - time.monotonic())
        return self._wait(plays, limit_seconds) is not None and self._note("music")

    def wait_voice(self, hz: float, limit_seconds: float) -> bool:
        """Until this tone is heard: somebody else's voice."""
        self.agent_hz = hz
        heard = self._wait(lambda: self.sipp.media.hears(hz), limit_seconds)
        return heard is not None and self._note("voice", f"{hz:.0f} Hz")

    def press(self, key: str) -> bool:
        """One key, as an RFC 4733 event."""
        self.sipp.media.press(key)
        self._note("key", key)
        self.keys += key
        self._plays_until = time.monotonic()
        return self._wait(lambda: self.sipp.media.pressed, KEY_SECONDS) is not None

    def stay(self, seconds: float) -> None:
        """Speak on and listen, unless the hotline ends the call."""
        self._wait(lambda: None, seconds)

    def hang_up(self) -> None:
        """End it, if the other side has not; afterwards `bye` is known."""
        if not self.sipp.over:
            self.sipp.hang_up()
        bye = self.bye
        if bye:
            self._note("bye", "by the caller" if bye.sent else "by the hotline", at=bye.at)
        self.sipp.media.close()

    @property
    def bye(self) -> Message | None:
        return next((m for m in self.sipp.trace() if m.start.startswith("BYE")), None)

    @property
    def parted(self) -> bool:
        """The BYE, whoever's it was, had an answer."""
        return any(m.is_answer_to("BYE") for m in self.sipp.trace())

    @property
    def sound_seconds(self) -> float:
        """All that was heard, less the silence."""
        return audio.sound_seconds(self.sipp.media.heard())

    def after(self, at: float) -> float:
        """Seconds since INVITE."""
        return at - (self.when("invite") or at)

    def when(self, what: str) -> float | None:
        return next((each.at for each in self.seen if each.what == what), None)

    def _note(self, what: str, detail: str = "", at: float | None = None) -> bool:
        self.seen.append(Seen(at or time.time(), what, detail))
        self.tell(f"{what} {detail}".strip())
        return True

    def _wait(self, look: Callable[[], T | None], limit_seconds: float) -> T | None:
        """The first true thing seen; None after the limit, or when the call is over."""
        until = time.monotonic() + limit_seconds
        while True:
            found = look()
            if found:
                return found
            if time.monotonic() > until or self.sipp.over:
                return None
            time.sleep(BEAT_SECONDS)


def _wall(moment: float) -> float:
    return time.time() - (time.monotonic() - moment)
