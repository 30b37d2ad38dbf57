"""回避 on the pages: recusing oneself from a call or ticket, recusing others, and lifting it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from agents.people import names_of
from cases import recusals
from cases.errors import Refused as Faulty
from cases.permissions import Action
from cases.recusals import REASONS, Kind
from cases.visible import reaches
from storage.tables import Call, Ticket
from storage.viewer import Viewer
from web.faults import Refused
from web.login import needs, services
from web.render import page

router = APIRouter()
Recuser = Annotated[Viewer, Depends(needs(Action.RECUSE_OTHERS))]
Person = Annotated[int, Form(ge=0, lt=2**63)]
Why = Annotated[str, Form(max_length=40)]


@router.post("/calls/{call_id}/recusal")
def leave_call(
    request: Request, call_id: str, who: Annotated[Viewer, Depends(needs(Action.SEE_CALLS))]
) -> Response:
    """By her own word: she does not see the call again."""
    return _leave(request, who, "call", call_id)


@router.post("/tickets/{number}/recusal")
def leave_ticket(
    request: Request, number: str, who: Annotated[Viewer, Depends(needs(Action.SEE_TICKETS))]
) -> Response:
    """By her own word: she does not see the ticket again, nor its calls."""
    return _leave(request, who, "ticket", number)


@router.post("/calls/{call_id}/recusals")
def recuse_from_call(
    request: Request, call_id: str, who: Recuser, person: Person = 0, why: Why = ""
) -> Response:
    """Somebody else must not know of the call."""
    _recuse(request, who, "call", call_id, person, why)
    return RedirectResponse(f"/calls/{call_id}", status_code=303)


@router.post("/tickets/{number}/recusals")
def recuse_from_ticket(
    request: Request, number: str, who: Recuser, person: Person = 0, why: Why = ""
) -> Response:
    """Somebody else must not know of the ticket."""
    _recuse(request, who, "ticket", number, person, why)
    return RedirectResponse(f"/tickets/{number}", status_code=303)


@router.post("/recusals/{recusal_id}/lift")
def lift(request: Request, recusal_id: int, who: Recuser) -> Response:
    """She may know of it again."""
    with services(request).database.session() as session:
        matter = recusals.lift(session, who, recusal_id)
        to = f"/calls/{matter.id}" if isinstance(matter, Call) else f"/tickets/{matter.number}"
    return RedirectResponse(to, status_code=303)


def left(request: Request) -> Response:
    """What she is told who knows no more of it; nothing of the matter itself."""
    return page(request, "recused.html")


def shown(session: Session, who: Viewer, matter: Call | Ticket) -> dict[str, Any]:
    """What a page says of recusals; the list is for those who may recuse others from this very matter."""
    if not reaches(session, who, Action.RECUSE_OTHERS, matter):
        return {"rows": [], "people": [], "names": {}, "reasons": REASONS}
    rows = recusals.recused_from(session, matter)
    return {
        "rows": rows,
        "people": recusals.choice_of_people(session, who),
        "names": names_of(session, {row.by_id for row in rows}),
        "reasons": REASONS,
    }


def _leave(request: Request, who: Viewer, kind: Kind, key: str) -> Response:
    with services(request).database.session() as session:
        recusals.recuse_self(session, who, kind, key)
    return left(request)


def _recuse(request: Request, who: Viewer, kind: Kind, key: str, person: int, why: str) -> None:
    try:
        with services(request).database.session() as session:
            recusals.recuse(session, who, kind, key, person, why)
    except Faulty as fault:
        raise Refused("recusal.refused", field=next(iter(fault.faults))) from fault
