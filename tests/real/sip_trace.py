"""Every SIP message that Asterisk sends and receives, over WebSocket too, with its time."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LOCAL_HEADER, RECORD_HEADER = 24, 16
IPV4, UDP = 20, 8


@dataclass(frozen=True)
class Seen:
    """One message; `at` is seconds since 1970, `source` and `target` are host:port."""

    at: float
    source: str
    target: str
    text: str

    @property
    def start(self) -> str:
        return self.text.split("\r\n", 1)[0]


class SipTrace:
    """Asterisk's own capture, from now on. `cli` runs a console command."""

    def __init__(self, cli: Callable[[str], str], file: Path) -> None:
        self.file, self.cli = file, cli
        cli("pjsip set logger on")
        cli("pjsip set logger verbose off")
        cli(f"pjsip set logger pcap {file}")

    def messages(self) -> list[Seen]:
        """All messages so far, in order. Ends the trace: until then Asterisk keeps them in its buffer."""
        self.cli("pjsip set logger off")
        data, at, found = self.file.read_bytes(), LOCAL_HEADER, []
        (magic, link) = struct.unpack_from("<I", data)[0], struct.unpack_from("<I", data, 20)[0]
        assert magic == 0xA1B2C3D4
        skip = {1: 14, 101: 0, 12: 0}[link]  # Ethernet, or bare IP
        while at + RECORD_HEADER <= len(data):
            seconds, micros, length, _ = struct.unpack_from("<IIII", data, at)
            packet = data[at + RECORD_HEADER + skip : at + RECORD_HEADER + length]
            at += RECORD_HEADER + length
            found.append(self._message(seconds + micros / 1e6, packet))
        return found

    def _message(self, at: float, packet: bytes) -> Seen:
        source, target = (".".join(map(str, packet[i : i + 4])) for i in (12, 16))
        from_port, to_port = struct.unpack_from("!HH", packet, IPV4)
        text = packet[IPV4 + UDP :].decode(errors="replace")
        return Seen(at, f"{source}:{from_port}", f"{target}:{to_port}", text)
