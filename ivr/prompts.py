"""What the caller hears: each prompt's text, its recording, and which recording is served.

Served in this order: the operator's own recording, the recording of the city's own words (policy,
`[prompts.zh]`), the recording of the catalogue's words. Speaking texts aloud is `speech/`'s work.
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import structlog

from ivr import audio

LANGUAGES = ("zh", "en")
CATALOGUE = Path(__file__).parent / "catalogue"
SOUNDS = Path(__file__).parent / "sounds"
WORDLESS = ("beep",)  # made by speech/music.py, the same in every language
MUSIC = "moh"

Texts = Mapping[str, Mapping[str, str]]  # language -> key -> text

log = structlog.get_logger(__name__)


class Entry(TypedDict):
    """A line of the manifest, under the file's name below the sounds folder."""

    text_sha256: str
    voice: str
    seconds: float
    sha256: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt in one language. `state`: ready | operator | stale | missing."""

    key: str
    language: str
    text: str
    voice: str  # who should speak it, and how fast: "zf_xiaoyi 0.95"
    name: str  # where our recording belongs, below the sounds folder
    state: str
    path: Path | None  # what is served now; None: the prompt is skipped
    seconds: float
    fault: str = ""  # why the operator's recording is not served

    @property
    def label(self) -> str:
        return f"{self.language}/{self.key}"


def asterisk_name(key: str) -> str:
    """What Asterisk calls a prompt: `hotline/notice`; number words keep their folder, `digits/5`."""
    key = key.removeprefix("hotline/")
    return key if key.startswith("digits/") else f"hotline/{key}"


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Prompts:
    """The prompts of one hotline, read once. A missing prompt never raises: it is None and 0 seconds."""

    def __init__(
        self,
        sounds: Path = SOUNDS,
        operator: Path | None = None,
        own: Texts | None = None,
        catalogue: Path = CATALOGUE,
    ) -> None:
        """`operator`: folder of drop-ins, <language>/<key>.wav (or .flac, …); `own`: the policy's texts.

        Raises OSError or ValueError when the catalogue or the manifest cannot be read.
        """
        self.sounds = sounds
        self._operator = operator
        self._manifest: dict[str, Entry] = read_manifest(sounds)
        self._prompts: dict[tuple[str, str], Prompt] = {}
        for language in LANGUAGES:
            self._gather(language, catalogue / f"{language}.toml", (own or {}).get(language, {}))

    def _gather(self, language: str, catalogue: Path, own: Mapping[str, str]) -> None:
        data = tomllib.loads(catalogue.read_text(encoding="utf-8"))
        voice = f"{data['voice']['name']} {data['voice']['speed']}"
        carrier = data["voice"]["word"]
        digits = {f"digits/{word}": carrier.format(text) for word, text in data["digits"].items()}
        texts: dict[str, str] = {**data["prompts"], **digits, **dict.fromkeys(WORDLESS, "")}
        for key, text in texts.items():
            self._prompts[language, key] = self._find(key, language, text, voice, f"{language}/{key}.wav")
        for key, text in own.items():
            # One file per wording, so that two cities never overwrite each other's.
            name = f"{language}/own/{key}-{hash_of(text)[:8]}.wav"
            self._prompts[language, key] = self._find(key, language, text, voice, name)

    def _find(self, key: str, language: str, text: str, voice: str, name: str) -> Prompt:
        fault = ""
        if dropped := self._dropped(key, language):
            try:
                length = audio.seconds(dropped)
                return Prompt(key, language, text, voice, name, "operator", dropped, length)
            except audio.Unreadable as error:
                fault = str(error)
        if key in WORDLESS:
            return self._wordless(key, language, name, fault)
        served = next((each for each in (name, f"{language}/{key}.wav") if self._is_recorded(each)), None)
        if not served:
            return Prompt(key, language, text, voice, name, "missing", None, 0.0, fault)
        entry = self._manifest[served]
        says_it = entry["text_sha256"] == hash_of(text) and entry["voice"] == voice
        state = "ready" if says_it else "stale"
        return Prompt(key, language, text, voice, name, state, self.sounds / served, entry["seconds"], fault)

    def _wordless(self, key: str, language: str, name: str, fault: str) -> Prompt:
        path = self.sounds / name
        if not path.is_file():
            return Prompt(key, language, "", "", name, "missing", None, 0.0, fault)
        return Prompt(key, language, "", "", name, "ready", path, audio.seconds(path), fault)

    def _is_recorded(self, name: str) -> bool:
        return name in self._manifest and (self.sounds / name).is_file()

    def _dropped(self, key: str, language: str) -> Path | None:
        if not self._operator:
            return None
        base = self._operator / language / key
        files = (base.with_name(base.name + suffix) for suffix in audio.READABLE)
        return next((file for file in files if file.is_file()), None)

    def all(self) -> list[Prompt]:
        """Every prompt in every language, in the catalogue's order."""
        return list(self._prompts.values())

    def path(self, key: str, language: str) -> Path | None:
        """The recording that is served, or None."""
        prompt = self._prompts.get((language, key.removeprefix("hotline/")))
        return prompt.path if prompt else None

    def seconds(self, key: str, language: str) -> float:
        """How long it plays; 0.0 when there is none."""
        prompt = self._prompts.get((language, key.removeprefix("hotline/")))
        return prompt.seconds if prompt else 0.0

    def missing(self) -> list[str]:
        """`zh/notice`, …: prompts that nobody will hear."""
        return [each.label for each in self.all() if each.state == "missing"]

    def stale(self) -> list[str]:
        """Prompts whose recording has other words or another voice than the catalogue."""
        return [each.label for each in self.all() if each.state == "stale"]

    def faults(self) -> list[str]:
        """What is wrong with the operator's drop-ins: one line each, with the remedy."""
        return [each.fault for each in self.all() if each.fault] + self._strangers()

    def _strangers(self) -> list[str]:
        """Drop-ins that replace nothing, most likely by a slip of the name."""
        if not self._operator or not self._operator.is_dir():
            return []
        found = (file for file in sorted(self._operator.rglob("*")) if file.suffix.lower() in audio.READABLE)
        names = {file: file.relative_to(self._operator).with_suffix("").as_posix() for file in found}
        known = {each.label for each in self.all()}
        return [
            f"{file} replaces no prompt; name it after one that `hotline prompts` lists"
            for file, name in names.items()
            if name not in known and not name.startswith(f"{MUSIC}/")
        ]

    def install(self, target: Path) -> list[Path]:
        """Put every prompt where Asterisk looks: target/<language>/hotline/notice.wav, …/digits/5.wav.

        Returns the files that changed. A prompt that cannot be read is logged and left as it was.
        """
        changed: list[Path] = []
        for prompt in self.all():
            if not prompt.path:
                log.warning("prompt missing", prompt=prompt.label, remedy="run script/voices")
                continue
            file = target / prompt.language / f"{asterisk_name(prompt.key)}.wav"
            changed += _put(prompt.path, file)
        for fault in self.faults():
            log.warning("recording not used", fault=fault)
        return changed

    def install_music(self, target: Path) -> list[Path]:
        """Put the music on hold into `target`: the operator's pieces (<drop-ins>/moh/), else our own."""
        pieces = _pieces(self._operator / MUSIC) if self._operator else []
        pieces = pieces or _pieces(self.sounds / MUSIC)
        changed = [file for piece in pieces for file in _put(piece, target / f"{piece.stem}.wav")]
        wanted = {f"{piece.stem}.wav" for piece in pieces}
        for old in target.glob("*.wav"):
            if old.name not in wanted:
                old.unlink()
                changed.append(old)
        return changed


def _pieces(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*") if file.suffix.lower() in audio.READABLE)


def _put(source: Path, target: Path) -> list[Path]:
    try:
        content = audio.telephone_wav(source)
    except audio.Unreadable as error:
        log.warning("recording not used", fault=str(error))
        return []
    return [target] if audio.put(target, content) else []


def read_manifest(sounds: Path) -> dict[str, Entry]:
    """The manifest's entries by file name; {} when there is none yet. Raises ValueError when damaged."""
    path = sounds / "manifest.json"
    if not path.exists():
        return {}
    entries: dict[str, Entry] = json.loads(path.read_text(encoding="utf-8"))
    return entries


def write_manifest(sounds: Path, entries: Mapping[str, Entry]) -> None:
    """Sorted, one file a block, so that a change of one prompt is a small change."""
    text = json.dumps(entries, ensure_ascii=False, indent=1, sort_keys=True)
    audio.put(sounds / "manifest.json", f"{text}\n".encode())
