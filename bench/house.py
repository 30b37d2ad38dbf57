"""The two systems that are compared: our whole hotline, and a bare Asterisk of the same build.

Both live in throw-away homes with ports of their own. What is measured on them is told elsewhere.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hotline import wiring
from hotline.home import Home
from hotline.settings import CHECKOUT, Settings, home_folder
from routing.policy import Policy
from telephony import config
from telephony.asterisk import AsteriskServer
from tests.hotline.city import City, wait_for
from tests.real.ports import free_port, free_range

RTP_PORTS = 2400  # two to a call
BARE_DIALPLAN = Path(__file__).with_name("bare-extensions.conf")


class House:
    """An Asterisk to call, and the processes that work for its calls: name → process id."""

    def __init__(self, name: str, server: AsteriskServer, home: Home, sip_port: int) -> None:
        self.name = name
        self.home = home
        self.sip_port = sip_port
        self.server = server
        self.processes: Mapping[str, int] = {}

    def waiting(self) -> int:
        """How many channels are up."""
        return int(self.server.cli("core show channels count").split(maxsplit=1)[0])

    def queued(self) -> int:
        """How many callers have left the queue unanswered since the start: each came to its very end."""
        return int(self.server.cli("queue show main").split(", A:")[1].split(",")[0])

    def end_calls(self) -> None:
        """Hang up on everybody."""
        self.server.cli("channel request hangup all")
        wait_for(lambda: self.waiting() == 0, f"{self.name}: all calls to end")


@contextmanager
def hotline() -> Iterator[tuple[House, City]]:
    """`hotline up` with the demo city, nobody on duty."""
    with folder_of_its_own() as folder:
        city = City(folder)
        rtp = free_range(RTP_PORTS)
        city.environment |= {"HOTLINE_RTP_START": str(rtp), "HOTLINE_RTP_END": str(rtp + RTP_PORTS - 1)}
        try:
            running = city.up().wait_up()
            home = Home(folder)
            house = House("ours", wiring.asterisk(_settings(folder), home), home, city.ports["SIP_PORT"])
            house.processes = {name: pid for name, pid in city.processes().items() if name != "up"}
            yield house, city
            running.stop()
        finally:
            for pid in city.processes().values():
                os.kill(pid, signal.SIGKILL)
            wait_for(lambda: not city.processes(), "the end of all processes")


@contextmanager
def bare(policy: Policy) -> Iterator[House]:
    """Our configuration with a dialplan of its own: no AGI, no channel events, no manager link."""
    with folder_of_its_own() as folder:
        (folder / "tools").symlink_to(home_folder() / "tools")
        settings = _settings(folder)
        home = Home(folder)
        home.prepare()
        server = wiring.asterisk(settings, home)
        facts = wiring.config_facts(settings, home, policy, (), server.binary)
        config.render(wiring.TEMPLATES, home.asterisk_etc, facts)
        dialplan = BARE_DIALPLAN.read_text().replace("@INCOMING@", str(home.recordings_incoming))
        (home.asterisk_etc / "extensions.conf").write_text(dialplan)
        (home.asterisk_etc / "cel.conf").write_text("[general]\nenable = no\n")
        voice = wiring.prompts(settings, home, policy)
        voice.install(home.asterisk_lib / "sounds")
        voice.install_music(home.asterisk_lib / "moh")
        home.hand_over()
        try:
            server.start()
            house = House("bare", server, home, settings.sip_port)
            house.processes = {"asterisk": server.pid or 0}
            yield house
        finally:
            server.stop()


def settings_of(city: City) -> Settings:
    """What its own processes go by, for who speaks with them from here."""
    return Settings(home=city.home, **{name.lower(): port for name, port in city.ports.items()})


def _settings(folder: Path) -> Settings:
    rtp = free_range(RTP_PORTS)
    return Settings(
        home=folder,
        web_port=free_port(),
        sip_port=free_port(),
        agi_port=free_port(),
        ami_port=free_port(),
        asterisk_http_port=free_port(),
        rtp_start=rtp,
        rtp_end=rtp + RTP_PORTS - 1,
        policy=CHECKOUT / "policies/mianyang-962299.toml",
    )


@contextmanager
def folder_of_its_own() -> Iterator[Path]:
    """Short enough for sockets, and as root open for the servers' user."""
    folder = Path(tempfile.mkdtemp(prefix="hl-bench-", dir="/tmp"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
