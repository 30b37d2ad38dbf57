"""Figures for operators, in Prometheus' form: each role writes its own to a file, the desk reads them all.

A file a role in the home's run folder, written anew every two seconds: a stale one tells that its role has
died or hangs, and nothing is left to clean. What lies in the database and on the disk is counted when asked.
Their list: docs/reference/metrics.md.
"""

import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from prometheus_client import REGISTRY, CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client import write_to_textfile as write
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from sqlalchemy.orm import Session

from cases import figures
from hotline import cert
from hotline.home import Home
from ivr.spool import Spool
from storage.database import Database, DatabaseAway

ROLES = ("ivr", "desk", "clock")
EVERY_SECONDS = 2.0
STALE_SECONDS = 10.0
STARTS_KEPT = 20
KEPT_SECONDS = 4.0  # however often it is asked, counted at most so often
SETTLED = timedelta(days=2)  # what began before is counted once an hour
RECOUNT_SECONDS = 3600.0

log = structlog.get_logger(__name__)


def file_of(home: Home, role: str) -> Path:
    """Where a role writes its figures."""
    return home.run / f"{role}.figures"


def write_for_ever(home: Home, role: str) -> None:
    """Write this process's figures every two seconds, in a thread of its own."""
    disable_created_metrics()  # type: ignore[no-untyped-call]

    def run() -> None:
        while True:
            try:
                write(str(file_of(home, role)), REGISTRY)
            except OSError as why:  # a full disk, say: the role does its work all the same
                log.debug("figures_not_written", why=str(why))
            time.sleep(EVERY_SECONDS)

    threading.Thread(target=run, name="figures", daemon=True).start()


def note_start(home: Home, role: str) -> None:
    """Write down that a role begins; one that does so again and again is told by an alarm."""
    file = home.run / f"{role}.starts"
    before = file.read_text().split() if file.exists() else []
    file.write_text(" ".join([*before[-STARTS_KEPT:], f"{time.time():.0f}"]))


def starts(home: Home, role: str, since: float) -> int:
    """How often a role began since then, in seconds since 1970."""
    file = home.run / f"{role}.starts"
    return sum(float(at) >= since for at in file.read_text().split()) if file.exists() else 0


def read(home: Home, role: str, now: float | None = None) -> list[Metric] | None:
    """What a role wrote last, each sample labelled with it; None when that is stale: it has died or hangs."""
    file = file_of(home, role)
    try:
        age = (time.time() if now is None else now) - file.stat().st_mtime
        text = file.read_text(encoding="utf-8")
    except OSError:
        return None
    if age > STALE_SECONDS:
        return None
    families = list(text_string_to_metric_families(text))
    for family in families:
        family.samples = [Sample(one.name, {**one.labels, "role": role}, one.value) for one in family.samples]
    return families


def value(families: Iterable[Metric], name: str, **labels: str) -> float:
    """The sum of the samples of this name that have these labels."""
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


