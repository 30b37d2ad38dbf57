"""`hotline lab`: real test calls against the running system."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from hotline.faults import errors, foreseen

if TYPE_CHECKING:
    from hotline.lab.audio import Samples

app = typer.Typer(no_args_is_help=True, help="Real test calls against the running system.")
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


@app.command()
def call(
    to: Annotated[str, typer.Option(help="The number to dial.")],
    keys: Annotated[
        str,
        typer.Option(help="Keys to press, each when the menu is heard; , waits a second, ! presses at once."),
    ] = "",
    say: Annotated[
        Path | None, typer.Option(help="A sound file that the caller says, again and again.")
    ] = None,
    hold: Annotated[float, typer.Option(help="Seconds to stay after the keys.")] = 3.0,
    number: Annotated[
        str, typer.Option("--from", help="The caller's number; else one that is nobody's.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """One call, from the caller's side and from the record; exit 1 when they disagree."""
    from hotline.lab import report
    from hotline.lab.call import Wish, WrongUsage, a_number, place
    from hotline.lab.ground import ground
    from hotline.settings import load

    try:
        said = _sound(say) if say else None
        wish = Wish(to, number or a_number(), keys, hold, said)
    except WrongUsage as why:
        raise typer.BadParameter(str(why)) from None
    with foreseen(), ground(load()) as here:
        result = place(here, wish, _progress)
    if as_json:
        print(json.dumps(report.document(result), ensure_ascii=False, indent=1))
    else:
        report.show(result, Console(highlight=False, soft_wrap=True))
    sys.exit(0 if result.ok else 1)


@app.command()
def check(as_json: AsJson = False) -> None:
    """Every line, every menu path, one call answered in a browser: does this installation work?

    Two minutes; exit 1 on any fault.
    """
    from hotline.check import show
    from hotline.lab.check import run
    from hotline.settings import load

    with foreseen():
        sys.exit(show(run(load(), _progress), as_json=as_json))


def _progress(words: str) -> None:
    errors.print(f"[dim]{escape(words)}[/]")


def _sound(file: Path) -> "Samples":
    """What --say names. Raises WrongUsage."""
    import soundfile

    from hotline.lab import audio
    from hotline.lab.call import WrongUsage

    try:
        return audio.read_sound(file)
    except (OSError, soundfile.SoundFileError) as why:
        raise WrongUsage(f"--say {file}: {why}") from None
