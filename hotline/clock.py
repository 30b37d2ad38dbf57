"""The clock: what happens by itself. However many are started, one ticks: PostgreSQL's lock says which.

Live picture and repairs follow Asterisk's events; call records, recordings and the spool are swept
by APScheduler, which remembers nothing: what is due is in the database and on the disk.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import psycopg
import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from prometheus_client import Gauge

from cases import sealed, unsealing
from cases.resealing import Resealer
from hotline import levels, post, retention, wiring
from hotline.alarms import EVERY_SECONDS, Alarms
from hotline.chain import Keeper, Witness
from hotline.ground import GroundError, require_room
from hotline.health import CLOCK_LOCK
from hotline.heart import Heart
from hotline.home import Home
from hotline.logs import shorten
from hotline.settings import Settings
from ivr.spool import import_spool
from routing.policy import Policy
from storage.database import Database, DatabaseAway
from storage.vault import VaultError
from telephony import lab_recordings, phone_secrets
from telephony.ami import AmiLink, Message, Snapshot
from telephony.cel import CelReader
from telephony.channels import is_callers
from telephony.ledger import Ledger
from telephony.lost import end_lost_calls
from telephony.watch import Watch

RETRY_SECONDS = 1.0
BEAT_SECONDS = 2.0
NICENESS = 5  # joining a recording must not delay the record of a call that rings
LAB_KEPT = timedelta(days=1)
NAMED_WITHIN = timedelta(seconds=2)  # of a channel's birth its call's id is on it

LAG = Gauge("hotline_clock_lag_seconds", "How much later than due the clock's sweeps are", ["sweep"])
log = structlog.get_logger(__name__)


def run(settings: Settings, home: Home, stop: threading.Event, heart: Heart) -> None:
    """Keep time while we have the lock, until stopped; wait for it while another process has it.

    With the database away nobody can take it from us, and we keep time on: wrap-ups end meanwhile.
    """
    os.nice(NICENESS)  # this thread, and all it starts
    said = ""
    with ExitStack() as ticking:
        ticks = False
        while not stop.is_set():
            heart.beat()
            try:
                with _the_lock(wiring.database_url(settings, home)) as held:
                    said = ""
                    if held is None:
                        ticking.close()
                        ticks = False
                        stop.wait(RETRY_SECONDS)
                        continue
                    if not ticks:
                        ticking.enter_context(_ticking(settings, home, heart))
                        ticks = True
                    log.info("ticking")
                    _hold(held, stop)
                    heart.stopping()
                    ticking.close()
            except psycopg.OperationalError as why:
                if not said:
                    said = str(why).strip().splitlines()[0]
                    log.warning("clock_without_database", why=said)
                stop.wait(RETRY_SECONDS)


@contextmanager
def _the_lock(url: str) -> Iterator["psycopg.Connection[tuple[object, ...]] | None"]:
    """The connection that holds the lock, or None while another process has it."""
    with psycopg.connect(
        url.replace("postgresql+psycopg://", "postgresql://"), autocommit=True, connect_timeout=2
    ) as connection:
        got = connection.execute("SELECT pg_try_advisory_lock(%s)", [CLOCK_LOCK]).fetchone()
        yield connection if got and got[0] else None


def _hold(connection: "psycopg.Connection[tuple[object, ...]]", stop: threading.Event) -> None:
    """Return when stopped; raises OperationalError when the lock went with its connection."""
    while not stop.wait(BEAT_SECONDS):
        connection.execute("SELECT 1")


@contextmanager
def _ticking(settings: Settings, home: Home, heart: Heart) -> Iterator[None]:
    """Everything that happens by itself, for as long as the block lasts."""
    policy = wiring.policy(settings)
    database = Database(wiring.database_url(settings, home))
    link = AmiLink("127.0.0.1", settings.ami_port, wiring.AMI_USER, home.secrets().ami_secret)
    secrets_link = wiring.phone_secrets(settings, home)
    watch = Watch(link, database, {queue.name: queue.wrapup_seconds for queue in policy.queues})
    spool = partial(import_spool, database, home.spool, policy)
    records = Records(link, spool, CelReader(home.cel, database, policy), database)
    ledger = Ledger(
        home.recordings_incoming, home.recordings_kept, database, zone=policy.zone, is_live=records.is_live
    )
    resealer = Resealer(database, retention.files_of(home))
    keeper = Keeper(database, Witness(home.journal_head), policy.zone)
    sweeps = [
        Sweep("heart", 1, heart.beat),  # a frozen database is no reason to start the clock again
        Sweep("call records", 1, records.sweep),
        Sweep("phone secrets", 1, partial(phone_secrets.sweep, database, secrets_link)),
        Sweep("recordings", 2, lambda: ledger.sweep(datetime.now(UTC))),
        Sweep("disk", 30, partial(require_room, home)),
        Sweep("journal", 60, keeper.seal),
        Sweep("journal verified", 600, lambda: keeper.verify_at_night(datetime.now(UTC))),
        Sweep("sealed matters", 20, partial(_see_to_sealed, database, policy)),
        Sweep("notices", post.PLAN_SECONDS, partial(post.plan, settings, policy, database)),
        Sweep("levels", levels.SECONDS, levels.Levels(database, policy).sweep),
        Sweep("logs", 60, partial(_shorten_logs, home)),
        Sweep("lab recordings", 600, partial(_remove_lab_recordings, database, home)),
    ]
    scheduler = BackgroundScheduler(
        job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1}, timezone="UTC"
    )
    alarms = Alarms(
        home,
        policy,
        database,
        link,
        registers=bool(settings.trunk_register),
        late_seconds=lambda: max(sweep.lag_seconds() for sweep in sweeps),
    )
    unhurried = [
        Sweep("alarms", EVERY_SECONDS, alarms.round),
        Sweep("retention", 300, lambda: retention.round_(database, home, policy, datetime.now(UTC))),
        Sweep("older files", 10, resealer.turn),
        *(
            Sweep(name, post.SEND_SECONDS, turn)
            for name, turn in post.sending_sweeps(settings, home, policy, database)
        ),
    ]
    for sweep in (*sweeps, *unhurried):
        scheduler.add_job(sweep.run, "interval", seconds=sweep.seconds, id=sweep.name)
    watch.start()
    link.start()
    secrets_link.start()
    scheduler.start()
    try:
        yield
    finally:
        scheduler.shutdown()
        link.stop()
        secrets_link.stop()
        watch.stop()
        for sweep in sweeps:  # what Asterisk wrote as it ended
            sweep.run()
        database.close()


def _see_to_sealed(database: Database, policy: Policy) -> None:
    """Hand over what is due, name who reads by role now, let requests lapse."""
    now = datetime.now(UTC)
    with database.session() as session:
        sealed.keep_readers(session, policy)
        sealed.hand_over_due(session, policy, now)
        unsealing.lapse(session, now)


def _shorten_logs(home: Home) -> None:
    """Those that Asterisk and PostgreSQL write; a stranger who knocks all day fills Asterisk's."""
    for file in (home.asterisk_log / "asterisk.log", home.postgres_data.parent / "postgres.log"):
        shorten(file)


