"""The whole hotline in one process, on a real Asterisk and PostgreSQL, with agents in real browsers."""

import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect
from sqlalchemy.orm import Session

from agents.room import room
from cases import people
from cases.calls import Arrival, close_call, end_call, mark_answered, open_call, route_call
from cases.deadlines import load_calendar
from cases.duty import set_wanted
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from hotline.lab import audio
from hotline.settings import CHECKOUT
from ivr.answering import Answering, prompt_seconds
from ivr.outgoing import Outgoing
from ivr.spool import Spool
from routing.policy import load
from storage.database import Database
from storage.notify import listen
from storage.staff import Person
from storage.tables import Call
from storage.viewer import Role, Viewer
from telephony import phone_secrets
from telephony.agi_server import AgiServer
from telephony.ami import AmiLink
from telephony.watch import Watch
from tests.real.asterisk_lab import AMI_SECRET, Lab
from tests.real.phone import Leg, Phone
from tests.real.ports import free_port
from tests.real.waiting import until
from tests.web.site import PASSWORD, let_in
from web.app import create_app
from web.services import PhoneServer, Room, Services

KNOWN_NUMBER = "13981112233"
VOICE_HZ = 1250.0  # what an agent's fake microphone says


# What the browser puts on the wire, with its own clock.
SIP_TRACE = """
  window.sipTrace = [];
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (text) {
    window.sipTrace.push({ at: performance.now(), text: String(text) });
    return send.call(this, text);
  };
"""


class DeskCity:
    """Each of the lab's phones gets an agent, `agent1`, `agent2`, …; the last one is the shift leader's."""

    def __init__(self, lab: Lab, database: Database, url: str, folder: Path, **policy: Any) -> None:
        self.lab, self.database, self.folder = lab, database, folder
        self.policy = load(CHECKOUT / "policies/mianyang-962299.toml").model_copy(update=policy)
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.stop_notes = threading.Event()
        self._people()
        answering = Answering(database, self.policy, Spool(folder / "facts"), load_calendar)
        sounds = prompt_seconds(lab.folder / "lib/sounds")
        handlers = {"inbound": answering, "outgoing": Outgoing(database, self.policy)}
        self.agi = AgiServer("127.0.0.1", lab.agi_port, handlers, prompt_seconds=sounds)
        self.acts = AmiLink("127.0.0.1", lab.ami_port, "hotline", AMI_SECRET, watch=False)
        self.eyes = AmiLink("127.0.0.1", lab.ami_port, "hotline", AMI_SECRET)
        self.keys = AmiLink("127.0.0.1", lab.ami_port, phone_secrets.AMI_USER, AMI_SECRET, watch=False)
        self.sweeping = threading.Event()
        self.watch = Watch(
            self.eyes, database, {queue.name: queue.wrapup_seconds for queue in self.policy.queues}
        )
        services = Services(
            database=database,
            policy=self.policy,
            recordings=folder / "kept",
            ami=self.acts,
            phone=PhoneServer(ws_port=lab.http_port),
            notes=partial(listen, url, self.stop_notes),
            phone_secrets=self.keys,
        )
        self.web = uvicorn.Server(
            uvicorn.Config(
                create_app(services, self.rooms()),
                port=self.port,
                log_level="warning",
                timeout_graceful_shutdown=1,
            )
        )

    def rooms(self) -> list[Room]:
        return [room()]

    def start(self) -> "DeskCity":
        self.agi.start()
        self.watch.start()
        self.eyes.start()
        self.acts.start()
        self.keys.start()
        threading.Thread(target=self._sweep, daemon=True).start()
        threading.Thread(target=self.web.run, daemon=True).start()
        until(lambda: self.web.started, "the desk to listen")
        until(lambda: all(link.connected for link in (self.acts, self.eyes, self.keys)), "the manager links")
        return self

    def stop(self) -> None:
        self.stop_notes.set()
        self.sweeping.set()
        self.web.should_exit = True
        until(
            lambda: not self.web.servers or not any(s.is_serving() for s in self.web.servers),
            "the desk to stop",
        )
        self.eyes.stop()
        self.acts.stop()
        self.keys.stop()
        self.watch.stop()
        self.agi.stop()

    def _people(self) -> None:
        """The people whose phones the lab has configured, and one caller who called before."""
        with self.database.session(limit_seconds=60) as session:  # each password costs its hash
            for number, phone in enumerate(self.lab.phones, 1):
                last = number == len(self.lab.phones)
                person = people.create_person(
                    session,
                    "leader" if last else f"agent{number}",
                    "周班长" if last else phone.name,
                    Role.SHIFT_LEADER if last else Role.AGENT,
                    PASSWORD,
                    phone.extension,
                    phone.kind,
                )
                person.endpoint = phone.endpoint
            self._caller(session)

    def _caller(self, session: Session) -> None:
        """刘洋 called before: once answered at once, once with a matter that is still open."""
        agent = session.query(Person).filter_by(login="agent2").one()
        viewer = Viewer(agent.id, Role.AGENT, agent.name)
        for days, keys in ((34, "inquiry"), (6, "help")):
            at = datetime.now(UTC) - timedelta(days=days, hours=2)
            call_id = f"{at.timestamp():.0f}.1-1000"
            open_call(session, Arrival(call_id, call_id, "962299", KNOWN_NUMBER, False, at), self.policy)
            route_call(session, call_id, keys, False, "zh", at, self.policy)
            mark_answered(session, call_id, agent.id, at + timedelta(seconds=9))
            end_call(session, call_id, at + timedelta(minutes=4))
            if keys == "inquiry":
                close_call(session, viewer, call_id, "answered", "", self.policy)
                continue
            form = TicketForm(
                kind="help",
                content="希望协调厂区门口道路的货车临时停靠。",
                caller_name="刘洋",
                company="绵阳新星机械有限公司",
                place="涪城区 临园路",
            )
            save_ticket(session, viewer, form, call_id, self.policy, at)

    def person(self, login: str) -> Person:
        with self.database.session() as session:
            return next(p for p in session.query(Person) if p.login == login)

    def calls(self) -> list[Call]:
        with self.database.session() as session:
            return list(session.query(Call).order_by(Call.began_at))

    def ready(self, login: str) -> None:
        """On duty without her browser: the wish is kept and the watch brings it about."""
        person_id = self.person(login).id
        with self.database.session() as session:
            set_wanted(session, None, person_id, "ready")

    def _sweep(self) -> None:
        """As the clock does."""
        while not self.sweeping.wait(0.5):
            phone_secrets.sweep(self.database, self.keys)


