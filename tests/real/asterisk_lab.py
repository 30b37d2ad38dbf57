"""A private Asterisk on our rendered configuration, on free ports, with tones for prompts."""

import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cases.phones import digest
from hotline.lab import audio
from hotline.settings import CHECKOUT, Settings
from telephony.asterisk import AsteriskServer, find
from telephony.config import (
    ConfigFacts,
    Folders,
    Guests,
    Phone,
    PublishedLine,
    QueueFacts,
    Trunk,
    reload_commands,
    render,
)
from tests.real.ports import free_port, free_range
from tests.real.running import QUEUE, Running
from tests.real.waiting import until

TRUNK = "127.0.0.2"
LINE = "962299"
AMI_SECRET = "lab-secret"
# Each prompt is a tone of its own, so that a test can tell what the caller hears.
PROMPTS = {
    "notice": 600,
    "menu": 650,
    "apology": 700,
    "transfer_failed": 750,
    "you_are_next": 800,
    "there_are": 850,
    "callers_ahead": 900,
    "please_wait": 950,
}
THREE = 1250
MUSIC = 400
# Lines that stay, each with the mishap that brings it about: docs/reference/asterisk-lines.md.
AGI_DOWN = r"res_agi.c: .*(Connecting to .* failed|Couldn't connect to any host)"
NOBODYS_NUMBER = r"res_pjsip_refer.c: .*attempted blind transfer to '.*' but target does not exist"
CONSULTATION_GONE = r"res_pjsip_refer.c: .*'external_replaces' extension not found"


def secret_of(number: int) -> str:
    """What a hardware phone of the lab registers with."""
    return f"secret-of-{number}"


def people(hardware: int, browser: int = 0) -> tuple[Phone, ...]:
    kinds = ["hardware"] * hardware + ["browser"] * browser
    return tuple(
        Phone(
            endpoint=f"e{n:08x}",
            extension=f"{800 + n}",
            name=f"坐席{n}",
            kind=kind,
            digest=digest(f"e{n:08x}", secret_of(n)) if kind == "hardware" else "",
        )
        for n, kind in enumerate(kinds, 1)
    )


