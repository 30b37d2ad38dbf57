"""The parts of a ticket's page that have forms, and what was typed into one that comes back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from routing.policy import Policy
from storage.tables import Ticket
from storage.viewer import Viewer
from web.faults import Refused

Shown = Callable[[Session, Viewer, Ticket, Policy], Any]
PARTS: dict[str, Shown] = {}


def ticket_part(name: str) -> Callable[[Shown], Shown]:
    """What this gives of a ticket stands in its page's templates under `name`."""

    def register(shown: Shown) -> Shown:
        PARTS[name] = shown
        return shown

    return register


def version_of(typed: Mapping[str, str]) -> int:
    """Which version of the ticket a form was filled in over. Raises the page's own refusal."""
    version = typed.get("version", "")
    if not (version.isascii() and version.isdecimal() and len(version) < 10):
        raise Refused("error.input", field="version", name="version")
    return int(version)


@dataclass(frozen=True, slots=True)
class Again:
    """A form that comes back with what was typed in it; `faults`: field → code (messages `fault.<code>`).

    `part` is the form's own name on the page ("closing", "reply-17"). A fault under "" is of no one field.
    """

    part: str = ""
    typed: Mapping[str, Any] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)

    def value(self, part: str, name: str, otherwise: Any = "") -> Any:
        """What was typed there, else what the field has of itself."""
        return self.typed.get(name, "") if part == self.part else otherwise

    def fault(self, part: str, name: str) -> str:
        """A code, or ''."""
        return self.faults.get(name, "") if part == self.part else ""
