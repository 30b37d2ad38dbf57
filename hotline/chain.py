"""The clock's care for the journal: sealing it, and looking at night whether it is still what was written.

The newest seal is noted in a file of the home, outside the database: a chain whose end is gone, or that was
made anew, does not hold it any more.
"""

import json
from datetime import UTC, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.orm import Session

from cases import chain
from cases.chain import Finding, Head, Sealer, Verdict, Verifier
from storage import vault
from storage.database import Database
from storage.vault import Key
from storage.whole import write_whole

NIGHT = time(3, 0)
TOLD_AT_MOST = 100  # findings: a table that was emptied is one fact, not a million
log = structlog.get_logger(__name__)


def key(key_id: str | None) -> Key:
    """The journal's key of this process. Raises VaultError."""
    return vault.installed().key("journal", key_id)


class Witness:
    """The file that remembers the newest seal."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def known(self) -> list[bytes]:
        """The hash of the newest seal that it has heard of, if any; a damaged file remembers none."""
        try:
            return [bytes.fromhex(json.loads(self._file.read_text())["hash"])]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError):
            return [b"damaged"]

    def note(self, head: Head) -> None:
        """Whole or not at all, for the owner alone."""
        told = {"seal": head.id, "last_id": head.last_id, "hash": head.hash.hex()}
        write_whole(self._file, json.dumps(told).encode())


def verify(
    session: Session, known: list[bytes], since: datetime | None = None
) -> tuple[list[Finding], Verdict]:
    """Look at the chain: the first findings, and how many there are. Of the whole one the journal is told.

    Raises VaultError.
    """
    verifier = Verifier(session, key, since, known)
    findings = verifier.findings()
    told = list(islice(findings, TOLD_AT_MOST))
    for _ in findings:
        pass
    if since is None:
        chain.note_verdict(session, verifier.verdict)
    return told, verifier.verdict


class Keeper:
    """What the clock does for the journal, turn after turn."""

    def __init__(self, database: Database, witness: Witness, zone: ZoneInfo) -> None:
        self._database = database
        self._witness = witness
        self._zone = zone
        self._sealer = Sealer(database, key)
        self._cut = False

    def seal(self) -> None:
        """Seal what is settled. A chain that lost its end is not gone on with: that would hide it.

        Raises DatabaseAway, VaultError.
        """
        with self._database.session() as session:
            cut = not all(chain.holds(session, known) for known in self._witness.known())
        if cut and not self._cut:
            self.verify()
        self._cut = cut
        if not cut and (head := self._sealer.sweep()):
            self._witness.note(head)

    def verify_at_night(self, now: datetime) -> None:
        """Verify if it was not done since it was last three o'clock. Raises DatabaseAway, VaultError."""
        local = now.astimezone(self._zone)
        due = datetime.combine(local.date(), NIGHT, self._zone)
        if due > local:
            due -= timedelta(days=1)
        with self._database.session() as session:
            last = chain.state(session).verified_at
        if last is None or last < due.astimezone(UTC):
            self.verify()

    def verify(self) -> None:
        """Raises DatabaseAway, VaultError."""
        with self._database.session(chain.VERIFY_SECONDS) as session:
            findings, verdict = verify(session, self._witness.known())
        for finding in findings:
            log.error("journal_finding", what=finding.what, first=finding.first, last=finding.last)
        log.info("journal_verified", lines=verdict.lines, seals=verdict.seals, findings=verdict.findings)
