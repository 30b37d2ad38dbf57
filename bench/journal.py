"""(g) Journal lines a second: our append in its transaction, bare INSERTs of the same row, and both with the
clock sealing meanwhile; and how fast the chain is verified. One connection, one line a transaction."""

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from cases import chain, journal
from hotline.chain import key
from storage import vault
from storage.database import Database
from storage.migrate import upgrade
from storage.server import EmbeddedServer
from storage.staff import Person
from storage.tables import Journal
from storage.viewer import Role, Viewer

SEALED_EACH_SECONDS = 1.0  # sixty times as often as the clock does
BEFORE = {
    "act": "ticket.read",
    "subject_kind": "ticket",
    "rule": "agent/see_tickets/all",
    "address": "192.0.2.1",
}


@dataclass(frozen=True, slots=True)
class Rates:
    """Lines a second, the median of the rounds; `verified`: of the chain's verification."""

    bare: float
    ours: float
    sealing: float
    verified: float
    findings: int

    @property
    def ratio(self) -> float:
        return self.ours / self.bare

    @property
    def sealing_ratio(self) -> float:
        return self.sealing / self.ours


def measure(rounds: int, lines: int) -> Rates:
    """Turns of bare, ours, and ours while the clock seals, on a durable server of its own."""
    with _database() as database:
        with database.session() as session:
            session.execute(
                insert(Person).values(login="bench", name="bench", role="agent", password_hash="")
            )
            person = session.scalars(select(Person.id)).one()
        viewer = Viewer(person, Role.AGENT, "bench", "192.0.2.1", session=1)

        def bare(session: Session, index: int) -> None:
            row = BEFORE | {
                "actor_id": person,
                "subject_id": str(index),
                "detail": {"n": index},
                "session_id": 1,
            }
            session.connection().execute(insert(Journal.__table__), row)  # type: ignore[arg-type]

        def ours(session: Session, index: int) -> None:
            rule = "agent/see_tickets/all"
            journal.append(session, viewer, "ticket.read", "ticket", index, rule=rule, n=index)

        for turn in (bare, ours):  # the first statements of a connection are its slowest
            _rate(database, turn, 200)
        found: dict[str, list[float]] = {"bare": [], "ours": [], "sealing": []}
        for _ in range(rounds):
            found["bare"].append(_rate(database, bare, lines))
            found["ours"].append(_rate(database, ours, lines))
            with _sealing(database):
                found["sealing"].append(_rate(database, ours, lines))
        with database.session(chain.VERIFY_SECONDS) as session:
            while chain.seal(session, key, 2**62, datetime.now(UTC)):
                pass
        began = time.perf_counter()
        with database.session(chain.VERIFY_SECONDS) as session:
            verifier = chain.Verifier(session, key)
            findings = len(list(verifier.findings()))
        verified = verifier.verdict.lines / (time.perf_counter() - began)
        rates = {name: median(each) for name, each in found.items()}
        return Rates(rates["bare"], rates["ours"], rates["sealing"], verified, findings)


def _rate(database: Database, write: Callable[[Session, int], None], lines: int) -> float:
    began = time.perf_counter()
    for index in range(lines):
        with database.session() as session:
            write(session, index)
    return lines / (time.perf_counter() - began)


@contextmanager
def _sealing(database: Database) -> Iterator[None]:
    """The clock's sealing goes on while the block lasts."""
    stop = threading.Event()

    def seal() -> None:
        sealer = chain.Sealer(database, key)
        while not stop.wait(SEALED_EACH_SECONDS):
            sealer.sweep()

    kept, chain.SETTLE_SECONDS = chain.SETTLE_SECONDS, 0.0
    clock = threading.Thread(target=seal)
    clock.start()
    try:
        yield
    finally:
        stop.set()
        clock.join()
        chain.SETTLE_SECONDS = kept


@contextmanager
def _database() -> Iterator[Database]:
    with server() as (url, _), closing(Database(url, pool_size=3)) as database:
        yield database


@contextmanager
def server() -> Iterator[tuple[str, str]]:
    """A durable server with keys of its own, its database migrated: the application's URL and the owner's."""
    folder = Path(tempfile.mkdtemp(prefix="hl-bench-", dir="/tmp"))
    folder.chmod(0o711)  # as root the server runs as another user
    one = EmbeddedServer(folder / "postgres/data", folder / "run", run_as="nobody")
    try:
        vault.install(folder / "keys")
        vault.installed().make(datetime.now(UTC), first=True)
        one.start()
        upgrade(one.owner_url)
        yield one.url, one.owner_url
    finally:
        one.stop()
        shutil.rmtree(folder, ignore_errors=True)
