"""A client that plays Asterisk's side of FastAGI, as Asterisk 22's res_agi speaks it."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field

HANG_UP = "hang up"
SILENCE = ""


def header(
    script: str = "inbound",
    args: Iterable[str] = ("1700000000.1-4242", "1700000000.1", "962299", "0"),
    **more: str,
) -> bytes:
    """A header as Asterisk writes it; `more` replaces or adds `agi_…` lines, without the prefix."""
    env = {
        "network": "yes",
        "network_script": script,
        "request": f"agi://127.0.0.1/{script}",
        "channel": "PJSIP/trunk-00000001",
        "language": "zh",
        "type": "PJSIP",
        "uniqueid": "1700000000.1",
        "version": "22.10.1",
        "callerid": "13812345678",
        "calleridname": "unknown",
        **more,
        **{f"arg_{number}": value for number, value in enumerate(args, 1)},
    }
    return "".join(f"agi_{key}: {value}\n" for key, value in env.items()).encode() + b"\n"


@dataclass
class FakeAsterisk:
    """One call. `keys` are what the caller does at each WAIT FOR DIGIT: a key, SILENCE or HANG_UP."""

    keys: list[str] = field(default_factory=list)
    missing: frozenset[str] = frozenset()
    commands: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    def call(self, port: int, head: bytes | None = None, seconds: float = 20.0) -> FakeAsterisk:
        """Knock, answer every command until the other side closes, and return self."""
        with socket.create_connection(("127.0.0.1", port), timeout=seconds) as sock:
            sock.sendall(header() if head is None else head)
            self.answer_all(sock)
        return self

    def answer_all(self, sock: socket.socket) -> None:
        try:
            for line in sock.makefile("rb"):
                command = line.decode().rstrip("\n")
                self.commands.append(command)
                sock.sendall(self.reply(command))
        except OSError:
            return

    def reply(self, command: str) -> bytes:
        words = [
            re.sub(r"\\(.)", r"\1", word.strip('"')) for word in re.findall(r'"(?:\\.|[^"\\])*"|\S+', command)
        ]
        match " ".join(words[:2]):
            case "SET VARIABLE":
                self.variables[words[2]] = words[3]
                return b"200 result=1\n"
            case "STREAM FILE":
                gone = words[2] in self.missing
                return b"200 result=-1 endpos=0\n" if gone else b"200 result=0 endpos=8000\n"
            case "WAIT FOR":
                key = self.keys.pop(0) if self.keys else SILENCE
                if key == HANG_UP:
                    return b"HANGUP\n200 result=-1\n"
                return f"200 result={ord(key) if key else 0}\n".encode()
            case "GET FULL":
                return f"200 result=1 ({words[3]})\n".encode()
            case "CHANNEL STATUS":
                return b"200 result=6\n"
        return b"510 Invalid or unknown command\n"
