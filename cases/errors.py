"""What an act may answer instead of being done."""

from datetime import datetime
from typing import Any


class NotVisible(LookupError):
    """There is no such thing, or not for this viewer: the two are never told apart."""


class HandedOver(NotVisible):
    """She had it, and handed it over `at`: it tells her only what she knows."""

    def __init__(self, at: datetime) -> None:
        super().__init__("handed over")
        self.at = at


class NotAllowed(PermissionError):
    """This role may not do this."""


class Refused(ValueError):
    """Input that will not do. `faults`: field → code (required, unknown, too_long, number, has_ticket, …).

    After a code's colon stands what its message has to name: `uscc_check:L`.
    """

    def __init__(self, faults: dict[str, str]) -> None:
        super().__init__(", ".join(f"{field}: {code}" for field, code in faults.items()))
        self.faults = faults


class Conflict(Exception):
    """Somebody changed it meanwhile: `theirs` is stored now, `yours` was typed; nothing is lost."""

    def __init__(self, theirs: Any, yours: Any) -> None:
        super().__init__("changed meanwhile by somebody else")
        self.theirs = theirs
        self.yours = yours
