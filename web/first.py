"""/first/…: the link that `hotline up` prints on an empty hotline makes the first administrator."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from cases import first, logins
from cases.errors import Refused as Faults
from cases.people import SHORTEST_PASSWORD
from web.checks import Busy, Checks
from web.faults import Refused
from web.login import address, let_in, services, source_of
from web.render import page

router = APIRouter(prefix="/first")


@router.get("/{token}")
def first_page(request: Request, token: str) -> Response:
    """The form; the link is not used up by looking."""
    with services(request).database.session() as session:
        good = first.opens(session, token)
    return _page(request, token, 200 if good else 404, good=good)


@router.post("/{token}")
def make_first(
    request: Request,
    token: str,
    login: Annotated[str, Form(max_length=100)] = "",
    name: Annotated[str, Form(max_length=100)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    again: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Makes the administrator and logs her in."""
    if password != again:
        return _page(request, token, 422, faults={"again": "differs"}, login=login, name=name)
    checks: Checks = request.app.state.checks

    def make() -> str | None:
        with services(request).database.session() as session:
            person = first.make_administrator(session, token, login, name, password)
            agent = request.headers.get("user-agent", "")
            return logins.start_session(session, person, address(request), agent) if person else None

    try:
        cookie = checks.run(source_of(request), make)
    except Busy:
        raise Refused("error.busy", status=429) from None
    except Faults as why:
        return _page(request, token, 422, faults=why.faults, login=login, name=name)
    return let_in(request, cookie, "/people") if cookie else _page(request, token, 404, good=False)


def _page(
    request: Request,
    token: str,
    status: int,
    *,
    good: bool = True,
    faults: dict[str, str] | None = None,
    login: str = "",
    name: str = "",
) -> Response:
    return page(
        request,
        "first.html",
        status,
        token=token,
        good=good,
        faults=faults or {},
        shortest=SHORTEST_PASSWORD,
        typed={"login": login, "name": name},
    )
