"""Which deadlines the clock watches (cases/escalation.py), and the indexes by which it finds what is due.

Whoever moves a deadline need not know of the clock. A row's `next_at` says when its next level comes (NULL:
none is to come), `next_for` for which deadline that was reckoned; one that has another by now is `stale`.
"""

from dataclasses import dataclass

from sqlalchemy import Index, text


@dataclass(frozen=True, slots=True)
class Waking:
    """One kind of deadline, as SQL over a row of `table`: `due`, whether it `runs`, whether it is `stale`.

    `since`: the column that says when its clock began to run; '': all its levels may come. `own`: with what
    its `next_at` and `next_for` begin, where a row has two deadlines at once.
    """

    table: str
    due: str
    runs: str
    stale: str
    since: str
    own: str = ""

    @property
    def next_at(self) -> str:
        return f"{self.own}next_at"

    @property
    def next_for(self) -> str:
        return f"{self.own}next_for"


def _of(table: str, due: str, runs: str, since: str, also: str = "", own: str = "") -> Waking:
    stale = f"({also}{own}next_for IS DISTINCT FROM {due})"
    return Waking(table, due, f"{runs} AND {due} IS NOT NULL", stale, since, own)


WAKING = {
    "ticket": _of("ticket", "due_at", "state = 'accepted'", "created_at", "next_in <> 'accepted' OR "),
    "visit": _of("ticket", "visit_due_at", "state = 'visit'", "", "next_in <> 'visit' OR "),
    "order": _of("sub_order", "due_at", "state IN ('sent', 'taken', 'objected')", "sent_at"),
    # Its row keeps since when a note is awaited: cases/deadlines.py says when that one is due.
    "progress": _of("sub_order", "progress_at", "state IN ('sent', 'taken')", "progress_at", own="progress_"),
    "instruction": _of("instruction", "due_at", "done_at IS NULL", "given_at"),
    "supervision": _of("supervision", "due_at", "ended_at IS NULL", "at"),
}
"""By the policy's name of its ladder."""


def woken_by(*subjects: str) -> tuple[Index, ...]:
    """The indexes of a table: what comes next, and what has to be reckoned."""
    return tuple(
        index
        for name in subjects
        for index in (
            Index(f"ix_{name}_next", WAKING[name].next_at, postgresql_where=text(WAKING[name].runs)),
            Index(
                f"ix_{name}_stale",
                "id",
                postgresql_where=text(f"{WAKING[name].runs} AND {WAKING[name].stale}"),
            ),
        )
    )
