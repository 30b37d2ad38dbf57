"""Sealed matters on the pages: handing over and taking over, and unsealing by two people."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from cases import sealed, unsealing
from cases.errors import Refused as Faulty
from cases.permissions import Action
from cases.sealed import Kind
from cases.visible import reaches
from storage.tables import Call, Ticket
from storage.viewer import Viewer
from web.faults import Refused
from web.login import needs, services
from web.render import page

router = APIRouter()
Taker = Annotated[Viewer, Depends(needs(Action.HAND_OVER))]
Unsealer = Annotated[Viewer, Depends(needs(Action.UNSEAL))]


@router.post("/tickets/{number}/hand-over")
def hand_over_ticket(
    request: Request, number: str, who: Annotated[Viewer, Depends(needs(Action.SEE_TICKETS))]
) -> Response:
    """By her own word she loses sight of the ticket, its calls and recordings."""
    return _hand_over(request, who, "ticket", number)


@router.post("/calls/{call_id}/hand-over")
def hand_over_call(
    request: Request, call_id: str, who: Annotated[Viewer, Depends(needs(Action.SEE_CALLS))]
) -> Response:
    """By her own word she loses sight of the call, its recordings and tickets."""
    return _hand_over(request, who, "call", call_id)


@router.post("/tickets/{number}/take-over")
def take_over_ticket(request: Request, number: str, who: Taker) -> Response:
    """Whoever took it or wrote it down loses sight of it."""
    with services(request).database.session() as session:
        sealed.take_over(session, who, "ticket", number)
    return RedirectResponse(f"/tickets/{number}", status_code=303)


@router.post("/calls/{call_id}/take-over")
def take_over_call(request: Request, call_id: str, who: Taker) -> Response:
    """Whoever took it or wrote it down loses sight of it."""
    with services(request).database.session() as session:
        sealed.take_over(session, who, "call", call_id)
    return RedirectResponse(f"/calls/{call_id}", status_code=303)


@router.post("/tickets/{number}/unsealing")
def ask(
    request: Request, number: str, who: Unsealer, ground: Annotated[str, Form(max_length=5000)] = ""
) -> Response:
    """One asks, with a written ground."""
    try:
        with services(request).database.session() as session:
            unsealing.ask(session, who, number, ground, datetime.now(UTC))
    except Faulty as fault:
        raise Refused(f"unsealing.{fault.faults['ground']}", field="ground") from fault
    return RedirectResponse(f"/tickets/{number}", status_code=303)


@router.post("/tickets/{number}/unsealing/decision")
def decide(
    request: Request, number: str, who: Unsealer, decision: Annotated[Literal["grant", "refuse"], Form()]
) -> Response:
    """Another grants or refuses it."""
    try:
        with services(request).database.session() as session:
            unsealing.decide(session, who, number, decision == "grant", datetime.now(UTC))
    except Faulty as fault:
        raise Refused("unsealing.not_asked", status=409) from fault
    return RedirectResponse(f"/tickets/{number}", status_code=303)


def shown(session: Session, who: Viewer, matter: Call | Ticket) -> dict[str, Any]:
    """What a sealed ticket's or call's page says of handing it over and of unsealing it."""
    kind: Kind = "call" if isinstance(matter, Call) else "ticket"
    if not matter.sealed:
        return {"is_taken": False, "takers": [], "asked": None, "may_unseal": False}
    may_take = reaches(session, who, Action.HAND_OVER, matter)
    may_unseal = isinstance(matter, Ticket) and reaches(session, who, Action.UNSEAL, matter)
    return {
        "is_taken": sealed.may_hand_over(session, who, kind, matter.id),
        "takers": sealed.takers(session, matter) if may_take else [],
        "may_unseal": may_unseal,
        "asked": unsealing.asked(session, who, matter, datetime.now(UTC))
        if isinstance(matter, Ticket) and may_unseal
        else None,
    }


def _hand_over(request: Request, who: Viewer, kind: Kind, key: str) -> Response:
    try:
        with services(request).database.session() as session:
            sealed.hand_over(session, who, kind, key)
    except Faulty as fault:
        raise Refused(f"handover.{fault.faults['matter']}", status=409) from fault
    return page(request, "handed_over.html")
