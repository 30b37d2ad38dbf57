"""What the tests ask of a running Asterisk, whoever started it: channels, queue, log, CEL, recordings."""

import csv
import re
import socket
from pathlib import Path

import psutil

from telephony.asterisk import AsteriskFault, AsteriskServer
from tests.real.waiting import until

QUEUE = "main"


def complaints(log: str, expected: tuple[str, ...] = ()) -> list[str]:
    """The ERROR and WARNING lines of an Asterisk log but for those that match `expected` patterns."""
    lines = [line for line in log.splitlines() if re.search(r"\b(ERROR|WARNING)\[", line)]
    return [line for line in lines if not any(re.search(pattern, line) for pattern in expected)]


class Running:
    """An Asterisk and the files it writes."""

    server: AsteriskServer
    log_file: Path
    incoming: Path  # recordings of calls under way
    cel: Path

    def cli(self, command: str) -> str:
        """What `asterisk -rx` says, asked at the same socket: who waits asks 20 times a second."""
        try:
            with socket.socket(socket.AF_UNIX) as console:
                console.settimeout(10)
                console.connect(str(self.server.run_folder / "asterisk.ctl"))
                console.sendall(f"cli quit after {command}\0".encode())
                lines = console.makefile("rb").readlines()[1:]  # the first one greets
        except OSError as why:
            raise AsteriskFault(f"Asterisk's console does not answer: {why}") from why
        # What the logger says to every console meanwhile begins with no letter.
        return b"".join(line for line in lines if 0 < line[0] < 128).decode(errors="replace")

    def channels(self) -> list[list[str]]:
        """One list per channel: name, context, extension, priority, state, application, …"""
        return [
            line.split("!") for line in self.cli("core show channels concise").splitlines() if "!" in line
        ]

    def in_queue(self) -> list[str]:
        """The callers waiting, in order: channel names."""
        text = self.cli(f"queue show {QUEUE}")
        return re.findall(r"^\s+\d+\. (\S+) \(wait", text, re.MULTILINE)

    def complaints(self, *expected: str) -> list[str]:
        return complaints(self.log_file.read_text(), expected)

    def assert_clean_log(self, *expected: str) -> None:
        """No ERROR and no WARNING since the start, but for lines that this test brought about."""
        left = self.complaints(*expected)
        assert not left, "\n".join(left)

    def assert_nothing_left(self) -> None:
        until(lambda: not self.channels(), "all channels to be gone")

    def assert_recordings_closed(self) -> None:
        """Wait until Asterisk holds no recording open: until then their end is in its buffers."""
        asterisk = psutil.Process(self.server.pid)
        until(
            lambda: not any(file.path.startswith(str(self.incoming)) for file in asterisk.open_files()),
            "the recordings to be closed",
        )

    def events(self) -> list[list[str]]:
        """The rows of the CEL file so far."""
        return list(csv.reader(self.cel.read_text().splitlines())) if self.cel.exists() else []
