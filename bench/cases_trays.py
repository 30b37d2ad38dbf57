"""Each page's questions through the page's own code, the same in bare SQL, and the whole page by HTTP: in
turns over the short history and the long one."""

import http.client
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from statistics import median, quantiles
from typing import Any

import psycopg
import uvicorn
from sqlalchemy import func, select

from agents.room import room as agents
from bench.callers import BenchError
from bench.cases_asked import Question, questions
from bench.cases_grown import Grown
from cases import logins
from cases.states import OPEN
from reports.room import room as reports
from storage.database import Database
from storage.staff import Person
from storage.tables import Ticket
from web.app import create_app
from web.services import Services

SIZES = ("small", "large")
DRAWN = 2000  # tickets to open: as many under way as of all that ever were
KEPT_SECONDS = 3600  # one connection for all requests
WARM = 6  # turns that count for nothing: a statement is prepared at its sixth


@dataclass(slots=True)
class Took:
    """Milliseconds of one kind of asking, by size."""

    ms: dict[str, list[float]] = field(default_factory=lambda: {size: [] for size in SIZES})

    def p50(self, size: str) -> float:
        return median(self.ms[size])

    def p95(self, size: str) -> float:
        return quantiles(self.ms[size], n=20)[-1]

    @property
    def growth_of_p50(self) -> float:
        return self.p50("large") / self.p50("small")

    @property
    def growth(self) -> float:
        """Of the 95th percentile."""
        return self.p95("large") / self.p95("small")


@dataclass(slots=True)
class Page:
    """How long one page's questions take: `ours` by the page's code, `bare`, and the `page` by HTTP.

    `busy`: processor time of ours, this thread's and its backend's, which bears neighbours better.
    """

    ours: Took = field(default_factory=Took)
    busy: Took = field(default_factory=Took)
    bare: Took = field(default_factory=Took)
    page: Took = field(default_factory=Took)

    def ratio(self, size: str) -> float:
        """Ours ÷ bare, of the 95th percentile."""
        return self.ours.p95(size) / self.bare.p95(size)


def measure(grown: Grown, rounds: int) -> dict[str, Page]:
    """By the name of the question."""
    found: dict[str, Page] = {}
    with ExitStack() as opened:
        desks = {size: opened.enter_context(_desk(grown, size)) for size in SIZES}
        for name, question in questions(grown.city).items():
            found[name] = Page()
            chance = Random(962299)
            for turn in range(WARM + rounds):
                for size, desk in desks.items():
                    number, key = chance.choice(desk.drawn) if question.of_ticket else ("", 0)
                    now = datetime.now(UTC)
                    times = (
                        *desk.ours(question, now, number),
                        desk.bare(question, now, key),
                        desk.page(question, number),
                    )
                    if turn >= WARM:
                        of = found[name]
                        for took, ms in zip((of.ours, of.busy, of.bare, of.page), times, strict=True):
                            took.ms[size].append(ms)
    return found


class _Desk:
    """One database, asked in three ways; each answer is its milliseconds."""

    def __init__(
        self, database: Database, plain: "psycopg.Connection[tuple[object, ...]]", port: int
    ) -> None:
        self._database, self._plain, self._port = database, plain, port
        self._web = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._cookies: dict[int, str] = {}
        with database.session(60) as session:
            ordinary = select(Ticket.number, Ticket.id).where(Ticket.sealed.is_(False))
            work = session.execute(ordinary.where(Ticket.state.in_(OPEN)).limit(DRAWN)).all()
            any_ = ordinary.order_by(func.random()).limit(len(work))
            self.drawn = [(number, key) for number, key in (*work, *session.execute(any_).all())]

    def ours(self, question: Question, now: datetime, number: str) -> tuple[float, float]:
        """By the clock, and processor time."""
        began, own = time.perf_counter(), time.thread_time_ns()
        with self._database.session(60) as session:
            wire: Any = session.connection().connection.driver_connection
            backend = _busy_ns(wire.info.backend_pid)
            question.ours(session, now, number)
        busy = time.thread_time_ns() - own + _busy_ns(wire.info.backend_pid) - backend
        return _ms(began), busy / 1e6

    def bare(self, question: Question, now: datetime, key: int) -> float:
        given = {"now": now, "unit": question.unit_id, "id": key}
        began = time.perf_counter()
        for sql in (question.rows, *question.counts):
            self._plain.execute(sql, given).fetchall()
        return _ms(began)

    def page(self, question: Question, number: str) -> float:
        headers = {"Cookie": self._cookie(question.who.person_id), "Accept": "text/html"}
        began = time.perf_counter()
        self._web.request("GET", question.address + number, headers=headers)
        answer = self._web.getresponse()
        answer.read()
        if answer.status != 200:
            raise BenchError(f"{question.address}: {answer.status}")
        return _ms(began)

    def _cookie(self, person_id: int) -> str:
        if person_id not in self._cookies:
            with self._database.session() as session:
                token = logins.start_session(
                    session, session.get_one(Person, person_id), "127.0.0.1", "bench"
                )
            self._cookies[person_id] = f"hotline_session_{self._port}={token}"
        return self._cookies[person_id]


def _busy_ns(pid: int) -> int:
    """How long a process has had a processor."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def _ms(began: float) -> float:
    return (time.perf_counter() - began) * 1000


@contextmanager
def _desk(grown: Grown, size: str) -> Iterator[_Desk]:
    url = grown.urls[size]
    plain = url.replace("postgresql+psycopg://", "postgresql://")
    with (
        closing(Database(url)) as database,
        psycopg.connect(plain, autocommit=True) as connection,
        tempfile.TemporaryDirectory(prefix="hl-bench-") as folder,
        _served(Services(database, grown.city.policy, Path(folder))) as port,
    ):
        yield _Desk(database, connection, port)


@contextmanager
def _served(services: Services) -> Iterator[int]:
    """The desk on a free port of this machine."""
    app = create_app(services, [agents(), reports()])
    config = uvicorn.Config(app, log_level="warning", lifespan="on", timeout_keep_alive=KEPT_SECONDS)
    server = uvicorn.Server(config)
    door = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
    thread.start()
    try:
        yield door.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)
        door.close()
