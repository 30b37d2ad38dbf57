"""The clock's eyes on the telephony: draws the live picture, stores and tells it, applies repairs.

Only one process runs this (under the clock's lock). The picture is telephony/live.py, what differs from
the agents' word telephony/reconcile.py; both pure. Storing and repairing have a thread each, so that
neither a slow database nor a slow Asterisk keeps an offer from an agent's screen for long.
"""

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from cases.calls import Step, note_steps
from cases.duty import set_live, set_wanted
from storage.database import Database, DatabaseAway
from storage.notify import notify
from storage.staff import Person, PersonDuty
from storage.tables import Call
from telephony import duty
from telephony.ami import AmiDown, AmiError, AmiLink, Message, Snapshot
from telephony.live import Fact, Held, Live, Offer, Picture, QueueMoved
from telephony.reconcile import Add, Pause, Remove, Repair, Resume, Wish, Word, repairs

log = structlog.get_logger("watch")

TICK_SECONDS = 2.0
READ_SECONDS = 2.0  # a slow database must not hold up the repairs
NOTES_KEPT = 1000  # while the database is slow; an older offer has stopped ringing


class Watch:
    """`wrapup_seconds`: every queue that agents serve, with its wrap-up limit. Start before the link."""

    def __init__(self, link: AmiLink, database: Database, wrapup_seconds: Mapping[str, int]) -> None:
        self._link = link
        self._database = database
        self._wrapup_seconds = dict(wrapup_seconds)
        self._lock = threading.Lock()
        self._picture = Picture()
        self._drawn_for_login = 0
        self._notes: list[Offer | QueueMoved] = []
        self._steps: list[Held] = []  # until they are in the record
        self._stored: dict[int, tuple[str, str | None]] = {}  # person → state and call in the database
        self._wishes: list[Wish] | None = None  # not yet read: nobody may be taken for unwanted
        self._failed: set[Repair] = set()
        self._told_connected: bool | None = None
        self._stopping = False
        self._to_store, self._to_repair = threading.Event(), threading.Event()
        self._threads: list[threading.Thread] = []
        link.subscribe(self._on_event)
        link.on_snapshot(self._on_snapshot)

    def start(self) -> None:
        """Begin to store and repair what the link tells."""
        self._threads = [
            threading.Thread(target=self._loop, args=(self._to_store, self._store), name="watch-store"),
            threading.Thread(target=self._loop, args=(self._to_repair, self.reconcile), name="watch-repair"),
        ]
        for thread in self._threads:
            thread.daemon = True
            thread.start()
        self._to_repair.set()  # what was live before the restart, ahead of the first snapshot

    def stop(self) -> None:
        self._stopping = True
        self._to_store.set()
        self._to_repair.set()
        for thread in self._threads:
            thread.join(timeout=10)

    # ---- on the link's consumer thread: memory only ------------------------------------------

    def _on_event(self, event: Message) -> None:
        with self._lock:
            self._took(self._picture.apply(event, datetime.now(UTC)))

    def _on_snapshot(self, snapshot: Snapshot) -> None:
        with self._lock:
            self._drawn_for_login = self._link.figures.logins
            self._took(self._picture.redraw(snapshot.queues, snapshot.channels, datetime.now(UTC)))
        self._to_repair.set()

    def _took(self, facts: list[Fact]) -> None:
        notes = [fact for fact in facts if isinstance(fact, Offer | QueueMoved)]
        if notes:
            self._notes = (self._notes + notes)[-NOTES_KEPT:]
        steps = [fact for fact in facts if isinstance(fact, Held)]
        if steps:
            self._steps = (self._steps + steps)[-NOTES_KEPT:]
        if facts:
            self._to_store.set()
        if any(isinstance(fact, Live) for fact in facts):
            self._to_repair.set()

    # ---- storing and telling -----------------------------------------------------------------

    def _loop(self, wake: threading.Event, work: Callable[[], None]) -> None:
        said = ""
        while not self._stopping:
            wake.wait(TICK_SECONDS)
            wake.clear()
            try:
                work()
                said = ""
            except DatabaseAway as away:  # once, not every two seconds
                if str(away) != said:
                    log.warning("watch.database_away", why=str(away), work=work.__name__)
                said = str(away)
            except Exception:
                log.exception("watch.failed")

    def _store(self) -> None:
        """What the picture shows and the database does not; what could not be stored is next tick's."""
        with self._lock:
            notes, self._notes = self._notes, []
            steps = self._steps
            changed = {
                person: live
                for person, live in self._picture.live().items()
                if self._stored.get(person, (live.state, live.call_id)) != (live.state, live.call_id)
            }
        connected = self._link.connected
        if not (notes or steps or changed or connected != self._told_connected):
            return
        with self._database.session() as session:
            _tell(session, notes)
            noted = _note(session, steps)
            for person, live in changed.items():
                set_live(session, person, live.state, live.call_id)
            if connected != self._told_connected:
                notify(session, "board", "telephony", connected=int(connected))
        self._told_connected = connected
        if noted:
            with self._lock:
                self._steps = [step for step in self._steps if step not in noted]
        self._stored |= {person: (live.state, live.call_id) for person, live in changed.items()}

    # ---- the agents' word --------------------------------------------------------------------

    def reconcile(self) -> None:
        """One pass: read the wishes, compare with the picture, repair. Raises DatabaseAway.

        Without the database the wishes read last hold: nobody can change hers, and wrap-ups end in time.
        """
        away: DatabaseAway | None = None
        try:
            self._wishes = self._read_people()
        except DatabaseAway as error:
            away = error
        found = self._repairs()
        self._failed &= set(found)
        for repair in sorted(found, key=lambda each: isinstance(each, Word)):
            if isinstance(repair, Word):
                self._pause_by_system(repair)
            elif not self._apply(repair):
                break
        if away is not None:
            raise away

    def _repairs(self) -> list[Repair]:
        """Nothing while the link is down, the picture older than the link, or no wish was ever read."""
        if self._wishes is None:
            return []
        with self._lock:
            if not self._link.connected or self._drawn_for_login != self._link.figures.logins:
                return []
            members, live = self._picture.members(), self._picture.live()
            owed = self._picture.owed_wrapups()
        return repairs(self._wishes, members, live, owed, self._wrapup_seconds, datetime.now(UTC))

    def _read_people(self) -> list[Wish]:
        """Everybody's wish; new people, and what was live before a restart, go into the picture."""
        query = select(Person, PersonDuty).join(PersonDuty, PersonDuty.person_id == Person.id)
        with self._database.session(READ_SECONDS) as session:
            rows = [(person, word) for person, word in session.execute(query).all()]
        new = [(person, word) for person, word in rows if person.id not in self._stored]
        with self._lock:
            self._picture.prime(
                Live(person.id, word.live, word.live_call_id, word.live_at) for person, word in new
            )
            self._picture.know({person.endpoint: person.id for person, _ in rows if person.endpoint})
        self._stored |= {person.id: (word.live, word.live_call_id) for person, word in new}
        if new:
            self._link.redraw()
        return [
            Wish(person.id, person.endpoint or "", word.wanted, word.wanted_reason, word.wanted_at)
            for person, word in rows
            if person.active
        ]

    def _pause_by_system(self, word: Word) -> None:
        """Unless she has said something else meanwhile."""
        said_at = next(wish.at for wish in self._wishes or () if wish.person_id == word.person_id)
        with self._database.session() as session:
            now_said = session.scalar(
                select(PersonDuty.wanted_at).where(PersonDuty.person_id == word.person_id).with_for_update()
            )
            if now_said == said_at:
                set_wanted(session, None, word.person_id, "paused", word.reason)
                log.info("watch.paused", person=word.person_id, reason=word.reason, why=word.why)

    def _apply(self, repair: Repair) -> bool:
        """False when the link is down: the rest can wait as well."""
        try:
            _act(self._link, repair)
        except AmiDown:
            return False
        except (AmiError, ValueError) as fault:
            if repair not in self._failed:
                self._failed.add(repair)
                log.warning("watch.repair_failed", repair=str(repair), fault=str(fault))
        else:
            log.info("watch.repaired", repair=str(repair))
        return True


