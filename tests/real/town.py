"""A whole hotline under its own command, with agents on hardware phones, for tests that break its parts."""

import hashlib
import os
import queue
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from shutil import rmtree

import psutil
from sqlalchemy import select, update

from cases import recordings
from cases.duty import set_wanted
from cases.phones import new_secret
from hotline.home import Home
from hotline.lab import audio
from hotline.settings import CHECKOUT
from storage.database import Database, DatabaseAway
from storage.files import content
from storage.server import EmbeddedServer
from storage.staff import Person, PersonDuty
from storage.tables import Call, CallLeg, CallStep, Recording
from telephony.asterisk import AsteriskServer, find
from tests.hotline.city import City, Running
from tests.keyring import borrow_keys
from tests.real.levels import loudest
from tests.real.phone import Leg, Phone, answered
from tests.real.waiting import until

AGENT_HZ = 1200
NOTICE_HZ, MENU_HZ = 600, 650
SOUNDS = {"notice": (NOTICE_HZ, 0.6), "menu": (MENU_HZ, 4.0), "connecting": (700, 0.3)}  # Hz, seconds
DOORS = {"ivr": "AGI_PORT", "desk": "WEB_PORT", "asterisk": "AMI_PORT"}
PATIENCE_SECONDS = 60.0
SWITCH_SECONDS = 20.0  # the dead man's switch at its longest: the menu, the wait for a key, the margin


@dataclass
class Talk:
    """A caller and the agent who has her."""

    caller: Leg
    agent: Leg
    hz: float

    @property
    def call_id(self) -> str:
        return self.agent.header("X-Hotline-Call")

    @property
    def goes_on(self) -> bool:
        """Both hear each other now."""
        return self.caller.media.hears(AGENT_HZ) and self.agent.media.hears(self.hz)

    def hang_up(self) -> None:
        self.caller.hang_up()


@dataclass(frozen=True)
class Told:
    """What the record says of a call, in the end."""

    call: Call
    legs: dict[str, CallLeg]  # by part
    steps: list[str]
    recording: Recording


