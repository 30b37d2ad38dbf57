"""The cities that the tests of the whole hotline live in."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.hotline.city import City, Running, wait_for


@contextmanager
def new_city() -> Iterator[City]:
    home = Path(tempfile.mkdtemp(prefix="hl-", dir="/tmp"))
    home.chmod(0o711)  # as root the servers run as another user
    city = City(home)
    try:
        yield city
    finally:
        for pid in city.processes().values():
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not city.processes(), "the end of all processes")
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def city() -> Iterator[City]:
    """A home where nothing runs yet."""
    with new_city() as city:
        yield city


@pytest.fixture(scope="session")
def city_up() -> Iterator[tuple[City, Running]]:
    """A hotline that is up, for tests that leave it so: one for all files (tests/conftest.py, TOGETHER)."""
    with new_city() as city:
        yield city, city.up().wait_up()
