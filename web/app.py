"""The desk's web application, from what it is handed: no settings, no wiring here."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response

from cases.permissions import may
from web import answers, assets, banner, errors, first, health, login, me, metrics, second_step, sse
from web.attempts import Attempts
from web.checks import Checks
from web.guard import Guard
from web.render import Renderer
from web.services import Room, Services
from web.sessions import Sessions


def create_app(services: Services, rooms: Iterable[Room] = ()) -> FastAPI:
    """The application. `rooms` are the folders of pages that the shell shows, in the rail's order.

    Everything handlers need hangs on `app.state`: services, renderer, sessions, hub, attempts, checks.
    """
    rooms = tuple(rooms)
    hub = sse.Hub()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        if services.notes is not None:
            hub.feed(services.notes(), app.state.sessions.forget)
        yield
        hub.close_all()

    app = FastAPI(title="hotline", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.state.services = services
    app.state.renderer = Renderer(services, rooms)
    app.state.sessions = Sessions(services.database, services.totp_roles)
    app.state.attempts = Attempts()
    app.state.checks = Checks()
    app.state.readiness = health.Readiness()
    app.state.hub = hub
    errors.install(app)
    own = (assets, health, metrics, login, first, me, second_step, sse, banner)
    for router in (*(each.router for each in own), *(r for room in rooms for r in room.routers)):
        app.include_router(answers.declare(router))

    @app.get("/", include_in_schema=False)
    def first_page(request: Request) -> Response:
        """Her own work, as her role's room says; else the first entry of the rail that she may see."""
        who = login.signed_in(request).viewer
        places = [place for room in rooms for place in room.places]
        allowed = [place.opens(who) for place in places if place.action is None or may(who, place.action)]
        own = [room.starts[who.role] for room in rooms if room.starts.get(who.role) in allowed]
        return RedirectResponse([*own, *allowed, "/me"][0], status_code=303)

    app.add_middleware(Guard, phone=services.phone, forbidden=errors.forbidden, unforeseen=errors.unforeseen)
    return app
