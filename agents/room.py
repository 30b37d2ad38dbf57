"""The staff's pages as one room of the web application; joined by hotline/wiring."""

from pathlib import Path

from agents import calls, recordings, tickets
from storage.viewer import Role
from web.services import Place, Room

LISTENERS = frozenset({Role.SHIFT_LEADER, Role.SUPERVISOR, Role.DISCIPLINE})


def room() -> Room:
    """Calls, tickets and recordings, in the rail's order."""
    return Room(
        name="agents",
        folder=Path(__file__).parent,
        routers=(calls.router, tickets.router, recordings.router),
        places=(
            Place("calls", "/calls"),
            Place("tickets", "/tickets"),
            Place("recordings", "/recordings", LISTENERS),
        ),
    )
