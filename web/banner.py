"""GET /banner: what all (an upgrade is about to happen) or the leader (alarms) must know, above the page.

The shell asks for it when it opens and whenever the events `board.alarm` and `board.drain` say so.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from cases import alarms
from cases.permissions import Action, may
from storage.viewer import Viewer
from web.login import services, viewer
from web.render import page

router = APIRouter()


@router.get("/banner")
def banner(request: Request, who: Annotated[Viewer, Depends(viewer)]) -> Response:
    """Empty most of the time."""
    at = services(request)
    raised: list[alarms.Raised] = []
    if may(who, Action.SEE_ALARMS):
        with at.database.session() as session:
            raised = alarms.raised(session)
    return page(request, "banner.html", alarms=raised, draining=at.operations.is_draining())
