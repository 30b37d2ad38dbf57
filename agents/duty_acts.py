"""The agent's own duty: on, paused with a reason, off, done with wrap-up.

Her wish is kept in one transaction, then told to Asterisk; with the telephone system away it stays
kept and `hotline clock` brings it about later (telephony/reconcile.py).
"""

from collections.abc import Callable
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Form, Request

from cases import duty
from cases.duty import Duty
from cases.errors import Refused as Faults
from cases.permissions import Action
from routing.policy import Policy
from storage.tables import Call
from telephony import duty as telephony
from telephony.ami import AmiError, AmiLink
from web.faults import Refused
from web.login import needs, services, signed_in
from web.messages import Catalogue
from web.render import translate
from web.sessions import Login

log = structlog.get_logger()
router = APIRouter(dependencies=[Depends(needs(Action.TAKE_CALLS))])


@router.get("/desk/duty")
def my_duty(request: Request, login: Annotated[Login, Depends(signed_in)]) -> dict[str, Any]:
    """What she wants to be and what the telephony sees of her."""
    return _told(request, login)


@router.post("/desk/duty")
def want(
    request: Request,
    login: Annotated[Login, Depends(signed_in)],
    wanted: Annotated[str, Form()],
    reason: Annotated[str, Form()] = "",
) -> dict[str, Any]:
    """Ready, paused for one of the policy's reasons, or off."""
    endpoint, at = _endpoint(login), services(request)
    if wanted == "paused" and reason not in {each.code for each in at.policy.pause_reasons}:
        raise Refused("desk.pause_reason", field="reason")
    try:
        with at.database.session() as session:
            kept = duty.set_wanted(session, login.viewer, login.viewer.person_id, wanted, reason)
    except Faults as faults:
        raise Refused("desk.duty_unknown", field=next(iter(faults.faults))) from faults
    queues = [queue.name for queue in at.policy.queues]

    def tell(link: AmiLink) -> None:
        telephony.wish(link, endpoint, kept.person_id, queues, wanted, reason, kept.live)

    return _told(request, login, "" if tell_phones(at.ami, tell) else "desk.duty.ami_down")


@router.post("/desk/wrapup/end")
def end_wrapup(request: Request, login: Annotated[Login, Depends(signed_in)]) -> dict[str, Any]:
    """She is done with the call before the limit passes."""
    endpoint, at = _endpoint(login), services(request)
    with at.database.session() as session:
        kept = duty.duty_of(session, login.viewer.person_id)

    def tell(link: AmiLink) -> None:
        telephony.end_wrapup(link, endpoint, kept.wanted, kept.wanted_reason)

    heard = tell_phones(at.ami, tell) if kept.live is duty.Live.WRAPUP else True
    return _told(request, login, "" if heard else "desk.duty.wrapup_unheard")


def _endpoint(login: Login) -> str:
    if not login.endpoint:
        raise Refused("phone.no_phone", status=409)
    return login.endpoint


def tell_phones(link: AmiLink | None, act: Callable[[AmiLink], None]) -> bool:
    """False when the telephone system could not be told now."""
    if link is None:
        return False
    try:
        act(link)
    except AmiError as error:
        log.warning("duty not told to the telephone system yet", error=str(error))
        return False
    return True


def _told(request: Request, login: Login, unheard: str = "") -> dict[str, Any]:
    """`unheard` is the key of what to say when the telephone system could not be told."""
    at, t = services(request), translate(request)
    with at.database.session() as session:
        now = duty.duty_of(session, login.viewer.person_id)
        call = session.get(Call, now.live_call_id) if now.live_call_id else None
        limit = _wrapup_seconds(at.policy, call.line if call else "")
    return {
        "wanted": now.wanted,
        "reason": now.wanted_reason,
        "reason_name": _reason_name(at.policy, now, t),
        "live": now.live,
        "live_at": now.live_at.isoformat(),
        "call_id": now.live_call_id,
        "wrapup_seconds": limit,
        "message": t(unheard) if unheard else "",
    }


def _reason_name(policy: Policy, now: Duty, t: Catalogue) -> str:
    named = {reason.code: reason.name.say(t.language) for reason in policy.pause_reasons}
    return named.get(now.wanted_reason, "")


def _wrapup_seconds(policy: Policy, dialled: str) -> int:
    line = policy.line(dialled)
    return (policy.queue(line.queue) if line else policy.queues[0]).wrapup_seconds
