"""What must be so before anything starts: ports free, room on the disk, one `up` to a home."""

import contextlib
import errno
import fcntl
import os
import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from hotline.cert import Keeper
from hotline.home import Home
from hotline.settings import Settings

LEAST_FREE_MIB = 300  # less, and recordings of calls under way would be cut short
COMFORTABLE_FREE_MIB = 5000


class GroundError(RuntimeError):
    """The ground is not fit; each line names a fault and its remedy."""


@dataclass(frozen=True, slots=True)
class Port:
    """One port of ours: the setting that moves it, and who listens there."""

    setting: str
    number: int
    host: str
    what: str
    asterisks: bool  # Asterisk listens there, so it is rightly taken when Asterisk runs already
    udp: bool = False


def ports(settings: Settings) -> list[Port]:
    """Every port that the hotline listens on (RTP's range aside: Asterisk passes over taken ones)."""
    own, loop = settings.bind, "127.0.0.1"
    phones, secure = ("browser phones", True), Keeper(Home(settings.home).tls).server.exists()
    return [
        Port("HOTLINE_WEB_PORT", settings.web_port, own, "the web desk", asterisks=False),
        Port("HOTLINE_AGI_PORT", settings.agi_port, loop, "the voice menu", asterisks=False),
        Port("HOTLINE_AMI_PORT", settings.ami_port, loop, "Asterisk's manager", asterisks=True),
        Port("HOTLINE_ASTERISK_HTTP_PORT", settings.asterisk_http_port, loop, *phones),
        *([Port("HOTLINE_ASTERISK_TLS_PORT", settings.asterisk_tls_port, own, *phones)] if secure else []),
        Port("HOTLINE_SIP_PORT", settings.sip_port, own, "SIP over UDP", asterisks=True, udp=True),
        Port("HOTLINE_SIP_PORT", settings.sip_port, own, "SIP over TCP", asterisks=True),
    ]


def taken(wanted: Iterable[Port]) -> list[str]:
    """One line for each port that cannot be had."""
    return [fault for port in wanted if (fault := _taken(port))]


def _taken(port: Port) -> str:
    family = socket.AF_INET6 if ":" in port.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM if port.udp else socket.SOCK_STREAM) as probe:
        if not port.udp:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((port.host, port.number))
        except OSError as why:
            return _explain(port, why)
    return ""


def _explain(port: Port, why: OSError) -> str:
    told = f"port {port.number} ({port.what})"
    match why.errno:
        case errno.EADDRINUSE:
            return f"{told} is taken{_by_whom(port)}: stop that, or set {port.setting} to a free one"
        case errno.EACCES:
            return f"{told} needs root: set {port.setting} to one above 1023"
        case errno.EADDRNOTAVAIL:
            return f"{port.host} is not an address of this machine: set HOTLINE_BIND to one that is"
        case _:
            return f"{told} cannot be had ({why.strerror}): set {port.setting} to another"


def _by_whom(port: Port) -> str:
    """` by name (pid n)`, where we are allowed to see it."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):  # of one that ends, say, or hides
            for one in process.net_connections("udp" if port.udp else "tcp"):
                listening = port.udp or one.status == psutil.CONN_LISTEN
                if listening and one.laddr[1:] == (port.number,):
                    return f" by {process.name()} (pid {process.pid})"
    return ""


def free_mib(folder: Path) -> int:
    """Room left where `folder` lies, in MiB."""
    return shutil.disk_usage(folder).free >> 20


def require_room(home: Home) -> None:
    """Raises GroundError when the disk is all but full."""
    free = free_mib(home.path)
    if free < LEAST_FREE_MIB:
        raise GroundError(
            f"only {free} MiB free under {home.path}, recordings need at least {LEAST_FREE_MIB}: "
            "make room, or set HOTLINE_HOME to a larger disk"
        )


@contextmanager
def only_one(home: Home) -> Iterator[None]:
    """Holds the home's lock; GroundError names the process that holds it already.

    The lock is the kernel's, so it is never left behind by a process that was killed.
    """
    home.path.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(home.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
            raise GroundError(
                f"a hotline is already up on {home.path} (pid {pid}): stop it first, "
                "or give this one its own HOTLINE_HOME and ports"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
