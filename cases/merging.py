"""Two records of one caller, or of one enterprise, become one; for a day it can be undone.

All that hung on the one hangs on the other, what the other did not know is filled in, and the first stays
as an empty sign that leads there. The log holds ids alone, so that erasing has nothing to do with it.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from cases import journal
from cases.errors import Refused
from cases.parties import kept_caller, kept_enterprise
from cases.permissions import Action, demand, rule
from storage.parties import Caller, CallerNumber, Enterprise, MergeLog
from storage.tables import Call, Ticket
from storage.viewer import Viewer

Kind = Literal["caller", "enterprise"]
Record = Caller | Enterprise

UNDONE_WITHIN = timedelta(days=1)
FILLED: dict[str, tuple[str, ...]] = {
    "caller": ("name", "sex", "company", "place", "note", "enterprise_id"),
    "enterprise": ("name", "uscc", "place", "scale", "industry", "contact_name", "contact_number", "note"),
}
MOVED: dict[str, dict[str, InstrumentedAttribute[Any]]] = {
    "caller": {"calls": Call.caller_id, "tickets": Ticket.caller_id, "numbers": CallerNumber.caller_id},
    "enterprise": {"callers": Caller.enterprise_id, "tickets": Ticket.enterprise_id},
}
"""What hangs on a record, by its name in the log."""


def merge(session: Session, viewer: Viewer, kind: Kind, kept_id: int, gone_id: int, now: datetime) -> Record:
    """The record `gone_id` goes into `kept_id`. Raises NotAllowed, NotVisible, Refused on `other`:
    same | two_codes (each has a code of its own: they are two enterprises)."""
    demand(viewer, Action.MERGE_PARTIES)
    for one in sorted((kept_id, gone_id)):  # always in one order, or two merges would wait for each other
        _record(session, viewer, kind, one)
    kept, gone = (_record(session, viewer, kind, one) for one in (kept_id, gone_id))
    if kept.id == gone.id:
        raise Refused({"other": "same"})
    if isinstance(kept, Enterprise) and isinstance(gone, Enterprise) and kept.uscc and gone.uscc:
        raise Refused({"other": "two_codes"})
    moved: dict[str, Any] = {
        what: _move(session, column, column == gone.id, kept.id) for what, column in MOVED[kind].items()
    }
    merged = type(kept).merged_into
    moved["merged"] = _move(session, merged, merged == gone.id, kept.id)
    moved["filled"] = _fill(session, kind, kept, gone)
    if isinstance(kept, Caller) and isinstance(gone, Caller):
        moved["tags"] = [tag for tag in gone.tags if tag not in kept.tags]
        kept.tags = [*kept.tags, *moved["tags"]]
    gone.merged_into = kept.id
    _changed(kept, gone)
    session.add(
        MergeLog(kind=kind, gone_id=gone.id, kept_id=kept.id, moved=moved, by_id=viewer.person_id, at=now)
    )
    allowed = rule(viewer, Action.MERGE_PARTIES)
    journal.append(session, viewer, f"{kind}.merged", kind, gone.id, rule=allowed, into=kept.id)
    return kept


def undo(session: Session, viewer: Viewer, kind: Kind, kept_id: int, now: datetime) -> Record:
    """Take the last merge into this record apart again; returns the record that had gone.

    What came by its numbers since then goes with them. Raises NotAllowed, NotVisible, Refused on `merge`:
    none (nothing was merged within a day).
    """
    demand(viewer, Action.MERGE_PARTIES)
    kept = _record(session, viewer, kind, kept_id)
    log = undoable(session, kind, kept.id, now)
    if log is None:
        raise Refused({"merge": "none"})
    gone: Record = (
        session.get_one(Caller, log.gone_id, with_for_update=True)
        if isinstance(kept, Caller)
        else session.get_one(Enterprise, log.gone_id, with_for_update=True)
    )
    moved = log.moved
    for what, column in MOVED[kind].items():
        (key,) = column.class_.__mapper__.primary_key
        _move(session, column, and_(column == kept.id, key.in_(moved[what])), gone.id)
    merged = type(kept).merged_into
    _move(session, merged, and_(merged == kept.id, type(kept).id.in_(moved["merged"])), gone.id)
    if kind == "caller":
        _follow_numbers(session, kept.id, gone.id)
    gone.merged_into = None
    _empty(session, kept, gone, moved["filled"])
    if isinstance(kept, Caller):
        kept.tags = [tag for tag in kept.tags if tag not in moved["tags"]]
    _changed(kept, gone)
    log.undone_by, log.undone_at = viewer.person_id, now
    allowed = rule(viewer, Action.MERGE_PARTIES)
    journal.append(session, viewer, f"{kind}.unmerged", kind, gone.id, rule=allowed, out_of=kept.id)
    return gone


def undoable(session: Session, kind: Kind, kept_id: int, now: datetime) -> MergeLog | None:
    """The last merge into this record, if it can still be undone."""
    return session.scalar(
        select(MergeLog)
        .where(MergeLog.kind == kind, MergeLog.kept_id == kept_id, MergeLog.undone_at.is_(None))
        .where(MergeLog.at > now - UNDONE_WITHIN)
        .order_by(MergeLog.id.desc())
        .limit(1)
    )


def _record(session: Session, viewer: Viewer, kind: Kind, record_id: int) -> Record:
    find = kept_caller if kind == "caller" else kept_enterprise
    return find(session, viewer, record_id, lock=True)


def _move(session: Session, column: InstrumentedAttribute[Any], which: Any, to: int) -> list[Any]:
    """Hang these rows on another record; their keys."""
    (key,) = column.class_.__mapper__.primary_key
    moved = session.execute(update(column.class_).where(which).values({column.key: to}).returning(key))
    return list(moved.scalars())


def _fill(session: Session, kind: Kind, kept: Record, gone: Record) -> list[str]:
    """What only the one that goes knew; the names of those columns."""
    filled = [field for field in FILLED[kind] if not getattr(kept, field) and getattr(gone, field)]
    values = {field: getattr(gone, field) for field in filled}
    if "uscc" in filled:
        gone.uscc = None  # type: ignore[union-attr]
        session.flush()  # a code stands in one record
    for field, value in values.items():
        setattr(kept, field, value)
    return filled


def _empty(session: Session, kept: Record, gone: Record, filled: Iterable[str]) -> None:
    """What was filled in and is still so is not known any more."""
    for field in filled:
        if field == "uscc":
            code, kept.uscc = kept.uscc, None  # type: ignore[union-attr]
            session.flush()
            gone.uscc = code  # type: ignore[union-attr]
        elif getattr(kept, field) == getattr(gone, field):
            setattr(kept, field, None if field.endswith("_id") else "")


def _follow_numbers(session: Session, kept_id: int, gone_id: int) -> None:
    numbers = session.scalars(select(CallerNumber.number).where(CallerNumber.caller_id == gone_id)).all()
    if not numbers:
        return
    for column, by in ((Call.caller_id, Call.number), (Ticket.caller_id, Ticket.calling_number)):
        _move(session, column, and_(column == kept_id, or_(*(by == number for number in numbers))), gone_id)


def _changed(*records: Record) -> None:
    for record in records:
        record.version += 1
        record.changed_at = func.now()
