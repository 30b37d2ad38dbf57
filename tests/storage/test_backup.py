"""The commands of docs/howto/upgrade.md for backup and the way back, run as they are written there."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from storage import migrate
from storage.server import EmbeddedServer

PAGE = Path(__file__).resolve().parents[2] / "docs/howto/upgrade.md"


@pytest.fixture
def home(short_folder: Path) -> Iterator[EmbeddedServer]:
    """A home's own server: the way back renames its database."""
    short_folder.chmod(0o711)
    server = EmbeddedServer(
        short_folder / "postgres/data",
        short_folder / "run",
        run_as="nobody" if os.geteuid() == 0 else None,
        durable=False,
    )
    server.start()
    migrate.upgrade(server.owner_url)
    yield server
    server.stop()


def does(server: EmbeddedServer, checkout: Path, program: str) -> None:
    """Run the page's block that calls this program. There is no systemd here."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (block,) = (each for each in blocks if re.search(rf"^{program} ", each, re.MULTILINE))
    block = block.replace("<home>/run", str(server.socket_folder))
    script = f"set -euo pipefail\nsystemctl() {{ :; }}\ngit() {{ echo 0123abc; }}\n{block}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=checkout, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


def units(server: EmbeddedServer, database: str) -> list[str]:
    """The units that a database knows."""
    with psycopg.connect(host=str(server.socket_folder), user="hotline", dbname=database) as connection:
        return [row[0] for row in connection.execute("SELECT name FROM unit ORDER BY name")]


def a_unit(server: EmbeddedServer, name: str) -> None:
    with psycopg.connect(host=str(server.socket_folder), user="hotline", dbname="hotline") as connection:
        connection.execute("INSERT INTO unit (code, name) VALUES (%s, %s)", [name, name])


def test_the_way_back_is_the_database_before_and_the_newer_one_is_kept(
    home: EmbeddedServer, tmp_path: Path
) -> None:
    (tmp_path / ".venv").symlink_to(sys.prefix)
    a_unit(home, "before")
    does(home, tmp_path, "pg_dump")
    a_unit(home, "since")
    does(home, tmp_path, "pg_restore")
    assert units(home, "hotline") == ["before"]
    assert units(home, "newer") == ["before", "since"]
    assert migrate.current(home.url) == migrate.newest()
