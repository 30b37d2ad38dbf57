"""The whole hotline under its own command, with SIPp behind the trunk and agents in browsers of their own.

Each agent has a browser process to herself, because a fake microphone belongs to one: her tone is her name.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, Playwright

from cases import people
from hotline import wiring
from hotline.demo import DEMO_PASSWORD
from hotline.home import Home
from hotline.lab import audio
from hotline.lab.browser import EARS
from hotline.settings import Settings
from storage.database import Database
from storage.server import EmbeddedServer
from storage.viewer import Role
from tests.hotline.city import City, Running
from tests.keyring import borrow_keys
from tests.real.asterisk_lab import LINE, TRUNK
from tests.real.desk.city import Seat, launch
from tests.real.ports import free_port
from tests.real.running import Running as Telephony
from tests.real.sipp import SippCall
from tests.real.waiting import until

CALLER_HZ = 1130.0
MENU_HZ = {"zh": 620, "en": 870}
PIECE_BYTES = 40_000  # of a recording, asked for at a time
POLICY = "policy.toml"


class Agent(Seat):
    """An agent of the demo city at her desk; `hz` is her voice."""

    def __init__(self, playwright: Playwright, folder: Path, base: str, login: str, hz: float) -> None:
        voice = folder / f"{login}.wav"
        audio.write_wav(voice, audio.tone(hz, 10.0))
        self.hz = hz
        self.browser = launch(playwright, voice)
        context = self.browser.new_context(viewport={"width": 1280, "height": 720}, locale="zh-CN")
        super().__init__(context, base, login)
        self.page.add_init_script(EARS)

    def hears(self, hz: float) -> bool:
        """The newest voice in her browser is this tone."""
        heard = self.page.evaluate("ears.at(-1)?.() ?? { hz: 0, db: -120 }")
        return abs(heard["hz"] - hz) < 8 and heard["db"] > -40

    def answer(self) -> None:
        self.page.keyboard.press("Alt+a")
        self.says("通话中")

    def painted_at(self) -> float:
        """When the record last came onto her screen; seconds since 1970."""
        return (float(self.page.evaluate("performance.timeOrigin")) + self.mark("pop-painted")) / 1000


class House(Telephony):
    """One city, its browsers, its callers."""

    def __init__(self, city: City, playwright: Playwright, folder: Path) -> None:
        self.city, self.playwright, self.folder = city, playwright, folder
        self.home = Home(city.home)
        self.base = f"http://127.0.0.1:{city.ports['WEB_PORT']}"
        self.server = wiring.asterisk(Settings(), self.home)
        self.log_file = self.home.asterisk_log / "asterisk.log"
        self.incoming, self.cel = self.home.recordings_incoming, self.home.cel
        self.database = Database(EmbeddedServer(self.home.postgres_data, self.home.run, "hotline").url)
        self.running: Running | None = None
        self._open = ExitStack()
        self._open.callback(self.database.close)
        self._prepare()

    def _prepare(self) -> None:
        """A policy of its own, and prompts dropped in as an operator would: short tones, told apart."""
        policy = self.city.home / POLICY
        policy.write_text(Settings().policy.read_text(encoding="utf-8"), encoding="utf-8")
        self.city.environment["HOTLINE_POLICY"] = str(policy)
        for language, hz in MENU_HZ.items():
            sounds = self.city.home / "sounds" / language
            audio.write_wav(sounds / "menu.wav", audio.tone(hz, 5.0))
            for prompt in ("notice", "connecting"):
                audio.write_wav(sounds / f"{prompt}.wav", audio.tone(500, 0.5))

    def up(self) -> None:
        self.running = self.city.up().wait_up()
        borrow_keys(self.home)

    def down(self) -> None:
        """Ctrl-C, and every process of the home is gone."""
        assert self.running
        assert self.running.stop() == 0, self.running.said
        until(lambda: not self.city.processes(), "the end of every process")

    def menu_off(self) -> None:
        """The operator's change to the policy; it holds from the next start."""
        policy = self.city.home / POLICY
        lines = policy.read_text(encoding="utf-8").replace("[[lines]]\n", "[[lines]]\nmenu = false\n")
        policy.write_text(lines, encoding="utf-8")

    def close(self) -> None:
        self._open.close()

    # ---- people --------------------------------------------------------------------------------------

    def agent(self, login: str, hz: float) -> Agent:
        """In her browser, logged in, her phone registered."""
        agent = Agent(self.playwright, self.folder, self.base, login, hz)
        self._open.callback(agent.browser.close)
        agent.log_in(DEMO_PASSWORD)
        agent.says("未上岗")
        return agent

    def client(self, login: str) -> httpx.Client:
        """Somebody's log-in without a screen."""
        client = self._open.enter_context(
            httpx.Client(base_url=self.base, headers={"Origin": self.base, "Accept": "text/html"})
        )
        answer = client.post("/login", data={"name": login, "password": DEMO_PASSWORD})
        assert answer.status_code == 303, answer.text
        return client

    def hire(self, login: str, extension: str) -> None:
        """One more agent, known to Asterisk at once."""
        with self.database.session() as session:
            people.create_person(session, login, "新同事", Role.AGENT, DEMO_PASSWORD, extension, demo=True)
        self.reload()

    # ---- calls -----------------------------------------------------------------------------------------

    def call(self, number: str) -> SippCall:
        """SIPp dials the hotline, is answered by it, and speaks."""
        server = ("127.0.0.1", self.city.ports["SIP_PORT"])
        call = SippCall(self.folder, server, LINE, number, CALLER_HZ, TRUNK)
        self._open.callback(call.close)
        return call.answered()

    def press(self, call: SippCall, key: str, language: str = "zh") -> None:
        """Press when the menu is heard, in this language."""
        until(lambda: call.media.hears(MENU_HZ[language]), f"the menu in {language}")
        call.press(key)

    def channel(self, beginning: str) -> str:
        """The one channel whose name begins so."""
        (found,) = [channel[0] for channel in self.channels() if channel[0].startswith(beginning)]
        return found

    # ---- Asterisk --------------------------------------------------------------------------------------

    def reload(self) -> None:
        reloaded = self.city.command("config", "--reload")
        assert reloaded.returncode == 0, reloaded.stderr

    @contextmanager
    def without_manager(self) -> Iterator[None]:
        """Asterisk's manager gone from its port and every session on it ended; afterwards as rendered again.

        Moved, not switched off: Asterisk 22 that is told to listen again cancels whatever thread it takes
        for its old listener.
        """
        rendered = self.home.asterisk_etc / "manager.conf"
        port = self.city.ports["AMI_PORT"]
        rendered.write_text(rendered.read_text().replace(f"port = {port}", f"port = {free_port()}"))
        self.cli("manager reload")
        sessions = self._manager_sessions()
        for session in sessions:
            self.cli(f"manager kick session {session}")
        until(lambda: not self._manager_sessions(), "the manager's sessions to end")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        yield
        assert not self._manager_sessions()
        self.reload()
        until(lambda: len(self._manager_sessions()) == len(sessions), "the manager's sessions to be back")

    def _manager_sessions(self) -> list[str]:
        """The sessions' file descriptors, by which the console knows them."""
        lines = self.cli("manager show connected").splitlines()
        return [line.split()[4] for line in lines if line.split()[:1] == [wiring.AMI_USER]]


