"""The journal's chain: the clock seals its lines in batches, and whoever has the key finds what was changed.

Each line gets a MAC over its canonical form, each seal a MAC over its lines' and the hash of the seal before.
A seal answers for every id of its range, so that a line that is put in is found as well as one that is gone.
"""

import json
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hmac import compare_digest, digest
from typing import Any

from sqlalchemy import Row, Text, cast, extract, func, insert, select, text
from sqlalchemy.orm import Session

from cases import journal
from storage.database import Database
from storage.tables import Journal, JournalSeal
from storage.vault import Key, VaultError

FORM = 1  # of a line as it is signed: one more when `canonical` changes, and the older ones stay readable
BATCH = 5_000  # lines under one seal, and in memory, at most
SETTLE_SECONDS = 60.0
VERIFY_SECONDS = 3600.0
VERIFIED = "journal.verified"
_LOCK = 962299_007
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MARK = struct.Struct(">Q16s")  # distance from the seal's first id, and the line's MAC

Stored = Row[*tuple[Any, ...]]  # a line or a seal, as it is read
Keys = Callable[[str | None], Key]
"""The journal's key by its id, None for the one to seal with. Raises VaultError for one that is missing."""

_LINES = select(
    Journal.id,
    # As text: what somebody wrote there need not be a day that Python knows, nor its numbers ours.
    cast(extract("epoch", Journal.at), Text).label("at"),
    *(Journal.actor_id, Journal.act, Journal.subject_kind, Journal.subject_id, Journal.rule),
    *(cast(Journal.detail, Text).label("detail"), Journal.address, Journal.session_id),
).order_by(Journal.id)
_CHECKED = ("id", "first_id", "last_id", "lines", "marks", "previous", "hash", "key_id", "form")
_SEALS = select(
    *(getattr(JournalSeal, name) for name in _CHECKED),
    cast(extract("epoch", JournalSeal.at), Text).label("at"),
).order_by(JournalSeal.id)


@dataclass(frozen=True, slots=True)
class Head:
    """A seal as it may be printed, and compared later: whoever knows its hash knows all lines before it."""

    id: int
    last_id: int
    hash: bytes
    at: datetime | None  # None: a time that never is


@dataclass(frozen=True, slots=True)
class Finding:
    """`what`: line_changed, line_removed, line_put_in, seal_changed, seal_removed, chain_broken, cut,
    key_missing. `ids`: of lines or seals; both ends belong to it."""

    what: str
    first: int
    last: int


@dataclass(slots=True)
class Verdict:
    """What was looked at. `unsealed`: lines since the newest seal, for which nothing answers yet."""

    seals: int = 0
    lines: int = 0
    unsealed: int = 0
    findings: int = 0
    head: Head | None = None


def canonical(line: Stored) -> bytes:
    """One line as it is signed: whatever the order of its detail's keys, and the zone of its time."""
    facts = [*line[:7], _detail(line.detail), line.address, line.session_id]
    return json.dumps([FORM, *facts], ensure_ascii=False, separators=(",", ":")).encode()


def _detail(stored: str) -> str:
    if stored == "{}":
        return stored
    try:
        return _written(json.loads(stored, parse_float=Decimal, parse_int=Decimal))
    except (ValueError, RecursionError):
        return stored  # not by our hand, and no other line can look like it


def _written(value: Any) -> str:
    match value:
        case dict():
            return f"{{{','.join(f'{json.dumps(key)}:{_written(value[key])}' for key in sorted(value))}}}"
        case list():
            return f"[{','.join(map(_written, value))}]"
        case Decimal():
            return str(value)
    return json.dumps(value)


# -- sealing ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Note:
    """How far the journal had come. Whatever transaction may still add a line up to there is below `xid`."""

    last_id: int
    xid: int
    at: float  # by the monotonic clock


