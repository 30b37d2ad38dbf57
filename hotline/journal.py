"""`hotline journal`: is the journal still what was written?"""

import json
import sys
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from hotline.faults import errors, foreseen

if TYPE_CHECKING:
    from cases.chain import Finding, Head, Verdict

app = typer.Typer(no_args_is_help=True, help="The journal: who did what.")

FINDINGS = {
    "line_changed": "line {} was changed",
    "line_removed": "line {} was removed",
    "line_put_in": "line {} was put in",
    "seal_changed": "seal {} was changed: its lines cannot be told",
    "seal_removed": "seal {} was removed: its lines cannot be told",
    "chain_broken": "seal {} does not follow from the one before it",
    "key_missing": "the key of seal {} is missing: put it back from a backup (hotline keys list)",
    "cut": "the newest seal that is known elsewhere is not in the journal, which ends with seal {}: "
    "its end was cut off, or an older state was restored",
}


@app.command()
def verify(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
    since: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="Only what was sealed from this day on."),
    ] = None,
    head: Annotated[
        bool, typer.Option("--head", help="Only print the newest seal, for a notary or on paper.")
    ] = False,
    expect: Annotated[
        str, typer.Option(metavar="HASH", help="The hash of a seal as it was printed: it must be there.")
    ] = "",
) -> None:
    """Find every line that was changed, removed or put in since it was sealed; exit 1 on any."""
    from contextlib import closing

    from cases import chain
    from hotline import settings, wiring
    from hotline.chain import Witness
    from hotline.chain import verify as look
    from hotline.home import Home
    from storage.database import Database

    known = _hash(expect)
    with foreseen():
        chosen = settings.load()
        home = Home(chosen.home)
        url = wiring.database_url(chosen, home)
        with closing(Database(url, pool_size=1)) as database:
            if head:
                with database.session() as session:
                    sys.exit(_tell_head(chain.newest(session), as_json=as_json))
            zone = wiring.policy(chosen).zone
            began = since.replace(tzinfo=zone) if since else None
            known += Witness(home.journal_head).known()
            with database.session(chain.VERIFY_SECONDS) as session:
                findings, verdict = look(session, known, began)
    sys.exit(_tell(findings, verdict, as_json=as_json))


def _hash(typed: str) -> list[bytes]:
    try:
        return [bytes.fromhex(typed)] if typed else []
    except ValueError:
        raise typer.BadParameter("should be the hash that --head printed", param_hint="--expect") from None


def _tell_head(found: "Head | None", *, as_json: bool) -> int:
    if found is None:
        errors.print("nothing is sealed yet: the clock does it, a minute after the first line")
        return 1
    if as_json:
        print(json.dumps(_plain(found)))
    else:
        at = f"{found.at:%Y-%m-%d %H:%M:%S} UTC" if found.at else "a time that never is"
        print(f"seal {found.id}, lines to {found.last_id}, {at}\n{found.hash.hex()}")
    return 0


def _tell(findings: "list[Finding]", verdict: "Verdict", *, as_json: bool) -> int:
    if as_json:
        told = {
            "ok": not verdict.findings,
            "lines": verdict.lines,
            "seals": verdict.seals,
            "unsealed": verdict.unsealed,
            "head": _plain(verdict.head) if verdict.head else None,
            "findings": [asdict(finding) for finding in findings],
            "more": verdict.findings - len(findings),
        }
        print(json.dumps(told, indent=1))
        return 1 if findings else 0
    out = Console(highlight=False, soft_wrap=True)
    for one in findings:
        where = str(one.first) if one.first == one.last else f"{one.first} to {one.last}"
        out.print(f"[red]fault[/] {FINDINGS[one.what].format(where)}")
    if verdict.findings > len(findings):
        out.print(f"[red]fault[/] and {verdict.findings - len(findings)} more")
    mark = (
        "[red]fault[/] the journal is not what was written:"
        if findings
        else "[green]ok   [/] the journal is whole:"
    )
    out.print(f"{mark} {verdict.lines} lines under {verdict.seals} seals, {verdict.unsealed} not sealed yet")
    return 1 if findings else 0


def _plain(head: "Head") -> dict[str, Any]:
    at = head.at.isoformat() if head.at else None
    return {"seal": head.id, "last_id": head.last_id, "at": at, "hash": head.hash.hex()}
