"""Calls out of the house by a button: what the browser's phone has to dial, a token and no number."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request

from cases import dialling
from cases.errors import Refused as Faulty
from cases.permissions import Action
from storage.viewer import Viewer
from web.faults import Refused
from web.login import needs, services

router = APIRouter()
PREFIX = "out"  # what the dialplan knows a token by


@router.post("/tickets/{number}/dial")
def dial(
    request: Request,
    number: str,
    who: Annotated[Viewer, Depends(needs(Action.CALL_OUT))],
    to: Annotated[str, Form(max_length=40)] = "",
) -> dict[str, str]:
    """`target` for the phone, good once and for a minute; `call_id` of the call that comes of it.

    `to`: a unit's telephone, for those who charge units; else the ticket's caller is called.
    """
    at = services(request)
    try:
        with at.database.session() as session:
            granted = dialling.ask(session, who, number, at.policy, datetime.now(UTC), to.strip())
    except Faulty as fault:
        field, code = next(iter(fault.faults.items()))
        raise Refused(f"dial.{code}", status=409 if field == "phone" else 422, field=field) from fault
    return {"target": f"{PREFIX}{granted.token}", "call_id": granted.call_id}
