"""A running desk for tests: a seeded database, the real application, a real HTTP server on a free port."""

import shutil
import socket
import ssl
import tempfile
import threading
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from math import pi, sin
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
import uvicorn
from sqlalchemy import select
from sqlalchemy.orm import Session

from agents.room import room
from cases import calls, deadlines, people, recordings, tickets
from reports.room import room as reports
from routing.policy import Policy, load
from storage.database import Database
from storage.notify import listen
from storage.parties import Caller, CallerNumber
from storage.server import EmbeddedServer
from storage.tables import Recording
from storage.viewer import Role, Viewer
from tests.pool import Pool
from web.app import create_app
from web.services import Services

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

_sites = count(1)
POLICY = Path(__file__).resolve().parents[2] / "policies" / "mianyang-962299.toml"
PASSWORD = "correct horse"
RATE = 8000
# Nothing here is asked for over TLS; by itself each client would read all of the world's authorities first.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass
class Seed:
    """What the database holds: people by log-in name, calls, tickets and recordings in order."""

    people: dict[str, int] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    tickets: list[str] = field(default_factory=list)
    recordings: list[int] = field(default_factory=list)


@dataclass
class Site:
    """A running desk: its address, data and parts."""

    url: str
    database: Database
    folder: Path
    seed: Seed
    app: Any

    def client(self, login: str | None = None) -> httpx.Client:
        """A browser without a screen; logged in when a name is given."""
        headers = {"Origin": self.url, "Accept": "text/html"}
        client = httpx.Client(base_url=self.url, headers=headers, timeout=30, verify=NO_TLS)
        if login:
            answer = client.post("/login", data={"name": login, "password": PASSWORD})
            assert answer.status_code == 303, answer.text
        return client


def let_in(context: "BrowserContext", url: str, login: str) -> None:
    """Logged in without a page: to paint the one to log in at, too, is half of what a short visit costs."""
    form = {"name": login, "password": PASSWORD}
    answer = context.request.post(f"{url}/login", form=form, headers={"Origin": url}, max_redirects=0)
    assert answer.status == 303, answer.text()


Seeding = Callable[[Database, Path, Policy, datetime], Seed]

STAFF = (
    ("liu", "刘晓燕", Role.AGENT, "8001"),
    ("zhang", "张伟", Role.AGENT, "8002"),
    ("chen", "陈建国", Role.SHIFT_LEADER, "8010"),
    ("zhao", "赵敏", Role.SUPERVISOR, None),
    ("sun", "孙立", Role.DISCIPLINE, None),
    ("admin", "管理员", Role.ADMINISTRATOR, None),
)


def fill(database: Database, folder: Path, policy: Policy, now: datetime) -> Seed:
    """People, three answered calls (the last one sealed), one abandoned, tickets and recordings."""
    seed = Seed()
    with database.session() as session:
        deadlines.seed_calendar(session)
        for login, name, role, extension in STAFF:
            person = people.create_person(session, login, name, role, PASSWORD, extension)
            seed.people[login] = person.id
        session.add(
            Caller(id=1000, name="王芳", sex="female", company="绵阳市涪城区长虹精密机械厂", place="涪城区")
        )
        session.flush()
        session.add(CallerNumber(number="+8613812345678", caller_id=1000))
    liu = Viewer(seed.people["liu"], Role.AGENT, "刘晓燕", "127.0.0.1")
    matters = (
        ("13812345678", "inquiry", "咨询小微企业所得税优惠", "想了解2026年小型微利企业所得税优惠怎么申报。"),
        (
            "08162223344",
            "help",
            "厂区夜间频繁停电",
            "高新区厂区本月第三次夜间停电，影响出口订单，请协调供电。",
        ),
        ("13900001111", "complaint", "反映审批人员刁难", "办理消防验收时有关人员多次要求指定检测公司。"),
    )
    for index, (number, kind, title, content) in enumerate(matters):
        at = now - timedelta(hours=5 * index + 1)
        with database.session() as session:
            call_id = ring(session, policy, number, kind, at, seed.people["liu"])
            seed.calls.append(call_id)
            form = tickets.TicketForm(
                kind=kind, title=title, content=content, caller_name="王芳" if index == 0 else "李强"
            )
            seed.tickets.append(tickets.save_ticket(session, liu, form, call_id, policy, at).number)
            seed.recordings.append(record(session, folder, call_id, at))
    with database.session() as session:
        seed.calls.append(ring(session, policy, "13700002222", "", now - timedelta(minutes=20), None))
    return seed


