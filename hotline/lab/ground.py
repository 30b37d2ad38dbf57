"""What a lab call needs of the running system: where it listens, what it promises, what it plays."""

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cases.deadlines import load_calendar
from hotline import wiring
from hotline.home import Home
from hotline.lab.caller import Sounds
from hotline.lab.sipp import LabFault
from hotline.settings import LAB_ADDRESS, Settings
from routing.hours import is_open
from routing.policy import Line, Policy
from routing.working_time import Calendar
from storage.database import Database
from telephony.config import PublishedLine

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - compared with, not bound to


@dataclass(frozen=True)
class Ground:
    """`folder`: where SIPp writes, gone afterwards."""

    settings: Settings
    home: Home
    policy: Policy
    database: Database
    calendar: Calendar
    sounds: Sounds
    folder: Path

    @property
    def server(self) -> tuple[str, int]:
        bind = self.settings.bind
        return "127.0.0.1" if bind == ANY_ADDRESS else bind, self.settings.sip_port

    def line(self, dialled: str) -> Line | None:
        """The published line that a dialled number leads to."""
        for line in self.policy.lines:
            forms = PublishedLine(number=line.number, queue=line.queue).dialled(self.policy.area_code)
            if dialled in forms:
                return line
        return None

    def is_open(self, line: Line) -> bool:
        hours = self.policy.hours[line.hours]
        return is_open(hours, datetime.now(UTC), self.calendar, self.policy.zone)


@contextmanager
def ground(settings: Settings) -> Iterator[Ground]:
    """Raises what wiring raises, LabFault, and DatabaseAway."""
    if ":" in settings.bind:
        raise LabFault(
            f"HOTLINE_BIND={settings.bind} hears IPv6 alone, and the lab calls from {LAB_ADDRESS}: "
            f"bind {ANY_ADDRESS} or another IPv4 address"
        )
    home = Home(settings.home)
    policy = wiring.policy(settings)
    with (
        closing(Database(wiring.database_url(settings, home), pool_size=2)) as database,
        tempfile.TemporaryDirectory(prefix="hotline-lab-") as folder,
    ):
        with database.session() as session:
            calendar = load_calendar(session)
        sounds = Sounds(home.asterisk_lib / "sounds", home.asterisk_lib / "moh")
        yield Ground(settings, home, policy, database, calendar, sounds, Path(folder))
