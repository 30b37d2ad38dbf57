"""Databases that test after test uses: what they share of one, how it is emptied, what many begin with."""

import copy
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
from psycopg.rows import TupleRow
from sqlalchemy import event

import storage.tables  # noqa: F401 - every table
from storage.base import Base
from storage.database import Database
from storage.server import EmbeddedServer

T = TypeVar("T")
TABLES = {table.name: [column.name for column in table.columns] for table in Base.metadata.sorted_tables}
_FILLED = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM \"{name}\")" for name in TABLES)
_OTHERS = """
    SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND (state <> 'idle' OR pid <> ALL(%s))
"""


class Pool:
    """Connections that have seen the tables, and statements that are put together, for test after test.

    `database` is the application's, `owner` the tables' owner's, who may do what the application may not;
    `files` is the folder of what has begun with files.
    """

    def __init__(self, server: EmbeddedServer, name: str, tester: psycopg.Connection[TupleRow]) -> None:
        self.url = server.url.replace("@/hotline?", f"@/{name}?")
        self.database = Database(self.url, pool_size=4)
        self.owner = Database(server.owner_url.replace("@/hotline?", f"@/{name}?"), pool_size=2)
        self.files = Path(tempfile.mkdtemp(prefix="hl-begun-", dir="/tmp"))
        self._tester = tester
        self._ours: set[int] = set()  # servers' process ids of the two Databases' connections
        self._begun: dict[str, tuple[str, Any]] = {}
        for each in (self.database, self.owner):
            event.listen(each.engine, "connect", self._connected)
        tester.execute("CREATE SCHEMA begun")

    def _connected(self, wire: psycopg.Connection[TupleRow], _record: object) -> None:
        self._ours.add(wire.info.backend_pid)

    def empty(self) -> None:
        """No row is left. Who else is connected, or is at work still, would keep some, and is sent away."""
        self._tester.execute(_OTHERS, [list(self._ours)])
        self._write([f'DELETE FROM "{name}"' for name in self._filled()])

    def begun(self, name: str, build: Callable[[], T]) -> T:
        """What `build` returns, and what it puts into the database.

        It works once: from then on its rows are copied, and so is what it returned. It must always do the
        same, then, and lean on nothing but what has begun like that itself.
        """
        if name not in self._begun:
            (since,) = self._tester.execute("SELECT pg_current_xact_id()::text::bigint").fetchone() or (0,)
            built = build()
            self._begun[name] = ("; ".join(self._kept(name, since)), built)
        else:
            self._write([self._begun[name][0]])
        return copy.copy(self._begun[name][1])  # type: ignore[no-any-return]

    def _kept(self, name: str, since: int) -> Iterator[str]:
        """Keep all rows of later transactions; the statements that put them back."""
        for table in self._filled():
            columns = ", ".join(f'"{column}"' for column in TABLES[table])
            kept = f'begun."{name} {table}"'
            self._tester.execute(
                f'CREATE TABLE {kept} AS SELECT {columns} FROM "{table}" WHERE xmin::text::bigint > {since}'
            )
            yield f'INSERT INTO "{table}" ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {kept}'

    def _filled(self) -> list[str]:
        return [name for (name,) in self._tester.execute(_FILLED, prepare=True)]

    def _write(self, statements: list[str]) -> None:
        # The role lets even the journal be emptied, and tables in any order.
        told = "; ".join(statements)
        self._tester.execute(f"BEGIN; SET LOCAL session_replication_role = replica; {told}; COMMIT")


@contextmanager
def _over(server: EmbeddedServer, name: str) -> Iterator[Pool]:
    where = {"host": str(server.socket_folder), "user": "hotline"}
    with psycopg.connect(**where, dbname="postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE hotline STRATEGY file_copy")
    with psycopg.connect(**where, dbname=name, autocommit=True) as tester:
        pool = Pool(server, name, tester)
        yield pool
        pool.database.close()
        pool.owner.close()
        shutil.rmtree(pool.files, ignore_errors=True)


@pytest.fixture(scope="session")
def pool(server: EmbeddedServer) -> Iterator[Pool]:
    """For the tests of this process, one after the other: a copy of the migrated database."""
    with _over(server, "tests") as pool:
        yield pool


@pytest.fixture(scope="session")
def desks(server: EmbeddedServer) -> Iterator[Pool]:
    """Another, for the desks that modules of tests have running."""
    with _over(server, "desks") as pool:
        yield pool


@pytest.fixture
def database_url(pool: Pool) -> Iterator[str]:
    """The URL of a migrated, empty database that this test alone uses."""
    yield pool.url
    pool.empty()


@pytest.fixture
def database(database_url: str, pool: Pool) -> Database:
    """A Database over `database_url`."""
    return pool.database


@pytest.fixture
def owner(database_url: str, pool: Pool) -> Database:
    """The same database by the tables' owner, who may do what the application may not."""
    return pool.owner