def _remove_lab_recordings(database: Database, home: Home) -> None:
    lab_recordings.remove(database, home.recordings_kept, datetime.now(UTC) - LAB_KEPT)


class Records:
    """Call records from the menu's spool, then from Asterisk's event file; what Asterisk died too fast to
    write, from what it no longer has."""

    def __init__(
        self, link: AmiLink, import_spool: Callable[[], object], reader: CelReader, database: Database
    ) -> None:
        self._import_spool = import_spool
        self._reader = reader
        self._database = database
        self._snapshot: tuple[datetime, frozenset[str]] | None = None
        self._live: frozenset[str] = frozenset()
        link.on_snapshot(self._keep)
        link.subscribe(self._hear)

    def is_live(self, call_id: str) -> bool:
        """Was this call up when Asterisk was last asked, and has not hung up since?"""
        return call_id in self._live

    def _keep(self, snapshot: Snapshot) -> None:
        self._live = frozenset(str(channel.get("AccountCode", "")) for channel in snapshot.channels)
        self._snapshot = (snapshot.asked_at - NAMED_WITHIN, self._live)

    def _hear(self, event: Message) -> None:
        if event.get("Event") == "Hangup" and is_callers(str(event.get("Channel", ""))):
            self._live -= {str(event.get("AccountCode", ""))}

    def sweep(self) -> None:
        """In the order of who knows more: what a caller pressed (her call may have to be sealed before
        anybody sees it), how a call ended, that it is no more. Raises DatabaseAway: the rest waits."""
        snapshot = self._snapshot
        self._import_spool()
        self._reader.read()
        if snapshot is not None:
            began_before, alive = snapshot
            end_lost_calls(self._database, alive, began_before)
            if self._snapshot is snapshot:
                self._snapshot = None


class Sweep:
    """One thing done again and again; while the database is away, or the disk full, it says so once."""

    def __init__(self, name: str, seconds: int, work: Callable[[], object]) -> None:
        self.name = name
        self.seconds = seconds
        self._work = work
        self._hindered = False
        self._due = time.monotonic() + seconds
        LAG.labels(name).set_function(self.lag_seconds)

    def lag_seconds(self) -> float:
        """How long ago it should have been done again; a sweep that takes long lags as well."""
        return max(0.0, time.monotonic() - self._due)

    def run(self) -> None:
        """Never raises: the next turn is the repair."""
        try:
            self._try()
        finally:
            self._due = time.monotonic() + self.seconds

    def _try(self) -> None:
        try:
            self._work()
        except (DatabaseAway, GroundError, VaultError) as why:
            if not self._hindered:
                log.warning("sweep_hindered", sweep=self.name, why=str(why))
            self._hindered = True
        except Exception:
            log.exception("sweep_failed", sweep=self.name)
        else:
            self._hindered = False
