"""`hotline keys`: the keys that seal personal data, and the change from one to the next."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from hotline.faults import errors, foreseen

if TYPE_CHECKING:
    from storage.database import Database
    from storage.vault import KeyFile, Vault

app = typer.Typer(no_args_is_help=True, help="The keys that seal personal data.")
LOOKING_SECONDS = 600.0
REST = 4  # times as long as a batch took: callers go before


@app.command("list")
def show(as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False) -> None:
    """Every key: since when, its state, and how many values and files have it."""
    from storage import keyring

    with _ground() as (vault, database), database.session(LOOKING_SECONDS) as session:
        keyring.prove(session)
        used, current = keyring.values(session) + keyring.files(session), vault.current
        rows = [(key, _state(key, current), used[key.id]) for key in vault.ring()]
    if as_json:
        told = [
            {"id": key.id, "made": key.made.isoformat(), "state": state, "used": count}
            for key, state, count in rows
        ]
        print(json.dumps(told, indent=1))
        return
    table = Table("key", "made", "state", "values and files", box=None)
    for key, state, count in rows:
        table.add_row(key.id, f"{key.made:%Y-%m-%d %H:%M} UTC", state, str(count))
    Console(highlight=False).print(table)


@app.command()
def rotate() -> None:
    """A new key for all that is stored, from now on and already; broken off, it is run again."""
    from storage import keyring

    with _ground() as (vault, database):
        if _unfinished(vault, database):
            errors.print(f"going on with key {vault.current}")
        else:
            vault.make(datetime.now(UTC))
            with database.session() as session:
                keyring.register(session)
            made = vault.ring()[-1].id
            errors.print(f"key {made} is made in {vault.folder}: put a copy with your backups")
            _await_begin(vault)
        with Progress(console=errors, transient=True) as bar:
            task = bar.add_task("sealing anew", total=None)
            began = time.monotonic()
            for at in keyring.seal_anew(database):
                bar.update(task, completed=at.rows, total=max(at.of, at.rows))
                time.sleep(REST * (time.monotonic() - began))
                began = time.monotonic()
        errors.print(f"{at.changed} values have key {vault.current} now; files follow by themselves")
        errors.print("see hotline keys list; a key that nothing has any more can go: hotline keys retire")


@app.command()
def retire(key: Annotated[str, typer.Argument(help="As hotline keys list names it.")]) -> None:
    """Destroy a key that nothing has any more: what a stolen copy of the database holds stays shut."""
    from storage import keyring

    now = datetime.now(UTC)
    with _ground() as (vault, database):
        with database.session(LOOKING_SECONDS) as session:
            keyring.retire(session, key, now)
        vault.retire(key, now)
        errors.print(f"key {key} is retired: backups of that time open only with the copy kept with them")


@contextmanager
def _ground() -> Iterator[tuple["Vault", "Database"]]:
    from hotline import wiring
    from hotline.home import Home
    from hotline.settings import load
    from storage.database import Database
    from storage.vault import installed

    with foreseen():
        settings = load()
        database = Database(wiring.database_url(settings, Home(settings.home)), pool_size=1)
        try:
            yield installed(), database
        finally:
            database.close()


def _state(key: "KeyFile", current: str) -> str:
    if key.retired:
        return f"retired {key.retired:%Y-%m-%d}"
    if key.id == current:
        return "seals"
    return "begins soon" if key.begins > datetime.now(UTC) else "opens only"


def _unfinished(vault: "Vault", database: "Database") -> bool:
    """Is anything still sealed with an older key?"""
    from storage import keyring

    with database.session(LOOKING_SECONDS) as session:
        used = keyring.values(session)
    newest = vault.ring()[-1].id
    if newest != vault.current:
        _await_begin(vault)
        return True
    return any(count for key, count in used.items() if key != newest)


def _await_begin(vault: "Vault") -> None:
    """Until every process has noticed the new key; then it seals."""
    newest = vault.ring()[-1]
    with errors.status("all processes take notice of it"):
        while vault.current != newest.id:
            time.sleep(0.5)
