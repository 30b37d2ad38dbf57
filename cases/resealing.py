"""Files that are plain, from before there were keys, or have an older key, are sealed with today's.

A little at a time, by the clock. A file is put in its place whole, then its row says so; killed in between,
it is read again and only the row is written. Both states are played meanwhile (storage/files.py).
"""

import time
from collections.abc import Callable
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from cases import attachments, recordings
from cases.retention import Files
from storage.database import Database
from storage.files import FileFault, rewrite
from storage.tables import Attachment, Recording
from storage.vault import VaultError, installed

TURN_SECONDS = 2.0  # of work at most, but for the last file begun
FILE_SECONDS = 120.0

log = structlog.get_logger(__name__)


class Resealer:
    """One per clock; remembers what cannot be read, so that it holds up nothing and is told once."""

    def __init__(self, database: Database, files: Files) -> None:
        self._database = database
        self._files = files
        self._broken: set[int] = set()  # ids are drawn at random: none stands in both tables

    def turn(self) -> int:
        """How many files were sealed. Raises DatabaseAway, and OSError when the disk is full."""
        until, done = time.monotonic() + TURN_SECONDS, 0
        for find in (self._recording, self._attachment):
            while time.monotonic() < until and self._one(find):
                done += 1
        return done

    def _one(self, find: Callable[[Session], Recording | Attachment | None]) -> bool:
        with self._database.session(FILE_SECONDS) as session:
            row = find(session)
            if row is None:
                return False
            try:
                self._seal(row)
            except (FileFault, FileNotFoundError, VaultError) as fault:
                self._broken.add(row.id)
                log.error("file cannot be sealed anew", id=row.id, path=row.path, fault=str(fault))
        return True

    def _recording(self, session: Session) -> Recording | None:
        older = select(Recording).where(Recording.state == "ready", _is_older(Recording.key_id))
        found: Recording | None = session.scalar(_next(older, Recording.id, self._broken))
        return found

    def _attachment(self, session: Session) -> Attachment | None:
        older = select(Attachment).where(_is_older(Attachment.key_id))
        found: Attachment | None = session.scalar(_next(older, Attachment.id, self._broken))
        return found

    def _seal(self, row: Recording | Attachment) -> None:
        if isinstance(row, Recording):
            file, context = self._files.recordings / row.path, recordings.file_context(row.name)
        else:
            file, context = self._files.attachments / row.path, attachments.file_context(row.path)
        written = rewrite(file, context, row.key_id)
        if written.sha256 != row.sha256:
            log.error("file is not what was kept", id=row.id, path=row.path)
        row.key_id = written.key_id


def _is_older(key_id: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """Two ranges of an index, where != would be none."""
    current = installed().current
    return or_(key_id < current, key_id > current)


def _next(older: Select[Any], key: InstrumentedAttribute[int], but: set[int]) -> Select[Any]:
    return older.where(key.not_in(but)).order_by(key).limit(1).with_for_update(skip_locked=True)