class Sealer:
    """The clock's hand. Ids are given before their transactions end, and not in that order: what was noted at
    one turn is sealed a minute later or more, once every transaction of that moment is over."""

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._keys = keys
        self._note: _Note | None = None

    def sweep(self) -> Head | None:
        """The newest seal that was made now, if any. Raises DatabaseAway, VaultError."""
        made = None
        if self._note is not None and self._is_settled(self._note):
            while sealed := self._seal(self._note.last_id):
                made = sealed
            self._note = None
        if self._note is None:
            with self._database.session() as session:
                last_id = session.scalars(text("SELECT last_value FROM journal_id_seq")).one()
                # Afterwards: who has an id up to that one has a transaction below this one, because the
                # journal's trigger numbers it first.
                xid = session.scalars(_XMAX).one()
            self._note = _Note(last_id, xid, time.monotonic())
        return made

    def _is_settled(self, note: _Note) -> bool:
        if time.monotonic() - note.at < SETTLE_SECONDS:
            return False
        with self._database.session() as session:
            return bool(session.scalars(_XMIN).one() >= note.xid)

    def _seal(self, until: int) -> Head | None:
        with self._database.session() as session:
            return seal(session, self._keys, until, datetime.now(UTC))


_XMIN, _XMAX = (
    text(f"SELECT pg_snapshot_{end}(pg_current_snapshot())::text::bigint") for end in ("xmin", "xmax")
)