def ring(session: Session, policy: Policy, number: str, kind: str, at: datetime, agent: int | None) -> str:
    """One call from ring to end; without an agent it was abandoned in the queue."""
    call_id = f"{at.timestamp():.0f}.1-{number[-4:]}"
    arrival = calls.Arrival(call_id, call_id, "962299", number, False, at)
    calls.open_call(session, arrival, policy)
    queued = at + timedelta(seconds=18)
    sealed = bool(kind) and policy.kind(kind).sealed
    steps = [
        calls.Step(at, "menu"),
        calls.Step(at + timedelta(seconds=12), "key", {"key": "1"}),
        calls.Step(queued, "queue", {"queue": "main"}),
    ]
    calls.note_steps(session, call_id, steps)
    calls.route_call(session, call_id, kind, sealed, "zh", queued, policy)
    if agent is not None:
        calls.mark_answered(session, call_id, agent, queued + timedelta(seconds=7))
        leg = calls.Leg(
            call_id + "-a", call_id, "PJSIP/e1", "agent", queued, agent, queued + timedelta(seconds=7)
        )
        calls.apply_legs(session, [leg])
    calls.end_call(session, call_id, at + timedelta(minutes=3, seconds=5))
    return call_id


def record(session: Session, folder: Path, call_id: str, at: datetime, seconds: int = 4) -> int:
    """A stereo recording of two tones, kept in the ledger."""
    name = f"{at:%Y}/{call_id}.wav"
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    frames = _tones(seconds)
    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(2)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        sound.writeframes(frames)
    peaks = {
        "caller": [abs(sin(i / 9)) * (0.9 if i // 40 % 2 else 0.05) for i in range(800)],
        "agent": [abs(sin(i / 7)) * (0.04 if i // 40 % 2 else 0.7) for i in range(800)],
    }
    recordings.register(session, call_id, call_id, "call", at)
    recordings.keep(
        session,
        call_id,
        path=name,
        sha256=f"{len(frames):064d}",
        duration_seconds=float(seconds),
        size_bytes=file.stat().st_size,
        peaks=peaks,
    )
    return session.scalars(select(Recording.id).where(Recording.name == call_id)).one()


@cache
def _tones(seconds: int) -> bytes:
    frames = bytearray()
    for index in range(RATE * seconds):
        left = int(9000 * sin(2 * pi * 440 * index / RATE) * (index // 4000 % 2))
        right = int(6000 * sin(2 * pi * 700 * index / RATE) * (1 - index // 4000 % 2))
        frames += left.to_bytes(2, "little", signed=True) + right.to_bytes(2, "little", signed=True)
    return bytes(frames)


@contextmanager
def running(database: Database, folder: Path, seed: Seed) -> Iterator[Site]:
    """The desk over this database until the block ends."""
    stop = threading.Event()
    services = Services(
        *(database, load(POLICY), folder),
        attachments=folder / "attachments",
        notes=lambda: listen(database.url, stop),
    )
    app = create_app(services, [room(), reports()])
    try:
        with served(app) as url:
            yield Site(url, database, folder, seed, app)
    finally:
        stop.set()


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The application on a free port of this machine, until the block ends; its address."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
    door = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{door.getsockname()[1]}"
    try:
        wait_until_up(url)
        yield url
    finally:
        app.state.hub.close_all()
        server.should_exit = True
        thread.join(20)
        door.close()


def wait_until_up(url: str) -> None:
    """Until the login page answers."""
    for _ in range(200):
        try:
            if httpx.get(f"{url}/login", timeout=5, verify=NO_TLS).status_code == 200:
                return
        except httpx.TransportError:
            threading.Event().wait(0.05)
    raise AssertionError("the desk did not start")


@contextmanager
def standing(server: EmbeddedServer, seeded: Seeding) -> Iterator[Site]:
    """A running desk over a seeded database of its own, until the block ends."""
    name = f"site_{next(_sites)}"
    folder = Path(tempfile.mkdtemp(prefix="hl-site-", dir="/tmp"))
    where = {"host": str(server.socket_folder), "user": "hotline", "dbname": "postgres"}
    with psycopg.connect(**where, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE hotline STRATEGY file_copy")
        database = Database(server.url.replace("@/hotline?", f"@/{name}?"), pool_size=4)
        try:
            with running(database, folder, seeded(database, folder, load(POLICY), datetime.now(UTC))) as site:
                yield site
        finally:
            database.close()
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def site(desks: Pool) -> Iterator[Site]:
    """A running, seeded desk that the tests of one module share."""
    folder = Path(tempfile.mkdtemp(prefix="hl-site-", dir="/tmp"))
    seed = desks.begun("site", lambda: fill(desks.database, desks.files, load(POLICY), datetime.now(UTC)))
    shutil.copytree(desks.files, folder, dirs_exist_ok=True)
    try:
        with running(desks.database, folder, deepcopy(seed)) as site:
            yield site
    finally:
        desks.empty()
        shutil.rmtree(folder, ignore_errors=True)
