"""What the softphone asks for: where to register, its words in another language, whom it can call.

The phone itself is agents/phone/*.ts; duty is agents/duty_acts.py, the caller's record agents/desk.py.
"""

from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from cases import duty, phones
from cases.duty import Duty
from cases.permissions import Action
from storage.viewer import Role, Viewer
from telephony import phone_secrets
from telephony.ami import AmiError, AmiLink
from web.faults import Refused
from web.login import cookie_name, needs, services, signed_in, viewer
from web.render import page
from web.sessions import Login

log = structlog.get_logger(__name__)
router = APIRouter(dependencies=[Depends(needs(Action.CALL_OUT))])


@router.get("/phone/settings")
def phone_settings(
    request: Request, response: Response, login: Annotated[Login, Depends(signed_in)]
) -> dict[str, Any]:
    """Where this person's browser phone registers, and as whom. Seconds; never cached (it has a secret).

    The secret is this log-in's. Asterisk is told of it while her row is locked: two log-ins that ask at once
    are told in the order of their places.
    """
    response.headers["Cache-Control"] = "no-store"
    if not login.endpoint or login.phone != "browser":
        raise Refused("phone.no_phone", status=409)
    at = services(request)
    secret = phones.secret_of(request.cookies[cookie_name(request)])
    with at.database.session() as session:
        place = phones.place_for(session, login.token_hash)
        _let_in(at.phone_secrets, login.endpoint, place, phones.digest(login.endpoint, secret))
        leaders = [each for each in duty.duties(session) if each.role is Role.SHIFT_LEADER]
    queue = at.policy.queues[0]
    return {
        "ws": at.phone.address(request.url),
        "uri": f"sip:{login.endpoint}@{at.phone.domain(request.url)}",
        "endpoint": login.endpoint,
        "secret": secret,
        "name": login.viewer.name,
        "extension": login.extension or "",
        "leader": leaders[0].extension if leaders else "",
        "ring_seconds": queue.ring_seconds,
        "wrapup_seconds": queue.wrapup_seconds,
    }


def _let_in(link: AmiLink | None, endpoint: str, place: int, digest: str) -> None:
    """With Asterisk away the phone is refused, and asks here again."""
    try:
        if link is not None:
            phone_secrets.let_in(link, endpoint, place, digest)
    except AmiError as why:
        log.warning("phone_not_let_in_yet", why=str(why))


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
