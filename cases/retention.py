"""What was kept as long as the policy says goes: in batches, each deletion on record, nothing that is held.

However many sweep at once, each thing goes once: its row is locked, and who comes second passes it by. A file
goes before its row, so that a sweep that was killed is done again and leaves no file that nobody knows of.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Select, Table, delete, exists, func, select, update
from sqlalchemy.orm import Session

from cases import journal, recordings
from cases.holds import call_is_held, ticket_is_held
from cases.known import is_used
from cases.states import OPEN
from routing.policy import Retention
from storage.base import Base
from storage.notices import Notice, Receipt
from storage.parties import Caller, Enterprise
from storage.staff import WebSession
from storage.tables import Attachment, Call, Draft, Outbox, Recording, Ticket, TicketCall, TicketNumber

BATCH = 100
OWED = ("waiting", "sending")  # receipts of what has yet to be sent
Name = Literal[
    "recordings",
    "attachments",
    "calls",
    "tickets",
    "callers",
    "enterprises",
    "drafts",
    "sessions",
    "outbox",
    "notices",
    "receipts",
]


@dataclass(frozen=True, slots=True)
class Files:
    """The folders that the rows' paths are relative to."""

    recordings: Path
    attachments: Path


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of thing: `over` finds the ids of what is over, `remove` removes rows with these ids.

    It returns how many of them may be told: what was sealed is told nowhere but in lines of its own.
    """

    name: Name
    days: Callable[[Retention], int]
    over: Callable[[datetime], Select[Any]]
    remove: Callable[[Session, Files, list[Any]], int]


def sweep(
    session: Session, kind: Kind, keep: Retention, files: Files, now: datetime, most: int = BATCH
) -> int:
    """Delete a batch of what is over; how many went. Raises OSError, then no row of the batch went."""
    query = kind.over(now - timedelta(days=kind.days(keep))).limit(most).with_for_update(skip_locked=True)
    ids = list(session.scalars(query))
    if ids:
        told = kind.remove(session, files, ids)
        if told:
            journal.append(session, None, "retention.removed", "retention", kind.name, count=told)
    return len(ids)


def count(session: Session, kind: Kind, keep: Retention, now: datetime) -> int:
    """How many would go; those that are over only when others went are not among them."""
    over = kind.over(now - timedelta(days=kind.days(keep))).order_by(None).subquery()
    return session.scalar(select(func.count()).select_from(over)) or 0


# -- what is over -----------------------------------------------------------------------------------


def _recordings(before: datetime) -> Select[Any]:
    """Of an open ticket none: what was said may still be needed."""
    open_ticket = exists().where(
        TicketCall.call_id == Recording.call_id, Ticket.id == TicketCall.ticket_id, Ticket.state.in_(OPEN)
    )
    old = (Recording.state == "ready") & (Recording.began_at < before)
    return _oldest(Recording, old, ~open_ticket, ~call_is_held(Recording.call_id))


def _attachments(before: datetime) -> Select[Any]:
    closed = exists().where(
        Ticket.id == Attachment.ticket_id, Ticket.state.not_in(OPEN), Ticket.changed_at < before
    )
    return _oldest(Attachment, closed, ~ticket_is_held(Attachment.ticket_id))


def _calls(before: datetime) -> Select[Any]:
    ticketless = ~exists().where(TicketCall.call_id == Call.id)
    return _oldest(Call, Call.ended_at < before, ticketless, ~call_is_held(Call.id))


def _tickets(before: datetime) -> Select[Any]:
    old = Ticket.state.not_in(OPEN) & (Ticket.changed_at < before)
    return _oldest(Ticket, old, ~ticket_is_held(Ticket.id))


def _callers(before: datetime) -> Select[Any]:
    called = exists().where(Call.caller_id == Caller.id)
    wrote = exists().where(Ticket.caller_id == Caller.id)
    merged = Caller.merged_into.is_not(None)  # goes after the one that it went into
    return _oldest(Caller, Caller.created_at < before, ~called, ~wrote, ~merged)


def _enterprises(before: datetime) -> Select[Any]:
    merged = Enterprise.merged_into.is_not(None)
    return _oldest(Enterprise, Enterprise.created_at < before, ~is_used(), ~merged)


def _drafts(before: datetime) -> Select[Any]:
    """A draft has no id of its own; its call's stands for it."""
    return select(Draft.call_id).where(Draft.changed_at < before, ~call_is_held(Draft.call_id))


def _sessions(before: datetime) -> Select[Any]:
    return _oldest(WebSession, func.coalesce(WebSession.ended_at, WebSession.seen_at) < before)


def _outbox(before: datetime) -> Select[Any]:
    return _oldest(Outbox, Outbox.done_at < before)


def _notices(before: datetime) -> Select[Any]:
    """What was sent of it goes with it, but for what still waits."""
    owed = exists().where(Receipt.notice_id == Notice.id, Receipt.state.in_(OWED))
    return _oldest(Notice, Notice.at < before, ~owed)


def _receipts(before: datetime) -> Select[Any]:
    """Those of texts to callers; the others go with their notices."""
    return _oldest(Receipt, Receipt.notice_id.is_(None), Receipt.state.not_in(OWED), Receipt.at < before)