def _act(link: AmiLink, repair: Repair) -> None:
    match repair:
        case Add():
            duty.enter(link, repair.endpoint, repair.person_id, [repair.queue], repair.paused_for)
        case Remove():
            duty.leave(link, repair.endpoint, [repair.queue])
        case Pause():
            duty.pause(link, repair.endpoint, repair.reason)
        case Resume():
            duty.resume(link, repair.endpoint)


def _tell(session: Session, notes: list[Offer | QueueMoved]) -> None:
    for queue in sorted({note.queue for note in notes if isinstance(note, QueueMoved)}):
        notify(session, "board", "queue", queue=queue)
    for note in notes:
        if isinstance(note, Offer):
            notify(session, f"person:{note.person_id}", "offer", call_id=note.call_id)


def _note(session: Session, steps: list[Held]) -> list[Held]:
    """Write holds into the record; those written. A call that still waits in the spool is not on it yet."""
    if not steps:
        return []
    calls = set(session.scalars(select(Call.id).where(Call.id.in_({step.call_id for step in steps}))))
    noted = [step for step in steps if step.call_id in calls]
    for step in noted:
        word = "hold" if step.held else "unhold"
        fingerprint = f"ami:{step.uniqueid}:{word}:{step.at.timestamp():.6f}"
        told = Step(step.at, word, {"person_id": step.person_id}, fingerprint)
        note_steps(session, step.call_id, [told], source="ami")
    return noted
