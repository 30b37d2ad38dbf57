"""The databases that bench part (i) measures in: one city on one server of its own, as durable as a real one.

`small` and `large` have the same people and the same open cases, and histories of different length; `clock`
has open deadlines by the hundred thousand.
"""

import pickle
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from sqlalchemy import Connection, create_engine, text

from bench import cases_copies
from bench.callers import BenchError
from bench.cases_city import DAY, HOUR, City, Stage, settle
from bench.cases_ways import FRESH, OVER, UNDER_WAY, WATCHED, play
from routing.policy import Policy
from storage import vault
from storage.base import Base
from storage.database import Database
from storage.migrate import upgrade
from storage.server import EmbeddedServer

DATABASES = ("small", "large", "clock")
OPEN_COPIES = 29  # of each open case, beside itself
SETTING_UP = {
    "session_replication_role": "replica",  # keys are right by their making
    "work_mem": "256MB",
    "maintenance_work_mem": "1GB",
    "max_parallel_maintenance_workers": "2",
}


@dataclass(frozen=True, slots=True)
class Grown:
    """The databases' URLs for the application and what is on the disk, in bytes, by name."""

    city: City
    urls: dict[str, str]
    size_bytes: dict[str, int]


@contextmanager
def city(policy: Policy, small: int, large: int, deadlines: int, kept: Path | None) -> Iterator[Grown]:
    """So many tickets in each, and open deadlines; gone with the block but where they are `kept`."""
    folder = kept or Path(tempfile.mkdtemp(prefix="hl-bench-", dir="/tmp"))
    filled = folder / "filled"
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()) and not filled.exists():
        raise BenchError(f"{folder} was not filled to the end: empty it, or name another folder")
    folder.chmod(0o711)  # as root the server runs as another user
    server = _server(folder, durable=True)
    try:
        vault.install(folder / "keys")
        if not filled.exists():
            people = _fill(folder, policy, small, large, deadlines)
            filled.write_bytes(pickle.dumps(people))
        people = pickle.loads(filled.read_bytes())
        server.start()
        urls = {name: _of(server.url, name) for name in DATABASES}
        yield Grown(people, urls, _sizes(server))
    finally:
        server.stop()
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)


def _server(folder: Path, *, durable: bool) -> EmbeddedServer:
    return EmbeddedServer(folder / "postgres/data", folder / "run", run_as="nobody", durable=durable)


def _fill(folder: Path, policy: Policy, small: int, large: int, deadlines: int) -> City:
    now = datetime.now(UTC)
    vault.installed().make(now, first=True)
    filling = _server(folder, durable=False)
    try:
        filling.start()
        _set(filling, max_wal_size="8GB", checkpoint_timeout="30min")
        upgrade(filling.owner_url)
        owner_urls = {name: _of(filling.owner_url, name) for name in ("hotline", *DATABASES)}
        with closing(Database(owner_urls["hotline"], pool_size=1)) as owner:
            people = settle(owner, policy)
            stage = Stage(owner, people)
            over = play(stage, OVER, now - 60 * DAY, now - 40 * DAY)
            begun = play(stage, FRESH, now - 2 * DAY, now - 5 * HOUR)
            begun += play(stage, UNDER_WAY, now - 12 * DAY, now - 6 * DAY)
            noon = now.replace(hour=4, minute=0)  # in the city: three hours before it are of the same day
            watched = play(stage, WATCHED, noon - 2 * DAY, noon - 2 * DAY + HOUR)
        _prepare(owner_urls["hotline"])
        for name, many in (("small", small), ("large", large)):
            _twin(filling, name)
            _grow(owner_urls[name], many, over, begun, watched, now)
        _twin(filling, "clock")
        _watch(owner_urls["clock"], deadlines, watched)
        _set(filling, max_wal_size="1GB", checkpoint_timeout="5min")
    finally:
        filling.stop()
    return people


def _of(url: str, database: str) -> str:
    return url.replace("@/hotline?", f"@/{database}?")


def _admin(server: EmbeddedServer) -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(host=str(server.socket_folder), user="hotline", dbname="postgres", autocommit=True)


def _set(server: EmbeddedServer, **settings: str) -> None:
    with _admin(server) as admin:
        for name, value in settings.items():
            admin.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        admin.execute("SELECT pg_reload_conf()")


def _twin(server: EmbeddedServer, name: str) -> None:
    with _admin(server) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE hotline")


def _sizes(server: EmbeddedServer) -> dict[str, int]:
    with _admin(server) as admin:
        rows = admin.execute("SELECT datname, pg_database_size(datname) FROM pg_database").fetchall()
    return {str(name): int(str(size)) for name, size in rows}


@contextmanager
def _filling(url: str) -> Iterator[Connection]:
    """A transaction of the owner's that nothing checks; afterwards the tables are vacuumed and known."""
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            for name, value in SETTING_UP.items():
                connection.execute(text(f"SET LOCAL {name} = '{value}'"))
            yield connection
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM (FREEZE, ANALYZE)"))
    finally:
        engine.dispose()


def _prepare(url: str) -> None:
    with _filling(url) as connection:
        cases_copies.take_templates(connection)


def _grow(url: str, many: int, over: list[int], begun: list[int], watched: list[int], now: datetime) -> None:
    old = many - len(over) - len(watched) - (1 + OPEN_COPIES) * len(begun)
    with _filling(url) as connection:
        indexes = cases_copies.drop_indexes(connection)
        parties = max(1000, many // cases_copies.CALLERS_EVERY)
        cases_copies.make_parties(connection, parties)
        cases_copies.copy(connection, over, old, now - timedelta(minutes=5), parties)
        cases_copies.copy(connection, begun, OPEN_COPIES * len(begun), None, parties)
        _finish(connection, indexes)


def _watch(url: str, deadlines: int, watched: list[int]) -> None:
    with _filling(url) as connection:
        indexes = cases_copies.drop_indexes(connection)
        cases_copies.make_parties(connection, 1000)
        cases_copies.copy(connection, watched, deadlines - len(watched), None, 1000, still=True)
        _finish(connection, indexes)


def _finish(connection: Connection, indexes: list[str]) -> None:
    for made in indexes:
        connection.execute(text(made))
    for table in Base.metadata.sorted_tables:
        if any(column.identity is not None for column in table.columns):
            connection.execute(
                text(
                    f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'),"
                    f" greatest((SELECT max(id) FROM {table.name}), 1))"
                )
            )
