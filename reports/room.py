"""The bulletins as one room of the web application; joined by hotline/wiring."""

from pathlib import Path

from cases.permissions import Action
from reports import pages
from web.services import Place, Room


def room() -> Room:
    """The day on one page."""
    return Room(
        name="reports",
        folder=Path(__file__).parent,
        routers=(pages.router,),
        places=(Place("day", "/day", Action.READ_DAY),),
        styles=("day.css",),
    )
