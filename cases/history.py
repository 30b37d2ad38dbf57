"""What was done to a call, ticket or recording, by whom and when: the journal for those who may see it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from cases.errors import NotVisible
from cases.visible import visible_calls, visible_recordings, visible_tickets
from storage.tables import Call, Journal, Person, Recording, Ticket
from storage.viewer import Viewer

Subject = Literal["call", "ticket", "recording"]
READINGS = ("call.read", "ticket.read")


@dataclass(frozen=True, slots=True)
class Entry:
    """`actor` is '' for the system; `detail` holds codes and ids."""

    at: datetime
    actor: str
    act: str
    detail: dict[str, Any]


def record_history(session: Session, viewer: Viewer, subject: Subject, subject_id: str | int) -> list[Entry]:
    """The journal of one visible subject, oldest first; `subject_id` as the row's id. Raises NotVisible.

    That somebody read it is told of what is sealed only: of the rest it would be most of the story.
    """
    seen: dict[Subject, Select[Any]] = {
        "call": visible_calls(viewer).where(Call.id == str(subject_id)),
        "ticket": visible_tickets(viewer).where(Ticket.id == _number(subject_id)),
        "recording": visible_recordings(viewer).where(Recording.id == _number(subject_id)),
    }
    row = session.scalar(seen[subject])
    if row is None:
        raise NotVisible(f"no {subject} {subject_id}")
    untold = () if getattr(row, "sealed", True) else READINGS
    rows = session.execute(
        select(Journal, Person.name)
        .outerjoin(Person, Person.id == Journal.actor_id)
        .where(Journal.subject_kind == subject, Journal.subject_id == str(subject_id))
        .where(Journal.act.not_in(untold))
        .order_by(Journal.id)
    )
    return [Entry(row.at, name or "", row.act, row.detail) for row, name in rows]


def _number(subject_id: str | int) -> int:
    return int(subject_id) if str(subject_id).isdecimal() else -1