def fetch(client: httpx.Client, address: str) -> bytes:
    """A recording, by ranges, as a player does that seeks."""
    whole = b""
    total = 1
    while len(whole) < total:
        last = len(whole) + PIECE_BYTES - 1
        answer = client.get(address, headers={"Range": f"bytes={len(whole)}-{last}"})
        assert answer.status_code == 206, answer.text
        total = int(answer.headers["content-range"].rpartition("/")[2])
        whole += answer.content
    return whole


def play_and_seek(page: Page, part: float) -> tuple[float, float, float]:
    """Play the page's first recording, jump to a part of it (0 to 1), play on.

    Seconds: its duration, where it landed, and where it had played to a moment later.
    """
    duration, landed, later = page.evaluate(
        """async (part) => {
             const audio = document.querySelector('audio');
             const event = (name) => new Promise((done, failed) => {
               audio.addEventListener(name, done, { once: true });
               audio.addEventListener('error', () => failed(audio.error.message), { once: true });
             });
             const playing = event('timeupdate');
             await audio.play();
             await playing;
             const seeked = event('seeked');
             audio.currentTime = part * audio.duration;
             await seeked;
             const landed = audio.currentTime;
             while (audio.currentTime < landed + 0.3) await event('timeupdate');
             audio.pause();
             return [audio.duration, landed, audio.currentTime];
           }""",
        part,
    )
    return float(duration), float(landed), float(later)
