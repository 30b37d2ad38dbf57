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
    """What may be done; in words: MEANS."""

    SEE_CALLS = "see_calls"
    SEE_TICKETS = "see_tickets"
    TAKE_CALLS = "take_calls"
    CALL_OUT = "call_out"
    WRITE_TICKETS = "write_tickets"
    SORT = "sort"
    CHARGE_UNITS = "charge_units"
    HANDLE = "handle"
    DECIDE = "decide"
    CLOSE = "close"
    VISIT = "visit"
    SUPERVISE = "supervise"
    REPORT_UP = "report_up"
    INSTRUCT = "instruct"
    HEAR = "hear"
    SEARCH_RECORDINGS = "search_recordings"
    SEE_PERSONAL = "see_personal"
    SHOW_PERSONAL = "show_personal"
    EXPORT = "export"
    READ_DAY = "read_day"
    RECUSE_OTHERS = "recuse_others"
    HAND_OVER = "hand_over"
    UNSEAL = "unseal"
    LIST_LOOKS = "list_looks"
    HOLD = "hold"
    ERASE = "erase"
    READ_JOURNAL = "read_journal"
    MANAGE_DUTY = "manage_duty"
    MANAGE_PEOPLE = "manage_people"
    MANAGE_CITY = "manage_city"
    READ_KNOWLEDGE = "read_knowledge"
    EDIT_KNOWLEDGE = "edit_knowledge"
    SEE_PARTIES = "see_parties"
    MERGE_PARTIES = "merge_parties"
    SEE_ALARMS = "see_alarms"


class Scope(StrEnum):
    """Over what; in words: OVER. Actions that are about no call or ticket are ALL or NONE."""

    NONE = "none"
    OWN = "own"
    UNIT = "unit"
    LINE = "line"
    NAMED = "named"
    ALL = "all"


MEANS: Mapping[Action, str] = {
    Action.SEE_CALLS: "calls in lists, and each one's page",
    Action.SEE_TICKETS: "tickets in lists, and each one's page; her own recusal",
    Action.TAKE_CALLS: "the desk: its phone, its duty, the caller's record inside the ring",
    Action.CALL_OUT: "a phone in the browser; call a ticket's caller, a unit about it, back who was missed",
    Action.WRITE_TICKETS: "write, change, attach to and move tickets; close calls",
    Action.SORT: "refuse, transfer, merge and split tickets",
    Action.CHARGE_UNITS: "send a ticket to the unit that must act, and take it back",
    Action.HANDLE: "act for a unit: take, reply, object, ask for time, pass down, tell of progress",
    Action.DECIDE: "rule on objections, extensions and closing forms, where the policy says her role does",
    Action.CLOSE: "submit the closing form",
    Action.VISIT: "ask callers how it went, and note what they say",
    Action.SUPERVISE: "urge units, supervise cases, end that",
    Action.REPORT_UP: "report a case to a leader",
    Action.INSTRUCT: "a leader's written word on what was reported to him",
    Action.HEAR: "play recordings",
    Action.SEARCH_RECORDINGS: "the page of all recordings",
    Action.SEE_PERSONAL: "names and numbers in full, at once",
    Action.SHOW_PERSONAL: "the same, asked for each time, on record",
    Action.EXPORT: "calls and tickets for other programs",
    Action.READ_DAY: "the day of a line, or of all of them, on one page",
    Action.RECUSE_OTHERS: "recuse somebody else, and lift a recusal that is not her own",
    Action.HAND_OVER: "take a sealed matter from those who took it",
    Action.UNSEAL: "ask that a sealed ticket be ordinary, or decide on another's asking",
    Action.LIST_LOOKS: "who looked at sealed matters",
    Action.HOLD: "keep from deletion",
    Action.ERASE: "erase a caller's data on her request, on her record's page (also `hotline erase`)",
    Action.READ_JOURNAL: "the journal's page",
    Action.MANAGE_DUTY: "change somebody else's duty",
    Action.MANAGE_PEOPLE: "the list of staff, their log-ins and second steps",
    Action.MANAGE_CITY: "units, calendar and the directory of who handles what",
    Action.READ_KNOWLEDGE: "the knowledge base",
    Action.EDIT_KNOWLEDGE: "write it",
    Action.SEE_PARTIES: "callers and enterprises as records, with their history",
    Action.MERGE_PARTIES: "correct and merge them",
    Action.SEE_ALARMS: "alarms above every page",
}

