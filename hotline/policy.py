"""`hotline policy`: what a city's file says, whether it can be used, and what it makes due when."""

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from hotline.faults import errors, foreseen

if TYPE_CHECKING:
    from routing.policy import Policy
    from routing.working_time import Calendar

WIDE = 200  # columns of a file or pipe: no name is cut

app = typer.Typer(no_args_is_help=True, help="A city's policy file.")

File = Annotated[
    Path | None, typer.Argument(metavar="[FILE]", help="A policy file; the running city's if left out.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
English = Annotated[bool, typer.Option("--en", help="Names in English.")]


@app.command()
def show(file: File = None, as_json: AsJson = False, en: English = False) -> None:
    """What it says: lines, kinds and their limits, categories, who rules, ladders, and what was assumed."""
    from hotline import policy_words

    with foreseen():
        city = _load(file)
        if as_json:
            _print(city.model_dump(mode="json"))
            return
        screen = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else WIDE)
        for block in policy_words.told(city, "en" if en else "zh"):
            screen.print(block)


@app.command()
def check(file: File = None, as_json: AsJson = False) -> None:
    """Whether it can be used: a line for each fault, with its key and what would be right; exit 1 on any."""
    from routing.terms import PolicyError

    name = str(_file(file))
    try:
        city = _load(file)
    except PolicyError as refused:
        if as_json:
            _print({"file": name, "ok": False, "faults": [asdict(fault) for fault in refused.faults]})
        else:
            print("\n".join(map(str, refused.faults)))
        sys.exit(1)
    if as_json:
        _print({"file": name, "ok": True, "faults": [], "assumed": list(city.assumed)})
        return
    print(
        f"{name}: {city.name} can be used; {len(city.lines)} lines, {len(city.units)} units, "
        f"{len(city.kinds)} kinds, {len(city.categories)} categories, {len(city.assumed)} assumed"
    )


@app.command()
def deadline(
    kind: Annotated[str, typer.Option(help="Code of a kind.")],
    file: File = None,
    category: Annotated[str, typer.Option(help="Code of a category.")] = "",
    urgency: Annotated[str, typer.Option(help="normal, urgent or critical.")] = "normal",
    choice: Annotated[str, typer.Option(help="Code of a limit to choose instead, such as complex.")] = "",
    opened: Annotated[
        str, typer.Option(help="When the clock starts, the city's time; now if left out.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """What is due when, and why; provisional where a year had a say whose holidays are not announced.

    Over the running city's calendar; the published one, if a file is given or no database answers.
    """
    from hotline import policy_words

    with foreseen():
        city = _load(file)
        _known("--kind", kind, [each.code for each in city.kinds])
        _known("--category", category, ["", *(each.code for each in city.categories_of(kind))])
        _known("--urgency", urgency, ["normal", "urgent", "critical"])
        _known("--choice", choice, ["", *city.kind(kind).longer])
        calendar, of_city = _calendar() if file is None else _published()
        asked = policy_words.Asked(_moment(opened, city), kind, category, urgency, choice)
        found = policy_words.reckoned(asked, city, calendar)
    if as_json:
        _print({**found, "calendar": "city" if of_city else "published"})
        return
    for line in policy_words.due_lines(found):
        print(line)
    if found["provisional"]:
        errors.print("provisional: holidays of a year it touches are not announced yet")


def _load(file: Path | None) -> "Policy":
    """Raises PolicyError."""
    from routing import policy as policies

    return policies.load(_file(file))


def _file(file: Path | None) -> Path:
    from hotline import settings

    return file or settings.load().policy


def _known(option: str, code: str, codes: list[str]) -> None:
    if code not in codes:
        known = ", ".join(each for each in codes if each)
        raise typer.BadParameter(
            f'"{code}" is none of its codes: {known or "it has none"}', param_hint=option
        )


def _moment(typed: str, city: "Policy") -> datetime:
    try:
        at = datetime.fromisoformat(typed) if typed else datetime.now(UTC)
    except ValueError:
        raise typer.BadParameter("write it as 2026-02-13T10:00", param_hint="--opened") from None
    return at if at.tzinfo else at.replace(tzinfo=city.zone)


def _calendar() -> "tuple[Calendar, bool]":
    """The running city's, and True; the published one where no database answers."""
    from contextlib import closing

    from cases.deadlines import load_calendar
    from hotline import settings, wiring
    from hotline.home import Home
    from storage.database import Database

    try:
        chosen = settings.load()
        url = wiring.database_url(chosen, Home(chosen.home))
        with closing(Database(url, pool_size=1)) as database, database.session() as session:
            return load_calendar(session), True
    except wiring.FORESEEN as away:
        errors.print(f"by the published calendar, not the city's own: {escape(str(away).splitlines()[0])}")
        return _published()


def _published() -> "tuple[Calendar, bool]":
    from cases.deadlines import published_calendar

    return published_calendar(), False


def _print(document: Any) -> None:
    print(json.dumps(document, ensure_ascii=False, indent=2))
