"""`hotline retention`: what the policy keeps for how long, what is over, and its deletion.

The clock deletes by itself, a batch of each kind every few minutes (hotline/clock.py); this command does it
at once, or, with --dry-run, says what would go.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from cases import journal, retention
from cases.holds import call_is_held
from cases.retention import BATCH, KINDS, Files
from hotline.home import Home
from ivr.spool import KEPT_ASIDE
from routing.policy import Policy
from storage.database import Database
from storage.tables import Call

SWEEP_SECONDS = 60.0
REST_SECONDS = 0.2  # between two batches: callers go before
LEG_ENDINGS = (".caller.wav", ".agent.wav")


def round_(database: Database, home: Home, policy: Policy, now: datetime) -> Counter[str]:
    """One batch of every kind; how many went. Raises DatabaseAway, OSError: the next round goes on."""
    gone: Counter[str] = Counter()
    for kind in KINDS:
        with database.session(SWEEP_SECONDS) as session:
            gone[kind.name] = retention.sweep(session, kind, policy.retention, files_of(home), now)
    gone["put_aside"] = _remove_put_aside(database, home, policy, now)
    return +gone


def remove(database: Database, home: Home, policy: Policy, now: datetime) -> Counter[str]:
    """Round after round, until nothing is over."""
    gone: Counter[str] = Counter()
    while went := round_(database, home, policy, now):
        gone += went
        time.sleep(REST_SECONDS)
    return gone


def over(database: Database, home: Home, policy: Policy, now: datetime) -> Counter[str]:
    """How many things of each kind would go now."""
    with database.session(SWEEP_SECONDS) as session:
        found: Counter[str] = Counter()
        found.update({kind.name: retention.count(session, kind, policy.retention, now) for kind in KINDS})
    found["put_aside"] = len(list(_put_aside(database, home, policy, now)))
    return +found


def show(policy: Policy, counts: Counter[str], *, went: bool, as_json: bool) -> None:
    """What was kept for how long, and how many of each kind are over or went."""
    days = policy.retention.model_dump()
    names = [*(kind.name for kind in KINDS), "put_aside", "journal"]
    days["callers"] = days["enterprises"] = days["calls"]
    days["receipts"] = days["notices"]
    if as_json:
        told = {name: {"days": days[name], "removed" if went else "over": counts[name]} for name in names}
        print(json.dumps(told, indent=1))
        return
    table = Table("kept", "days", "removed" if went else "would go", box=None)
    for name in names:
        table.add_row(name, str(days[name]), "never by itself" if name == "journal" else str(counts[name]))
    Console(highlight=False).print(table)


def files_of(home: Home) -> Files:
    return Files(home.recordings_kept, home.attachments)


def _put_aside(database: Database, home: Home, policy: Policy, now: datetime) -> Iterator[Path]:
    """What somebody could have looked at for long enough; a held call's legs stay."""
    before = (now - timedelta(days=policy.retention.put_aside)).timestamp()
    legs = (home.recordings_incoming / "unreadable").glob("*.wav")
    found = [*home.spool.glob(f"*{KEPT_ASIDE}"), *home.cel.parent.glob(f"{home.cel.name}.*"), *legs]
    old = [file for file in found if file.stat().st_mtime < before][:BATCH]
    calls = {file: _call_of(file) for file in old}
    with database.session() as session:
        held = set(session.scalars(select(Call.id).where(Call.id.in_(calls.values()), call_is_held(Call.id))))
    yield from (file for file in old if calls[file] not in held)


def _call_of(file: Path) -> str:
    """The id of the call that a leg or a spool file is of."""
    name = file.name.removesuffix(KEPT_ASIDE)
    for ending in LEG_ENDINGS:
        name = name.removesuffix(ending)
    return name.partition("-consult-")[0]


def _remove_put_aside(database: Database, home: Home, policy: Policy, now: datetime) -> int:
    gone = list(_put_aside(database, home, policy, now))
    if gone:
        with database.session() as session:
            for file in gone:
                file.unlink(missing_ok=True)
            journal.append(session, None, "retention.removed", "retention", "put_aside", count=len(gone))
    return len(gone)
