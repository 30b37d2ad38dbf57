"""`hotline erase`: a person's data erased on request (PIPL 47)."""

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from hotline.faults import errors, foreseen

if TYPE_CHECKING:
    from cases.erasing import Hers

app = typer.Typer(no_args_is_help=True, help="Erase somebody's data on request.")
LIMIT_SECONDS = 600.0
WHY_NOT = {
    ("calls", "live"): "a call of hers is on the line: wait for its end",
    ("calls", "held"): "a call of hers is held: have the hold lifted first",
    ("tickets", "open"): "a ticket of hers is open: close or withdraw it first",
    ("tickets", "held"): "a ticket of hers is held: have the hold lifted first",
}


@app.callback()
def _group() -> None:
    """Makes `caller` a word of its own."""


@app.command()
def caller(
    number: Annotated[str, typer.Argument(help="A number that she calls from.")],
    viewer: Annotated[
        str, typer.Option(help="Log-in of the one who may erase it; needed for what is sealed.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be erased.")] = False,
) -> None:
    """A caller's names, numbers and places, her recordings and attachments; matters and figures stay."""
    from cases import erasing
    from cases.errors import NotVisible, Refused
    from hotline import retention, settings, wiring
    from hotline.export import viewer_named
    from hotline.home import Home
    from routing.numbers import normalise
    from storage.database import Database

    with foreseen():
        chosen = settings.load()
        home = Home(chosen.home)
        known = normalise(number, wiring.policy(chosen).area_code).number or number
        url = wiring.database_url(chosen, home)
        try:
            with closing(Database(url, pool_size=1)) as database, database.session(LIMIT_SECONDS) as session:
                who = viewer_named(session, viewer)
                hers = erasing.of_caller(session, who, known)
                if not dry_run:
                    erasing.erase(session, who, hers, retention.files_of(home))
        except NotVisible:
            raise wiring.WiringError("nothing is on record of this number: see that it is whole") from None
        except Refused as fault:
            why = (WHY_NOT[each] for each in fault.faults.items())
            raise wiring.WiringError("\n".join(why)) from None
        errors.print(_told(hers, dry_run))


def _told(hers: "Hers", dry_run: bool) -> str:
    counts = f"{len(hers.calls)} calls, {len(hers.tickets)} tickets, {len(hers.numbers)} numbers"
    return f"would be erased: {counts}" if dry_run else f"erased: {counts}"
