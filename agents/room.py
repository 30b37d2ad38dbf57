"""The staff's pages as one room of the web application; joined by hotline/wiring."""

from pathlib import Path

from agents import (
    attachments,
    calls,
    desk,
    duty_acts,
    holds,
    journal,
    leader,
    looks,
    people,
    phone_settings,
    recordings,
    recusals,
    sealed,
    sessions,
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
            sealed.router,
            looks.router,
            recordings.router,
            attachments.router,
            holds.router,
            people.router,
            sessions.router,
            journal.router,
        ),
        places=(
            Place("desk", "/desk", Action.TAKE_CALLS),
            Place("calls", "/calls", Action.SEE_CALLS),
            Place("tickets", "/tickets", Action.SEE_TICKETS),
            Place("recordings", "/recordings", Action.SEARCH_RECORDINGS),
            Place("looks", "/looks", Action.LIST_LOOKS),
            Place("people", "/people", Action.MANAGE_PEOPLE),
            Place("journal", "/journal", Action.READ_JOURNAL),
        ),
        strip="desk/strip.html",
        keys="desk/keys.html",
        scripts=("built/phone.js", "player.js"),
        styles=("desk.css", "cases.css"),
    )
