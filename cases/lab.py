"""The lab's calls: real in every part, and kept apart from the city's by their origin."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.tables import Call, CallLeg, CallStep, Recording

ORIGIN = "lab"


@dataclass(frozen=True, slots=True)
class Told:
    """What the record says of one of the lab's calls."""

    call: Call
    steps: Sequence[CallStep]
    legs: Sequence[CallLeg]
    recordings: Sequence[Recording]


def told(session: Session, number: str, since: datetime) -> Told | None:
    """The lab's newest call from this number (as dialled) that began since then; None: not on record."""
    newest = select(Call).where(Call.origin == ORIGIN, Call.number_raw == number, Call.began_at >= since)
    call = session.scalar(newest.order_by(Call.began_at.desc()).limit(1))
    if call is None:
        return None
    steps = select(CallStep).where(CallStep.call_id == call.id).order_by(CallStep.at, CallStep.id)
    legs = select(CallLeg).where(CallLeg.call_id == call.id).order_by(CallLeg.began_at)
    recordings = select(Recording).where(Recording.call_id == call.id).order_by(Recording.id)
    return Told(
        call, session.scalars(steps).all(), session.scalars(legs).all(), session.scalars(recordings).all()
    )