def seal(session: Session, keys: Keys, until: int, now: datetime) -> Head | None:
    """Seal the next lines up to the id `until`, BATCH at most; None when there are none. Raises VaultError.

    No transaction that has an id up to there may be under way.
    """
    session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    before = newest(session)
    first_id = before.last_id + 1 if before else 1
    lines = session.execute(_LINES.where(Journal.id.between(first_id, until)).limit(BATCH)).all()
    if not lines:
        return None
    key = keys(None)
    row: dict[str, Any] = {
        "id": before.id + 1 if before else 1,
        "first_id": first_id,
        "last_id": lines[-1].id if len(lines) == BATCH else until,
        "lines": len(lines),
        "marks": b"".join(_MARK.pack(line.id - first_id, _mac(key, line)) for line in lines),
        "previous": before.hash if before else b"",
        "key_id": key.id,
        "form": FORM,
        "at": now,
    }
    row["hash"] = _hash(key, row, (now - _EPOCH) // timedelta(microseconds=1))
    session.execute(insert(JournalSeal).values(row))
    return Head(row["id"], row["last_id"], row["hash"], now)


def newest(session: Session) -> Head | None:
    """The newest seal, as it is stored."""
    last = select(func.max(JournalSeal.id)).scalar_subquery()
    found = session.execute(_SEALS.where(JournalSeal.id == last)).one_or_none()
    return Head(found.id, found.last_id, found.hash, _moment(found.at)) if found else None


def holds(session: Session, known: bytes) -> bool:
    """Is a seal of this hash in the chain?"""
    return session.scalar(select(JournalSeal.id).where(JournalSeal.hash == known)) is not None


def _mac(key: Key, line: Stored) -> bytes:
    return digest(key.secret, b"journal line\n" + canonical(line), "sha256")[:16]


def _hash(key: Key, row: Any, micros: int) -> bytes:
    numbers = [row[name] for name in ("form", "id", "first_id", "last_id", "lines")]
    head = json.dumps([*numbers, row["previous"].hex(), row["key_id"], micros])
    return digest(key.secret, b"journal seal\n" + head.encode() + b"\n" + row["marks"], "sha256")


# -- verifying --------------------------------------------------------------------------------------


class Verifier:
    """Goes along the chain, seal by seal; a batch of lines is in memory at a time.

    `since`: seals made before that are taken for good. `known`: hashes of seals that were heard of elsewhere;
    if one is not in the chain, its end was cut off, or all of it was made anew. Runs while the hotline runs:
    what is sealed stands still.
    """

    def __init__(
        self, session: Session, keys: Keys, since: datetime | None = None, known: Iterable[bytes] = ()
    ) -> None:
        self.verdict = Verdict()
        self._known = known
        self._session = session
        self._keys = keys
        self._sound = True  # the seal before was
        self._before = _before(session, since) if since else None

    def findings(self) -> Iterator[Finding]:
        """All that was changed, in the order of the chain; afterwards `verdict` is complete."""
        for finding in self._findings():
            self.verdict.findings += 1
            yield finding

    def _findings(self) -> Iterator[Finding]:
        while batch := self._session.execute(
            _SEALS.where(JournalSeal.id > self._at()).limit(_SEALS_AT_ONCE)
        ).all():
            for row in batch:
                yield from self._seal(row)
                self._before = row
                self.verdict.seals += 1
        sealed = self._before.last_id if self._before else 0
        late = select(func.count()).select_from(Journal).where(Journal.id > sealed)
        self.verdict.unsealed = self._session.scalars(late).one()
        self.verdict.head = head = newest(self._session)
        for known in self._known:
            if not holds(self._session, known):
                yield Finding("cut", *(head.id, head.id) if head else (0, 0))

    def _at(self) -> int:
        return self._before.id if self._before else _BELOW_ALL

    def _seal(self, row: Stored) -> Iterator[Finding]:
        before = self._before
        expected = before.id + 1 if before else 1
        if row.id > expected:
            yield Finding("seal_removed", expected, row.id - 1)
        elif not self._joins(row, before) and self._sound:
            yield Finding("chain_broken", row.id, row.id)
        try:
            key = self._keys(row.key_id)
        except VaultError:
            self._sound = False
            yield Finding("key_missing", row.id, row.id)
            return
        self._sound = row.form == FORM and compare_digest(row.hash, _hash(key, row._mapping, _micros(row.at)))
        if not self._sound:
            yield Finding("seal_changed", row.id, row.id)
            return
        yield from self._lines(key, row)

    def _joins(self, row: Stored, before: Stored | None) -> bool:
        previous, last_id = (before.hash, before.last_id) if before else (b"", 0)
        return bool(row.previous == previous and row.first_id == last_id + 1)

    def _lines(self, key: Key, row: Stored) -> Iterator[Finding]:
        """The stored lines beside the marks of a sound seal, both in the order of their ids."""
        lowest = row.first_id if row.id > 1 else _BELOW_ALL
        stored = self._session.execute(
            _LINES.where(Journal.id.between(lowest, row.last_id)).execution_options(yield_per=BATCH)
        )
        marks = ((row.first_id + distance, mac) for distance, mac in _MARK.iter_unpack(row.marks))
        mark = next(marks, None)
        for line in stored:
            while mark is not None and mark[0] < line.id:
                yield Finding("line_removed", mark[0], mark[0])
                mark = next(marks, None)
            if mark is None or mark[0] > line.id:
                yield Finding("line_put_in", line.id, line.id)
                continue
            if not compare_digest(mark[1], _mac(key, line)):
                yield Finding("line_changed", line.id, line.id)
            self.verdict.lines += 1
            mark = next(marks, None)
        while mark is not None:
            yield Finding("line_removed", mark[0], mark[0])
            mark = next(marks, None)


_SEALS_AT_ONCE = 10
_BELOW_ALL = -(2**63)


def note_verdict(session: Session, verdict: Verdict) -> None:
    """What a look at the whole chain found goes into the journal itself."""
    figures: dict[str, Any] = {"seals": verdict.seals, "lines": verdict.lines, "findings": verdict.findings}
    journal.append(session, None, VERIFIED, "journal", verdict.head.id if verdict.head else 0, **figures)


@dataclass(frozen=True, slots=True)
class State:
    """`sealed_at`: of the last line that is sealed. `findings`: of the verification at `verified_at`."""

    sealed_at: datetime | None
    verified_at: datetime | None
    findings: int


def state(session: Session) -> State:
    """How the chain stands, by its own word."""
    head = newest(session)
    line = select(Journal.at).where(Journal.id <= (head.last_id if head else 0))
    looked = select(Journal.at, Journal.detail["findings"].as_integer().label("findings"))
    found = session.execute(
        looked.where(Journal.act == VERIFIED, Journal.actor_id.is_(None)).order_by(Journal.at.desc()).limit(1)
    ).one_or_none()
    return State(
        session.scalar(line.order_by(Journal.id.desc()).limit(1)),
        found.at if found else None,
        found.findings if found else 0,
    )


def _before(session: Session, since: datetime) -> Stored | None:
    """The last seal that was made earlier."""
    earlier = select(func.max(JournalSeal.id)).where(JournalSeal.at < since)
    return session.execute(_SEALS.where(JournalSeal.id == earlier.scalar_subquery())).one_or_none()


def _micros(epoch: str) -> int:
    """Microseconds of what PostgreSQL says in seconds; -1 for a time that never is."""
    moment = Decimal(epoch)
    return int(moment * 1_000_000) if moment.is_finite() else -1


def _moment(epoch: str) -> datetime | None:
    try:
        return _EPOCH + timedelta(microseconds=_micros(epoch))
    except OverflowError:
        return None
