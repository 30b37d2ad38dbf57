"""The command line; its names are a contract (docs/reference).

Words for people go to standard error or, where they are the answer, to standard output; with
`--json` standard output holds one JSON document. Exit: 0 fine, 1 a fault found, 2 wrong usage.
"""

import gc
import sys
from contextlib import closing
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from hotline import erase, journal, keys, people, policy
from hotline.faults import errors, foreseen
from hotline.lab.cli import app as lab

if TYPE_CHECKING:
    from hotline.home import Home
    from hotline.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # locals hold callers' data
    help="A hotline contact centre on Asterisk. Start with: hotline up",
)
app.add_typer(people.app, name="people")
app.add_typer(lab, name="lab")
app.add_typer(keys.app, name="keys")
app.add_typer(journal.app, name="journal")
app.add_typer(erase.app, name="erase")
app.add_typer(policy.app, name="policy")

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Parent = Annotated[int, typer.Option(hidden=True, help="End when this process does.")]


class Exported(StrEnum):
    calls = "calls"
    tickets = "tickets"


class Headings(StrEnum):
    zh = "zh"
    en = "en"


class Served(StrEnum):
    asterisk = "asterisk"
    postgres = "postgres"


@app.callback()
def command() -> None:
    """Before any command: what it logs is kept apart from what it answers."""
    from hotline import logs

    logs.aside()


@app.command()
def up() -> None:
    """Everything on this machine, until Ctrl-C."""
    from hotline.up import Up

    with foreseen():
        settings, home = _ground()
        Up(settings, home, Console(highlight=False)).run()


@app.command()
def ivr(parent: Parent = 0) -> None:
    """The voice menu: answers Asterisk's AGI."""
    _role("ivr", parent)


@app.command()
def desk(parent: Parent = 0) -> None:
    """The web desk."""
    _role("desk", parent)


@app.command()
def clock(parent: Parent = 0) -> None:
    """What happens by itself: live picture, call records, recordings, wrap-up limits."""
    _role("clock", parent)


@app.command()
def config(
    reload: Annotated[bool, typer.Option(help="Tell a running Asterisk; no call is dropped.")] = False,
) -> None:
    """Render the Asterisk files from settings, policy and people."""
    from hotline import wiring

    with foreseen():
        settings, home = _ground()
        home.prepare()
        policy = wiring.policy(settings)
        server = wiring.asterisk(settings, home)
        changed = wiring.render_config(
            settings, home, wiring.database_url(settings, home), policy, server.binary
        )
        errors.print(f"{len(changed)} of Asterisk's files changed in {home.asterisk_etc}")
        for file in changed:
            errors.print(f"  {file.name}")
        if reload:
            for line in wiring.reload(server, changed):
                errors.print(line)


@app.command()
def migrate(
    wait: Annotated[float, typer.Option(help="Seconds to wait for a database that is just starting.")] = 0.0,
) -> None:
    """Bring the database to its newest shape."""
    from hotline import wiring
    from storage import migrate as migrations

    with foreseen():
        settings, home = _ground()
        url = wiring.await_database(settings, home, wait)
        wiring.prepare_database(settings, home, wiring.policy(settings), with_demo=False)
        errors.print(f"the database is at {migrations.current(url)}")


@app.command()
def serve(what: Served) -> None:
    """Become Asterisk or the embedded PostgreSQL, in the foreground: for systemd (hotline units)."""
    from hotline import wiring

    with foreseen():
        settings, home = _ground()
        home.prepare()
        wiring.become(what.value, settings, home)


@app.command()
def units(
    into: Annotated[Path | None, typer.Option(help="Write them into this folder.", file_okay=False)] = None,
) -> None:
    """systemd units for this installation, from its settings."""
    from hotline import units as rendered

    with foreseen():
        settings, home = _ground()
        texts = rendered.render(settings, home, rendered.systemd_version())
        if into is None:
            print("\n".join(texts.values()), end="")
            return
        for file in rendered.write(texts, into):
            errors.print(f"wrote {file}")
        errors.print("next: systemctl daemon-reload && systemctl enable --now hotline.target")


@app.command()
def check(as_json: AsJson = False) -> None:
    """Is everything in order? A line each, with the remedy; exit 1 on any fault."""
    from hotline.check import run

    sys.exit(run(as_json=as_json))


