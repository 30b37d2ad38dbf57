"""Where everybody is logged in: administrators end log-ins here, and a second step that was lost."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from cases import logins, totp
from cases.errors import NotVisible
from cases.errors import Refused as Faults
from cases.permissions import Action
from storage.viewer import Viewer
from web.login import needs, services
from web.render import page

router = APIRouter(prefix="/people/sessions")

Administrator = Annotated[Viewer, Depends(needs(Action.MANAGE_PEOPLE))]


@router.get("")
def sessions_page(request: Request, who: Administrator) -> Response:
    """Every open log-in, the one used last first; who has a second step."""
    with services(request).database.session() as session:
        seen = logins.all_sessions(session, who)
        second_step = totp.people_with(session, who)
    return page(request, "sessions.html", sessions=seen, second_step=second_step)


@router.post("/end")
def end_session(
    request: Request, who: Administrator, session_id: Annotated[int, Form(ge=1, lt=2**63)]
) -> Response:
    """Ends one log-in, wherever it is."""
    with services(request).database.session() as session:
        logins.revoke(session, who, session_id)
    return RedirectResponse("/people/sessions", status_code=303)


@router.post("/end-all")
def end_all(
    request: Request, who: Administrator, person_id: Annotated[int, Form(ge=1, lt=2**63)]
) -> Response:
    """Logs somebody out everywhere."""
    with services(request).database.session() as session:
        logins.revoke_all(session, who, person_id)
    return RedirectResponse("/people/sessions", status_code=303)


@router.post("/second-step-off")
def second_step_off(
    request: Request, who: Administrator, login: Annotated[str, Form(max_length=100)]
) -> Response:
    """For who lost her phone and her recovery codes: the password alone lets her in again."""
    with services(request).database.session() as session:
        try:
            totp.turn_off_for(session, who, login)
        except Faults as why:
            raise NotVisible("person", login) from why
    return RedirectResponse("/people/sessions", status_code=303)
