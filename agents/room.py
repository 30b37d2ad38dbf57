"""The staff's pages as one room of the web application; joined by hotline/wiring."""

from pathlib import Path

from agents import calls, recordings, tickets
from cases.permissions import Action
from web.services import Place, Room


def room() -> Room:
    """Calls, tickets and recordings, in the rail's order."""
    return Room(
        name="agents",
        folder=Path(__file__).parent,
        routers=(calls.router, tickets.router, recordings.router),
        places=(
            Place("calls", "/calls", Action.SEE_CASES),
            Place("tickets", "/tickets", Action.SEE_CASES),
            Place("recordings", "/recordings", Action.HEAR_ALL),
        ),
    )
