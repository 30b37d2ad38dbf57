"""`hotline up`: everything on this machine, started in order, watched, and stopped in order.

Asterisk and PostgreSQL are adopted when they run already (a killed `up` leaves them so that
calls go on); the roles are children that end with us.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import psutil
from rich.console import Console
from rich.markup import escape

from hotline import demo, ground, wiring
from hotline.children import Child, Pauses
from hotline.home import Home
from hotline.settings import Settings
from routing.policy import Policy
from storage.server import EmbeddedServer
from telephony.asterisk import AsteriskServer

ROLES = ("ivr", "desk", "clock")
READY_SECONDS = 60.0
STOP_SECONDS = 8.0
ASTERISK, POSTGRES = "Asterisk", "PostgreSQL"
BEAT_SECONDS = 0.25
PORTS_RELEASE_SECONDS = 3.0  # the children of a killed `up` may be ending just now


class UpError(wiring.WiringError):
    """Something did not come up; the text names the fault and the remedy."""


class Stopped(BaseException):
    """Somebody asked us to stop (Ctrl-C, SIGTERM, a closed terminal)."""


@dataclass(slots=True)
class Kept:
    """A server that outlives us: looked at each beat, started again when it is gone."""

    name: str
    running: Callable[[], bool]
    start: Callable[[], object]
    pauses: Pauses = field(default_factory=Pauses)
    began: float = field(default_factory=time.monotonic)

    def look_after(self, now: float, tell: Callable[[str], None]) -> None:
        if self.running() or now < self.pauses.until:
            return
        tell(f"{self.name} is gone; starting it again")
        try:
            self.start()
            tell(f"{self.name} is back")
        except RuntimeError as why:
            tell(f"{self.name} does not start: {why}")
        self.pauses.failed(now, now - self.began)
        self.began = time.monotonic()


class Up:
    """One run of everything. `run` returns when it was asked to stop."""

    def __init__(self, settings: Settings, home: Home, console: Console) -> None:
        self.settings = settings
        self.home = home
        self.console = console
        self.postgres: EmbeddedServer | None = None
        self.asterisk: AsteriskServer | None = None
        self.children: list[Child] = []
        self._began = time.monotonic()
        self._adopted: set[str] = set()
        self._lowering = False

    def run(self) -> None:
        """Start, watch until stopped, stop. Raises what its parts raise, after stopping them."""
        os.umask(0o077)
        with ground.only_one(self.home):
            for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(name, _stop)
            try:
                self._raise()
                self._watch()
            except Stopped:
                self._lower()
            except BaseException:
                self._lower(spare=self._adopted)  # a start that fails ends no call that it found going on
                raise

    def tell(self, line: str) -> None:
        self.console.print(escape(line), highlight=False, soft_wrap=True)

    def _heard(self, line: str) -> None:
        """A role's warning; while all is being stopped, that others are gone is no news."""
        if not self._lowering:
            self.tell(line)

    def _step(self, words: str) -> None:
        self.console.print(f"[green]✓[/] {escape(words)}", highlight=False, soft_wrap=True)

    # -- up -------------------------------------------------------------------------------------

    def _raise(self) -> None:
        """Everything, in the order in which each needs the other."""
        self.home.prepare()
        ground.require_room(self.home)
        policy = wiring.policy(self.settings)
        self.asterisk = wiring.asterisk(self.settings, self.home)
        adopting = self.asterisk.adopt()
        if adopting:
            self._adopted.add(ASTERISK)
        self._require_ports(adopting)
        url = self._raise_database()
        new_city = wiring.prepare_database(url, policy)
        self._step("the demo city was laid out" if new_city else "the database has its newest shape")
        changed = wiring.render_config(self.settings, self.home, url, policy, self.asterisk.binary)
        self._raise_asterisk(adopting, changed)
        self._raise_roles()
        self._announce(policy, wiring.logins(url))

    def _require_ports(self, adopting: bool) -> None:
        wanted = [port for port in ground.ports(self.settings) if not (adopting and port.asterisks)]
        until = time.monotonic() + PORTS_RELEASE_SECONDS
        while faults := ground.taken(wanted):
            if time.monotonic() > until:
                raise ground.GroundError("\n".join(faults))
            time.sleep(BEAT_SECONDS)

    def _raise_database(self) -> str:
        self.postgres = wiring.postgres(self.settings, self.home)
        if self.postgres is None:
            wiring.require_database(self.settings.database_url)
            self._step("PostgreSQL answers at HOTLINE_DATABASE_URL")
            return self.settings.database_url
        adopting = self.postgres.pid is not None
        if adopting:
            self._adopted.add(POSTGRES)
        url = self.postgres.start()
        self._step(f"{POSTGRES} {'was running: adopted' if adopting else 'started'}")
        return url

    def _raise_asterisk(self, adopting: bool, changed: list[Path]) -> None:
        assert self.asterisk is not None
        version = self.asterisk.binary.version
        if not adopting:
            self.asterisk.start()
            self._step(f"Asterisk {version} started ({self.asterisk.binary.origin})")
            return
        if changed:
            for line in wiring.reload(self.asterisk, changed):
                self.tell(line)
        calls = self.asterisk.cli("core show calls").split("\n", 1)[0]
        self._step(f"Asterisk {version} was running: adopted ({calls})")

    def _raise_roles(self) -> None:
        run_as = self._roles_run_as()
        for role in ROLES:
            command = [sys.executable, "-P", "-m", "hotline.cli", role]
            log_file = self.home.log / f"{role}.log"
            self.children.append(Child(role, command, log_file, self._heard, run_as))
        for child in self.children:
            child.start()
        ready = {"ivr": self.settings.agi_port, "desk": self.settings.web_port}
        until = time.monotonic() + READY_SECONDS
        for child in self.children:
            while not _listens(child, ready.get(child.role)):
                if not child.alive or time.monotonic() > until:
                    raise UpError(f"the {child.role} did not come up: its last words are in {child.log_file}")
                time.sleep(BEAT_SECONDS / 5)
        self._step("voice menu, desk and clock are up")

    def _roles_run_as(self) -> str | None:
        """As root the service user, if it can read this checkout; root otherwise, and we say so."""
        if self.home.owner is None:
            return None
        try:
            probe = subprocess.run(
                [sys.executable, "-P", "-c", "import hotline.cli"],
                user=self.home.owner,
                group=self.home.owner,
                extra_groups=[],
                capture_output=True,
                check=False,
            )
            readable = probe.returncode == 0
        except OSError:
            readable = False
        if readable:
            return self.home.owner
        self.tell(
            f"note: user {self.home.owner} cannot read this checkout, so menu, desk and clock run as root; "
            "a checkout in /opt or /srv avoids that"
        )
        return None

    def _announce(self, city: Policy, logins: list[demo.Login]) -> None:
        took = time.monotonic() - self._began
        web = f"http://{wiring.authority(self.settings.bind, self.settings.web_port)}"
        sip = wiring.authority(self.settings.bind, self.settings.sip_port)
        lines = [
            f"[bold]the hotline is up[/] ({took:.0f} s); Ctrl-C stops it",
            "",
            f"  desk   [bold]{web}[/]",
        ]
        lines += [f"  trunk  sip:{line.number}@{sip}  ({line.name})" for line in city.lines]
        lines += [f"  state  {self.home.path}", ""]
        lines += [
            f"  log in as [bold]{one.user:10}[/] {one.password:14} {one.name}, {one.role}" for one in logins
        ]
        self.console.print("\n".join(lines), highlight=False, soft_wrap=True)

    # -- while up -------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Until stopped: whatever ends is started again."""
        assert self.asterisk is not None
        servers = [Kept(ASTERISK, lambda: bool(self.asterisk and self.asterisk.pid), self.asterisk.start)]
        if self.postgres is not None:
            servers.append(
                Kept(POSTGRES, lambda: bool(self.postgres and self.postgres.pid), self.postgres.start)
            )
        while True:
            now = time.monotonic()
            for server in servers:
                server.look_after(now, self.tell)
            for child in self.children:
                child.look_after(now)
            time.sleep(BEAT_SECONDS)

    # -- down -----------------------------------------------------------------------------------

    def _lower(self, spare: Iterable[str] = ()) -> None:
        """Calls first, so that their last words reach the clock; the database last."""
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, signal.SIG_IGN)
        self._lowering = True
        for name, running, stop in (
            (
                ASTERISK,
                lambda: self.asterisk and self.asterisk.pid,
                lambda: self.asterisk and self.asterisk.stop(),
            ),
            ("voice menu, desk and clock", lambda: self.children, self._lower_roles),
            (
                POSTGRES,
                lambda: self.postgres and self.postgres.pid,
                lambda: self.postgres and self.postgres.stop(),
            ),
        ):
            if name in spare or not running():
                continue
            try:
                stop()
                self._step(f"{name} stopped")
            except Exception as why:  # the next one is to be stopped all the same
                self.tell(f"{name} did not stop: {why}")

    def _lower_roles(self) -> None:
        for child in self.children:
            child.stop()
        until = time.monotonic() + STOP_SECONDS
        for child in self.children:
            child.wait(until)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise Stopped


def _listens(child: Child, port: int | None) -> bool:
    """Is the child there, and listening on `port`? Knocking would count as a call at the AGI door."""
    if port is None or child.pid is None:
        return child.alive
    try:
        family = [psutil.Process(child.pid), *psutil.Process(child.pid).children(recursive=True)]
        sockets = (one for process in family for one in process.net_connections("tcp"))
        return any(one.status == psutil.CONN_LISTEN and one.laddr[1] == port for one in sockets)
    except psutil.Error:
        return False