def _oldest(table: type[Base], *conditions: Any) -> Select[Any]:
    (key,) = table.__mapper__.primary_key
    return select(key).where(*conditions).order_by(key)


# -- how it goes ------------------------------------------------------------------------------------


def _remove_recordings(session: Session, files: Files, ids: list[Any]) -> int:
    rows = session.execute(
        select(Recording, Call.sealed).join(Call, Call.id == Recording.call_id).where(Recording.id.in_(ids))
    ).all()
    for recording, _ in rows:
        recordings.remove(session, files.recordings, recording, "retention")
    return sum(not sealed for _, sealed in rows)


def _remove_attachments(session: Session, files: Files, ids: list[Any]) -> int:
    rows = session.execute(
        select(Attachment, Ticket.sealed)
        .join(Ticket, Ticket.id == Attachment.ticket_id)
        .where(Attachment.id.in_(ids))
    ).all()
    for attachment, _ in rows:
        remove_attachment(session, files.attachments, attachment, "retention")
    return sum(not sealed for _, sealed in rows)


def remove_attachment(session: Session, folder: Path, attachment: Attachment, why: str) -> None:
    """The file, then its row. Raises OSError."""
    (folder / attachment.path).unlink(missing_ok=True)
    ticket_id, told = attachment.ticket_id, attachment.id
    journal.append(session, None, "ticket.attachment_removed", "ticket", ticket_id, attachment=told, why=why)
    session.delete(attachment)


def _remove_calls(session: Session, files: Files, ids: list[Any]) -> int:
    kept = select(Recording).where(Recording.call_id.in_(ids), Recording.state == "ready")
    for recording in session.scalars(kept.with_for_update()):
        recordings.remove(session, files.recordings, recording, "retention")
    told = _note_each(session, Call, ids)
    session.execute(delete(Draft).where(Draft.call_id.in_(ids)))
    _forget(session, Call, ids)
    return told


def _remove_tickets(session: Session, files: Files, ids: list[Any]) -> int:
    """Their calls are without a ticket from now on, and go as such."""
    theirs = select(Attachment).where(Attachment.ticket_id.in_(ids))
    for attachment in session.scalars(theirs.with_for_update()):
        remove_attachment(session, files.attachments, attachment, "retention")
    told = _note_each(session, Ticket, ids)
    _forget(session, Ticket, ids)
    return told


def _note_each(session: Session, table: type[Call] | type[Ticket], ids: list[Any]) -> int:
    kind = "call" if table is Call else "ticket"
    rows = session.execute(select(table.id, table.sealed).where(table.id.in_(ids))).all()
    for subject, _ in rows:
        journal.append(session, None, f"{kind}.removed", kind, subject, why="retention")
    return sum(not sealed for _, sealed in rows)


def _remove_drafts(session: Session, _files: Files, ids: list[Any]) -> int:
    session.execute(delete(Draft).where(Draft.call_id.in_(ids)))
    sealed = select(func.count()).where(Call.id.in_(ids), Call.sealed)
    return len(ids) - (session.scalar(sealed) or 0)


def _plainly(table: type[Base]) -> Callable[[Session, Files, list[Any]], int]:
    def remove(session: Session, _files: Files, ids: list[Any]) -> int:
        _forget(session, table, ids)
        return len(ids)

    return remove


def _forget(session: Session, table: type[Base], ids: Iterable[Any]) -> None:
    session.flush()
    _delete(session, table.metadata.tables[table.__tablename__], list(ids))
    session.expire_all()


def _delete(session: Session, table: Table, ids: list[Any]) -> None:
    """These rows and all that belongs to them: whatever tables refer to them, later ones too."""
    for other in Base.metadata.tables.values():
        for column in other.columns:
            if not any(key.column.table is table for key in column.foreign_keys):
                continue
            if (
                other is table or other is TicketNumber.__table__
            ):  # a number that was given is never given again
                session.execute(update(other).where(column.in_(ids)).values({column: None}))
                continue
            if len(other.primary_key) == 1:
                (key,) = other.primary_key
                below = list(session.scalars(select(key).where(column.in_(ids))))
                if below:
                    _delete(session, other, below)
            else:
                session.execute(delete(other).where(column.in_(ids)))
    (own,) = table.primary_key
    session.execute(delete(table).where(own.in_(ids)))


KINDS = (
    Kind("recordings", lambda keep: keep.recordings, _recordings, _remove_recordings),
    Kind("attachments", lambda keep: keep.attachments, _attachments, _remove_attachments),
    Kind("tickets", lambda keep: keep.tickets, _tickets, _remove_tickets),
    Kind("calls", lambda keep: keep.calls, _calls, _remove_calls),
    Kind("callers", lambda keep: keep.calls, _callers, _plainly(Caller)),
    Kind("enterprises", lambda keep: keep.calls, _enterprises, _plainly(Enterprise)),
    Kind("drafts", lambda keep: keep.drafts, _drafts, _remove_drafts),
    Kind("sessions", lambda keep: keep.sessions, _sessions, _plainly(WebSession)),
    Kind("outbox", lambda keep: keep.outbox, _outbox, _plainly(Outbox)),
    Kind("notices", lambda keep: keep.notices, _notices, _plainly(Notice)),
    Kind("receipts", lambda keep: keep.notices, _receipts, _plainly(Receipt)),
)
