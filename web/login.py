"""Logging in and out, and the dependencies that tell a page who is looking.

`viewer` is what nearly every handler wants; `signed_in` gives the whole log-in; `needs(...)` limits by role.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import FileResponse, RedirectResponse, Response
from sqlalchemy.orm import Session

from cases.permissions import Action, demand
from storage.viewer import Viewer
from web.attempts import Attempts
from web.faults import NotLoggedIn, Refused
from web.messages import LANGUAGES
from web.render import event, is_fragment, page
from web.services import Services
from web.sessions import Login, Sessions

router = APIRouter()
Handler = TypeVar("Handler", bound=Callable[..., Any])


def cookie_name(request: Request) -> str:
    """One name per port: browsers share cookies between the ports of a host, two hotlines must not."""
    return f"hotline_session_{request.url.port or request.url.scheme}"


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
    """Dependency: the log-in; raises NotLoggedIn, which becomes the log-in page or a notice."""
    found = current(request)
    if found is None:
        raise NotLoggedIn
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
    found = current(request, session)
    if found is None:
        raise NotLoggedIn
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
    wait = attempts.wait_seconds(address(request), name)
    if wait > 0:
        again = {"Retry-After": str(int(wait) + 1)}
        context = {"next": target, "name": name, "error": "login.wait", "seconds": int(wait) + 1}
        return page(request, "login.html", 429, again, **context)
    sessions: Sessions = request.app.state.sessions
    token = sessions.begin(name, password, address(request), request.headers.get("user-agent", ""))
    if token is None:
        attempts.failed(address(request), name)
        error = "login.wrong" if name and password else "login.empty"
        return page(request, "login.html", 422, next=target, name=name, error=error)
    attempts.succeeded(address(request), name)
    answer = RedirectResponse(target, status_code=303)
    secure = request.url.scheme == "https"
    answer.set_cookie(cookie_name(request), token, httponly=True, samesite="lax", secure=secure, path="/")
    return answer


@router.get("/hotline-ca.crt")
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
        request.app.state.hub.close_session(found.token_hash)
    answer = RedirectResponse("/login", status_code=303)
    answer.delete_cookie(cookie_name(request), path="/")
    return answer


@router.get("/me")
def me(request: Request, _login: Annotated[Login, Depends(signed_in)]) -> Response:
    """The person's own choices: language and light or dark."""
    return page(request, "me.html")


@router.post("/me/language")
def set_language(
    request: Request,
    login: Annotated[Login, Depends(signed_in)],
    language: Annotated[str, Form()],
) -> Response:
    """Changes the language of this person; the shell's words change in place, the phone stays."""
    if language not in LANGUAGES:
        raise Refused("error.language")
    sessions: Sessions = request.app.state.sessions
    sessions.set_language(login, language)
    del request.state.login
    current(request)
    if not is_fragment(request):
        return RedirectResponse("/me", status_code=303)
    return page(request, "me.html", headers=event("hotline:language", language), rail_too=True)


@router.post("/me/theme")
def set_theme(
    request: Request,
    _login: Annotated[Login, Depends(signed_in)],
    theme: Annotated[str, Form()],
) -> Response:
    """Light, dark or as the machine has it; a cookie, because it belongs to the screen."""
    if theme not in ("auto", "light", "dark"):
        raise Refused("error.theme")
    request.cookies["theme"] = theme
    if is_fragment(request):
        answer: Response = page(request, "me.html", headers=event("hotline:theme", theme))
    else:
        answer = RedirectResponse("/me", status_code=303)
    secure = request.url.scheme == "https"
    answer.set_cookie("theme", theme, max_age=31_536_000, samesite="lax", secure=secure, path="/")
    return answer


def login_address(request: Request) -> str:
    """The log-in page that leads back to where the person was."""
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"/login?next={quote(path if request.method == 'GET' else '/')}"
