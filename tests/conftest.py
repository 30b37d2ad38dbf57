"""What every test may lean on: a real PostgreSQL, and in it a database of one's own per test."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from storage.database import Database
from storage.migrate import upgrade
from storage.server import EmbeddedServer

_numbers = count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """An embedded server in a short folder of its own; its database `hotline` is migrated, and a template."""
    folder = Path(tempfile.mkdtemp(prefix="hl-test-", dir="/tmp"))
    folder.chmod(0o711)  # the server's user must pass through, as root's tests run it as nobody
    server = EmbeddedServer(
        folder / "postgres" / "data",
        folder / "socket",
        run_as="nobody" if os.geteuid() == 0 else None,
        durable=False,
    )
    try:
        upgrade(server.start())
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database_url(server: EmbeddedServer) -> Iterator[str]:
    """The URL of a fresh, migrated database that this test alone uses."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(
        host=str(server.socket_folder), user="hotline", dbname="postgres", autocommit=True
    ) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE hotline STRATEGY file_copy")
        try:
            yield server.url.replace("@/hotline?", f"@/{name}?")
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A Database over `database_url`."""
    database = Database(database_url, pool_size=4)
    yield database
    database.close()


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder with a path short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="hl-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
