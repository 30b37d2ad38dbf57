"""What the menu learned of calls while the database was away: one file a call, imported later.

A file appears whole or not at all, is sealed (storage/vault.py), survives a power cut, and is removed only
once its facts are stored.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from cases.calls import Arrival, Step, end_call, note_steps, open_call, route_call
from routing.policy import Policy
from routing.route import Ending, HangUp, ToQueue
from storage.database import Database, DatabaseAway
from storage.vault import installed
from storage.whole import write_whole

IMPORT_SECONDS = 5.0
KEPT_ASIDE = ".refused"  # a file that cannot be imported is kept for a person to look at

_CONTEXT = "spool"
GONE = "gone"  # the step, and the reason, of a caller who hung up


_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Visit:
    """All the menu knows of one call. `ending` is None when the menu failed and the dialplan took over."""

    arrival: Arrival
    steps: tuple[Step, ...]
    language: str
    ending: Ending | None
    ended_at: datetime

    @property
    def queued_at(self) -> datetime | None:
        """When the menu let go of the caller; None if she left it by herself or was bidden goodbye."""
        gone = bool(self.steps) and self.steps[-1].step == GONE
        return None if gone or isinstance(self.ending, HangUp) else self.ended_at


def write_visit(session: Session, visit: Visit, policy: Policy) -> None:
    """Store a visit whose call is open. Doing it twice is harmless."""
    call_id, ending = visit.arrival.call_id, visit.ending
    kind, sealed = (ending.kind, ending.sealed) if isinstance(ending, ToQueue) else ("", False)
    note_steps(session, call_id, visit.steps)
    route_call(session, call_id, kind, sealed, visit.language, visit.queued_at, policy)
    if isinstance(ending, HangUp) and ending.reason != GONE:
        end_call(session, call_id, visit.ended_at, "rejected")


class Spool:
    """The folder of visits that wait for the database; it is made, closed to others, on first use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, visit: Visit) -> None:
        """Keep a visit safe on disk. Raises OSError when the disk does not take it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        told = json.dumps(_plain(visit), ensure_ascii=False, default=datetime.isoformat)
        sealed = installed().seal("fields", _CONTEXT, told.encode())
        write_whole(self._folder / f"{visit.arrival.call_id}.json", sealed)

    def waiting(self) -> list[Path]:
        """The files that wait, oldest first."""
        return sorted(path for path in self._folder.glob("*.json") if not path.name.startswith("."))

    def owed(self) -> int:
        """How many calls' facts are not in the record: those that wait, and those that were refused."""
        return len(self.waiting()) + sum(1 for _ in self._folder.glob(f"*{KEPT_ASIDE}"))


def import_spool(database: Database, folder: Path, policy: Policy) -> int:
    """Store what waits in the spool, file by file; how many were stored. Raises DatabaseAway: the rest waits.

    To be done before the channel events are read: whoever opens these calls otherwise knows no seal.
    """
    stored = 0
    for path in Spool(folder).waiting():
        try:
            visit = _visit(json.loads(_opened(path.read_bytes())))
            with database.session(IMPORT_SECONDS) as session:
                open_call(session, visit.arrival, policy)
                write_visit(session, visit, policy)
        except (DatabaseAway, OperationalError):  # the file is not to blame
            raise
        except Exception:
            _log.exception("spool_file_refused", file=path.name)
            path.rename(path.with_suffix(KEPT_ASIDE))
            continue
        path.unlink(missing_ok=True)
        stored += 1
    return stored


def _opened(stored: bytes) -> bytes:
    """Releases before wrote these files in clear."""
    return stored if stored.startswith(b"{") else installed().open("fields", _CONTEXT, stored)


def _plain(visit: Visit) -> dict[str, Any]:
    ending = visit.ending
    plain = asdict(visit)
    plain["ending"] = {type(ending).__name__: asdict(ending)} if ending else None
    return plain


def _visit(plain: dict[str, Any]) -> Visit:
    arrival, ending = plain["arrival"], plain["ending"]
    return Visit(
        arrival=Arrival(**{**arrival, "at": datetime.fromisoformat(arrival["at"])}),
        steps=tuple(Step(**{**step, "at": datetime.fromisoformat(step["at"])}) for step in plain["steps"]),
        language=plain["language"],
        ending=_ending(ending) if ending else None,
        ended_at=datetime.fromisoformat(plain["ended_at"]),
    )


def _ending(plain: dict[str, Any]) -> Ending:
    return ToQueue(**plain["ToQueue"]) if "ToQueue" in plain else HangUp(**plain["HangUp"])
