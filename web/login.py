"""Logging in and out, and the dependencies that tell a page who is looking.

`viewer` is what nearly every handler wants; `signed_in` gives the whole log-in; `needs(...)` limits by role.
A person's own page is web/me.py.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import FileResponse, RedirectResponse, Response
from sqlalchemy.orm import Session

from cases.permissions import Action, demand
from storage.viewer import Viewer
from web.answers import file_of
from web.attempts import Attempts, Source
from web.checks import COME_AGAIN_SECONDS, Busy, Checks
from web.faults import NotLoggedIn, OwesTotp
from web.render import page
from web.services import Services
from web.sessions import Login, Sessions

router = APIRouter()
Handler = TypeVar("Handler", bound=Callable[..., Any])


BROWSER_SECONDS = 400 * 86_400  # how long a browser is known; what browsers keep a cookie at most


def cookie_name(request: Request) -> str:
    """One name per port: browsers share cookies between the ports of a host, two hotlines must not."""
    return _cookie(request, "session")


def _cookie(request: Request, what: str) -> str:
    """Under HTTPS with the prefix by which browsers take it from this very host alone (RFC 6265bis)."""
    prefix = "__Host-" if request.url.scheme == "https" else ""
    return f"{prefix}hotline_{what}_{request.url.port or request.url.scheme}"


def _set_cookie(
    request: Request, answer: Response, what: str, value: str, seconds: int | None = None
) -> None:
    answer.set_cookie(
        _cookie(request, what),
        value,
        max_age=seconds,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
        path="/",
    )


def address(request: Request) -> str:
    """The peer's IP address."""
    return request.client.host if request.client else ""


def services(request: Request) -> Services:
    """What `create_app` was given."""
    found = request.app.state.services
    assert isinstance(found, Services)
    return found


def current(request: Request, within: Session | None = None) -> Login | None:
    """Who is logged in, looked up once per request. Raises DatabaseAway when that cannot be known."""
    if not hasattr(request.state, "login"):
        request.state.login = None
        token = request.cookies.get(cookie_name(request), "")
        if token:
            sessions: Sessions = request.app.state.sessions
            request.state.login = sessions.find(token, address(request), within)
    found: Login | None = request.state.login
    return found


def signed_in(request: Request) -> Login:
    """Dependency: the log-in; raises NotLoggedIn, which becomes the log-in page or a notice, or OwesTotp."""
    return _whole(current(request))


def half_signed_in(request: Request) -> Login:
    """Dependency of the few pages that are open to who owes a second step: to set it up, or to leave."""
    found = current(request)
    if found is None:
        raise NotLoggedIn
    return found


def _whole(found: Login | None) -> Login:
    if found is None:
        raise NotLoggedIn
    if found.owes_totp:
        raise OwesTotp
    return found


async def viewer(login: Annotated[Login, Depends(signed_in)]) -> Viewer:
    """Dependency: who is looking, for every query."""
    return login.viewer


@dataclass(frozen=True, slots=True)
class needs:  # noqa: N801 - reads as the function that a dependency is
    """Dependency: who is looking, if her role may do this; else a page that says so.

    A value, so that a test can ask every route what it needs.
    """

    action: Action

    async def __call__(self, who: Annotated[Viewer, Depends(viewer)]) -> Viewer:
        demand(who, self.action)
        return who


def needs_within(action: Action) -> Callable[[Handler], Handler]:
    """Marks a handler that asks what `needs` asks, but by `viewer_within` in a transaction of its own."""

    def mark(handler: Handler) -> Handler:
        handler.action = action  # type: ignore[attr-defined]
        return handler

    return mark


def viewer_within(request: Request, session: Session, action: Action) -> Viewer:
    """What `needs` gives, asked in a transaction that is open already: a ring leaves no time for two."""
    found = _whole(current(request, session))
    demand(found.viewer, action)
    return found.viewer


def local_path(wanted: str) -> str:
    """Where to go after logging in: a path of ours, never another site."""
    try:
        parts = urlsplit(wanted)
    except ValueError:  # `//[`, say
        return "/"
    plain = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and not parts.netloc
    return wanted if plain and not parts.path.startswith(("/login", "/logout")) else "/"


@router.get("/login")
def login_page(request: Request, next: str = "/") -> Response:
    """The log-in page; goes straight on when already logged in."""
    if current(request):
        return RedirectResponse(local_path(next), status_code=303)
    return page(request, "login.html", next=local_path(next), name="", error="")


