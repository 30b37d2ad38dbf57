"""A person's own page: language, light or dark, where she is logged in."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from cases import logins, totp
from web.faults import Refused
from web.login import current, half_signed_in, services, signed_in
from web.messages import LANGUAGES
from web.render import event, is_fragment, page
from web.sessions import Login, Sessions

router = APIRouter()

Mine = Annotated[Login, Depends(signed_in)]


@router.get("/me")
def me(request: Request, login: Mine) -> Response:
    """The person's own choices and log-ins."""
    return _page(request, login)


def _page(
    request: Request, login: Login, headers: dict[str, str] | None = None, **context: object
) -> Response:
    with services(request).database.session() as session:
        sessions = logins.own_sessions(session, login.viewer)
        second_step = totp.is_on(session, login.viewer.person_id)
    return page(request, "me.html", 200, headers, sessions=sessions, second_step=second_step, **context)


def _done(
    request: Request, login: Login, headers: dict[str, str] | None = None, **context: object
) -> Response:
    """The page anew in the shell, or by address where there is no shell."""
    if is_fragment(request):
        return _page(request, login, headers, **context)
    return RedirectResponse("/me", status_code=303)


@router.post("/me/language")
def set_language(
    request: Request,
    login: Annotated[Login, Depends(half_signed_in)],
    language: Annotated[str, Form()],
) -> Response:
    """Changes the language of this person; the shell's words change in place, the phone stays."""
    if language not in LANGUAGES:
        raise Refused("error.language")
    sessions: Sessions = request.app.state.sessions
    sessions.set_language(login, language)
    if login.owes_totp:
        return RedirectResponse("/me/second-step", status_code=303)
    del request.state.login
    current(request)
    return _done(request, login, event("hotline:language", language), rail_too=True)


@router.post("/me/theme")
def set_theme(request: Request, login: Mine, theme: Annotated[str, Form()]) -> Response:
    """Light, dark or as the machine has it; a cookie, because it belongs to the screen."""
    if theme not in ("auto", "light", "dark"):
        raise Refused("error.theme")
    request.cookies["theme"] = theme
    answer = _done(request, login, event("hotline:theme", theme))
    secure = request.url.scheme == "https"
    answer.set_cookie("theme", theme, max_age=31_536_000, samesite="lax", secure=secure, path="/")
    return answer


@router.post("/me/sessions/end")
def end_session(request: Request, login: Mine, session_id: Annotated[int, Form(ge=1, lt=2**63)]) -> Response:
    """Ends one of her log-ins, here or on another computer."""
    if session_id == login.session_id:
        raise Refused("error.own_session", field="session_id")
    with services(request).database.session() as session:
        logins.end_own(session, login.viewer, session_id)
    return _done(request, login)


@router.post("/me/sessions/end-others")
def end_others(request: Request, login: Mine) -> Response:
    """Ends all her log-ins but this one."""
    with services(request).database.session() as session:
        logins.end_others(session, login.viewer, login.token_hash)
    return _done(request, login)
