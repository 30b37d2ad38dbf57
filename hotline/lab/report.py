"""How a lab call is told: both sides step by step, as a table or as one JSON document."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from hotline.lab.call import Result


@dataclass(frozen=True, slots=True)
class Row:
    """One step, as the caller and as the record have it; `fault` says what was not as promised."""

    step: str
    caller: str = ""
    record: str = ""
    fault: str = ""
    remedy: str = ""


def document(result: "Result") -> dict[str, Any]:
    """One call for programs. Times are ISO 8601 in UTC; `seconds` run from INVITE."""
    caller = result.caller
    began = caller.when("invite") or 0.0
    return {
        "ok": result.ok,
        "to": result.wish.to,
        "from": result.wish.number,
        "keys": result.wish.keys,
        "faults": [
            {"step": row.step, "told": row.fault, "remedy": row.remedy} for row in result.rows if row.fault
        ],
        "steps": [asdict(row) for row in result.rows],
        "caller": {
            "status": caller.answer.status if caller.answer else None,
            "keys": caller.keys,
            "sound_seconds": round(caller.sound_seconds, 2),
            "events": [
                {
                    "at": datetime.fromtimestamp(each.at, UTC).isoformat(timespec="milliseconds"),
                    "seconds": round(each.at - began, 2),
                    "what": each.what,
                    "detail": each.detail,
                }
                for each in caller.seen
            ],
        },
        "record": result.record.document() if result.record else None,
    }


def show(result: "Result", console: Console) -> None:
    """Both sides for people."""
    table = Table("", "step", "the caller", "the record", box=None)
    for row in result.rows:
        mark = "[red]fault[/]" if row.fault else "[green]ok[/]"
        table.add_row(mark, row.step, escape(row.caller), escape(row.record))
    console.print(table)
    for row in result.rows:
        if row.fault:
            remedy = f" — {row.remedy}" if row.remedy else ""
            console.print(f"[red]fault[/] {row.step}: {escape(row.fault + remedy)}")
