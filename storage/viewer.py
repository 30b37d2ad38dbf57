"""Who is looking. Every query of calls, tickets and recordings takes a Viewer."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a member of staff is here to do (domain: 坐席, 班长, 督办员, 纪检监察, 管理员)."""

    AGENT = "agent"
    SHIFT_LEADER = "shift_leader"
    SUPERVISOR = "supervisor"
    DISCIPLINE = "discipline"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class Viewer:
    """One person in one session; `address` is the peer's IP, for the journal."""

    person_id: int
    role: Role
    name: str = ""
    address: str = ""


COMMAND_LINE = Viewer(person_id=0, role=Role.SUPERVISOR, name="command line")
"""Whoever runs `hotline export` on the machine: sees what is not sealed, and is nobody's name."""