@router.post("/login")
def log_in(
    request: Request,
    name: Annotated[str, Form(max_length=100)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    next: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Checks the password; a wrong one gives the page back with what was typed and a reason."""
    name, target = name.strip().lower(), local_path(next)
    attempts: Attempts = request.app.state.attempts
    checks: Checks = request.app.state.checks
    sessions: Sessions = request.app.state.sessions
    source = source_of(request)
    wait = attempts.wait_seconds(source, name)
    if wait > 0:
        return _again(request, "login.html", "login.wait", int(wait) + 1, next=target, name=name)
    agent = request.headers.get("user-agent", "")
    try:
        begun = checks.run(source, lambda: sessions.begin(name, password, address(request), agent))
    except Busy:
        return _again(request, "login.html", "login.busy", COME_AGAIN_SECONDS, next=target, name=name)
    if begun is None:
        attempts.failed(source, name)
        error = "login.wrong" if name and password else "login.empty"
        return page(request, "login.html", 422, next=target, name=name, error=error)
    attempts.succeeded(source, name)
    if begun.awaits_code:
        answer: Response = RedirectResponse(f"/login/code?next={quote(target)}", status_code=303)
        _set_cookie(request, answer, "session", begun.token)
        return answer
    return let_in(request, begun.token, target)


@router.get("/login/code")
def code_page(request: Request, next: str = "/") -> Response:
    """Asks for the app's code, of whoever gave the right password just now."""
    sessions: Sessions = request.app.state.sessions
    if sessions.awaiting(request.cookies.get(cookie_name(request), "")) is None:
        return RedirectResponse(f"/login?next={quote(local_path(next))}", status_code=303)
    return page(request, "login_code.html", next=local_path(next), error="")


@router.post("/login/code")
def give_code(
    request: Request,
    code: Annotated[str, Form(max_length=40)] = "",
    next: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """The second step: a code of the app, or a recovery code."""
    sessions: Sessions = request.app.state.sessions
    attempts: Attempts = request.app.state.attempts
    token, target = request.cookies.get(cookie_name(request), ""), local_path(next)
    login = sessions.awaiting(token)
    if login is None:
        return page(request, "login.html", 422, next=target, name="", error="login.anew")
    source, counted = source_of(request), f"code {login}"
    wait = attempts.wait_seconds(source, counted)
    if wait > 0:
        return _again(request, "login_code.html", "login.wait", int(wait) + 1, next=target)
    whole = sessions.prove(token, code)
    if whole is None:
        attempts.failed(source, counted)
        if sessions.awaiting(token) is None:
            return page(request, "login.html", 422, next=target, name=login, error="login.anew")
        return page(request, "login_code.html", 422, next=target, error="login.code_wrong")
    attempts.succeeded(source, counted)
    return let_in(request, whole, target)


def let_in(request: Request, token: str, target: str) -> Response:
    """The answer to a log-in that is whole: its cookie, and the one by which the browser is known."""
    sessions: Sessions = request.app.state.sessions
    known = sessions.remember_browser(request.cookies.get(_cookie(request, "browser"), ""))
    answer = RedirectResponse(target, status_code=303)
    _set_cookie(request, answer, "session", token)
    _set_cookie(request, answer, "browser", known, BROWSER_SECONDS)
    return answer


def source_of(request: Request) -> Source:
    """Where a try to log in comes from: the browser, if it is known, else its address."""
    sessions: Sessions = request.app.state.sessions
    token = request.cookies.get(_cookie(request, "browser"), "")
    if token and sessions.knows_browser(token):
        return Source(hashlib.sha256(token.encode()).hexdigest(), known=True)
    return Source(address(request))


def _again(request: Request, template: str, error: str, seconds: int, **context: str) -> Response:
    again = {"Retry-After": str(seconds)}
    return page(request, template, 429, again, error=error, seconds=seconds, **context)


@router.get("/hotline-ca.crt", responses=file_of("A certificate", "application/x-x509-ca-cert"))
def authority(request: Request) -> Response:
    """The certificate of our own authority, for the trust store of another PC; public, no secret in it."""
    file = services(request).authority
    if file is None or not file.is_file():
        raise HTTPException(404)
    kept = {"Cache-Control": "no-store"}
    return FileResponse(file, media_type="application/x-x509-ca-cert", filename=file.name, headers=kept)


@router.post("/logout")
def log_out(request: Request) -> Response:
    """Ends the session here and now, in every tab of this browser."""
    found = current(request)
    if found:
        sessions: Sessions = request.app.state.sessions
        sessions.end(request.cookies.get(cookie_name(request), ""))
        request.app.state.hub.close_session(found.session_id)
    answer = RedirectResponse("/login", status_code=303)
    secure = request.url.scheme == "https"
    answer.delete_cookie(cookie_name(request), path="/", secure=secure, httponly=True)
    return answer


def login_address(request: Request) -> str:
    """The log-in page that leads back to where the person was."""
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"/login?next={quote(path if request.method == 'GET' else '/')}"
