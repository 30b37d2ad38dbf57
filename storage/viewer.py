"""Who is looking. Every query of calls, tickets and recordings takes a Viewer."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What somebody is here to do (domain: 来电人, 坐席, 班长, 派单员, 承办单位, 审核, 回访员, 督办员, …)."""

    CALLER = "caller"  # with the code of one ticket; never a member of staff
    AGENT = "agent"
    SHIFT_LEADER = "shift_leader"
    DISPATCHER = "dispatcher"
    UNIT_CLERK = "unit_clerk"
    REVIEWER = "reviewer"
    VISITOR = "visitor"
    SUPERVISOR = "supervisor"
    LEADER = "leader"
    SECRETARY = "secretary"  # or deputy
    DISCIPLINE = "discipline"
    EDITOR = "editor"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"


STAFF = tuple(role for role in Role if role is not Role.CALLER)


@dataclass(frozen=True, slots=True)
class Viewer:
    """One person in one session; `address` is the peer's IP, for the journal.

    `units`: hers and all below it. `kin`: hers and all above it; whoever accuses one of those, accuses
    her superiors. `lines`: the published numbers that she leads. `session`: the log-in's id, if it is one.
    """

    person_id: int
    role: Role
    name: str = ""
    address: str = ""
    units: tuple[int, ...] = ()
    kin: tuple[int, ...] = ()
    lines: tuple[str, ...] = ()
    session: int | None = None


COMMAND_LINE = Viewer(person_id=0, role=Role.SUPERVISOR, name="command line")
"""Whoever runs `hotline export` on the machine: sees what is not sealed, and is nobody's name."""
