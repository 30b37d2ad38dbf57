"""The city that the tests of the whole hotline live in."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hotline.city import City, wait_for


@pytest.fixture
def city() -> Iterator[City]:
    home = Path(tempfile.mkdtemp(prefix="hl-", dir="/tmp"))
    home.chmod(0o711)  # as root the servers run as another user
    city = City(home)
    yield city
    for pid in city.processes().values():
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not city.processes(), "the end of all processes")
    shutil.rmtree(home, ignore_errors=True)
