"""The Asterisk program: which one to use, and starting, adopting and stopping it.

Its configuration is rendered by `telephony/config.py`; fetching the private copy is
set-up's work (`script/debs.py`). Asterisk outlives us: it is started in a session of its own.
"""

import contextlib
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import psutil

OLDEST_MAJOR = 20
SYSTEM_FOLDERS = "/usr/sbin:/usr/local/sbin"  # rarely on an ordinary user's PATH
LIBRARIES = "usr/lib/*-linux-gnu"
REALTIME_PRIORITY = 10  # round robin; what Asterisk's own `-p` takes


class AsteriskFault(Exception):
    """Asterisk is missing, too old, or will not start; the text names the remedy."""


@dataclass(frozen=True, slots=True)
class AsteriskBinary:
    """A usable Asterisk. `argv` starts it (a private copy needs its own loader first)."""

    argv: tuple[str, ...]
    version: str  # "22.10.1"
    modules: Path  # astmoddir
    data: Path  # holds `documentation/`, without which it does not start
    origin: str  # "setting", "system" or "private"


def find(explicit: str, tools: Path) -> AsteriskBinary:
    """The Asterisk named by the setting, else the system's (≥ 20), else the copy under `tools`.

    Raises AsteriskFault when a named one cannot be used, or when there is none at all.
    """
    if explicit:
        return _installed(Path(explicit), "setting")
    on_path = shutil.which("asterisk", path=f"{os.environ.get('PATH', '')}:{SYSTEM_FOLDERS}")
    if on_path:
        with contextlib.suppress(AsteriskFault):  # too old: the private copy is better
            return _installed(Path(on_path), "system")
    root = tools / "asterisk"
    if not (root / "usr/sbin/asterisk").exists():
        raise AsteriskFault(
            f"no Asterisk ≥ {OLDEST_MAJOR} here and no private copy under {tools}: run script/setup, "
            "or set HOTLINE_ASTERISK to an Asterisk program"
        )
    return _private(root.resolve())


def _private(root: Path) -> AsteriskBinary:
    """A copy unpacked by set-up runs on the C library it came with, not on the system's."""
    libraries = next(root.glob(LIBRARIES))
    loader = next(libraries.glob("ld-linux*.so.*"))
    argv = (str(loader), "--library-path", str(libraries), str(root / "usr/sbin/asterisk"))
    return AsteriskBinary(
        argv=argv,
        version=_version(argv),
        modules=libraries / "asterisk/modules",
        data=root / "usr/share/asterisk",
        origin="private",
    )


def _installed(program: Path, origin: str) -> AsteriskBinary:
    if not os.access(program, os.X_OK):
        raise AsteriskFault(f"HOTLINE_ASTERISK={program} is not a program that can be run")
    prefix = program.resolve().parent.parent
    modules = [*prefix.glob("lib*/asterisk/modules"), *prefix.glob("lib/*/asterisk/modules")]
    data = [
        d for d in (prefix / "share/asterisk", Path("/var/lib/asterisk")) if (d / "documentation").is_dir()
    ]
    if not modules:
        raise AsteriskFault(f"no modules beside {program}: install the asterisk-modules that belong to it")
    argv = (str(program),)
    return AsteriskBinary(
        argv, _version(argv), modules[0], data[0] if data else prefix / "share/asterisk", origin
    )


