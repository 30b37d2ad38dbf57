"""Writes docs/reference/settings.md and commands.md from the code; run by script/reference.

A test holds the files against the code.
"""

import sys
from collections.abc import Callable
from enum import Enum
from html import unescape
from pathlib import Path

import typer
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typer.cli import get_docs_for_click

from hotline.cli import app
from hotline.settings import CHECKOUT, PREFIX, Settings

FOLDER = CHECKOUT / "docs" / "reference"
BY_SCRIPT = "Written by `script/reference` from the code; change it there.\n"
HOW_TO_SET = f"""\
Each is a variable of the environment, or a line `NAME=value` in `<home>/hotline.env` (the environment
wins; `{PREFIX}HOME` itself only in the environment). A misspelt name or a value that cannot be is refused
in one line with its remedy.

| setting | default | meaning |
|---|---|---|"""


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


PAGES: dict[str, Callable[[], str]] = {"settings.md": settings, "commands.md": commands}


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
