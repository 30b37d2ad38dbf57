"""纪检监察: the discipline office's page, of sealed matters that the viewer is named for."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from agents.tickets import due_state
from agents.waiting import waits
from cases import discipline, personal
from cases.discipline import LISTS
from cases.looks import LookSearch, list_looks
from cases.permissions import Action
from routing.policy import Policy
from storage.viewer import Viewer
from web.login import needs, services
from web.render import page

router = APIRouter()
ROWS, LOOKS = 50, 10


@waits("discipline")
def _waiting(session: Session, viewer: Viewer, _policy: Policy) -> dict[str, int]:
    found = discipline.counts(session, viewer, datetime.now(UTC))
    return {name: count for name, count in found.items() if name in ("asked", "late")}


@router.get("/discipline")
def discipline_page(
    request: Request,
    who: Annotated[Viewer, Depends(needs(Action.LIST_LOOKS))],
    which: Annotated[str, Query(alias="list", max_length=20)] = LISTS[0],
    number: Annotated[int, Query(alias="page", ge=1, le=10_000)] = 1,
) -> Response:
    """Matters by state and age; unsealings asked; what is to be handed over; the latest looks."""
    policy, now = services(request).policy, datetime.now(UTC)
    which = which if which in LISTS else LISTS[0]
    with services(request).database.session() as session:
        found = discipline.tray(session, who, which, now, ROWS + 1, (number - 1) * ROWS)
        context: dict[str, Any] = {
            "which": which,
            "lists": LISTS,
            "counts": discipline.counts(session, who, now),
            "rows": [
                (
                    personal.shown(ticket, full=personal.sees_ticket(session, who, ticket)),
                    due_state(ticket),
                    (now - ticket.created_at).days,
                )
                for ticket in found[:ROWS]
            ],
            "number": number,
            "more": len(found) > ROWS,
            "asked": discipline.requests(session, who, now),
            "handovers": discipline.hand_overs(session, who, policy),
            "looks": list_looks(session, who, LookSearch(limit=LOOKS)),
        }
    return page(request, "discipline.html", **context)
