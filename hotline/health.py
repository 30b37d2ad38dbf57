"""Is each part there? Asked by /readyz and by `hotline check`; no part is asked for longer than seconds."""

import re
import socket
from collections.abc import Callable
from contextlib import closing

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from storage.database import Database, DatabaseAway
from telephony.ami import AmiLink

CHECK_SCRIPT = "check"  # what the AGI server is asked for
CLOCK_LOCK = 962299_003  # advisory, in the hotline's database: who holds it keeps the time
PATIENCE_SECONDS = 2.0

_HELD = text(
    "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND (classid::bigint << 32) | objid::bigint = :key)"
)

log = structlog.get_logger(__name__)


def clock_ticks(session: Session) -> bool:
    """Does some process hold the clock's lock?"""
    return bool(session.scalar(_HELD, {"key": CLOCK_LOCK}))


def menu_answers(port: int, patience_seconds: float = PATIENCE_SECONDS) -> bool:
    """Asks as Asterisk does, for a script that only hangs up; our server greets with a word to echo.

    False when another program answers; raises OSError when nobody does.
    """
    header = f"agi_network: yes\nagi_network_script: {CHECK_SCRIPT}\nagi_request: agi://127.0.0.1/{CHECK_SCRIPT}\n\n"
    with closing(socket.create_connection(("127.0.0.1", port), patience_seconds)) as door:
        door.settimeout(patience_seconds)
        door.sendall(header.encode())
        greeting = re.match(rb"GET FULL VARIABLE \W*([0-9a-f]+)", door.recv(200))
        if greeting is None:
            return False
        door.sendall(b"200 result=1 (%s)\n" % greeting[1])
        door.recv(1)
    return True


def readiness(database: Database, link: AmiLink, agi_port: int) -> Callable[[], dict[str, bool]]:
    """What /readyz asks: each part's state; what changes is logged, for those who may know why."""
    before: dict[str, bool] = {}

    def ask() -> dict[str, bool]:
        parts = {"telephony": link.connected, "menu": _menu(agi_port), **_database(database)}
        if before and parts != before:
            told = log.info if all(parts.values()) else log.warning
            told("readiness", **parts)
        before.update(parts)
        return parts

    return ask


def _menu(port: int) -> bool:
    try:
        return menu_answers(port)
    except OSError:
        return False


def _database(database: Database) -> dict[str, bool]:
    try:
        with database.session(PATIENCE_SECONDS) as session:
            return {"database": True, "clock": clock_ticks(session)}
    except DatabaseAway:
        return {"database": False, "clock": False}