def _version(argv: tuple[str, ...]) -> str:
    """The version that the program tells; AsteriskFault if it can't run or is too old."""
    try:
        told = subprocess.run([*argv, "-V"], check=False, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as why:
        raise AsteriskFault(f"{argv[-1]} does not run ({why})") from why
    match = re.search(r"Asterisk (?:certified[/-])?((\d+)\.[\d.]*\d)", told.stdout)
    if match is None:
        words = (told.stderr or told.stdout).strip().splitlines() or ["it says nothing"]
        raise AsteriskFault(f"{argv[-1]} does not tell its version ({words[-1]})")
    if int(match[2]) < OLDEST_MAJOR:
        raise AsteriskFault(f"{argv[-1]} is Asterisk {match[1]}; {OLDEST_MAJOR} or later is needed")
    return match[1]


class AsteriskServer:
    """One running Asterisk, known by its asterisk.conf.

    `config_folder` holds asterisk.conf; `run_folder` is its astrundir (pid file and control
    socket: keep it short, Asterisk cuts long socket paths silently); `run_as` is the user to
    run as when we are root.
    """

    def __init__(
        self,
        binary: AsteriskBinary,
        config_folder: Path,
        run_folder: Path,
        output: Path,
        run_as: str | None = None,
    ) -> None:
        self.binary = binary
        self.config = config_folder / "asterisk.conf"
        self.run_folder = run_folder
        self.output = output  # what it prints before its logger is up
        self.run_as = run_as
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The pid of our Asterisk if it runs; a pid file left by a dead one is not believed."""
        if self._child is not None and self._child.poll() is None:
            return self._child.pid
        try:
            pid = int((self.run_folder / "asterisk.pid").read_text())
            alive = str(self.config) in psutil.Process(pid).cmdline()
        except (OSError, ValueError, psutil.Error):
            return None
        return pid if alive else None

    def adopt(self) -> bool:
        """True when an Asterisk on this configuration runs and answers its console."""
        if self.pid is None:
            return False
        try:
            self.cli("core show version", limit_seconds=5.0)
        except AsteriskFault:
            return False
        return True

    def start(self, limit_seconds: float = 60.0) -> None:
        """Start it detached and wait until it is fully booted; AsteriskFault with its last words."""
        stray = self.pid
        if stray is not None:  # it runs but does not answer
            self._end(stray)
        for name in ("asterisk.pid", "asterisk.ctl"):
            (self.run_folder / name).unlink(missing_ok=True)
        self._child = self._launch()
        self._wait_booted(self._child, time.monotonic() + limit_seconds)
        _sound_first(self._child.pid)

    def become(self) -> NoReturn:
        """Turn this process into Asterisk, in the foreground, for a supervisor such as systemd."""
        if self.pid is not None:
            raise AsteriskFault(f"Asterisk runs already on {self.config} (pid {self.pid}): stop that first")
        for name in ("asterisk.pid", "asterisk.ctl"):
            (self.run_folder / name).unlink(missing_ok=True)
        os.chdir(self.run_folder)
        command = [*self.binary.argv, "-f", "-C", str(self.config)]
        os.execve(command[0], command, self._environment())  # noqa: S606

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.run_folder),
            "LC_ALL": "C.UTF-8",
        }

    def _launch(self) -> subprocess.Popen[bytes]:
        try:
            with self.output.open("wb") as output:
                return subprocess.Popen(
                    [*self.binary.argv, "-f", "-C", str(self.config)],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=self.run_folder,
                    env=self._environment(),
                    start_new_session=True,
                    user=self.run_as,
                    group=self.run_as,
                    extra_groups=[] if self.run_as else None,
                )
        except OSError as why:
            who = f" as user {self.run_as}" if self.run_as else ""
            raise AsteriskFault(
                f"Asterisk cannot be started{who} ({why}): it must be able to enter {self.run_folder}"
            ) from why

    def _wait_booted(self, child: subprocess.Popen[bytes], until: float) -> None:
        while time.monotonic() < until:
            if child.poll() is not None:
                raise AsteriskFault(
                    f"Asterisk ended at its start (status {child.returncode}): {self._last_words()}"
                )
            with contextlib.suppress(AsteriskFault):
                self.cli("core waitfullybooted", limit_seconds=max(1.0, until - time.monotonic()))
                return
            time.sleep(0.1)
        self._end(child.pid)
        raise AsteriskFault(f"Asterisk was not ready in time: {self._last_words()}")

    def _last_words(self) -> str:
        lines = self.output.read_text(errors="replace").strip().splitlines()
        return f"{lines[-1] if lines else 'it said nothing'} (all of it in {self.output})"

    def cli(self, command: str, limit_seconds: float = 10.0) -> str:
        """What the console answers to `command`; AsteriskFault when nobody answers."""
        try:
            done = subprocess.run(
                [*self.binary.argv, "-C", str(self.config), "-rx", command],
                check=False,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=limit_seconds,
            )
        except subprocess.TimeoutExpired as why:
            raise AsteriskFault(
                f"Asterisk's console did not answer {command!r} in {limit_seconds:g} s"
            ) from why
        if done.returncode:
            raise AsteriskFault(f"Asterisk's console does not answer: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    @property
    def calls(self) -> int:
        """How many calls are up now; AsteriskFault when its console does not answer."""
        return int(self.cli("core show calls").split(maxsplit=1)[0])

    def stop(self, limit_seconds: float = 10.0) -> None:
        """Stop it at once, calls included; does nothing when it does not run."""
        pid = self.pid
        if pid is None:
            return
        with contextlib.suppress(AsteriskFault):
            self.cli("core stop now", limit_seconds=3.0)
        self._end(pid, limit_seconds)

    def _end(self, pid: int, limit_seconds: float = 5.0) -> None:
        """Wait for the process, then terminate, then kill."""
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            for push in (None, process.terminate, process.kill):
                if push is not None:
                    push()
                with contextlib.suppress(psutil.TimeoutExpired):
                    process.wait(limit_seconds / 2)
                    break
        if self._child is not None:
            self._child.wait()
            self._child = None


def _sound_first(pid: int) -> None:
    """Give every thread the processor before all else: a voice 40 ms late is heard, a page is not.

    Debian's own Asterisk runs so; new threads take after the old ones. Where we may not, nothing changes.
    """
    with contextlib.suppress(PermissionError, ProcessLookupError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setscheduler(int(thread.name), os.SCHED_RR, os.sched_param(REALTIME_PRIORITY))