class Figures:
    """All of them, for /metrics; `text` may be called by many threads at once."""

    def __init__(self, home: Home, database: Database) -> None:
        self._home = home
        self._database = database
        self._counting = threading.Lock()
        self._settled: tuple[float, datetime, figures.Traffic] | None = None
        self._told = (0.0, b"")

    def text(self) -> bytes:
        """The page, counted anew when the last one is older than some seconds."""
        with self._counting:
            told_at, told = self._told
            if not told or time.monotonic() - told_at > KEPT_SECONDS:
                registry = CollectorRegistry()
                registry.register(self)
                told = generate_latest(registry)
                self._told = (time.monotonic(), told)
        return told

    def describe(self) -> list[Metric]:
        """Nothing is counted for being registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every family once, as Prometheus wants it."""
        yield from self._roles()
        yield from self._ground()
        try:
            with self._database.session() as session:
                now = datetime.now(UTC)
                moment = figures.moment(session, now)
                settled_until, settled = self._settle(session, now)
                total = settled + figures.traffic(session, settled_until, None)
        except DatabaseAway:
            yield _gauge("hotline_database_up", "Does the database answer (1) or not (0)", 0)
            return
        yield _gauge("hotline_database_up", "Does the database answer (1) or not (0)", 1)
        yield from _now(moment)
        yield from _over(total)

    def _roles(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("hotline_role_up", "Is the role at work (1) or not (0)", labels=["role"])
        merged: dict[str, Metric] = {}
        for role in ROLES:
            families = read(self._home, role)
            up.add_metric([role], 0 if families is None else 1)
            for family in families or ():
                if family.name in merged:
                    merged[family.name].samples += family.samples
                else:
                    merged[family.name] = family
        yield up
        yield from merged.values()

    def _ground(self) -> Iterator[Metric]:
        yield _gauge(
            "hotline_disk_free_bytes", "Room where the state lies", shutil.disk_usage(self._home.path).free
        )
        owed = Spool(self._home.spool).owed()
        yield _gauge("hotline_spool_files", "Calls' facts that are not in the record yet", owed)
        written = sum(1 for _ in self._home.recordings_incoming.glob("*.caller.wav"))
        yield _gauge(
            "hotline_recordings_incoming", "Recordings being written or waiting for the ledger", written
        )
        days = certificate_days_left(self._home, datetime.now(UTC))
        if days is not None:
            yield _gauge("hotline_certificate_days_left", "Until the certificate ends", days)

    def _settle(self, session: Session, now: datetime) -> tuple[datetime, figures.Traffic]:
        """What began days ago hardly changes: counted once an hour."""
        if self._settled is None or time.monotonic() - self._settled[0] > RECOUNT_SECONDS:
            until = now - SETTLED
            self._settled = (time.monotonic(), until, figures.traffic(session, None, until))
        return self._settled[1:]


def certificate_days_left(home: Home, now: datetime) -> float | None:
    """None without a certificate that can be read."""
    try:
        held = cert.Keeper(home.tls).held()
    except cert.CertError:
        return None
    return None if held is None else (held.ends_at - now).total_seconds() / 86400


def _now(moment: figures.Moment) -> Iterator[Metric]:
    calls = GaugeMetricFamily(
        "hotline_calls_now", "Calls on the line: menu, waiting, talking", labels=["stage"]
    )
    for stage, number in moment.calls.items():
        calls.add_metric([stage], number)
    agents = GaugeMetricFamily(
        "hotline_agents", "Agents by what colleagues are told of them", labels=["state"]
    )
    for state, number in moment.agents.items():
        agents.add_metric([state], number)
    yield calls
    yield agents
    yield _gauge(
        "hotline_longest_wait_seconds", "How long the first in the queue waits", moment.longest_wait_seconds
    )
    yield _gauge("hotline_outbox_messages", "Messages that are due and have not left", moment.outbox)


def _over(total: figures.Traffic) -> Iterator[Metric]:
    calls = CounterMetricFamily("hotline_calls", "Calls that are over", labels=["outcome", "origin"])
    for (outcome, origin), number in sorted(total.calls.items()):
        calls.add_metric([outcome, origin], number)
    recordings = GaugeMetricFamily("hotline_recordings", "The ledger's recordings by state", labels=["state"])
    for state in ("ready", "gap", "open"):
        recordings.add_metric([state], total.recordings[state])
    buckets, so_far = [], 0
    for place, limit in enumerate((*figures.ANSWER_SECONDS, float("inf"))):
        so_far += total.answers[place]
        buckets.append(("+Inf" if limit == float("inf") else str(limit), so_far))
    answers = HistogramMetricFamily("hotline_answer_seconds", "From the queue to an agent's answer")
    answers.add_metric([], buckets, total.answer_seconds)
    yield calls
    yield recordings
    yield answers


def _gauge(name: str, told: str, figure: float) -> Metric:
    return GaugeMetricFamily(name, told, value=figure)
