"""The room as its shift leader sees it: who is on duty, who waits; a forgotten duty or pause is ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from agents.duty_acts import tell_phones
from cases import duty
from cases.duty import Duty, Shown
from cases.permissions import Action, may
from cases.visible import visible_calls
from routing.policy import Policy
from storage.staff import Person
from storage.tables import Call
from storage.viewer import Viewer
from telephony import duty as telephony
from telephony.ami import AmiLink
from web.faults import Refused
from web.login import needs, services

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Room:
    """`waiting`: callers in the queue, the oldest since `oldest`. `reasons`: of a pause, by code."""

    duties: list[Duty]
    waiting: int
    oldest: datetime | None
    reasons: Mapping[str, str]


def room_of(session: Session, who: Viewer, policy: Policy, language: str) -> Room | None:
    """None for who has no other's duty to see to. Sealed calls are counted for the named alone."""
    if not may(who, Action.MANAGE_DUTY):
        return None
    waits = visible_calls(who).where(
        Call.outcome == "live", Call.answered_at.is_(None), Call.queued_at.is_not(None)
    )
    since = session.scalars(waits.with_only_columns(Call.queued_at).order_by(Call.queued_at)).all()
    at_work = [each for each in duty.duties(session) if each.shown is not Shown.OFF]
    names = {reason.code: reason.name.say(language) for reason in policy.pause_reasons}
    return Room(at_work, len(since), since[0] if since else None, names)


@router.post("/desk/duty/{person_id}")
def see_to(
    request: Request,
    person_id: int,
    who: Annotated[Viewer, Depends(needs(Action.MANAGE_DUTY))],
    wanted: Annotated[Literal["ready", "off"], Form()],
) -> Response:
    """End a pause or a duty that somebody forgot; with the telephone system away it is told later."""
    at = services(request)
    with at.database.session() as session:
        endpoint = session.scalar(select(Person.endpoint).where(Person.id == person_id, Person.active))
        if endpoint is None:
            raise Refused("error.missing", status=404)
        kept = duty.set_wanted(session, who, person_id, wanted)
    queues = [queue.name for queue in at.policy.queues]

    def tell(link: AmiLink) -> None:
        telephony.wish(link, endpoint, person_id, queues, wanted, "", kept.live)

    tell_phones(at.ami, tell)
    return RedirectResponse("/desk", status_code=303)