OVER: Mapping[Scope, str] = {
    Scope.NONE: "nothing",
    Scope.OWN: "calls that she took, tickets that she wrote",
    Scope.UNIT: "what was sent to her unit, or to one below it",
    Scope.LINE: "what came by the published numbers that she leads, or was reported to her",
    Scope.NAMED: "what she herself is named for",
    Scope.ALL: "every one",
}


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
    Action.CALL_OUT: ALL,
    Action.WRITE_TICKETS: ALL,
    Action.HEAR: OWN,
    Action.SEE_PERSONAL: OWN,
    Action.SHOW_PERSONAL: ALL,
    Action.READ_KNOWLEDGE: ORDINARY,
    Action.SEE_PARTIES: ORDINARY,
}

PERMISSIONS: Mapping[Role, Mapping[Action, Cell]] = {
    Role.CALLER: {},
    Role.AGENT: _DESK,
    Role.SHIFT_LEADER: _DESK
    | {
        Action.SORT: ALL,
        Action.HEAR: ALL,
        Action.SEARCH_RECORDINGS: ALL,
        Action.READ_DAY: ALL,
        Action.MANAGE_DUTY: ORDINARY,
        Action.SEE_ALARMS: ORDINARY,
    },
    Role.DISPATCHER: {
        Action.SEE_CALLS: ALL,
        Action.SEE_TICKETS: ALL,
        Action.CALL_OUT: ALL,
        Action.WRITE_TICKETS: ALL,
        Action.CHARGE_UNITS: ALL,
        Action.SHOW_PERSONAL: ALL,
        Action.SORT: ALL,
        Action.HANDLE: ALL,
        Action.DECIDE: ALL,
        Action.CLOSE: ALL,
        Action.REPORT_UP: ALL,
        Action.READ_DAY: ALL,
        Action.READ_KNOWLEDGE: ORDINARY,
        Action.SEE_PARTIES: ORDINARY,
        Action.MERGE_PARTIES: ORDINARY,
    },
    Role.UNIT_CLERK: {
        Action.SEE_TICKETS: UNIT,
        Action.SHOW_PERSONAL: UNIT,
        Action.HANDLE: UNIT,
        Action.CLOSE: UNIT,
        Action.READ_KNOWLEDGE: ORDINARY,
    },
    Role.REVIEWER: {
        Action.SEE_CALLS: ALL,
        Action.SEE_TICKETS: ALL,
        Action.WRITE_TICKETS: ALL,
        Action.DECIDE: ALL,
        Action.READ_KNOWLEDGE: ORDINARY,
    },
    Role.VISITOR: {
        Action.SEE_CALLS: ALL,
        Action.SEE_TICKETS: ALL,
        Action.CALL_OUT: ALL,
        Action.HEAR: OWN,
        Action.SHOW_PERSONAL: ALL,
        Action.VISIT: ALL,
        Action.READ_KNOWLEDGE: ORDINARY,
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
        Action.ERASE: ORDINARY,
        Action.SUPERVISE: ALL,
        Action.REPORT_UP: ALL,
        Action.READ_DAY: ALL,
        Action.READ_KNOWLEDGE: ORDINARY,
        Action.SEE_PARTIES: ORDINARY,
        Action.MERGE_PARTIES: ORDINARY,
    },
    Role.LEADER: {
        Action.SEE_CALLS: LINE,
        Action.SEE_TICKETS: LINE,
        Action.HEAR: LINE,
        Action.SHOW_PERSONAL: LINE,
        Action.INSTRUCT: LINE,
        Action.READ_DAY: LINE,
        Action.READ_KNOWLEDGE: ORDINARY,
    },
    Role.SECRETARY: {
        Action.SEE_CALLS: LINE,
        Action.SEE_TICKETS: LINE,
        Action.INSTRUCT: LINE,
        Action.READ_DAY: LINE,
        Action.READ_KNOWLEDGE: ORDINARY,
    },
    Role.DISCIPLINE: {
        Action.SEE_CALLS: ALL,
        Action.SEE_TICKETS: ALL,
        Action.CALL_OUT: SEALED,
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
        Action.ERASE: SEALED,
        Action.SORT: SEALED,
        Action.HANDLE: SEALED,
        Action.DECIDE: SEALED,
        Action.CLOSE: SEALED,
        Action.VISIT: SEALED,
        Action.SUPERVISE: ALL,
        Action.REPORT_UP: SEALED,
        Action.READ_KNOWLEDGE: ORDINARY,
    },
    Role.EDITOR: {
        Action.READ_KNOWLEDGE: ORDINARY,
        Action.EDIT_KNOWLEDGE: ORDINARY,
    },
    Role.ADMINISTRATOR: {
        Action.MANAGE_PEOPLE: ORDINARY,
        Action.MANAGE_CITY: ORDINARY,
        Action.READ_KNOWLEDGE: ORDINARY,
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
