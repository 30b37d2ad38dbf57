"""Calls whose end Asterisk never told: it died before it could."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cases.calls import Step, end_call, live_calls_before, note_steps
from cases.offers import end_offers
from storage.database import Database
from storage.tables import Call, CallLeg, CallStep

BATCH_SECONDS = 5.0


def end_lost_calls(database: Database, alive: Collection[str], began_before: datetime) -> int:
    """End the calls that began earlier and that Asterisk no longer has: it died before it could tell.

    `alive`: the ids of calls Asterisk has now. A call ends with the last that is known of it.
    Returns how many were ended.
    """
    with database.session(BATCH_SECONDS) as session:
        lost = [call_id for call_id in live_calls_before(session, began_before) if call_id not in alive]
        for call_id in lost:
            at = _last_known(session, call_id)
            note_steps(session, call_id, [Step(at, "lost", {}, f"cel:{call_id}:lost")], source="cel")
            end_call(session, call_id, at)
        if lost:
            end_offers(session, lost)
    return len(lost)


def _last_known(session: Session, call_id: str) -> datetime:
    call = session.get_one(Call, call_id)
    steps = session.scalar(select(func.max(CallStep.at)).where(CallStep.call_id == call_id))
    legs = session.scalar(
        select(func.max(func.greatest(CallLeg.began_at, CallLeg.answered_at, CallLeg.ended_at))).where(
            CallLeg.call_id == call_id
        )
    )
    known = (call.queued_at, call.answered_at, steps, legs)
    return max([call.began_at, *(at for at in known if at is not None)])
