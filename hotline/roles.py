"""The three roles, each a process of its own: `ivr` answers, `desk` shows, `clock` watches."""

import contextlib
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import structlog
import uvicorn

from hotline import logs, wiring
from hotline.home import Home
from hotline.settings import Settings

CLOCK_LOCK = 962299_002  # PostgreSQL advisory lock: one clock, however many are started
GRACE_SECONDS = 3  # for requests under way when the desk stops

log = structlog.get_logger("hotline.roles")


def run(role: str, settings: Settings, home: Home) -> None:
    """Be `role` until asked to stop."""
    logs.configure(role, settings.log_level)
    home.prepare()
    {"ivr": _ivr, "desk": _desk, "clock": _clock}[role](settings, home)


@contextmanager
def _until_stopped() -> Iterator[threading.Event]:
    """An event that SIGTERM and Ctrl-C set."""
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    yield stop


def _many_files() -> None:
    """Each live call holds a socket; systems allow 1024 files at first, and more when asked."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
