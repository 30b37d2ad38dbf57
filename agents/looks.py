"""Who looked at what sealed matter: a page for the discipline office."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from agents.filters import Filter, Wanted, list_page
from cases.looks import Look, LookSearch, calls_without_sound, list_looks, people_who_looked
from cases.permissions import Action
from storage.viewer import Viewer
from web.login import needs, services

router = APIRouter()
WITHOUT_SOUND_FOR = timedelta(days=7)


@router.get("/looks")
def looks_page(
    request: Request,
    who: Annotated[Viewer, Depends(needs(Action.LIST_LOOKS))],
    typed: Annotated[Filter, Depends()],
) -> Response:
    """Looks newest first, found by person, matter and day."""
    with services(request).database.session() as session:
        people = people_who_looked(session, who)
        without_sound = calls_without_sound(session, who, datetime.now(UTC) - WITHOUT_SOUND_FOR)

    def find(session: Session, wanted: Wanted) -> list[Look]:
        search = LookSearch(**wanted.rows, person_id=wanted.agent_id, ticket=typed.ticket.strip())
        return list_looks(session, who, search)

    return list_page(request, "looks", typed, find, people=people, without_sound=without_sound)
