"""`hotline drain`: before the roles are restarted, so that nobody notices.

While the mark lies in the home, new callers go past the menu into Asterisk's own queue, dialogues under way
are finished, and the desks say that an upgrade is about to happen. Calls that talk or wait are Asterisk's and
outlive our roles. The menu's next start takes the mark away.
"""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import func, select, text

from hotline import figures, ground
from hotline.health import CHECK_SCRIPT
from hotline.home import Home
from hotline.wiring import WiringError
from storage.database import Database, DatabaseAway
from storage.notify import notify
from storage.tables import Draft

LOOK_SECONDS = 0.5
QUIET_SECONDS = 5  # nobody's draft changed for so long: what was typed is kept
WRITERS_SECONDS = 30.0  # not longer: on a busy desk somebody always types, and browsers keep it
LEAVE_SECONDS = 30.0


class DrainError(WiringError):
    """It cannot be done; the text ends with `: ` and the remedy."""


def mark(home: Home) -> Path:
    return home.path / "drain"


def is_on(home: Home) -> bool:
    """Is an upgrade about to happen?"""
    return mark(home).exists()


def begin(home: Home, database: Database) -> float:
    """Set the mark and tell the desks; the moment, by which roles must have seen it."""
    mark(home).touch()
    home.hand_over()
    _tell(database)
    return time.time()


def end(home: Home, database: Database) -> bool:
    """Take the mark away and tell the desks; False when there was none."""
    was_on = is_on(home)
    mark(home).unlink(missing_ok=True)
    if was_on:
        _tell(database)
    return was_on


def under_way(home: Home, database: Database, since: float, *, writers: bool = True) -> list[str]:
    """What has to end first, in words; empty when the roles may be restarted. `writers`: wait for them?"""
    told = []
    dialogues = _dialogues(home, since)
    if dialogues is None:
        told.append("the menu has not told its calls yet")
    elif dialogues:
        told.append(f"{dialogues} in the menu")
    if writers and (writing := _writing(database)):
        told.append(f"{writing} writing")
    return told


def wait(home: Home, database: Database, seconds: float, tell: Callable[[str], None]) -> bool:
    """Until nothing is under way; False when that took too long. The mark stays either way."""
    since = begin(home, database)
    began = time.monotonic()
    until = began + seconds
    said = ""
    while waiting := under_way(home, database, since, writers=time.monotonic() < began + WRITERS_SECONDS):
        if (words := ", ".join(waiting)) != said:
            tell(f"waiting: {words}")
            said = words
        if time.monotonic() > until:
            return False
        time.sleep(LOOK_SECONDS)
    return True


def leave(home: Home) -> None:
    """Have `hotline up` end and leave Asterisk and PostgreSQL running. Raises DrainError."""
    try:
        with ground.only_one(home):
            raise DrainError("no hotline up runs on this home: restart the roles as you started them")
    except ground.GroundError:
        os.kill(int(home.lock.read_text()), signal.SIGUSR1)
    until = time.monotonic() + LEAVE_SECONDS
    while time.monotonic() < until:
        try:
            with ground.only_one(home):
                return
        except ground.GroundError:
            time.sleep(LOOK_SECONDS / 5)
    raise DrainError("hotline up does not end: see its terminal")


def _dialogues(home: Home, since: float) -> int | None:
    """How many callers the menu has, by what it wrote since then; a menu that does not run has none."""
    file = figures.file_of(home, "ivr")
    families = figures.read(home, "ivr")
    if families is None:
        return 0
    if file.stat().st_mtime <= since:
        return None
    live = "hotline_agi_live"
    return round(figures.value(families, live) - figures.value(families, live, script=CHECK_SCRIPT))


def _writing(database: Database) -> int:
    """Agents whose drafts change. What the database cannot take, their browsers keep."""
    late = func.now() - text(f"interval '{QUIET_SECONDS} seconds'")
    people = select(func.count(Draft.person_id.distinct())).where(Draft.changed_at > late)
    try:
        with database.session() as session:
            return session.scalar(people) or 0
    except DatabaseAway:
        return 0


def _tell(database: Database) -> None:
    try:
        with database.session() as session:
            notify(session, "board", "drain")
    except DatabaseAway:
        pass  # the desks show nothing then
