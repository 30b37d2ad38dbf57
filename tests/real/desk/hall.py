"""A hotline of a city's own, whole and running, with each of its people at a browser of her own."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import httpx
from playwright.sync_api import Browser, Response
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from agents.room import STARTS
from cases import chain, people
from cases.deadlines import level_at, load_calendar, order_due
from cases.logins import hash_password
from hotline.lab import audio
from hotline.lab.browser import EARS
from routing.handling import Level
from routing.policy import Policy, load
from routing.working_time import Calendar, Due
from storage.database import Database
from storage.server import EmbeddedServer
from storage.tables import Call, Recording, Ticket, TicketCall
from storage.viewer import Role
from storage.work import Rung, SubOrder
from tests.keyring import borrow_keys
from tests.real.asterisk_lab import short_folder
from tests.real.desk.city import PASSWORD, Seat
from tests.real.waiting import until
from tests.real.whole import Whole

CALLER_HZ, NOTICE_HZ, MENU_HZ = 1000, 600, 650
SOUNDS = {"notice": (NOTICE_HZ, 0.6), "menu": (MENU_HZ, 4.0), "connecting": (700, 0.3)}  # Hz, seconds
UNIT, UNIT_NAME = "power", "供电公司"  # which handles the one case, and is accused in the other
CHIEF = "方正国"


@dataclass(frozen=True)
class Colleague:
    """`leads`: the line that is called."""

    login: str
    name: str
    role: Role
    extension: str | None = None
    unit: str = ""
    leads: bool = False


STAFF = (
    Colleague("agent1", "李晓雯", Role.AGENT, "8001"),
    Colleague("agent2", "张志强", Role.AGENT, "8002"),
    Colleague("shift", "周敏", Role.SHIFT_LEADER, "8010"),
    Colleague("dispatcher", "宋佳", Role.DISPATCHER),
    Colleague("clerk", "许文博", Role.UNIT_CLERK, unit=UNIT),
    Colleague("clerk2", "马春燕", Role.UNIT_CLERK, unit="natural_resources"),
    Colleague("reviewer", "梁静", Role.REVIEWER),
    Colleague("visitor", "唐小兰", Role.VISITOR, "8020"),
    Colleague("supervisor", "吴建平", Role.SUPERVISOR),
    Colleague("chief", CHIEF, Role.LEADER, leads=True),
    Colleague("secretary", "沈悦", Role.SECRETARY, leads=True),
    Colleague("discipline", "郑清源", Role.DISCIPLINE),
    Colleague("editor", "卢晨", Role.EDITOR),
    Colleague("admin", "何立", Role.ADMINISTRATOR),
    Colleague("auditor", "丁海", Role.AUDITOR),
)


class Hall:
    """The hotline, its people, its callers. `amiss`: what must be on no page while a case goes its way."""

    def __init__(self, whole: Whole, policy: Policy, browser: Browser, folder: Path) -> None:
        self.whole, self.policy, self.browser, self.folder = whole, policy, browser, folder
        self.line = policy.lines[0].number
        server = EmbeddedServer(whole.home.postgres_data, whole.home.run)
        self.owner = Database(server.owner_url, pool_size=1)
        self.open = ExitStack()
        self.open.callback(self.owner.close)
        self.amiss: list[str] = []
        self.seats: dict[str, Seat] = {}

    def hire(self) -> None:
        """Everybody, known to Asterisk at once."""
        known = hash_password(PASSWORD)
        with self.owner.session() as session:
            for each in STAFF:
                people.create_person(
                    session,
                    each.login,
                    each.name,
                    each.role,
                    PASSWORD,
                    each.extension,
                    unit=each.unit,
                    lines=[self.line] if each.leads else (),
                    password_hash=known,
                )
        reloaded = self.whole.run("config", "--reload")
        assert reloaded.returncode == 0, reloaded.stderr

    def at(self, login: str) -> Seat:
        """She is at her browser, logged in at the page that her day begins with; the same one each time."""
        if login not in self.seats:
            role = next(each.role for each in STAFF if each.login == login)
            phone = {"width": 390, "height": 844} if role is Role.LEADER else {"width": 1280, "height": 720}
            context = self.browser.new_context(viewport=phone, locale="zh-CN")
            self.open.callback(context.close)
            context.on("response", self._look)
            context.on("weberror", lambda error: self.amiss.append(str(error.error)))
            seat = Seat(context, self.whole.url, login)
            seat.page.add_init_script(EARS)
            self.seats[login] = seat.enter(to=STARTS.get(role, "/desk"))
        return self.seats[login]

    def _look(self, response: Response) -> None:
        if response.status >= 500:
            self.amiss.append(f"{response.status} {response.url}")

    def client(self, login: str) -> httpx.Client:
        """The same person's log-in without a screen, to turn many pages quickly."""
        url = self.whole.url
        headers = {"Origin": url, "Accept": "text/html"}
        client = self.open.enter_context(httpx.Client(base_url=url, headers=headers, timeout=30))
        assert client.post("/login", data={"name": login, "password": PASSWORD}).status_code == 303
        return client

    def wait_sealed(self) -> None:
        """Until the clock has sealed the journal once, which it does each minute."""

        def sealed() -> bool:
            with self.owner.session() as session:
                return chain.newest(session) is not None

        until(sealed, "the journal's first seal", 90)

    def wait_recorded(self) -> None:
        """Until the sound of every call so far is kept."""

        def kept() -> bool:
            with self.owner.session() as session:
                calls = session.scalar(select(func.count()).where(Call.answered_at.is_not(None)))
                return calls == session.scalar(select(func.count()).where(Recording.state == "ready"))

        until(kept, "the recordings to be kept")

    def find(self, session: Session, number: str) -> Ticket:
        return session.scalars(select(Ticket).where(Ticket.number == number)).one()


