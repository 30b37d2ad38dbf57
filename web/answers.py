"""What routes may answer, as the OpenAPI document says it; it is not served, but tests hold routes to it.

A handler that returns a Response returns a page unless it declares something else; what is refused is told
alike everywhere (web/errors.py).
"""

import inspect
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from fastapi.routing import APIRoute

Answers = dict[int | str, dict[str, Any]]

_TEXT: Any = {"type": "string"}
_FAULT: Any = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message"],
            "properties": dict.fromkeys(("code", "message", "remedy", "field"), _TEXT)
            | {"fields": {"type": "object", "additionalProperties": _TEXT}},
            "additionalProperties": False,
        }
    },
    "additionalProperties": False,
}
PAGE: dict[str, Any] = {"text/html": {"schema": _TEXT}}
WHY = {
    400: "The request cannot be read",
    401: "Nobody is logged in, or no longer",
    403: "Not for this role, or sent by another site's page",
    404: "There is no such thing, or not for this person",
    409: "Somebody was faster, or it is not in the state for it",
    410: "It is gone",
    413: "Too large",
    415: "Of another kind than may come",
    422: "What was typed will not do",
    429: "Too often: Retry-After says when again",
}
_REFUSAL = PAGE | {"application/json": {"schema": _FAULT}}
EVERYWHERE: Answers = {status: {"description": why, "content": _REFUSAL} for status, why in WHY.items()}
EVERYWHERE[303] = {"description": "Go on there: to what was done, or to the log-in"}
AWAY: Answers = {503: {"description": "The telephone system is not there", "content": _REFUSAL}}


def json_of(**fields: str) -> dict[str, Any]:
    """The content of an answer that is a JSON object: the type of each field."""
    told = {name: {"type": kind} for name, kind in fields.items()}
    schema = {"type": "object", "properties": told, "additionalProperties": False}
    return {"application/json": {"schema": schema}}


def file_of(description: str, *kinds: str) -> Answers:
    """An answer that is neither a page nor data: its media types."""
    return {200: {"description": description, "content": {kind: {} for kind in kinds}}}


SOUND_OR_FILE: Answers = {
    206: {"description": "A part of it"},
    304: {"description": "As the browser has it"},
    416: {"description": "There is no such part"},
}


def declare(router: APIRouter) -> APIRouter:
    """Add to its routes what they leave unsaid."""
    for route in router.routes:
        if not isinstance(route, APIRoute):
            continue
        returned = inspect.signature(route.endpoint, eval_str=True).return_annotation
        if isinstance(returned, type) and issubclass(returned, Response):
            if 200 not in route.responses:
                route.response_class = HTMLResponse
            elif "application/json" not in route.responses[200]["content"]:
                route.response_class = Response
        route.responses = EVERYWHERE | route.responses
    return router
