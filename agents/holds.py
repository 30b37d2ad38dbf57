"""Legal hold on the pages of a call and a ticket: placing one, with its reason, and lifting it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from agents.people import names_of
from cases import holds
from cases.errors import Refused as Faulty
from cases.holds import Kind
from cases.permissions import Action
from cases.visible import reaches
from storage.tables import Call, Ticket
from storage.viewer import Viewer
from web.faults import Refused
from web.login import needs, services

router = APIRouter()
Holder = Annotated[Viewer, Depends(needs(Action.HOLD))]
Why = Annotated[str, Form(max_length=2000)]


@router.post("/calls/{call_id}/hold")
def hold_call(request: Request, call_id: str, who: Holder, why: Why = "") -> Response:
    """Keep the call and all that belongs to it from deletion."""
    return _hold(request, who, "call", call_id, why)


@router.post("/tickets/{number}/hold")
def hold_ticket(request: Request, number: str, who: Holder, why: Why = "") -> Response:
    """Keep the ticket and all that belongs to it from deletion."""
    return _hold(request, who, "ticket", number, why)


@router.post("/calls/{call_id}/hold/lift")
def lift_call(request: Request, call_id: str, who: Holder) -> Response:
    """The policy's days count again."""
    return _lift(request, who, "call", call_id)


@router.post("/tickets/{number}/hold/lift")
def lift_ticket(request: Request, number: str, who: Holder) -> Response:
    """The policy's days count again."""
    return _lift(request, who, "ticket", number)


def shown(session: Session, who: Viewer, matter: Call | Ticket) -> dict[str, Any] | None:
    """What a page says of the hold, for those who may place one on this very matter; None for all others."""
    if not reaches(session, who, Action.HOLD, matter):
        return None
    hold = holds.held(session, matter)
    by = names_of(session, {hold.by_id}) if hold else {}
    return {"hold": hold, "by": by, "stays": holds.stays(session, matter)}


def _hold(request: Request, who: Viewer, kind: Kind, key: str, why: str) -> Response:
    try:
        with services(request).database.session() as session:
            holds.place(session, who, kind, key, why)
    except Faulty as fault:
        raise Refused(f"hold.{fault.faults['why']}", field="why", most=holds.LONGEST_WHY) from fault
    return RedirectResponse(f"/{kind}s/{key}", status_code=303)


def _lift(request: Request, who: Viewer, kind: Kind, key: str) -> Response:
    with services(request).database.session() as session:
        holds.lift(session, who, kind, key)
    return RedirectResponse(f"/{kind}s/{key}", status_code=303)