@contextmanager
def hall_of(policy: str, browser: Browser) -> Iterator[Hall]:
    """`hotline up` with this policy and no demo: nobody and nothing there but what the test brings."""
    folder = short_folder()
    file = folder / "policy.toml"
    with ExitStack() as left:
        left.callback(shutil.rmtree, folder, ignore_errors=True)
        whole = Whole(folder, policy=str(file), demo="0")
        file.write_text(policy, encoding="utf-8")
        for prompt, (hz, seconds) in SOUNDS.items():
            audio.write_wav(whole.home.path / f"sounds/zh/{prompt}.wav", audio.tone(hz, seconds))
        left.callback(whole.stop)
        whole.start()
        borrow_keys(whole.home)
        hall = Hall(whole, load(file), browser, folder)
        left.callback(hall.open.close)
        hall.hire()
        yield hall


# ---- time -------------------------------------------------------------------------------------------


def let_pass(hall: Hall, number: str, code: str) -> None:
    """So much time since it was sent that its unit's deadline has come to this level of the ladder.

    The owner of the tables sets back what is on record of the case so far, to the latest hour by which that
    comes true by the policy. What is then done about it the running clock does by itself.
    """
    level = next(each for each in hall.policy.ladders["order"] if each.code == code)
    with hall.owner.session() as session:
        _set_back(session, hall.find(session, number), level, hall.policy)

    def fired() -> bool:
        with hall.owner.session() as session:
            return session.scalar(select(Rung.id).where(Rung.level == code)) is not None

    until(fired, f"the clock to come to {code}")


def _set_back(session: Session, ticket: Ticket, level: Level, policy: Policy) -> None:
    order = session.scalars(select(SubOrder).where(SubOrder.ticket_id == ticket.id)).one()
    calls = session.scalars(select(Call).join(TicketCall).where(TicketCall.ticket_id == ticket.id))
    since, due = _sent_for(ticket, level, policy, load_calendar(session))
    by = order.sent_at - since
    for each in (ticket, order):
        each.due_at, each.due_rule, each.due_provisional = due.at, due.rule, due.provisional
    began = ("began_at", "queued_at", "answered_at", "ended_at")
    moments = [(ticket, ("created_at", "sent_at")), (order, ("sent_at",)), *((call, began) for call in calls)]
    for thing, names in moments:
        for name in names:
            setattr(thing, name, getattr(thing, name) - by)


def _sent_for(ticket: Ticket, level: Level, policy: Policy, calendar: Calendar) -> tuple[datetime, Due]:
    """The latest hour of sending by which the level has come now, and when it was due then."""
    now = datetime.now(UTC)
    hours = (now - timedelta(hours=back) for back in count(1))
    sent = ((since, order_due(since, ticket, policy, calendar)) for since in hours)
    return next(each for each in sent if level_at(each[1].at, level, policy, calendar) <= now)
