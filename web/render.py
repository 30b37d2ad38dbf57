"""Pages from templates: one Jinja environment per language, one answer for shell, fragment and JSON.

A template extends `layout`: the whole shell for a page opened by address, `main` alone for htmx.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import CodeType
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.bccache import Bucket

from cases.permissions import may
from routing.numbers import display
from web import moments
from web.assets import StaticFolders
from web.browsers import named
from web.fault_names import name_fields
from web.marks import mark
from web.messages import LANGUAGES, Catalogue, preferred
from web.services import Room, Services

HERE = Path(__file__).parent
WEB = Room(name="web", folder=HERE)


@dataclass(frozen=True, slots=True)
class Look:
    """How this person wants to see pages."""

    language: str
    theme: str  # auto | light | dark


def look(request: Request) -> Look:
    """Her language (account, else ?language=, else browser) and theme (cookie)."""
    login = getattr(request.state, "login", None)
    asked = request.query_params.get("language") or preferred(request.headers.get("accept-language", ""))
    language = login.language if login else asked
    theme = request.cookies.get("theme", "auto")
    return Look(
        language if language in LANGUAGES else LANGUAGES[0], theme if theme in ("light", "dark") else "auto"
    )


def is_fragment(request: Request) -> bool:
    """True when htmx asks; the shell is then on the screen already and must stay."""
    return request.headers.get("hx-request") == "true"


class Compiled(BytecodeCache):
    """What templates compile to, which is the same in every language; for as long as the process lasts."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, CodeType]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        checksum, code = self._kept.get(bucket.key, ("", None))
        if checksum == bucket.checksum:
            bucket.code = code

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self._kept[bucket.key] = bucket.checksum, bucket.code


COMPILED = Compiled()


class Renderer:
    """Templates, catalogues and static addresses of all rooms."""

    def __init__(self, services: Services, rooms: Iterable[Room]) -> None:
        self.services = services
        self.rooms = (WEB, *rooms)
        self.static = StaticFolders({room.name: room.folder / "static" for room in self.rooms})
        folders = [room.folder / "messages" for room in self.rooms]
        self.catalogues = {language: Catalogue(language, folders) for language in LANGUAGES}
        self.environments = {language: self._environment(language) for language in LANGUAGES}

    def _environment(self, language: str) -> Environment:
        t = self.catalogues[language]
        environment = Environment(
            loader=FileSystemLoader([room.folder / "templates" for room in self.rooms]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            bytecode_cache=COMPILED,
        )
        zone = ZoneInfo(self.services.policy.time_zone)
        environment.globals.update(
            t=t, lang=language, static=self.static.address, mark=mark, may=may, policy=self.services.policy
        )
        environment.filters["phone"] = display
        environment.filters["browser"] = _bound(_browser, t, zone)
        environment.filters.update(
            {name: _bound(function, t, zone) for name, function in moments.FILTERS.items()}
        )
        return environment

    def prepare(self, *templates: str) -> None:
        """Compile what somebody will wait for, includes and imports too, before she does."""
        for environment in self.environments.values():
            for template in templates:
                environment.get_template(template)

    def html(self, request: Request, template: str, **context: Any) -> str:
        """The template as text; `layout` is the shell or the fragment, as the request needs."""
        seen = look(request)
        login = getattr(request.state, "login", None)
        context.setdefault("layout", "fragment.html" if is_fragment(request) else "shell.html")
        text = (
            self.environments[seen.language]
            .get_template(template)
            .render(
                request=request,
                login=login,
                theme=seen.theme,
                rooms=self.rooms,
                path=request.url.path,
                **context,
            )
        )
        return name_fields(text, self.catalogues[seen.language])


def _browser(user_agent: str, t: Catalogue, _zone: ZoneInfo) -> str:
    return named(user_agent) or t("session.unknown_browser")


def _bound(function: Any, t: Catalogue, zone: ZoneInfo) -> Any:
    """A filter in this language. That it asks for the context keeps it from being reckoned while compiled."""

    @pass_context
    def filtered(_context: Any, value: Any, *rest: Any) -> str:
        return "" if value is None else str(function(value, t, zone, *rest))

    return filtered


def renderer(request: Request) -> Renderer:
    """The application's renderer."""
    found = request.app.state.renderer
    assert isinstance(found, Renderer)
    return found


def page(
    request: Request,
    template: str,
    /,
    status: int = 200,
    headers: dict[str, str] | None = None,
    **context: Any,
) -> HTMLResponse:
    """A page (or, for htmx, its `main`). Never cached: it may hold a caller's words."""
    own = {"Cache-Control": "no-store", "Vary": "HX-Request"}
    if is_fragment(request) and request.method != "GET":
        own["HX-Push-Url"] = "false"  # the answer to an act is no place to come back to
    text = renderer(request).html(request, template, **context)
    return HTMLResponse(text, status_code=status, headers=own | (headers or {}))


def translate(request: Request) -> Catalogue:
    """t() for Python: `t = translate(request)`."""
    return renderer(request).catalogues[look(request).language]


def event(name: str, detail: Any = None) -> dict[str, str]:
    """The header that makes the browser fire `name` on the page once the answer is in."""
    return {"HX-Trigger": json.dumps({name: detail})}


def now() -> datetime:
    """The moment, with zone."""
    return datetime.now().astimezone()
