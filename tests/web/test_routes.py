"""Every route of the application carries the action that it needs, or stands here with the reason why not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.dependencies.models import Dependant
from starlette.routing import BaseRoute

from agents.room import room
from cases.permissions import Action
from doors.limits import Limits
from doors.relay import Door
from doors.room import room as doors
from reports.room import room as reports
from routing.policy import load
from storage.database import Database
from web.app import create_app
from web.login import needs
from web.services import Services

POLICY = Path(__file__).resolve().parents[2] / "policies" / "mianyang-962299.toml"

PUBLIC = {
    "GET /static/{path:path}": "files of ours, the same for everybody",
    "GET /healthz": "balancers ask, and are told nothing",
    "GET /readyz": "monitors ask, and are told parts without names",
    "GET /metrics": "figures, for the addresses that may read them",
    "GET /login": "nobody is logged in yet",
    "POST /login": "nobody is logged in yet",
    "GET /login/code": "half logged in: the second step",
    "POST /login/code": "half logged in: the second step",
    "GET /first/{token}": "there is nobody yet: the first administrator, by a link for one use",
    "POST /first/{token}": "there is nobody yet: the first administrator, by a link for one use",
    "GET /hotline-ca.crt": "the certificate that browsers must trust before anybody can log in",
    "POST /logout": "whoever leaves",
    "GET /call": "the public's page",
    "POST /call/visit": "the public's page",
    "WS /call/phone": "the public's phone, by the visit's token",
}
OF_EVERYBODY = {
    "GET /": "the way to one's first page",
    "GET /events": "one's own notes; topics are by person",
    "GET /notices": "one's own notices",
    "GET /notices/badge": "counts of one's own work, by the scopes of its pages",
    "POST /notices/seen": "one's own notices",
    "GET /notices/{notice_id}": "one of one's own notices; the ticket behind it asks for itself",
    "GET /banner": "that an upgrade comes concerns all; alarms are shown by SEE_ALARMS",
}
"""Of whoever is logged in, besides one's own account below /me."""


def app_of(database: Database | None = None) -> Any:
    """The application with every room that there is; nothing is asked of it here."""
    services = Services(database, load(POLICY), Path("/nowhere"))  # type: ignore[arg-type]
    door = Door("ws://127.0.0.1:1/ws", "secret", (), dict, Limits())
    return create_app(services, [room(), reports(), doors(door)])


def routes(app: Any) -> Iterator[tuple[str, BaseRoute]]:
    """Each route as "METHOD /path"; HEAD goes with GET."""
    included = [getattr(route, "original_router", None) for route in app.routes]
    own = [route for route in app.routes if not hasattr(route, "original_router")]
    for route in [*own, *(route for router in included if router for route in router.routes)]:
        methods = getattr(route, "methods", None) or {"WS"}
        for method in sorted(methods - {"HEAD"}):
            yield f"{method} {route.path}", route


def actions(route: BaseRoute) -> set[Action]:
    """What a route asks of the table before its handler begins, or says that it asks itself."""
    marked = getattr(getattr(route, "endpoint", None), "action", None)
    dependant = getattr(route, "dependant", None)
    found = set(_needed(dependant)) if dependant else set()
    return found | {marked} if marked else found


def _needed(dependant: Dependant) -> Iterator[Action]:
    for each in dependant.dependencies:
        if isinstance(each.call, needs):
            yield each.call.action
        yield from _needed(each)


def test_every_route_carries_its_action_or_is_known_to_need_none() -> None:
    free = PUBLIC | OF_EVERYBODY
    bare = [name for name, route in routes(app_of()) if not actions(route) and name not in free]
    assert [name for name in bare if not name.split(" ")[1].startswith("/me")] == []


def test_what_needs_no_action_is_there_and_needs_none() -> None:
    there = dict(routes(app_of()))
    assert {name for name in PUBLIC | OF_EVERYBODY if name not in there} == set()
    assert {name for name in PUBLIC | OF_EVERYBODY if actions(there[name])} == set()


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("GET /tickets/{number}", Action.SEE_TICKETS),
        ("GET /desk/calls/{call_id}", Action.TAKE_CALLS),
        ("GET /recordings/{recording_id}/audio", Action.HEAR),
        ("POST /recusals/{recusal_id}/lift", Action.RECUSE_OTHERS),
    ],
)
def test_the_action_is_found_wherever_it_is_asked(name: str, action: Action) -> None:
    assert actions(dict(routes(app_of()))[name]) == {action}
