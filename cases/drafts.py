"""What is typed beside a call and not yet saved, kept per person so that no mishap loses it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cases.permissions import Action, demand
from cases.sealed import missing_call
from cases.visible import visible_calls
from storage.tables import Call, Draft
from storage.viewer import Viewer


@dataclass(frozen=True, slots=True)
class DraftState:
    """`revision` is the browser's counter: the highest wins."""

    body: dict[str, Any]
    revision: int
    changed_at: datetime


def keep_draft(
    session: Session, viewer: Viewer, call_id: str, body: dict[str, Any], revision: int
) -> DraftState:
    """Store what is typed, unless a later revision is stored already; returns what is stored now.

    Raises NotVisible: beside a call that she does not see, there is nothing to be typed.
    """
    demand(viewer, Action.WRITE_TICKETS)
    if session.scalar(visible_calls(viewer).where(Call.id == call_id).with_only_columns(Call.id)) is None:
        raise missing_call(session, viewer, call_id)
    row = insert(Draft).values(person_id=viewer.person_id, call_id=call_id, body=body, revision=revision)
    session.execute(
        row.on_conflict_do_update(
            index_elements=[Draft.person_id, Draft.call_id],
            set_={"body": row.excluded.body, "revision": row.excluded.revision, "changed_at": func.now()},
            where=Draft.revision < row.excluded.revision,
        )
    )
    stored = draft(session, viewer, call_id)
    assert stored is not None
    return stored


def draft(session: Session, viewer: Viewer, call_id: str) -> DraftState | None:
    """The viewer's own draft for this call."""
    return state_of(session.get(Draft, (viewer.person_id, call_id), populate_existing=True))


def state_of(row: Draft | None) -> DraftState | None:
    return DraftState(row.body, row.revision, row.changed_at) if row else None


def drop(session: Session, viewer: Viewer, call_id: str) -> None:
    """The draft became a ticket or a closing; harmless when there is none."""
    session.execute(delete(Draft).where(Draft.person_id == viewer.person_id, Draft.call_id == call_id))
