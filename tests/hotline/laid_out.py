"""A city that was laid out once in a test run; homes get a copy of it, and start as on any second day."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hotline.home import Home
from tests.real.waiting import until

OTHERWISE = {"HOTLINE_DEMO", "HOTLINE_DATABASE_URL"}
RUN = os.environ.setdefault("TEST_RUN", str(os.getpid()))  # all workers of a run have the same
FOLDER = Path(tempfile.gettempdir()) / f"hl-laid-{RUN}"


def furnish(home: Path, environment: Mapping[str, str]) -> None:
    """Put the city into a home where nothing ever ran, unless it is to have another database or no demo.

    Whoever comes first lays it out; the others wait for that.
    """
    if Home(home).postgres_data.exists() or OTHERWISE & set(environment):
        return
    FOLDER.mkdir(mode=0o711, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (FOLDER / "done").exists():
            _lay_out(FOLDER / "home")
            (FOLDER / "done").touch()
    # With owners and modes: as root the servers have a user of their own.
    subprocess.run(["cp", "-a", "--reflink=auto", f"{FOLDER}/home/.", str(home)], check=True)


def said() -> str:
    """What the start said that laid it out."""
    return (FOLDER / "said").read_text(encoding="utf-8")


def remove() -> None:
    """After the run."""
    shutil.rmtree(FOLDER, ignore_errors=True)


def _lay_out(path: Path) -> None:
    from tests.hotline.city import City  # whose homes are furnished from here

    shutil.rmtree(path, ignore_errors=True)  # what somebody began in vain
    path.mkdir(mode=0o711)
    city, home = City(path, laid_out=False), Home(path)
    running = city.up()
    try:
        running.wait_up()
        until(
            lambda: not any(home.recordings_incoming.rglob("*.wav")), "the demo's recordings to be kept", 120
        )
    finally:
        stopped = running.stop()
    assert stopped == 0, running.said
    (FOLDER / "said").write_text(running.said, encoding="utf-8")
    (path / "tools").unlink()
    for logs in (home.log, home.asterisk_log):
        shutil.rmtree(logs)
