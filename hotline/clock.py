"""The clock: what happens by itself. However many are started, one ticks: PostgreSQL's lock says which.

Live picture and repairs follow Asterisk's events; call records, recordings and the spool are swept
by APScheduler, which remembers nothing: what is due is in the database and on the disk.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import structlog
from apscheduler.schedulers.background import BackgroundScheduler

from hotline import wiring
from hotline.home import Home
from hotline.settings import Settings
from ivr.spool import import_spool
from storage.database import Database
from telephony.ami import AmiLink
from telephony.watch import Watch

LOCK = 962299_002  # advisory, in the hotline's database
RETRY_SECONDS = 1.0
BEAT_SECONDS = 2.0

log = structlog.get_logger(__name__)


def run(settings: Settings, home: Home, stop: threading.Event) -> None:
    """Wait for the lock, keep time until stopped or until the lock is lost; then wait for it again."""
    while not stop.is_set():
        try:
            with _the_lock(wiring.database_url(settings, home)) as held:
                if held is None:
                    stop.wait(RETRY_SECONDS)
                    continue
                with _ticking(settings, home):
                    log.info("ticking")
                    _hold(held, stop)
        except psycopg.OperationalError as why:
            log.warning("clock_without_database", why=str(why).strip().splitlines()[0])
            stop.wait(RETRY_SECONDS)


@contextmanager
def _the_lock(url: str) -> Iterator["psycopg.Connection[tuple[object, ...]] | None"]:
    """The connection that holds the lock, or None while another process has it."""
    with psycopg.connect(
        url.replace("postgresql+psycopg://", "postgresql://"), autocommit=True, connect_timeout=2
    ) as connection:
        got = connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone()
        yield connection if got and got[0] else None


def _hold(connection: "psycopg.Connection[tuple[object, ...]]", stop: threading.Event) -> None:
    """Return when stopped; raises OperationalError when the lock went with its connection."""
    while not stop.wait(BEAT_SECONDS):
        connection.execute("SELECT 1")


@contextmanager
def _ticking(settings: Settings, home: Home) -> Iterator[None]:
    """Everything that happens by itself, for as long as the block lasts."""
    policy = wiring.policy(settings)
    database = Database(wiring.database_url(settings, home))
    link = AmiLink("127.0.0.1", settings.ami_port, wiring.AMI_USER, home.secrets().ami_secret)
    watch = Watch(link, database, {queue.name: queue.wrapup_seconds for queue in policy.queues})
    scheduler = BackgroundScheduler(
        job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1}, timezone="UTC"
    )
    scheduler.add_job(import_spool, "interval", [database, home.spool, policy], seconds=5, id="spool")
    watch.start()
    link.start()
    scheduler.start()
    try:
        yield
    finally:
        scheduler.shutdown()
        link.stop()
        watch.stop()
        database.close()
