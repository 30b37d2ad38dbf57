"""A complete hotline of one's own: `hotline up` in a process, with a fresh home and free ports."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hotline.home import Home
from hotline.settings import CHECKOUT, Settings
from telephony.asterisk import AsteriskServer, find
from tests.hotline.laid_out import furnish
from tests.hotline.nursery import nursery
from tests.real.asterisk_lab import TRUNK, short_folder
from tests.real.ports import free_port, free_range
from tests.real.running import Running
from tests.real.waiting import until


class Whole(Running):
    """`hotline up` with the demo city. `start` may follow `stop` or `kill`: home and ports stay."""

    def __init__(self, folder: Path, **settings: str) -> None:
        folder.chmod(0o755)  # as root the servers run as a user of their own
        self.home = Home(folder / "home")
        self.web_port, self.sip_port, self.agi_port = free_port(), free_port(), free_port()
        self.ami_port, self.http_port, self.trunk_port = free_port(), free_port(), free_port(TRUNK)
        rtp = free_range(400)
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("HOTLINE_")}
        self.environment = inherited | {
            "HOTLINE_HOME": str(self.home.path),
            "HOTLINE_WEB_PORT": str(self.web_port),
            "HOTLINE_SIP_PORT": str(self.sip_port),
            "HOTLINE_AGI_PORT": str(self.agi_port),
            "HOTLINE_AMI_PORT": str(self.ami_port),
            "HOTLINE_ASTERISK_HTTP_PORT": str(self.http_port),
            "HOTLINE_RTP_START": str(rtp),
            "HOTLINE_RTP_END": str(rtp + 399),
            "HOTLINE_TRUNK_PEERS": f"{TRUNK}:{self.trunk_port}",
            **{f"HOTLINE_{name.upper()}": value for name, value in settings.items()},
        }
        self.home.tools.mkdir(parents=True)
        private = Settings().home / "tools/asterisk"
        if private.exists():  # what set-up fetched serves every home of the tests
            (self.home.tools / "asterisk").symlink_to(private)
        self.url = f"http://127.0.0.1:{self.web_port}"
        self.output = folder / "up.out"
        self.log_file = self.home.asterisk_log / "asterisk.log"
        self.incoming, self.cel = self.home.recordings_incoming, self.home.cel
        self.server = AsteriskServer(
            find("", self.home.tools),
            config_folder=self.home.asterisk_etc,
            run_folder=self.home.asterisk_run,
            output=self.home.log / "asterisk.out",
        )
        self.process: subprocess.Popen[bytes] | None = None
        self.killed = False

    def start(self) -> "Whole":
        """Bring everything up; AssertionError with what it said when it does not come up."""
        self.killed = False
        furnish(self.home.path, self.environment)
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hotline.cli", "up"],
                cwd=CHECKOUT,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        until(lambda: self._said("the hotline is up") or self.process.poll() is not None, "the hotline", 90)
        assert self.process.poll() is None, self.output.read_text()
        return self

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Another `hotline` command on the same home."""
        return nursery().run(words, self.environment, "", 120)

    def logins(self) -> dict[str, str]:
        """The demo's log-ins and passwords, as printed."""
        return dict(re.findall(r"log in as (\S+)\s+(\S+)", self.output.read_text()))

    def stop(self) -> None:
        """Ctrl-C: everything it started ends."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)

    def kill(self) -> None:
        """SIGKILL of `up` alone: Asterisk and PostgreSQL live on, and the next start adopts them."""
        assert self.process
        self.killed = True
        self.process.kill()
        self.process.wait()

    def _said(self, words: str) -> bool:
        return words in self.output.read_text()


@contextmanager
def running_whole(**settings: str) -> Iterator[Whole]:
    """A hotline in a folder of its own, up, and gone afterwards."""
    folder = short_folder()
    whole = Whole(folder, **settings)
    try:
        yield whole.start()
    finally:
        if whole.killed:
            whole.start()  # adopts what a killed one left, so that it can be stopped
        whole.stop()
        shutil.rmtree(folder, ignore_errors=True)
