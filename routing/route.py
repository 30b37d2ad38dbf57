"""Where a call goes next: the value that a dialogue ends with and the dialplan obeys."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ToQueue:
    """Hold the caller in Asterisk's Queue(); `kind` is what was pressed (a key of policy.kinds) or ''."""

    queue: str
    kind: str = ""
    sealed: bool = False
    priority: int = 0
    preferred: str = ""  # endpoint name of the agent to try first, or ''


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call; `reason` goes to the record: silent, gone, closed_hours, rejected."""

    reason: str


Ending = ToQueue | HangUp