def voice_file(file: Path, hz: float) -> Path:
    """Written for `launch`. In syllables: a browser takes a steady tone for noise and turns it down."""
    syllable = np.concatenate([audio.tone(hz, 0.2), audio.tone(0, 0.2)])
    audio.write_wav(file, np.tile(syllable, 25))
    return file


def launch(playwright: Playwright, voice: Path) -> Browser:
    """Chromium with a microphone that plays `voice` and asks nobody for permission."""
    return playwright.chromium.launch(
        executable_path="/usr/bin/chromium",
        args=[
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={voice}",
            "--autoplay-policy=no-user-gesture-required",
            "--disable-gpu",  # there is none: another process would play one
            "--no-sandbox",
        ],
    )


class Seat:
    """An agent at her desk, in a browser."""

    def __init__(self, context: BrowserContext, base: str, login: str) -> None:
        self.context, self.base, self.login = context, base, login
        self.page: Page = context.new_page()
        self.words: list[str] = []
        self.page.on("console", lambda message: self.words.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.words.append(f"error: {error}"))
        self.page.add_init_script(SIP_TRACE)

    def enter(self, to: str = "/desk") -> "Seat":
        """At her page, logged in; `log_in` takes a browser twice as long."""
        let_in(self.context, self.base, self.login)
        self.page.goto(f"{self.base}{to}")
        return self

    def log_in(self, password: str = PASSWORD, to: str = "/desk") -> "Seat":
        """By the log-in page, as she does."""
        self.page.goto(f"{self.base}/login?next={to}")
        self.page.fill("[name=name]", self.login)
        self.page.fill("[name=password]", password)
        self.page.click("button[type=submit]")
        self.page.wait_for_url(f"**{to}")
        return self

    def go_ready(self) -> "Seat":
        self.says("未上岗")
        self.page.keyboard.press("r")
        self.says("就绪，等候来电")
        return self

    def says(self, words: str, limit_seconds: float = 20) -> None:
        """Wait until the strip says so."""
        expect(self.page.locator("[data-says=state]")).to_have_text(words, timeout=limit_seconds * 1000)

    def pick(self, extension: str, act: str) -> None:
        """Hand the caller to a colleague on the list: `blind`, or `consult` first."""
        self.page.keyboard.press("Alt+t")
        self.page.click(f"[data-fill='{extension}']")
        self.page.click(f"[data-panel=move] [data-act={act}]")

    def notice(self, words: str, limit_seconds: float = 20) -> None:
        expect(self.page.locator("[data-says=notice]")).to_contain_text(words, timeout=limit_seconds * 1000)

    def rings(self, limit_seconds: float = 40) -> "Seat":
        self.says("来电振铃", limit_seconds)
        return self

    def takes(self) -> None:
        """Answer what rings."""
        self.rings()
        self.page.keyboard.press("a")
        self.says("通话中")

    def sent(self, first_line: str, method: str) -> float:
        """When the browser first sent such a message, in milliseconds by the clock of its marks."""
        at = self.page.evaluate(
            """([line, method]) => sipTrace.find(
                 ({ text }) => text.startsWith(line) && text.includes(' ' + method + '\\r')
               )?.at""",
            [first_line, method],
        )
        assert at, f"no {first_line} for {method}"
        return float(at)

    def mark(self, name: str) -> float:
        """When the last performance mark of this name was set."""
        return float(
            self.page.evaluate("(name) => performance.getEntriesByName(name).at(-1).startTime", name)
        )

    def picture(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(file))


def call_in(caller: Phone, number: str = KNOWN_NUMBER, keys: str = "") -> Leg:
    """A call to the hotline that presses its way through the menu."""
    leg = caller.dial("962299", caller=number)
    until(lambda: leg.up or leg.ended, "the hotline to answer")
    if keys:
        until(lambda: leg.media.hears(650), "the menu")
        leg.media.press(keys)
    return leg


def talking(agent: Seat, caller: Phone, keys: str = "1") -> Leg:
    """A call that the agent took; the caller hears her."""
    leg = call_in(caller, keys=keys)
    agent.takes()
    until(lambda: leg.media.hears(VOICE_HZ), "the caller to hear the agent")
    return leg
