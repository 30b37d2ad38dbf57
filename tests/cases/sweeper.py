"""A clock of its own: fires levels and plans notices until it is killed."""

from datetime import datetime
from pathlib import Path

from cases.ahead import note_ahead
from cases.deadlines import load_calendar
from cases.escalation import sweep
from cases.notices import plan
from routing.policy import load
from storage import vault
from storage.database import Database


def main(url: str, keys: str, policy_file: str, now: str) -> None:
    """`now`: what the time is, for ever; few deadlines at once, so that many transactions can be killed."""
    vault.install(Path(keys))
    database, policy = Database(url, pool_size=1), load(Path(policy_file))
    with database.session() as session:
        calendar = load_calendar(session)
    at = datetime.fromisoformat(now)
    while True:
        with database.session(60) as session:
            note_ahead(session, policy, at, limit=3)
        with database.session(60) as session:
            sweep(session, policy, calendar, at, limit=3)
        with database.session(60) as session:
            plan(session, policy, ["email"], at, limit=3)
