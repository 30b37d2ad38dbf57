"""`hotline up`: everything on this machine, started in order, watched, and stopped in order.

Asterisk and PostgreSQL are adopted when they run already (a killed `up` leaves them so that
calls go on); the roles are children that end with us.
"""

import contextlib
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.markup import escape

from hotline import demo, ground, logs, wiring
from hotline.children import Child, Pauses
from hotline.heart import START_SECONDS, Ear
from hotline.home import Home, HomeError
from hotline.settings import CHECKOUT, Settings
from routing.policy import Policy
from telephony.asterisk import AsteriskServer

ROLES = ("ivr", "desk", "clock")
STOP_SECONDS = 8.0
ASTERISK, POSTGRES = "Asterisk", "PostgreSQL"
BEAT_SECONDS = 0.25
PORTS_RELEASE_SECONDS = 3.0  # the children of a killed `up` may be ending just now


class UpError(wiring.WiringError):
    """Something did not come up; the text names the fault and the remedy."""


class Stopped(BaseException):
    """Somebody asked us to stop (Ctrl-C, SIGTERM, a closed terminal)."""


class Left(BaseException):
    """Somebody asked us to end, and to leave the servers running (SIGUSR1, of `hotline drain --leave`)."""


@dataclass(slots=True)
class Kept:
    """A server that outlives us: looked at each beat, started again when it is gone."""

    name: str
    running: Callable[[], bool]
    start: Callable[[], object]
    stop: Callable[[], object]
    adopted: bool  # it ran before we came
    pauses: Pauses = field(default_factory=Pauses)
    began: float = field(default_factory=time.monotonic)

    def look_after(self, now: float, tell: Callable[[str], None]) -> None:
        if self.running() or now < self.pauses.until:
            return
        tell(f"{self.name} is gone; starting it again")
        self.pauses.failed(now, now - self.began)
        self.began = now
        try:
            self.start()
            tell(f"{self.name} is back")
        except wiring.FORESEEN as why:
            tell(f"{self.name} does not start: {why}")


