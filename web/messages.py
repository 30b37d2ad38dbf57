"""The message catalogues: every word on a page, in every language, from TOML files.

A folder holds `zh.toml`, `en.toml` or `<subject>.zh.toml`, …; keys are dotted (`calls.title`).
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import structlog

LANGUAGES = ("zh", "en")
log = structlog.get_logger()


class CatalogueError(ValueError):
    """Two files give the same key, or a value is no text; the message names file and key."""


class Catalogue:
    """All texts of one language."""

    def __init__(self, language: str, folders: Iterable[Path]) -> None:
        self.language = language
        self.texts: dict[str, str] = {}
        for folder in folders:
            for file in sorted([*folder.glob(f"{language}.toml"), *folder.glob(f"*.{language}.toml")]):
                self._add(file)

    def _add(self, file: Path) -> None:
        for key, text in _flat(tomllib.loads(file.read_text(encoding="utf-8"))):
            if key in self.texts or not isinstance(text, str):
                raise CatalogueError(f"{file}: {key} is given twice or is not a text")
            self.texts[key] = text

    def __call__(self, key: str, **values: object) -> str:
        """The text of `key` with `{names}` filled in; an unknown key shows itself and is logged."""
        text = self.texts.get(key)
        if text is None:
            log.error("message missing", key=key, language=self.language)
            return key
        return text.format(**values) if values else text

    def fault(self, code: str, among: str = "fault") -> str:
        """The sentence of a fault (cases/errors.Refused); `{value}` is what stands after its colon."""
        name, _, value = code.partition(":")
        return self(f"{among}.{name}", value=value) if value else self(f"{among}.{name}")

    def has(self, key: str) -> bool:
        """True when the catalogue knows the key."""
        return key in self.texts


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def preferred(accept_language: str) -> str:
    """The first of our languages that an Accept-Language header names; Chinese when it names none."""
    for item in accept_language.lower().split(","):
        tag = item.split(";")[0].strip()[:2]
        if tag in LANGUAGES:
            return tag
    return LANGUAGES[0]