class Town:
    """`settings`: HOTLINE_… by name. One voice a caller: each dials with a tone of its own."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.city = City(home)
        self.home = Home(home)
        policy = (CHECKOUT / "policies/mianyang-962299.toml").read_text(encoding="utf-8")
        (home / "policy.toml").write_text(policy.replace("wrapup_seconds = 60", "wrapup_seconds = 1"))
        for prompt, (hz, seconds) in SOUNDS.items():
            audio.write_wav(home / f"sounds/zh/{prompt}.wav", audio.tone(hz, seconds))
        self.city.environment |= {"HOTLINE_POLICY": str(home / "policy.toml"), **settings}
        url = settings.get("HOTLINE_DATABASE_URL")
        self.database = Database(url or EmbeddedServer(self.home.postgres_data, self.home.run, "hotline").url)
        binary = find("", self.home.tools)
        self.asterisk = AsteriskServer(binary, self.home.asterisk_etc, self.home.asterisk_run, home / "out")
        self.phones: dict[int, Phone] = {}
        self.callers: list[Phone] = []
        self._numbers = count(13_812_340_000)  # a caller who calls back is put through to who had her before

    def start(self) -> "Town":
        self.up = self._up()
        borrow_keys(self.home)
        with self.database.session() as session:
            session.execute(update(Person).where(Person.role == "agent").values(phone="hardware"))
            agents = session.scalars(select(Person).where(Person.phone == "hardware")).all()
            staff = [(person, new_secret(person)) for person in agents]
        reloaded = self.city.command("config", "--reload")
        assert reloaded.returncode == 0, reloaded.stderr
        with self.database.session() as session:
            for person, _ in staff:
                set_wanted(session, None, person.id, "ready")
        for person, secret in staff:
            self.phones[person.id] = Phone(self._sip, person.endpoint, secret, hz=AGENT_HZ).register()
        self.wait_ready()
        return self

    def up_again(self) -> None:
        """After the `up` before was killed."""
        self.up = self._up()

    def _up(self) -> Running:
        return self.city.up().wait_up()

    @property
    def _sip(self) -> tuple[str, int]:
        return "127.0.0.1", self.city.ports["SIP_PORT"]

    def close(self) -> None:
        for phone in [*self.phones.values(), *self.callers]:
            phone.close()
        self.database.close()
        for pid in self.city.processes().values():
            os.kill(pid, signal.SIGKILL)
        until(lambda: not self.city.processes(), "the end of all processes")

    # ---- breaking it ---------------------------------------------------------------------------------

    def strike(self, name: str, with_signal: signal.Signals = signal.SIGKILL) -> int:
        """Send a process of this home a signal; its pid."""
        pid = self.city.processes()[name]
        os.kill(pid, with_signal)
        return pid

    def wait_back(self, name: str, old: int) -> None:
        """Until another process is in its place, and takes calls if that is what it does."""

        def back() -> bool:
            pid = self.city.processes().get(name, old)
            return pid != old and (name not in DOORS or self._listens(pid, self.city.ports[DOORS[name]]))

        until(back, f"the return of {name}", PATIENCE_SECONDS)

    def _listens(self, pid: int, port: int) -> bool:
        with suppress(psutil.NoSuchProcess):
            sockets = psutil.Process(pid).net_connections("tcp")
            return any(one.status == psutil.CONN_LISTEN and one.laddr[1] == port for one in sockets)
        return False

    # ---- calls ---------------------------------------------------------------------------------------

    def call(self, hz: float) -> Leg:
        """A caller, answered by the menu (or by the dialplan)."""
        phone = Phone(self._sip, hz=hz, address="127.0.0.2")
        self.callers.append(phone)
        return answered(phone.dial("962299", str(next(self._numbers))))

    def in_menu(self, hz: float) -> Leg:
        leg = self.call(hz)
        until(lambda: leg.media.hears(MENU_HZ), "the menu")
        return leg

    def talk(self, hz: float, key: str = "1") -> Talk:
        """A caller who pressed `key` and has been put through."""
        leg = self.in_menu(hz)
        leg.media.press(key)
        return self.put_through([(leg, hz)])[0]

    def put_through(self, callers: list[tuple[Leg, float]]) -> list[Talk]:
        """Answer whatever rings until each of these callers has an agent; who has whom is heard."""
        rung: list[Leg] = []
        talks: list[Talk] = []

        def all_through() -> bool:
            for phone in self.phones.values():
                with suppress(queue.Empty):
                    rung.append(phone.rung.get_nowait().answer())
            for leg, hz in callers:
                if leg in [talk.caller for talk in talks]:
                    continue
                for agent in rung:
                    talk = Talk(leg, agent, hz)
                    if talk.goes_on:
                        talks.append(talk)
                        break
            return len(talks) == len(callers)

        until(all_through, f"{len(callers)} callers to be put through", PATIENCE_SECONDS)
        return sorted(talks, key=lambda talk: [leg for leg, _ in callers].index(talk.caller))

    # ---- what is so ----------------------------------------------------------------------------------

    def wait_ready(self) -> None:
        """Every agent is a member of the queue, free, and seen to be."""

        def ready() -> bool:
            with self.database.session() as session:
                idle = select(PersonDuty.person_id).where(
                    PersonDuty.person_id.in_(self.phones), PersonDuty.live == "idle"
                )
                if len(session.scalars(idle).all()) < len(self.phones):
                    return False
            shown = self.asterisk.cli("queue show main").splitlines()
            return sum("Not in use" in line and "paused" not in line for line in shown) == len(self.phones)

        until(ready, "every agent to be ready", PATIENCE_SECONDS)

    def told(self, call_id: str) -> Told:
        """The record once it is settled: the call over and its recording kept or given up."""

        def settled() -> Told | None:
            with suppress(DatabaseAway), self.database.session() as session:
                call = session.get(Call, call_id)
                recording = session.scalar(select(Recording).where(Recording.name == call_id))
                if call is None or call.outcome == "live" or recording is None or recording.state == "open":
                    return None
                legs = session.scalars(
                    select(CallLeg)
                    .where(CallLeg.call_id == call_id)
                    .order_by(CallLeg.answered_at.nulls_first())
                )
                steps = select(CallStep.step).where(CallStep.call_id == call_id).order_by(CallStep.at)
                return Told(call, {leg.part: leg for leg in legs}, list(session.scalars(steps)), recording)
            return None

        told = until(settled, f"the record of {call_id}", PATIENCE_SECONDS + 30)
        assert told is not None
        return told

    def on_disk(self, talk: Talk) -> bool:
        """Asterisk writes sound in pieces of two seconds: killed, it loses what it has not written."""
        legs = self.home.recordings_incoming.glob(f"{talk.call_id}.*.wav")
        return sum(leg.stat().st_size > audio.RATE for leg in legs) == 2

    def assert_whole(self, talk: Talk, *steps: str, cut: bool = False) -> Told:
        """The call is answered and over, with its legs, `steps` and both voices; `cut`: Asterisk died."""
        told = self.told(talk.call_id)
        call, recording = told.call, told.recording
        assert call.outcome == "answered"
        assert call.agent_id in self.phones
        assert call.queued_at and call.answered_at and call.ended_at
        assert call.began_at <= call.queued_at <= call.answered_at <= call.ended_at
        assert set(told.legs) == {"caller", "agent"}
        assert all(leg.answered_at for leg in told.legs.values())
        if not cut:
            assert all(leg.ended_at for leg in told.legs.values())
        wanted = {"queued", "offer", "answer", "lost" if cut else "end", *steps}
        assert wanted <= set(told.steps), told.steps
        assert recording.state == "ready", recording.note
        assert recording.repaired is cut
        sound = content(recordings.sound(self.home.recordings_kept, recording))
        assert hashlib.sha256(sound.getbuffer()).hexdigest() == recording.sha256
        caller, agent = audio.read_voices(sound)
        assert loudest(caller, talk.hz) > -40
        assert loudest(agent, AGENT_HZ) > -40
        return told

    def fallbacks(self) -> int:
        """How many calls so far the dialplan has taken from a menu that did not answer."""
        return self.home.cel.read_text(errors="replace").count('"HOTLINE_FALLBACK"')


@contextmanager
def a_home() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="hl-", dir="/tmp"))
    home.chmod(0o711)  # as root the servers run as another user
    try:
        yield home
    finally:
        rmtree(home, ignore_errors=True)


@contextmanager
def a_town(**settings: str) -> Iterator[Town]:
    with a_home() as home:
        town = Town(home, **settings)
        try:
            yield town.start()
        finally:
            town.close()
