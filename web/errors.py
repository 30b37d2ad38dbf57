"""When something goes wrong: a calm page, a notice or JSON; in the person's language, with what to do.

No traceback reaches anybody; each unforeseen error gets a number that the log carries too.
"""

import secrets
import traceback
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException

from cases import errors as cases
from storage.database import DatabaseAway
from web.faults import NotLoggedIn, OwesTotp, Refused
from web.guard import place
from web.login import current, login_address
from web.render import is_fragment, page, translate

log = structlog.get_logger()


def problem(
    request: Request,
    key: str,
    status: int,
    headers: dict[str, str] | None = None,
    field: str = "",
    **values: Any,
) -> Response:
    """The answer for a fault: JSON for programs, a notice for htmx acts, a page for navigation."""
    t = translate(request)
    title, remedy = t(f"{key}.title", **values), t(f"{key}.remedy", **values)
    if "application/json" in request.headers.get("accept", ""):
        body = {"error": {"code": key, "message": title, "remedy": remedy, "field": field}}
        return JSONResponse(body, status_code=status, headers=headers)
    context = {"title": title, "remedy": remedy, "key": key}
    acts = is_fragment(request) and (
        request.method != "GET" or request.headers.get("hx-target", "main") != "main"
    )
    if acts:  # never over what is being typed
        own = {
            "HX-Retarget": "#notice",
            "HX-Reswap": "innerHTML",
            "HX-Reselect": "unset",
            "HX-Push-Url": "false",
        }
        return page(request, "notice.html", status, own | (headers or {}), **context)
    return page(request, "error.html", status, headers, **context)


def settle(request: Request) -> None:
    """Know the person's language if that can be known."""
    try:
        current(request)
    except DatabaseAway:
        request.state.login = None


def refused(request: Request, error: Refused) -> Response:
    settle(request)
    return problem(request, error.key, error.status, field=error.field, **error.values)


def not_logged_in(request: Request, _error: NotLoggedIn) -> Response:
    wants_page = "text/html" in request.headers.get("accept", "")
    if request.method == "GET" and wants_page and not is_fragment(request):
        return RedirectResponse(login_address(request), status_code=303)
    return problem(request, "error.session", 401)


def owes_totp(request: Request, _error: OwesTotp) -> Response:
    wants_page = "text/html" in request.headers.get("accept", "")
    if request.method == "GET" and wants_page and not is_fragment(request):
        return RedirectResponse("/me/second-step", status_code=303)
    return problem(request, "error.owes_totp", 403)


def not_visible(request: Request, error: cases.NotVisible) -> Response:
    settle(request)
    handed_over = isinstance(error, cases.HandedOver)
    return problem(request, "error.handed_over" if handed_over else "error.missing", 404)


def not_allowed(request: Request, _error: cases.NotAllowed) -> Response:
    settle(request)
    return problem(request, "error.role", 403)


def faulty(request: Request, error: cases.Refused) -> Response:
    """Faults that the page did not show beside their fields."""
    settle(request)
    field = next(iter(error.faults))
    return problem(request, "error.input", 422, field=field, name=", ".join(error.faults))


def away(request: Request, error: DatabaseAway) -> Response:
    settle(request)
    log.warning("database away", path=place(request), error=str(error))
    return problem(request, "error.database", 503, {"Retry-After": "5"})


def invalid(request: Request, error: RequestValidationError) -> Response:
    settle(request)
    field = ".".join(str(part) for part in error.errors()[0]["loc"][1:])
    return problem(request, "error.input", 422, field=field, name=field)


def unstorable(request: Request, error: DataError) -> Response:
    """What was typed is nothing that the database can hold: a NUL, half a character, too large a number."""
    settle(request)
    log.warning("unstorable input", path=request.url.path, kind=type(error.orig).__name__)
    return problem(request, "error.unstorable", 422)


def by_status(request: Request, error: HTTPException) -> Response:
    settle(request)
    key = {403: "error.role", 404: "error.missing", 405: "error.method"}.get(error.status_code, "error.other")
    headers = dict(error.headers) if error.headers else None
    return problem(request, key, error.status_code, headers)


def unforeseen(request: Request, error: Exception) -> Response:
    settle(request)
    number = secrets.token_hex(4)
    log.error("unforeseen error", number=number, path=place(request), exception=_told(error))
    try:
        return problem(request, "error.ours", 500, number=number)
    except Exception as second:  # the page of the error is broken too
        log.error("error page failed", number=number, exception=_told(second))
        return PlainTextResponse(f"系统出错了 / Something broke: {number}", status_code=500)


def _told(error: Exception) -> str:
    """The traceback without the values of variables: they may be a caller's words."""
    return "".join(traceback.format_exception(error))


def forbidden(request: Request) -> Response:
    """The answer to an act that another site tried to make with our cookie."""
    request.state.login = None
    return problem(request, "error.origin", 403)


def install(app: FastAPI) -> None:
    """Hang the handlers on the application; what is unforeseen comes through web/guard.py."""
    handlers: list[tuple[type[Exception], Any]] = [
        (Refused, refused),
        (NotLoggedIn, not_logged_in),
        (OwesTotp, owes_totp),
        (cases.NotVisible, not_visible),
        (cases.NotAllowed, not_allowed),
        (cases.Refused, faulty),
        (DatabaseAway, away),
        (DataError, unstorable),
        (RequestValidationError, invalid),
        (HTTPException, by_status),
    ]
    for kind, handler in handlers:
        app.add_exception_handler(kind, handler)
