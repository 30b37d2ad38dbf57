"""A caller played by SIPp: its signalling is SIPp's own, its sound and key presses come from our Media.

SIPp's own `play_pcap_audio` and `play_dtmf` need raw sockets, so root, and cannot wait for what the
caller hears; this works for everybody.
"""

import contextlib
import re
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hotline.lab.media import Media, peer_of, sdp
from hotline.wiring import WiringError

ENDS_SECONDS = 15.0
SCENARIO = """<?xml version="1.0" encoding="UTF-8"?>
<scenario name="a caller">
<send retrans="500"><![CDATA[
{invite}
]]></send>
<recv response="100" optional="true"/>
<recv response="180" optional="true"/>
<recv response="183" optional="true"/>
<recv response="200" rrs="true"><action>
  <ereg regexp=".*" search_in="hdr" header="To:" assign_to="to"/>
</action></recv>
<send><![CDATA[
ACK [next_url] SIP/2.0
{again}
CSeq: 1 ACK
Content-Length: 0

]]></send>
<recv request="MESSAGE" optional="true" next="1"/>
<recv request="BYE"/>
<send next="2"><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
<label id="1"/>
<send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
{again}
CSeq: 2 BYE
Content-Length: 0

]]></send>
<recv response="200"/>
<label id="2"/>
</scenario>
"""


class LabFault(WiringError):
    """The lab itself cannot work; the text names the fault and the remedy."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as SIPp traced it; `at` is the wall clock, seconds since 1970."""

    at: float
    sent: bool
    text: str

    @property
    def start(self) -> str:
        return self.text.partition("\n")[0].strip()

    def is_answer_to(self, method: str) -> bool:
        asked = re.search(rf"^CSeq: \d+ {method}", self.text, re.MULTILINE)
        return self.start.startswith("SIP/2.0 ") and asked is not None

    @property
    def status(self) -> int:
        """Of an answer: 200, 404, …"""
        return int(self.start.split()[1])


class SippCall:
    """One call from `address` to `number`; `media` is what the caller says and hears. To be closed."""

    def __init__(self, folder: Path, server: tuple[str, int], number: str, caller: str, address: str) -> None:
        """Dials at once. `folder`: where SIPp may write. Raises LabFault."""
        program = sipp()
        self.media = Media(address)
        self.address, self.port = address, _free_port(address)
        self.call_id = f"lab-{time.monotonic_ns()}"
        self._trace_file = folder / f"{self.call_id}.trace"
        scenario = folder / f"{self.call_id}.xml"
        scenario.write_text(self._scenario(number, caller))
        self.process = subprocess.Popen(
            [
                *(program, f"{server[0]}:{server[1]}", "-sf", str(scenario)),
                *("-i", address, "-p", str(self.port), "-m", "1", "-cid_str", self.call_id, "-nostdin"),
                *("-recv_timeout", "600000", "-trace_msg", "-message_file", str(self._trace_file)),
            ],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _scenario(self, number: str, caller: str) -> str:
        again = (
            "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"
            f"From: <sip:{caller}@[local_ip]>;tag=[call_number]\nTo:[$to]\nCall-ID: [call_id]\n[routes]"
        )
        invite = (
            f"INVITE sip:{number}@[remote_ip]:[remote_port] SIP/2.0\n"
            "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"
            f"From: <sip:{caller}@[local_ip]>;tag=[call_number]\n"
            f"To: <sip:{number}@[remote_ip]:[remote_port]>\nCall-ID: [call_id]\nCSeq: 1 INVITE\n"
            "Contact: <sip:caller@[local_ip]:[local_port]>\nMax-Forwards: 70\n"
            "Content-Type: application/sdp\nContent-Length: [len]\n\n" + sdp(self.media).replace("\r\n", "\n")
        )
        return SCENARIO.format(invite=invite, again=again)

    def final(self) -> Message | None:
        """The final answer to INVITE, once there is one; with a 200 sound flows from now on."""
        answers = (m for m in self.trace() if not m.sent and m.is_answer_to("INVITE") and m.status >= 200)
        found = next(answers, None)
        if found and found.status == 200:
            self.media.peer = peer_of(found.text)
        return found

    def hang_up(self) -> None:
        """Have SIPp send BYE, and wait for its end: a MESSAGE into its call is the sign to it.

        A BYE that nobody answers is an end as well.
        """
        sign = (
            f"MESSAGE sip:caller@{self.address} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self.address}:9;branch=z9hG4bKsign\r\n"
            f"From: <sip:sign@{self.address}>;tag=sign\r\nTo: <sip:caller@{self.address}>\r\n"
            f"Call-ID: {self.call_id}\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n"
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
            way.sendto(sign.encode(), (self.address, self.port))
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(ENDS_SECONDS)
        self.close()

    @property
    def over(self) -> bool:
        """The call has ended, by whomever."""
        return self.process.poll() is not None

    def trace(self) -> list[Message]:
        """Every message so far, as SIPp saw it."""
        if not self._trace_file.exists():
            return []
        parts = re.split(r"^-+ (\d{4}-\d\d-\d\d\s\S+)\n", self._trace_file.read_text(), flags=re.MULTILINE)
        found = []
        for stamp, part in zip(parts[1::2], parts[2::2], strict=True):
            head, _, text = part.partition(":\n\n")
            at = datetime.fromisoformat(re.sub(r"\s", "T", stamp)).timestamp()
            found.append(Message(at, "sent" in head, text.lstrip()))
        return found

    def close(self) -> None:
        """Whatever is still going on ends."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.media.close()


def sipp() -> str:
    """The program: the system's, or the private copy beside our Python. Raises LabFault."""
    found = shutil.which("sipp") or shutil.which("sipp", path=str(Path(sys.executable).parent))
    if found is None:
        raise LabFault("SIPp is not here: run script/setup --lab")
    return found


def _free_port(address: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