class Up:
    """One run of everything. `run` returns when it was asked to stop."""

    def __init__(self, settings: Settings, home: Home, console: Console) -> None:
        self.settings = settings
        self.home = home
        self.console = console
        self.children: list[Child] = []
        self._kept: dict[str, Kept] = {}
        self._began = time.monotonic()
        self._lowering = False

    def run(self) -> None:
        """Start, watch until stopped, stop. Raises what its parts raise, after stopping them."""
        os.umask(0o077)
        logs.configure("up", "WARNING", "text")  # what is going on is told in lines of its own
        with ground.only_one(self.home):
            for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(name, _stop)
            signal.signal(signal.SIGUSR1, _leave)
            try:
                self._raise()
                self._watch()
            except Stopped:
                self._lower(adopted=True)
            except Left:
                self._lower_roles()
                self.tell("Asterisk and PostgreSQL go on; the next hotline up adopts them")
            except BaseException:
                self._lower(adopted=False)  # a start that fails ends no call that it found going on
                raise

    def tell(self, line: str) -> None:
        """A line for the terminal; when that is gone, the logs have it still."""
        with contextlib.suppress(OSError):
            self.console.print(escape(line), highlight=False, soft_wrap=True)

    def _heard(self, line: str) -> None:
        """A role's warning; while all is being stopped, that others are gone is no news."""
        if not self._lowering:
            self.tell(line)

    def _step(self, words: str) -> None:
        with contextlib.suppress(OSError):
            self.console.print(f"[green]✓[/] {escape(words)}", highlight=False, soft_wrap=True)

    # -- up -------------------------------------------------------------------------------------

    def _raise(self) -> None:
        """Everything, in the order in which each needs the other."""
        self.home.prepare()
        self._shed_root()
        ground.require_room(self.home)
        policy = wiring.policy(self.settings)
        asterisk = wiring.asterisk(self.settings, self.home)
        adopting = asterisk.adopt()
        self._require_ports(adopting)
        url = self._raise_database()
        new_city = wiring.prepare_database(self.settings, self.home, policy, with_demo=self.settings.demo)
        self._step("the demo city was laid out" if new_city else "the database has its newest shape")
        changed = wiring.render_config(self.settings, self.home, url, policy, asterisk.binary)
        self._raise_asterisk(asterisk, adopting, changed)
        self._raise_roles()
        self._announce(policy, wiring.logins(url), wiring.first_link(self.settings, self.home))

    def _shed_root(self) -> None:
        """Nothing here needs root: become the service user, or say why only the servers do."""
        if self.home.owner is None:
            return
        user, home = self.home.owner, self.home.path
        if not _may(user, "/usr/bin/test", "-w", str(home)):
            raise HomeError(f"user {user} cannot enter {home}: set HOTLINE_HOME to a folder it can reach")
        if not _may(user, sys.executable, "-P", "-c", "import hotline.cli"):
            self.tell(
                f"note: user {user} cannot use {sys.prefix} or {CHECKOUT}: menu, desk and clock run as root; "
                "a checkout in /opt or /srv and the system's Python avoid that"
            )
            return
        account = pwd.getpwnam(user)
        os.chdir("/")
        os.initgroups(account.pw_name, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
        os.environ.update(HOTLINE_HOME=str(home), HOME=str(home), USER=user)
        self.home = Home(home)

    def _require_ports(self, adopting: bool) -> None:
        wanted = [port for port in ground.ports(self.settings) if not (adopting and port.asterisks)]
        until = time.monotonic() + PORTS_RELEASE_SECONDS
        while faults := ground.taken(wanted):
            if time.monotonic() > until:
                raise ground.GroundError("\n".join(faults))
            time.sleep(BEAT_SECONDS)

    def _raise_database(self) -> str:
        server = wiring.postgres(self.settings, self.home)
        if server is None:
            wiring.require_database(self.settings.database_url)
            self._step("PostgreSQL answers at HOTLINE_DATABASE_URL")
            return self.settings.database_url
        adopting = server.pid is not None
        self._kept[POSTGRES] = Kept(
            POSTGRES, lambda: server.pid is not None, server.start, server.stop, adopting
        )
        url = server.start()
        self._step(f"PostgreSQL {'was running: adopted' if adopting else 'started'}")
        return url

    def _raise_asterisk(self, server: AsteriskServer, adopting: bool, changed: list[Path]) -> None:
        self._kept[ASTERISK] = Kept(
            ASTERISK, lambda: server.pid is not None, server.start, server.stop, adopting
        )
        told = f"Asterisk {server.binary.version}"
        if not adopting:
            server.start()
            self._step(f"{told} started ({server.binary.origin})")
            return
        calls = server.calls
        if changed and not calls:
            server.stop()
            server.start()
            self._step(f"{told} was running without calls: started anew, as its files changed")
            return
        for line in wiring.reload(server, changed):
            self.tell(f"  {line}")
        self._step(f"{told} was running: adopted, with {calls} calls")

    def _raise_roles(self) -> None:
        for role in ROLES:
            command = [sys.executable, "-P", "-m", "hotline.cli", role]
            log_file = self.home.log / f"{role}.log"
            ear = Ear(self.home.run / f"{role}.notify")
            self.children.append(Child(role, command, log_file, self._heard, ear))
        for child in self.children:
            child.start()
        until = time.monotonic() + START_SECONDS
        for child in self.children:
            while not child.is_ready():
                if not child.alive or time.monotonic() > until:
                    raise UpError(f"the {child.role} did not come up: its last words are in {child.log_file}")
                time.sleep(BEAT_SECONDS / 5)
        self._step("voice menu, desk and clock are up")

    def _announce(self, city: Policy, logins: list[demo.Login], first_link: str) -> None:
        took = time.monotonic() - self._began
        web = wiring.desk_address(self.settings, self.home)
        sip = wiring.authority(self.settings.bind, self.settings.sip_port)
        lines = [
            f"[bold]the hotline is up[/] ({took:.0f} s); Ctrl-C stops it",
            "",
            f"  desk   [bold]{web}[/]",
        ]
        if self.settings.guest_calls:
            lines.append(f"  call   [bold]{web}/call[/]")
        first, *others = city.lines
        lines.append(f"  trunk  sip:{first.number}@{sip}  ({first.name})")
        if others:
            lines.append(f"         and {len(others)} more numbers, the last one {others[-1].number}")
        lines += [f"  state  {self.home.path}", ""]
        lines += [f"  log in as {demo.say(one)}" for one in logins]
        if first_link:
            lines.append(f"  open [bold]{first_link}[/] once, within an hour: you become the administrator")
        elif not logins:
            lines.append("  hotline people list says who may log in; hotline people add lets somebody in")
        self.console.print("\n".join(lines), highlight=False, soft_wrap=True)

    # -- while up -------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Until stopped: whatever ends is started again."""
        while True:
            now = time.monotonic()
            for server in self._kept.values():
                server.look_after(now, self.tell)
            for child in self.children:
                child.look_after(now)
            time.sleep(BEAT_SECONDS)

    # -- down -----------------------------------------------------------------------------------

    def _lower(self, *, adopted: bool) -> None:
        """Calls first, so that their last words reach the clock; the database last."""
        self._lowering = True
        _be_deaf()
        self._lower_kept(ASTERISK, adopted=adopted)
        self._lower_roles()
        self._lower_kept(POSTGRES, adopted=adopted)

    def _lower_roles(self) -> None:
        self._lowering = True
        _be_deaf()
        for child in self.children:
            child.stop()
        until = time.monotonic() + STOP_SECONDS
        for child in self.children:
            child.wait(until)
        if self.children:
            self._step("voice menu, desk and clock stopped")

    def _lower_kept(self, name: str, *, adopted: bool) -> None:
        server = self._kept.get(name)
        if server is None or not server.running() or (server.adopted and not adopted):
            return
        try:
            server.stop()
            self._step(f"{name} stopped")
        except Exception as why:  # the next one is to be stopped all the same
            self.tell(f"{name} did not stop: {why}")


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise Stopped


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise Left


def _be_deaf() -> None:
    """Once is enough: what is being ended is ended in order."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(name, signal.SIG_IGN)


def _may(user: str, *command: str) -> bool:
    """Does this command succeed for this user?"""
    try:
        done = subprocess.run(
            command, user=user, group=user, extra_groups=[], cwd="/", capture_output=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0
