"""The lab's calls and its agent: real in every part, and kept apart from the city's.

A lab call is known by its origin, the lab's agent by her endpoint; she serves the queues' twins only.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from storage.staff import Person
from storage.tables import Call, CallLeg, CallStep, Recording

ORIGIN = "lab"
OUT = "visit"  # the origin of a call that staff placed: cases/dialling.py
AGENT = "e1ab00000"
"""The endpoint of the lab's agent."""
TWIN = "-lab"


@dataclass(frozen=True, slots=True)
class Told:
    """What the record says of one of the lab's calls."""

    call: Call
    steps: Sequence[CallStep]
    legs: Sequence[CallLeg]
    recordings: Sequence[Recording]


def real_call() -> ColumnElement[bool]:
    """Calls that somebody made, not the lab."""
    return Call.origin != ORIGIN


def incoming_call() -> ColumnElement[bool]:
    """Calls that came in, from anybody but the lab."""
    return Call.origin.not_in((ORIGIN, OUT))


def real_person() -> ColumnElement[bool]:
    """Everybody but the lab's agent."""
    return or_(Person.endpoint.is_(None), Person.endpoint != AGENT)


def queues_of(endpoint: str, queues: Iterable[str]) -> list[str]:
    """Where this agent takes calls: the lab's in the queues' twins, all others in the queues themselves."""
    return [queue + TWIN for queue in queues] if endpoint == AGENT else list(queues)


def told(session: Session, number: str, since: datetime) -> Told | None:
    """The lab's newest call from this number (as dialled) that began since then; None: not on record."""
    newest = select(Call).where(Call.origin == ORIGIN, Call.began_at >= since).order_by(Call.began_at.desc())
    call = next((each for each in session.scalars(newest) if each.number_raw == number), None)
    if call is None:
        return None
    steps = select(CallStep).where(CallStep.call_id == call.id).order_by(CallStep.at, CallStep.id)
    legs = select(CallLeg).where(CallLeg.call_id == call.id).order_by(CallLeg.began_at)
    recordings = (
        select(Recording).where(Recording.call_id == call.id).order_by(Recording.began_at, Recording.name)
    )
    return Told(
        call, session.scalars(steps).all(), session.scalars(legs).all(), session.scalars(recordings).all()
    )


def kept_recordings(session: Session, ended_before: datetime) -> list[Recording]:
    """The lab's recordings that have served their purpose, locked."""
    kept = select(Recording).join(Call, Call.id == Recording.call_id).where(Recording.state == "ready")
    return list(
        session.scalars(kept.where(Call.origin == ORIGIN, Call.ended_at < ended_before).with_for_update())
    )
