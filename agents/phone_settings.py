"""What the softphone asks for: where to register, its words in another language, whom it can call.

The phone itself is agents/phone/*.ts; duty is agents/duty_acts.py, the caller's record agents/desk.py.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import select

from cases import duty
from cases.duty import Duty
from cases.permissions import Action
from storage.tables import SipSecret
from storage.viewer import Role, Viewer
from web.faults import Refused
from web.login import needs, services, signed_in, viewer
from web.render import page
from web.sessions import Login

router = APIRouter(dependencies=[Depends(needs(Action.TAKE_CALLS))])


@router.get("/phone/settings")
def phone_settings(
    request: Request, response: Response, login: Annotated[Login, Depends(signed_in)]
) -> dict[str, Any]:
    """Where this person's browser phone registers, and as whom. Seconds; never cached (it has a secret)."""
    response.headers["Cache-Control"] = "no-store"
    if not login.endpoint or login.phone != "browser":
        raise Refused("phone.no_phone", status=409)
    at = services(request)
    with at.database.session() as session:
        newest = select(SipSecret.secret).where(SipSecret.person_id == login.viewer.person_id)
        secret = session.scalar(newest.order_by(SipSecret.id.desc()).limit(1))
        leaders = [each for each in duty.duties(session) if each.role is Role.SHIFT_LEADER]
    queue = at.policy.queues[0]
    return {
        "ws": at.phone.address(request.url),
        "uri": f"sip:{login.endpoint}@{at.phone.domain(request.url)}",
        "endpoint": login.endpoint,
        "secret": secret or "",
        "name": login.viewer.name,
        "extension": login.extension or "",
        "leader": leaders[0].extension if leaders else "",
        "ring_seconds": queue.ring_seconds,
        "wrapup_seconds": queue.wrapup_seconds,
    }


@router.get("/phone/strip")
def strip(request: Request, _login: Annotated[Login, Depends(signed_in)]) -> Response:
    """The strip anew, after the person chose another language."""
    return page(request, "desk/strip.html")


@router.get("/desk/colleagues")
def colleagues(request: Request, who: Annotated[Viewer, Depends(viewer)]) -> Response:
    """Whom a caller can be handed to, those who can take her first."""
    with services(request).database.session() as session:
        others = [each for each in duty.duties(session) if each.extension and each.person_id != who.person_id]
    return page(request, "desk/colleagues.html", colleagues=sorted(others, key=_nearness))


def _nearness(one: Duty) -> tuple[int, str]:
    order = ("ready", "paused", "wrapup", "joining", "ringing", "talking", "unreachable", "off")
    return order.index(one.shown.value), one.extension
