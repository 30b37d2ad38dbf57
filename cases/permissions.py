"""Who may do what, to which calls and tickets: one table of role × action × kind of thing.

Every act asks `demand`; every query of calls, tickets and recordings turns its action's scope into SQL in
cases/visible.py. What is sealed is open to persons named for it, under no other scope, and to a recused
person under none. docs/reference/permissions.md is written from this file by script/reference.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from cases.errors import NotAllowed
from storage.viewer import Role, Viewer


class Action(StrEnum):
    SEE_CALLS = "see_calls"
    SEE_TICKETS = "see_tickets"
    TAKE_CALLS = "take_calls"
    WRITE_TICKETS = "write_tickets"
    CHARGE_UNITS = "charge_units"  # send a ticket to the unit that must act
    HEAR = "hear"
    SEARCH_RECORDINGS = "search_recordings"
    SEE_PERSONAL = "see_personal"  # numbers and names in full, at once
    SHOW_PERSONAL = "show_personal"  # the same, asked for each time, on record
    EXPORT = "export"
    RECUSE_OTHERS = "recuse_others"
    HAND_OVER = "hand_over"  # take a sealed matter from the agent who wrote it down
    UNSEAL = "unseal"
    LIST_LOOKS = "list_looks"  # who looked at sealed matters
    HOLD = "hold"  # keep from deletion
    READ_JOURNAL = "read_journal"
    MANAGE_DUTY = "manage_duty"
    MANAGE_PEOPLE = "manage_people"
    SEE_ALARMS = "see_alarms"


class Scope(StrEnum):
    """Over what. Those that say nothing of calls and tickets (duty, people, alarms) are ALL or NONE."""

    NONE = "none"
    OWN = "own"  # calls she took, tickets she wrote
    UNIT = "unit"  # sent to her unit, or to one below it
    LINE = "line"  # of the published numbers she leads
    NAMED = "named"  # she herself is named for it
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Cell:
    """`sealed`: NAMED or NONE; nobody has more."""

    ordinary: Scope
    sealed: Scope = Scope.NONE


NOTHING = Cell(Scope.NONE)
OWN, UNIT, LINE, ALL = (Cell(scope, Scope.NAMED) for scope in (Scope.OWN, Scope.UNIT, Scope.LINE, Scope.ALL))
ORDINARY = Cell(Scope.ALL)  # all but what is sealed, even if she is named for it
SEALED = Cell(Scope.NONE, Scope.NAMED)

_DESK = {
    Action.SEE_CALLS: ALL,
    Action.SEE_TICKETS: ALL,
    Action.TAKE_CALLS: ALL,
    Action.WRITE_TICKETS: ALL,
    Action.HEAR: OWN,
    Action.SEE_PERSONAL: OWN,
    Action.SHOW_PERSONAL: ALL,
}

PERMISSIONS: Mapping[Role, Mapping[Action, Cell]] = {
    Role.CALLER: {},
    Role.AGENT: _DESK,
    Role.SHIFT_LEADER: _DESK
    | {
        Action.HEAR: ALL,
        Action.SEARCH_RECORDINGS: ALL,
        Action.MANAGE_DUTY: ORDINARY,
        Action.SEE_ALARMS: ORDINARY,
    },
    Role.DISPATCHER: {
        Action.SEE_CALLS: ALL,
        Action.SEE_TICKETS: ALL,
        Action.WRITE_TICKETS: ALL,
        Action.CHARGE_UNITS: ALL,
        Action.SHOW_PERSONAL: ALL,
    },
    Role.UNIT_CLERK: {
        Action.SEE_TICKETS: UNIT,
        Action.SHOW_PERSONAL: UNIT,
    },
    Role.REVIEWER: {
        Action.SEE_CALLS: ALL,
        Action.SEE_TICKETS: ALL,
        Action.WRITE_TICKETS: ALL,
    },
    Role.VISITOR: {
        Action.SEE_CALLS: ALL,
        Action.SEE_TICKETS: ALL,
        Action.HEAR: OWN,
        Action.SHOW_PERSONAL: ALL,
    },
    Role.SUPERVISOR: {
        Action.SEE_CALLS: ALL,
        Action.SEE_TICKETS: ALL,
        Action.HEAR: ALL,
        Action.SEARCH_RECORDINGS: ALL,
        Action.SHOW_PERSONAL: ALL,
        Action.EXPORT: ORDINARY,
        Action.RECUSE_OTHERS: ALL,
        Action.HOLD: ALL,
    },
    Role.LEADER: {
        Action.SEE_CALLS: LINE,
        Action.SEE_TICKETS: LINE,
        Action.HEAR: LINE,
        Action.SHOW_PERSONAL: LINE,
    },
    Role.SECRETARY: {
        Action.SEE_CALLS: LINE,
        Action.SEE_TICKETS: LINE,
    },
    Role.DISCIPLINE: {
        Action.SEE_CALLS: ALL,
        Action.SEE_TICKETS: ALL,
        Action.WRITE_TICKETS: ALL,
        Action.CHARGE_UNITS: SEALED,
        Action.HEAR: SEALED,
        Action.SEE_PERSONAL: SEALED,
        Action.SHOW_PERSONAL: ALL,
        Action.EXPORT: ALL,
        Action.RECUSE_OTHERS: ALL,
        Action.HAND_OVER: SEALED,
        Action.UNSEAL: SEALED,
        Action.LIST_LOOKS: SEALED,
        Action.HOLD: ALL,
    },
    Role.EDITOR: {},
    Role.ADMINISTRATOR: {
        Action.MANAGE_PEOPLE: ORDINARY,
        Action.SEE_ALARMS: ORDINARY,
    },
    Role.AUDITOR: {
        Action.READ_JOURNAL: ORDINARY,
    },
}


def cell(role: Role, action: Action) -> Cell:
    return PERMISSIONS[role].get(action, NOTHING)


def may(viewer: Viewer, action: Action) -> bool:
    """Whether there is anything at all that she may do it to."""
    return cell(viewer.role, action) != NOTHING


def demand(viewer: Viewer, action: Action) -> None:
    """Raises NotAllowed."""
    if not may(viewer, action):
        raise NotAllowed(f"{viewer.role.value} may not {action.value}")


def rule(viewer: Viewer, action: Action, *, sealed: bool = False) -> str:
    """The cell that allows it, as the journal notes it: role/action/scope."""
    found = cell(viewer.role, action)
    return f"{viewer.role.value}/{action.value}/{(found.sealed if sealed else found.ordinary).value}"