@dataclass
class Lab(Running):
    """`folder` must be short enough for Asterisk's control socket (see conftest's `short_folder`)."""

    folder: Path
    phones: tuple[Phone, ...] = field(default_factory=lambda: people(5))
    ring_seconds: int = 15
    trunk: Trunk | None = None  # its own trunk at TRUNK, unless another is given
    guests: Guests | None = None

    def __post_init__(self) -> None:
        self.sip_port, self.agi_port, self.ami_port = free_port(), free_port(), free_port()
        self.http_port, self.trunk_port = free_port(), free_port(TRUNK)
        self.rtp_start = free_range(400)
        settings = Settings()
        self.binary = find(settings.asterisk, settings.home / "tools")
        home = self.folder
        self.log_file = home / "log/asterisk.log"
        self.incoming, self.cel = home / "incoming", home / "cel.csv"
        self.server = AsteriskServer(self.binary, home / "etc", home / "run", home / "log/asterisk.out")
        for name in ("etc", "lib", "spool", "log", "run", "incoming"):
            (home / name).mkdir(parents=True, exist_ok=True)
        self._make_sounds()

    def _make_sounds(self) -> None:
        for language in ("zh", "en"):
            sounds = self.folder / "lib/sounds" / language
            for name, hz in PROMPTS.items():
                audio.write_wav(sounds / f"hotline/{name}.wav", audio.tone(hz, 1.0))
            for spoken in (CHECKOUT / "ivr/sounds" / language / "digits").iterdir():
                hz = THREE if spoken.stem == "3" else 1100
                audio.write_wav(sounds / "digits" / spoken.name, audio.tone(hz, 0.5))
        audio.write_wav(self.folder / "lib/moh/calm.wav", audio.tone(MUSIC, 10.0))

    def facts(self) -> ConfigFacts:
        home = self.folder
        return ConfigFacts(
            folders=Folders(
                config=home / "etc",
                modules=self.binary.modules,
                data=self.binary.data,
                lib=home / "lib",
                spool=home / "spool",
                log=home / "log",
                run=home / "run",
                recordings=self.incoming,
                cel_file=self.cel,
                music=home / "lib/moh",
            ),
            sip_port=self.sip_port,
            agi_port=self.agi_port,
            ami_port=self.ami_port,
            http_port=self.http_port,
            rtp_start=self.rtp_start,
            rtp_end=self.rtp_start + 399,
            ami_secret=AMI_SECRET,
            ami_phones_secret=AMI_SECRET,
            area_code="0816",
            trunk=self.trunk or Trunk(peers=(f"{TRUNK}:{self.trunk_port}",)),
            lines=(PublishedLine(number=LINE, queue=QUEUE),),
            queues=(QueueFacts(name=QUEUE, ring_seconds=self.ring_seconds),),
            phones=self.phones,
            guests=self.guests,
        )

    def start(self) -> "Lab":
        render(CHECKOUT / "asterisk-config", self.folder / "etc", self.facts())
        self.server.start()
        return self

    def reload(self) -> None:
        """Render again (after `phones` changed, say) and let the running Asterisk take it up."""
        for command in reload_commands(
            render(CHECKOUT / "asterisk-config", self.folder / "etc", self.facts())
        ):
            self.cli(command)

    def stop(self) -> None:
        self.server.stop()

    # ---- what Asterisk says of itself ----------------------------------------------------------------

    def member(self, number: int) -> str:
        """What the queue says of a phone, in one line ('' when it is no member)."""
        found = re.search(
            rf"^.*PJSIP/{self.phones[number - 1].endpoint}\b.*$", self.cli(f"queue show {QUEUE}"), re.M
        )
        return re.sub(r"\x1b\[[0-9;]*m", "", found[0]) if found else ""

    def is_free(self, number: int) -> bool:
        """Asterisk knows the phone as registered, answering and in no call."""
        return "Not in use" in self.cli(f"pjsip show endpoint {self.phones[number - 1].endpoint}")

    def enter(self, number: int, penalty: int = 0) -> None:
        """Make a phone a member of the queue, ready."""
        name = f"PJSIP/{self.phones[number - 1].endpoint}"
        self.cli(f"queue add member {name} to {QUEUE} penalty {penalty} as {number} state_interface {name}")

    def resume(self, number: int) -> None:
        self.cli(f"queue unpause member PJSIP/{self.phones[number - 1].endpoint}")

    def call_leader(self, number: int, channel: str, call_id: str) -> None:
        """As the desk does over AMI: ring a phone and let it into the talk on `channel`."""
        with socket.create_connection(("127.0.0.1", self.ami_port)) as link:
            link.sendall(
                f"Action: Login\r\nUsername: hotline\r\nSecret: {AMI_SECRET}\r\nEvents: off\r\n\r\n"
                f"Action: Originate\r\nChannel: PJSIP/{self.phones[number - 1].endpoint}\r\n"
                f"Context: hotline-barge\r\n"
                f"Exten: s\r\nPriority: 1\r\nAsync: true\r\nCallerID: 班长 call-in <{LINE}>\r\n"
                f"Variable: HOTLINE_BARGE={channel}\r\n"
                f"Variable: PJSIP_HEADER(add,X-Hotline-Call)={call_id}\r\n\r\n".encode()
            )
            said = link.makefile("rb")
            until(lambda: b"successfully queued" in said.readline(), "the originate to be accepted")


def short_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="hl-", dir="/tmp"))


@contextmanager
def running_lab(**facts: Any) -> Iterator[Lab]:
    """A lab in a folder of its own, gone afterwards; `facts`: fields of Lab."""
    folder = short_folder()
    lab = Lab(folder, **facts)
    try:
        yield lab.start()
    finally:
        lab.stop()
        shutil.rmtree(folder, ignore_errors=True)
