"""Every route against its own description: whatever is sent, by whomever, nothing breaks, and what is
answered is what the document says. The document itself is not served."""

import re
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.core.failures import Failure
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import select

from cases import logins, people, units
from storage.staff import Person
from storage.tables import Attachment, Ticket
from storage.viewer import STAFF, Role
from tests.web.site import PASSWORD, Site
from tests.web.test_routes import app_of

ROLES = ("", *(role.value for role in STAFF))  # '': nobody is logged in
UNIT, LINE = "power", "962299"
# 503 says that it is not the moment: no telephone system here.
CLOSED = {("GET", "/readyz"), ("POST", "/call/visit"), ("POST", "/desk/calls/{call_id}/leader")}
# An attacker learns nothing of how it is made: no stack, no path, no statement, no version.
LEAKS = re.compile(
    r"Traceback|File \"/|site-packages|\.py\b|sqlalchemy|psycopg|\bSELECT\b.+\bFROM\b|"
    r"uvicorn|starlette|fastapi|pydantic|python/|(?:ValueError|TypeError|KeyError|DataError)",
    re.IGNORECASE,
)

LINE_TO_IT = requests.Session()
document: dict[str, Any] = app_of().openapi()
# The stream of notes ends with its browser only.
schema = schemathesis.openapi.from_dict(document).exclude(path="/events")


@pytest.fixture(scope="module", autouse=True)
def staff(site: Site) -> None:
    """One of each role, named after it."""
    with site.database.session(limit_seconds=60) as session:  # each password costs its hash
        units.sync(session, site.app.state.services.policy.units)
        for role in STAFF:
            unit = UNIT if role is Role.UNIT_CLERK else ""
            lines = (LINE,) if role in (Role.LEADER, Role.SECRETARY) else ()
            people.create_person(session, role.value, role.value, role, PASSWORD, unit=unit, lines=lines)


def cookies(site: Site, role: str) -> dict[str, str]:
    """A log-in of its own for each request: the one before may have logged out, or everybody."""
    if not role:
        return {}
    with site.database.session() as session:
        person = session.scalars(select(Person).where(Person.login == role)).one()
        token = logins.start_session(session, person, "127.0.0.1")
    return {f"hotline_session_{site.url.rpartition(':')[2]}": token}


@pytest.fixture(scope="module")
def known(site: Site) -> dict[str, list[Any]]:
    """Ids that exist, by the names that routes have for them."""
    with site.database.session() as session:
        attachments = list(session.scalars(select(Attachment.id)))
        numbers = list(session.scalars(select(Ticket.number)))
    return {
        "call_id": site.seed.calls,
        "number": numbers,
        "recording_id": site.seed.recordings,
        "attachment_id": attachments or [1],
    }


@schema.given(role=st.sampled_from(ROLES), choice=st.integers(0, 5))
@schema.parametrize()
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_route_answers_what_it_says_whatever_it_is_sent(
    case: schemathesis.Case, role: str, choice: int, site: Site, known: dict[str, list[Any]]
) -> None:
    for name, ids in known.items():
        if choice and name in (case.path_parameters or {}):  # else most would end at "there is no such thing"
            case.path_parameters[name] = ids[choice % len(ids)]
    asks = {"Origin": site.url, "Accept": "application/json" if choice % 2 else "text/html"}
    answer = case.call(
        base_url=site.url,
        headers=asks,
        cookies=cookies(site, role),
        session=LINE_TO_IT,
        allow_redirects=False,
    )
    route = (case.operation.method.upper(), case.operation.path)
    assert answer.status_code < 500 or (answer.status_code == 503 and route in CLOSED), answer.text
    if answer.status_code >= 400:
        assert not LEAKS.search(answer.text), answer.text
    assert not {"server", "x-powered-by"} & set(answer.headers) or answer.headers["server"] == ["uvicorn"]
    try:
        case.validate_response(
            answer,
            checks=[status_code_conformance, content_type_conformance, response_schema_conformance],
        )
    except Failure as fault:  # with what was asked, and by whom
        raise AssertionError(f"{route} as {role or 'nobody'}: {fault}") from fault


def test_the_document_is_not_served(site: Site) -> None:
    client = site.client("admin")
    for path in ("/openapi.json", "/docs", "/redoc", "/docs/oauth2-redirect"):
        assert client.get(path).status_code == 404
