"""The staff's pages as one room of the web application; joined by hotline/wiring."""

from pathlib import Path

from agents import (
    calls,
    desk,
    duty_acts,
    leader,
    people,
    phone_settings,
    recordings,
    recusals,
    tickets,
    units,
)
from cases.permissions import Action
from web.services import Place, Room


def room() -> Room:
    """The desk with its phone, calls, tickets and recordings, in the rail's order."""
    return Room(
        name="agents",
        folder=Path(__file__).parent,
        routers=(
            desk.router,
            duty_acts.router,
            leader.router,
            phone_settings.router,
            calls.router,
            tickets.router,
            units.router,
            recusals.router,
            recordings.router,
            people.router,
        ),
        places=(
            Place("desk", "/desk", Action.TAKE_CALLS),
            Place("calls", "/calls", Action.SEE_CALLS),
            Place("tickets", "/tickets", Action.SEE_TICKETS),
            Place("recordings", "/recordings", Action.SEARCH_RECORDINGS),
            Place("people", "/people", Action.MANAGE_PEOPLE),
        ),
        strip="desk/strip.html",
        keys="desk/keys.html",
        scripts=("built/phone.js", "player.js"),
        styles=("desk.css", "cases.css"),
    )
