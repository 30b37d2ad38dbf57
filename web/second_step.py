"""/me/second-step: an authenticator app is set up, or given up. The only page of who owes one."""

from typing import Annotated

import segno
from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup

from cases import logins, totp
from cases.errors import Refused as Faults
from storage.staff import Person
from web.attempts import Attempts
from web.checks import Busy, Checks
from web.faults import Refused
from web.login import half_signed_in, services, source_of
from web.render import page
from web.sessions import Login

router = APIRouter(prefix="/me/second-step")

Mine = Annotated[Login, Depends(half_signed_in)]
Password = Annotated[str, Form(max_length=1000)]
Code = Annotated[str, Form(max_length=40)]


@router.get("")
def second_step(request: Request, login: Mine) -> Response:
    """Whether a code is asked for at her log-in; what to do about it."""
    return _page(request, login)


@router.post("/begin")
def begin(request: Request, login: Mine, password: Password = "") -> Response:
    """Her password proves that it is she: then picture and secret are shown, here and never again."""
    if not _is_hers(request, login, password):
        return _page(request, login, 422, error="second_step.password_wrong", field="password")
    with services(request).database.session() as session:
        try:
            secret = totp.begin(session, login.viewer)
        except Faults:  # turned on in another tab
            return RedirectResponse("/me/second-step", status_code=303)
    return _show(request, login, secret)


@router.post("/finish")
def finish(request: Request, login: Mine, code: Code = "") -> Response:
    """A code proves the app; the recovery codes are shown once."""
    _mind_the_wait(request, login)
    with services(request).database.session() as session:
        codes = totp.finish(session, login.viewer, code)
        secret = totp.pending(session, login.viewer) if codes is None else None
    attempts: Attempts = request.app.state.attempts
    if codes is not None:
        attempts.succeeded(source_of(request), _counted(login))
        return page(request, "second_step_codes.html", codes=codes, owed=login.owes_totp)
    attempts.failed(source_of(request), _counted(login))
    if secret is None:
        return RedirectResponse("/me/second-step", status_code=303)
    return _show(request, login, secret, 422, error="login.code_wrong")


@router.post("/off")
def turn_off(request: Request, login: Mine, password: Password = "", code: Code = "") -> Response:
    """Given up by its owner, with password and code."""
    _mind_the_wait(request, login)
    if not _is_hers(request, login, password):
        return _page(request, login, 422, error="second_step.password_wrong", field="password")
    attempts: Attempts = request.app.state.attempts
    with services(request).database.session() as session:
        right = totp.accept(session, login.viewer, code)
        if right:
            totp.turn_off(session, login.viewer)
    if not right:
        attempts.failed(source_of(request), _counted(login))
        return _page(request, login, 422, error="login.code_wrong", field="code")
    return RedirectResponse("/me/second-step", status_code=303)


def _page(request: Request, login: Login, status: int = 200, error: str = "", field: str = "") -> Response:
    with services(request).database.session() as session:
        is_on = totp.is_on(session, login.viewer.person_id)
        left = totp.recovery_codes_left(session, login.viewer.person_id)
    return page(
        request,
        "second_step.html",
        status,
        is_on=is_on,
        left=left,
        error=error,
        field=field,
        owed=login.owes_totp,
    )


def _show(request: Request, login: Login, secret: str, status: int = 200, error: str = "") -> Response:
    """Picture, secret, and the field for the first code. The picture is part of the page."""
    uri = totp.address(secret, login.login, services(request).policy.name)
    picture = segno.make(uri, error="m", micro=False).svg_inline(scale=3, border=4, dark="#000", light="#fff")
    grouped = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
    return page(
        request,
        "second_step_set_up.html",
        status,
        picture=Markup(picture),  # noqa: S704 - drawn here from our own text; nothing of it is markup
        secret=grouped,
        error=error,
        owed=login.owes_totp,
    )


def _is_hers(request: Request, login: Login, password: str) -> bool:
    """Is it her password? Counted and queued as at the log-in. Raises Refused when she has to wait."""
    _mind_the_wait(request, login)
    attempts: Attempts = request.app.state.attempts
    checks: Checks = request.app.state.checks
    source = source_of(request)

    def look() -> bool:
        with services(request).database.session() as session:
            return logins.verifies(session.get(Person, login.viewer.person_id), password)

    try:
        right = checks.run(source, look)
    except Busy:
        raise Refused("error.busy", status=429) from None
    if not right:
        attempts.failed(source, _counted(login))
    return right


def _mind_the_wait(request: Request, login: Login) -> None:
    attempts: Attempts = request.app.state.attempts
    wait = attempts.wait_seconds(source_of(request), _counted(login))
    if wait > 0:
        raise Refused("error.wait", status=429, seconds=int(wait) + 1)


def _counted(login: Login) -> str:
    return f"code {login.login}"
