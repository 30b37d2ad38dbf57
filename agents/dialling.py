"""Calls out of the house by a button: what the browser's phone has to dial, a token and no number."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session

from cases import dialling
from cases.dialling import Granted
from cases.errors import Refused as Faulty
from cases.permissions import Action
from storage.viewer import Viewer
from web.faults import Refused
from web.login import needs, services

router = APIRouter()
Caller = Annotated[Viewer, Depends(needs(Action.CALL_OUT))]
PREFIX = "out"  # what the dialplan knows a token by


@router.post("/tickets/{number}/dial")
def dial(
    request: Request,
    number: str,
    who: Caller,
    to: Annotated[str, Form(max_length=40)] = "",
) -> dict[str, str]:
    """`target` for the phone, good once and for a minute; `call_id` of the call that comes of it.

    `to`: a unit's telephone, for those who charge units; else the ticket's caller is called.
    """
    at, now = services(request), datetime.now(UTC)
    return _asked(request, lambda session: dialling.ask(session, who, number, at.policy, now, to.strip()))


@router.post("/calls/{call_id}/dial")
def dial_back(request: Request, call_id: str, who: Caller) -> dict[str, str]:
    """The same for the caller of a missed call."""
    at, now = services(request), datetime.now(UTC)
    return _asked(request, lambda session: dialling.ask_back(session, who, call_id, at.policy, now))


def _asked(request: Request, ask: Callable[[Session], Granted]) -> dict[str, str]:
    try:
        with services(request).database.session() as session:
            granted = ask(session)
    except Faulty as fault:
        field, code = next(iter(fault.faults.items()))
        raise Refused(f"dial.{code}", status=422 if field == "to" else 409, field=field) from fault
    return {"target": f"{PREFIX}{granted.token}", "call_id": granted.call_id}
