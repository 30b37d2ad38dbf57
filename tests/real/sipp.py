"""A trunk caller played by SIPp: its signalling is SIPp's own, its sound and key presses come from our Media.

SIPp's own `play_pcap_audio` and `play_dtmf` need raw sockets, so root, and cannot wait for what the test
hears; this works for everybody, and a test presses keys when it likes.
"""

import re
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.real.media import Media, peer_of, sdp
from tests.real.ports import free_port
from tests.real.waiting import until

SCENARIO = """<?xml version="1.0" encoding="UTF-8"?>
<scenario name="a trunk caller">
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


@dataclass(frozen=True)
class Traced:
    """A message in SIPp's own trace; `at` is its wall clock, seconds since 1970."""

    at: float
    sent: bool
    text: str


class SippCall:
    """One call from `address` to `number`. Made by `sipp_call`, which closes it."""

    def __init__(
        self, folder: Path, server: tuple[str, int], number: str, caller: str, hz: float, address: str
    ) -> None:
        self.media = Media(address, hz)
        self.address, self.port = address, free_port(address)
        self.call_id = f"sipp-{time.monotonic_ns()}"
        self.trace_file = folder / f"{self.call_id}.trace"
        scenario = folder / f"{self.call_id}.xml"
        scenario.write_text(self._scenario(number, caller))
        program = shutil.which("sipp")
        assert program, "SIPp is missing: apt-get install sip-tester, or run script/setup --tests"
        self.process = subprocess.Popen(
            [
                *(program, f"{server[0]}:{server[1]}", "-sf", str(scenario)),
                *("-i", address, "-p", str(self.port), "-m", "1", "-cid_str", self.call_id, "-nostdin"),
                *("-recv_timeout", "600000", "-trace_msg", "-message_file", str(self.trace_file)),
            ],
            cwd=folder,
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

    # ---- what a test does ------------------------------------------------------------------------

    def answered(self, limit_seconds: float = 20.0) -> "SippCall":
        """Wait for the 200 OK; media flow from then on."""
        until(lambda: self._final() is not None, "an answer", limit_seconds)
        final = self._final()
        assert final
        assert final.text.startswith("SIP/2.0 200"), final.text.splitlines()[0]
        self.media.peer = peer_of(final.text)
        return self

    def press(self, keys: str) -> None:
        """Send keys as RFC 4733 events and wait until they are out."""
        self.media.press(keys)
        until(lambda: self.media.pressed, f"the keys {keys} to be sent")

    def hang_up(self) -> None:
        """Have SIPp send BYE: a MESSAGE into its call is the sign to it."""
        sign = (
            f"MESSAGE sip:caller@{self.address} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self.address}:9;branch=z9hG4bKsign\r\n"
            f"From: <sip:test@{self.address}>;tag=test\r\nTo: <sip:caller@{self.address}>\r\n"
            f"Call-ID: {self.call_id}\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n"
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
            way.sendto(sign.encode(), (self.address, self.port))
        self.process.wait(15)
        self.media.close()

    @property
    def over(self) -> bool:
        """The call has ended, by whomever."""
        return self.process.poll() is not None

    def trace(self) -> list[Traced]:
        """Every message so far, as SIPp saw it."""
        if not self.trace_file.exists():
            return []
        parts = re.split(r"^-+ (\d{4}-\d\d-\d\d\s\S+)\n", self.trace_file.read_text(), flags=re.MULTILINE)
        found = []
        for stamp, part in zip(parts[1::2], parts[2::2], strict=True):
            head, _, text = part.partition(":\n\n")
            at = datetime.fromisoformat(re.sub(r"\s", "T", stamp)).timestamp()
            found.append(Traced(at, "sent" in head, text.lstrip()))
        return found

    def _final(self) -> Traced | None:
        """The final answer to INVITE, once there is one."""
        answers = (m for m in self.trace() if not m.sent and re.match(r"SIP/2.0 [2-6]", m.text))
        return next((m for m in answers if re.search(r"^CSeq: \d+ INVITE", m.text, re.MULTILINE)), None)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.media.close()
