"""The folders under HOTLINE_HOME, and the secrets that are made once and kept there."""

import contextlib
import hashlib
import json
import os
import pwd
import secrets
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from storage.whole import write_whole

LONGEST_RUN_FOLDER = 80  # bytes; with a socket's name behind it this fits the kernel's 108
SERVICE_USER = "hotline"


class HomeError(RuntimeError):
    """The home cannot be used; the text names the fault and the remedy."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Made at the first start and kept: changing them logs everybody out."""

    ami_secret: str
    session_key: str

    @property
    def guests(self) -> str:
        """By which Asterisk knows our relay; made from the key, so that older homes have it too."""
        return hashlib.sha256(f"guests {self.session_key}".encode()).hexdigest()

    @property
    def ami_phones(self) -> str:
        """Of the manager's account that keeps the browser phones' secrets."""
        return hashlib.sha256(f"phones {self.session_key}".encode()).hexdigest()


@dataclass(frozen=True)
class Home:
    """All state of one hotline. Two homes (and two sets of ports) are two hotlines."""

    path: Path

    @property
    def asterisk_etc(self) -> Path:
        return self.path / "asterisk/etc"

    @property
    def asterisk_lib(self) -> Path:
        return self.path / "asterisk/lib"

    @property
    def asterisk_spool(self) -> Path:
        return self.path / "asterisk/spool"

    @property
    def asterisk_log(self) -> Path:
        return self.path / "asterisk/log"

    @property
    def asterisk_run(self) -> Path:
        return self._short("asterisk/run")

    @property
    def postgres_data(self) -> Path:
        return self.path / "postgres/data"

    @property
    def run(self) -> Path:
        """Sockets and pid files."""
        return self._short("run")

    @property
    def recordings_incoming(self) -> Path:
        return self.path / "recordings/incoming"

    @property
    def recordings_kept(self) -> Path:
        return self.path / "recordings/kept"

    @property
    def attachments(self) -> Path:
        """Files of tickets, sealed."""
        return self.path / "attachments"

    @property
    def cel(self) -> Path:
        return self.path / "cel/cel.csv"

    @property
    def spool(self) -> Path:
        """Facts of calls that came while the database was away."""
        return self.path / "spool"

    @property
    def sounds(self) -> Path:
        """An operator's own recordings: sounds/<language>/<key>.wav."""
        return self.path / "sounds"

    @property
    def tls(self) -> Path:
        """The certificate of desk and browser phones, and our own authority (hotline/cert.py)."""
        return self.path / "tls"

    @property
    def keys(self) -> Path:
        """What seals personal data (storage/vault.py), unless HOTLINE_KEYS names another folder."""
        return self.path / "keys"

    @property
    def tools(self) -> Path:
        return self.path / "tools"

    @property
    def log(self) -> Path:
        return self.path / "log"

    @property
    def journal_head(self) -> Path:
        """The newest seal of the journal, as the clock made it (hotline/chain.py)."""
        return self.path / "journal.head"

    @property
    def env_file(self) -> Path:
        return self.path / "hotline.env"

    @property
    def lock(self) -> Path:
        """Held by the one `hotline up` of this home; holds its pid."""
        return self.path / "up.lock"

    def _short(self, name: str) -> Path:
        """A folder whose sockets fit the kernel: under the home, or in the system's run folder."""
        folder = self.path / name
        if len(os.fsencode(folder)) <= LONGEST_RUN_FOLDER:
            return folder
        base = Path("/run") if os.geteuid() == 0 else Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")  # noqa: S108
        mark = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
        return base / f"hotline-{os.geteuid()}-{mark}"

    def folders(self) -> list[Path]:
        """Every folder that has to be there, parents first."""
        return [
            self.path,
            self.path / "asterisk",
            self.asterisk_etc,
            self.asterisk_lib,
            self.asterisk_spool,
            self.asterisk_log,
            self.asterisk_run,
            self.path / "postgres",
            self.run,
            self.path / "recordings",
            self.recordings_incoming,
            self.recordings_kept,
            self.attachments,
            self.cel.parent,
            self.spool,
            self.sounds,
            self.tls,
            self.keys,
            self.tools,
            self.log,
        ]

    def prepare(self) -> None:
        """Make what is missing, private to us (as root: to the service user). Raises HomeError."""
        for folder in self.folders():
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as why:
                raise HomeError(
                    f"{folder} cannot be made ({why.strerror}): set HOTLINE_HOME to a folder of yours"
                ) from why
            if not folder.is_relative_to(self.path):
                _refuse_a_stranger(folder)
        if not os.access(self.path, os.W_OK):
            raise HomeError(f"{self.path} cannot be written: set HOTLINE_HOME to a folder of yours")
        self.hand_over()

    @cached_property
    def owner(self) -> str | None:
        """As root the user that the servers run as; otherwise None: we run as who we are."""
        if os.geteuid() != 0:
            return None
        try:
            return pwd.getpwnam(SERVICE_USER).pw_name
        except KeyError:
            raise HomeError(
                f"there is no user {SERVICE_USER!r} for Asterisk and PostgreSQL to run as: run script/setup"
            ) from None

    def hand_over(self) -> None:
        """As root: what was made as root under the home becomes the service user's (tools excepted)."""
        if self.owner is None:
            return
        account = pwd.getpwnam(self.owner)
        for top in {self.path, self.run, self.asterisk_run}:
            os.lchown(top, account.pw_uid, account.pw_gid)
            # By descriptor: the service user must not be able to lead root astray with a link.
            for folder, folders, files, here in os.fwalk(top):
                if Path(folder) == self.path and self.tools.name in folders:
                    folders.remove(self.tools.name)
                for name in [*folders, *files]:
                    _chown(name, here, account)

    def secrets(self) -> Secrets:
        """The kept secrets, made on the first call."""
        file = self.path / "secrets.json"
        try:
            return Secrets(**json.loads(file.read_text()))
        except FileNotFoundError:
            pass
        except (ValueError, TypeError) as why:
            raise HomeError(
                f"{file} is damaged ({why}): delete it, a new one is made and everybody logs in anew"
            ) from why
        made = Secrets(ami_secret=secrets.token_urlsafe(32), session_key=secrets.token_urlsafe(32))
        told = {"ami_secret": made.ami_secret, "session_key": made.session_key}
        with contextlib.suppress(FileExistsError):
            write_whole(file, json.dumps(told).encode(), over=False)
        self.hand_over()
        return self.secrets()  # as read back: another process may have been first


def _refuse_a_stranger(folder: Path) -> None:
    """In a folder everybody may write to, somebody else may have been there first."""
    found = folder.lstat()
    trusted = {os.geteuid()} | ({pwd.getpwnam(SERVICE_USER).pw_uid} if os.geteuid() == 0 else set())
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in trusted:
        raise HomeError(
            f"{folder} belongs to somebody else: remove it, or set HOTLINE_HOME to a shorter path"
        )
    if stat.S_IMODE(found.st_mode) != 0o700:
        folder.chmod(0o700)


def _chown(name: str, folder: int, account: pwd.struct_passwd) -> None:
    with contextlib.suppress(FileNotFoundError):  # a file that came and went meanwhile
        if os.stat(name, dir_fd=folder, follow_symlinks=False).st_uid != account.pw_uid:
            os.chown(name, account.pw_uid, account.pw_gid, dir_fd=folder, follow_symlinks=False)
