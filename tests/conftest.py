"""What every test may lean on: a real PostgreSQL, and in it a database of one's own per test."""

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from xdist.scheduler import LoadFileScheduling

from cases import logins
from storage import vault
from storage.migrate import upgrade
from storage.server import EmbeddedServer
from tests.hotline import laid_out
from tests.pool import database, database_url, desks, owner, pool

__all__ = ["database", "database_url", "desks", "owner", "pool"]

# The files that take longest, longest first: begun last, one of them would keep all other workers waiting.
LONG = (
    *("test_readme", "test_up", "test_whole_case", "test_personal", "test_failures_database"),
    *("test_failures", "test_another_pc", "test_lab", "test_spine", "test_transfer", "test_console"),
    *("test_recording", "test_mishaps", "test_call", "test_strangers", "test_registration", "test_drain"),
    *("test_table", "test_sealed_hunt", "test_demo_stories", "test_openapi"),  # the quick ones
    *("test_sealed_counts", "test_clocks"),
)
# Files of tests/hotline that share what takes long to make: they go to one worker, where it is.
TOGETHER = (
    ("test_up", "test_frozen_roles", "test_metrics_page", "test_people"),  # a hotline (`city_up`)
    ("test_demo_stories", "test_demo"),  # a demo (demo_cities.py)
)
REAL = "mark.real"


def pytest_configure() -> None:
    gc.set_threshold(50_000)  # as the hotline itself has it (hotline/cli.py)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Of the real suite alone, files without a part in it: to import them all takes longer than to read."""
    if config.option.markexpr != "real" or not collection_path.match("test_*.py"):
        return None
    return REAL not in collection_path.read_text(encoding="utf-8") or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path.stem, len(LONG)))
    for item in items:
        unseen = item.get_closest_marker("real") and REAL not in item.path.read_text(encoding="utf-8")
        assert not unseen, f"{item.path} has real tests and does not say {REAL}: see pytest_ignore_collect"


class Together(LoadFileScheduling):
    """A file's tests stay on one worker (`--dist loadfile`), as do those of files that are named together."""

    def _split_scope(self, nodeid: str) -> str:
        file = Path(super()._split_scope(nodeid))
        shared = (files[0] for files in TOGETHER if file.stem in files and file.parent.name == "hotline")
        return next(shared, str(file))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    return Together(config, log)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the last to leave
        laid_out.remove()


@pytest.fixture(scope="session", autouse=True)
def keys() -> Iterator[Path]:
    """The keys that this process seals with; programs that a test starts on its database find them too."""
    folder = Path(tempfile.mkdtemp(prefix="hl-keys-", dir="/tmp"))
    vault.install(folder)
    vault.installed().make(datetime.now(UTC), first=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> None:
    """What a password costs is its worth; here thousands are asked for, and nobody is to be kept out."""
    logins.hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


@pytest.fixture(autouse=True)
def own_keys(keys: Path) -> Iterator[None]:
    """A command that a test runs in this process takes its own home's keys: the next test has ours again."""
    yield
    vault.install(keys)


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
        server.start()
        upgrade(server.owner_url)
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder with a path short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="hl-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