@app.command()
def cert(
    name: Annotated[
        list[str] | None,
        typer.Option(help="Host name or address that other PCs open the desk by; as many as there are."),
    ] = None,
    take: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="CERT KEY", help="Your own certificate (PEM, with its chain) and key instead."),
    ] = None,
    days: Annotated[int, typer.Option(help="How long it lasts, at most 825.")] = 825,
    new_ca: Annotated[bool, typer.Option("--new-ca", help="A new authority, for each PC to trust.")] = False,
    as_json: AsJson = False,
) -> None:
    """A certificate, so that the desk works over HTTPS from other PCs; run again, it is renewed."""
    from hotline import certify

    if take and (name or new_ca):
        raise typer.BadParameter("cannot go with --name or --new-ca", param_hint="--take")
    with foreseen():
        settings, home = _ground()
        home.prepare()
        if take:
            certify.take(settings, home, *take, as_json=as_json)
        else:
            certify.make(settings, home, name or [], days, new_ca=new_ca, as_json=as_json)


@app.command()
def drain(
    off: Annotated[
        bool, typer.Option("--off", help="The upgrade is off: callers hear the menu again.")
    ] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait at most.", min=0)] = 300.0,
    leave: Annotated[bool, typer.Option("--leave", help="Then end hotline up, and leave Asterisk.")] = False,
) -> None:
    """Before an upgrade: wait until the roles may be restarted without a caller noticing."""
    from hotline import drain as draining
    from hotline import wiring
    from storage.database import Database

    with foreseen():
        settings, home = _ground()
        database = Database(wiring.database_url(settings, home), pool_size=1)
        if off:
            was_on = draining.end(home, database)
            errors.print("callers hear the menu again" if was_on else "there was no drain")
            return
        if not draining.wait(home, database, timeout, errors.print):
            errors.print(
                "[red]fault:[/] still under way: run it again, or take it back with hotline drain --off"
            )
            sys.exit(1)
        if leave:
            draining.leave(home)
        errors.print("the roles may be restarted now: calls that talk or wait are with Asterisk")


@app.command()
def export(
    what: Exported,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON document.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="For a spreadsheet.")] = False,
    language: Annotated[Headings, typer.Option(help="Of the headings of --csv.")] = Headings.zh,
    viewer: Annotated[str, typer.Option(help="Log-in of the one who may see what is exported.")] = "",
    full: Annotated[bool, typer.Option("--full", help="Names and numbers without masks; on record.")] = False,
) -> None:
    """Calls or tickets; sealed ones stay out unless --viewer is named for them."""
    from hotline import export as exported
    from hotline import wiring

    if as_json == as_csv:
        raise typer.BadParameter("say --json or --csv", param_hint="--json")
    form = "csv" if as_csv else "json"
    with foreseen():
        settings, home = _ground()
        url = wiring.database_url(settings, home)
        exported.write(url, what.value, viewer, form, language.value, full=full)


@app.command()
def retention(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete what the policy keeps no longer; the clock does so by itself."""
    from hotline import retention as keeping
    from hotline import wiring
    from storage.database import Database

    with foreseen():
        settings, home = _ground()
        policy = wiring.policy(settings)
        with closing(Database(wiring.database_url(settings, home), pool_size=1)) as database:
            do = keeping.over if dry_run else keeping.remove
            counts = do(database, home, policy, datetime.now(UTC))
        keeping.show(policy, counts, went=not dry_run, as_json=as_json)


@app.command()
def prompts(
    render: Annotated[bool, typer.Option("--render", help="Speak anew what is missing or changed.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="With --render: every prompt.")] = False,
    as_json: AsJson = False,
) -> None:
    """What the caller hears: each prompt, its recording, and its state."""
    from hotline import prompts as voice

    with foreseen():
        settings, _ = _ground()
        sys.exit(
            voice.speak(settings, everything=everything) if render else voice.show(settings, as_json=as_json)
        )


@app.command()
def demo() -> None:
    """A small believable city: people, callers, calls and tickets. Only into an empty database."""
    from hotline import demo as city
    from hotline import wiring

    with foreseen():
        settings, home = _ground()
        home.prepare()
        url = wiring.database_url(settings, home)
        laid_out = wiring.lay_out_demo(wiring.owner_url(settings, home), home, wiring.policy(settings))
        errors.print(
            "the demo city is laid out"
            if laid_out
            else "the database has people already: nothing was changed"
        )
        for one in wiring.logins(url):
            errors.print(f"  {city.say(one)}")


def _role(role: str, parent: int) -> None:
    from hotline import roles
    from hotline.children import die_with_parent

    if parent:
        die_with_parent(parent)
    with foreseen():
        settings, home = _ground()
        roles.run(role, settings, home)


def _ground() -> tuple["Settings", "Home"]:
    from hotline import settings
    from hotline.home import Home

    chosen = settings.load()
    return chosen, Home(chosen.home)


def main() -> None:
    # What a start loads stays: to look for waste in it after every 700 objects was an eighth of the start.
    gc.set_threshold(50_000)
    app()


if __name__ == "__main__":
    main()
