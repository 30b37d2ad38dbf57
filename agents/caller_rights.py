"""What a caller may ask of those who keep her data: to see all of it on a sheet, to have it erased."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from agents.parties import Id, Shower
from cases import erasing, personal
from cases.errors import Refused as Faulty
from cases.held import held
from cases.parties import kept_caller
from cases.permissions import Action
from cases.retention import Files
from storage.viewer import Viewer
from web.login import needs, services
from web.render import page

router = APIRouter()
Eraser = Annotated[Viewer, Depends(needs(Action.ERASE))]
LIMIT_SECONDS = 60.0


@router.post("/callers/{caller_id}/sheet")
def sheet(request: Request, caller_id: Id, who: Shower) -> Response:
    """All that is held about her, in full, to print and hand over; on record (PIPL 45)."""
    with services(request).database.session() as session:
        found = held(session, who, caller_id)
    return page(request, "callers_sheet.html", held=found, printed_at=datetime.now(UTC))


@router.get("/callers/{caller_id}/erasure")
def erasure_page(request: Request, caller_id: Id, who: Eraser) -> Response:
    """What would be erased, and why it can't be now."""
    return _erasure(request, caller_id, who)


@router.post("/callers/{caller_id}/erasure")
def erase(request: Request, caller_id: Id, who: Eraser) -> Response:
    """Erases her data (PIPL 47), or says why not. Files that cannot be removed leave it to be done again."""
    at = services(request)
    files = Files(at.recordings, at.attachments or at.recordings)  # without a folder there are no attachments
    try:
        with at.database.session(LIMIT_SECONDS) as session:
            hers = erasing.of_record(session, who, kept_caller(session, who, caller_id).id)
            erasing.erase(session, who, hers, files)
    except Faulty:
        return _erasure(request, caller_id, who, 409)
    return RedirectResponse(f"/callers/{caller_id}", status_code=303)


def _erasure(request: Request, caller_id: int, who: Viewer, status: int = 200) -> Response:
    with services(request).database.session() as session:
        caller = kept_caller(session, who, caller_id)
        hers = erasing.of_record(session, who, caller.id)
        context: dict[str, Any] = {
            "person": personal.shown(caller, full=False),
            "counts": {"calls": len(hers.calls), "tickets": len(hers.tickets), "numbers": len(hers.numbers)},
            "needed": erasing.needed(session, hers),
        }
    return page(request, "callers_erasure.html", status, **context)
