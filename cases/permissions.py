"""Which role may do what. What a role may *see* of it is cases/visible.py."""

from enum import StrEnum

from cases.errors import NotAllowed
from storage.viewer import Role, Viewer


class Action(StrEnum):
    SEE_CASES = "see_cases"
    TAKE_CALLS = "take_calls"
    WRITE_TICKETS = "write_tickets"
    HEAR_OWN = "hear_own"
    HEAR_ALL = "hear_all"
    SEE_BOARD = "see_board"
    EXPORT = "export"
    MANAGE_DUTY = "manage_duty"
    MANAGE_PEOPLE = "manage_people"
    SEE_ALARMS = "see_alarms"


_DESK = frozenset({Action.SEE_CASES, Action.TAKE_CALLS, Action.WRITE_TICKETS, Action.HEAR_OWN})

PERMISSIONS: dict[Role, frozenset[Action]] = {
    Role.AGENT: _DESK,
    Role.SHIFT_LEADER: _DESK | {Action.HEAR_ALL, Action.SEE_BOARD, Action.MANAGE_DUTY, Action.SEE_ALARMS},
    Role.SUPERVISOR: frozenset({Action.SEE_CASES, Action.HEAR_ALL, Action.SEE_BOARD, Action.EXPORT}),
    Role.DISCIPLINE: frozenset({Action.SEE_CASES, Action.WRITE_TICKETS, Action.HEAR_OWN, Action.EXPORT}),
    Role.ADMINISTRATOR: frozenset({Action.MANAGE_PEOPLE, Action.SEE_BOARD, Action.SEE_ALARMS}),
}


def may(viewer: Viewer, action: Action) -> bool:
    return action in PERMISSIONS[viewer.role]


def demand(viewer: Viewer, action: Action) -> None:
    """Raises NotAllowed."""
    if not may(viewer, action):
        raise NotAllowed(f"{viewer.role.value} may not {action.value}")
