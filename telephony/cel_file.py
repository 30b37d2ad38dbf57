"""Asterisk's channel event file as events: cutting, parsing, rotation. What they mean is telephony/cel.py.

A caller's number is the caller's to choose, newlines and quotes included. Values come with their
quotes doubled, so no value can look like the beginning of a record, `"WORD","<epoch>.<micros>","`;
and a record that was torn by a crash spoils no other.
"""

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import structlog

COLUMNS = 12
CHUNK_BYTES = 1 << 16  # some 25 calls: a backlog must not outlast the limit of one transaction

_BEGIN = re.compile(rb'(?<!")"[A-Z][A-Z0-9_]+","\d{9,}\.\d{6}","')
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """One record. `at` in UTC; `account` is the call's id once the dialplan has minted it."""

    type: str
    at: datetime
    uniqueid: str
    linkedid: str
    channel: str
    account: str
    number: str
    exten: str
    context: str
    app: str
    extra: dict[str, Any] = field(default_factory=dict)
    peer: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """How far the file was read: `inode` tells it from its successor after a rotation."""

    inode: int
    offset: int


def read_on(path: Path, place: Place | None) -> tuple[list[Event], Place | None]:
    """The whole records after `place`, a chunk at most, and the place after them.

    A file that was renamed (`cel.csv` → `cel.csv.1`) is read to its end before its successor; one that
    was cut short is read from its beginning. A last record still being written is left for later.
    """
    file, offset = _where(path, place)
    if file is None:
        return [], place
    with file.open("rb") as stream:
        stream.seek(offset)
        data = stream.read(CHUNK_BYTES)
        inode = file.stat().st_ino
    records, used = cut(data)
    if not used and file != path:
        return read_on(path, None)  # the rotated file is at its end
    if not used and len(data) == CHUNK_BYTES:
        _log.error("cel_not_understood", bytes=len(data), remedy="see the columns in cel_custom.conf")
        used = len(data)
    return list(_parsed(records)), Place(inode, offset + used)


def cut(data: bytes) -> tuple[list[bytes], int]:
    """Whole records, and how many bytes they and the rubbish before them take up."""
    begins = [found.start() for found in _BEGIN.finditer(data)]
    records = [data[begin:end] for begin, end in pairwise(begins)]
    if begins and _is_whole(data[begins[-1] :]):
        return [*records, data[begins[-1] :]], len(data)
    return records, begins[-1] if begins else 0


def _is_whole(record: bytes) -> bool:
    return record.endswith(b'"\n') and record.count(b'"') % 2 == 0 and len(_columns(record)) >= COLUMNS


def _columns(record: bytes) -> list[str]:
    text = record.decode("utf-8", "replace").removesuffix("\n")
    return next(csv.reader([text.replace("\n", " ").replace("\r", " ")], strict=False), [])


def _parsed(records: list[bytes]) -> Iterator[Event]:
    for record in records:
        try:
            yield _event(_columns(record))
        except (ValueError, OverflowError, OSError, csv.Error) as bad:
            _log.warning("cel_record_skipped", why=str(bad))


def _event(columns: list[str]) -> Event:
    if len(columns) != COLUMNS:
        raise ValueError(f"{len(columns)} columns instead of {COLUMNS}")
    kind, at, *rest, extra, peer = (_CONTROL.sub("", column) for column in columns)
    uniqueid, linkedid, channel, account, number, exten, context, app = rest
    return Event(
        kind,
        datetime.fromtimestamp(float(at), UTC),
        uniqueid,
        linkedid,
        channel,
        account,
        number,
        exten,
        context,
        app,
        _extra(extra),
        peer,
    )


def _extra(text: str) -> dict[str, Any]:
    if not text:
        return {}
    value = json.loads(text)
    return value if isinstance(value, dict) else {"extra": value}


def _where(path: Path, place: Place | None) -> tuple[Path | None, int]:
    """The file to read and from where; None while there is none."""
    rotated = _rotated(path, place.inode) if place else None
    for file in filter(None, (rotated, path)):
        try:
            facts = file.stat()
        except FileNotFoundError:
            continue
        known = place is not None and place.inode == facts.st_ino and place.offset <= facts.st_size
        return file, place.offset if place and known else 0
    return None, 0


def _rotated(path: Path, inode: int) -> Path | None:
    """The file of this inode, if it goes by another name now."""
    try:
        if path.stat().st_ino == inode:
            return None
    except FileNotFoundError:
        pass  # renamed, and the next one not begun
    return next((file for file in path.parent.glob(f"{path.name}?*") if file.stat().st_ino == inode), None)
