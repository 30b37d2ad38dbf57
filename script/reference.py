"""Writes docs/reference/settings.md, commands.md, permissions.md, policy.md and docs/states.md from the code.

Run by script/reference; a test holds the files against the code.
"""

import sys
from collections.abc import Callable
from enum import Enum
from html import unescape
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typer.cli import get_docs_for_click

from cases.permissions import MEANS, NOTHING, OVER, Action, Scope, cell
from cases.states import ORDER, TICKET, Order, State, picture
from hotline.cli import app
from hotline.settings import CHECKOUT, PREFIX, Settings
from routing.policy import Policy
from storage.viewer import STAFF, Role
from web.messages import Catalogue

FOLDER = CHECKOUT / "docs" / "reference"
BY_SCRIPT = "Written by `script/reference` from the code; change it there.\n"
HOW_TO_SET = f"""\
Each is a variable of the environment, or a line `NAME=value` in `<home>/hotline.env` (the environment
wins; `{PREFIX}HOME` itself only in the environment). A misspelt name or a value that cannot be is refused
in one line with its remedy.

| setting | default | meaning |
|---|---|---|"""

HOW_TO_READ = """\
Who may do what, to which calls and tickets. Every act asks this table, every query of calls, tickets and
recordings turns its scope into SQL, and each line of the journal names the cell that allowed it, as
`role/action/scope`. A cell names the scope over what is ordinary:
"""
ACTIONS_OF = """\
**+ named** means: and of what is sealed that which she is named for; *sealed: named* means that alone. Over
what is sealed nobody has more. Who is **recused** (by her own word, by another's, or because her own unit or
one above it is accused) may do nothing at all to that call or ticket, whatever her cells say; to her, as to
all who are not named for a sealed one, it does not exist. An empty cell: not at all. A caller is no member
of staff and has no cell yet."""


KEYS_OF = """\
What a city's file may say; `hotline policy check FILE` says whether it does, [the how-to](../howto/policy.md)
what it means. Codes are of small letters, digits and `_`. A table by code is written as `[hours.quay]`, a
list of tables as `[[lines]]`."""


def settings() -> str:
    """Every setting, its default and what it means."""
    rows = (
        f"| `{PREFIX}{name.upper()}` | {_default(field)} | {_meaning(field)} |"
        for name, field in Settings.model_fields.items()
    )
    return "\n".join(("# Settings", "", BY_SCRIPT, HOW_TO_SET, *rows, ""))


def commands() -> str:
    """Every command with its arguments and options, as `--help` has them."""
    command = typer.main.get_command(app)
    told = get_docs_for_click(obj=command, ctx=typer.Context(command), name="hotline")
    title, _, rest = told.partition("\n")
    text = f"{title.replace('`hotline`', 'Commands')}\n\n{BY_SCRIPT}{rest}"
    return unescape("\n".join(line.rstrip() for line in text.splitlines())) + "\n"


def permissions() -> str:
    """The table of cases/permissions.py: a row an action, a column a role."""
    english = Catalogue("en", [CHECKOUT / "web" / "messages"])
    roles = {role: english(f"role.{role}") for role in STAFF}
    head = f"| action | {' | '.join(roles.values())} |\n|---|{'---|' * len(roles)}"
    rows = (
        f"| `{each}`: {MEANS[each]} | {' | '.join(_cell(role, each) for role in roles)} |" for each in Action
    )
    scopes = (f"- **{scope}**: {OVER[scope]}" for scope in Scope if scope is not Scope.NONE)
    return "\n".join(
        ("# Permissions", "", BY_SCRIPT, HOW_TO_READ, *scopes, "", ACTIONS_OF, "", head, *rows, "")
    )


def _cell(role: Role, action: Action) -> str:
    found = cell(role, action)
    if found == NOTHING:
        return ""
    if found.ordinary is Scope.NONE:
        return "sealed: named"
    return found.ordinary.value + (" + named" if found.sealed is Scope.NAMED else "")


def policy() -> str:
    """Every key of a policy file: what stands there and its default, a table for each model."""
    models: dict[str, type[BaseModel]] = {}
    _gather(Policy, models)
    return "\n".join(("# Keys of a policy", "", BY_SCRIPT, KEYS_OF, *map(_model, models.values())))


def _gather(kind: Any, models: dict[str, type[BaseModel]]) -> None:
    if isinstance(kind, type) and issubclass(kind, BaseModel) and kind.__name__ not in models:
        models[kind.__name__] = kind
        for field in kind.model_fields.values():
            _gather(field.annotation, models)
    for each in get_args(kind):
        _gather(each, models)


def _model(model: type[BaseModel]) -> str:
    told = model.__doc__ if model.__doc__ and not model.__doc__.startswith("!!!") else ""
    rows = (
        f"| `{name}` | {_kind_of(field.annotation)} | {_preset(field)} |"
        for name, field in model.model_fields.items()
    )
    head = ("", f"## {model.__name__}", "", *([" ".join(told.split()), ""] if told else ()))
    return "\n".join((*head, "| key | value | default |", "|---|---|---|", *rows, ""))


def _preset(field: FieldInfo) -> str:
    if field.is_required():
        return "**needed**"
    default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, BaseModel):
        return "its own"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return _default(field) if default else "none"


def _kind_of(kind: Any) -> str:
    """A type in words: `list of Line`, `` `before` or `after` ``."""
    inner = [each for each in get_args(kind) if each not in (Ellipsis, type(None))]
    origin = get_origin(kind)
    if origin is Literal:
        return " or ".join(f"`{each}`" if each else '`""`' for each in inner)
    if origin is tuple:
        return f"list of {_kind_of(inner[0])}"
    if origin is dict:
        return f"table of {_kind_of(inner[1])} by {_kind_of(inner[0])}"
    if origin is Annotated:
        return _kind_of(inner[0])
    if origin is not None:
        return " or ".join(_kind_of(each) for each in inner)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " or ".join(f"`{each.value}`" for each in kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return f"[{kind.__name__}](#{kind.__name__.lower()})"
    return {str: "text", int: "number", float: "number", bool: "`true` or `false`"}[kind]


def states() -> str:
    """The tables of cases/states.py as pictures, in the words of the pages and with their codes."""
    chinese = Catalogue("zh", [CHECKOUT / "web" / "messages", CHECKOUT / "agents" / "messages"])
    ticket = picture(TICKET, State.ACCEPTED, "ticket", chinese)
    order = picture(ORDER, Order.SENT, "order", chinese)
    head = "# The ticket's states", BY_SCRIPT, "Each state and step as the pages say it, with its code."
    return "\n".join((head[0], "", *head[1:], "", ticket, "", "## A unit's share of it", "", order, ""))


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings,
    "commands.md": commands,
    "permissions.md": permissions,
    "policy.md": policy,
    "../states.md": states,
}


def _default(field: FieldInfo) -> str:
    default = field.get_default()
    if field.default_factory is not None or default is PydanticUndefined:
        return "see there"
    if isinstance(default, Path):
        default = default.relative_to(CHECKOUT)
    if isinstance(default, Enum):
        default = default.value
    return f"`{default}`" if default not in ("", None) else "none"


def _meaning(field: FieldInfo) -> str:
    if not field.description:
        raise SystemExit(f"a setting without a docstring: {field}")
    return " ".join(field.description.split()).replace("|", "\\|")


def main() -> None:
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
        print(f"docs/reference/{name}", file=sys.stderr)


if __name__ == "__main__":
    main()
