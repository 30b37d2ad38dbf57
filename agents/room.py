"""The staff's pages as one room of the web application; joined by hotline/wiring."""

from pathlib import Path

from agents import (
    attachments,
    calls,
    city_units,
    desk,
    directory,
    dispatch_part,
    dispatching,
    duty_acts,
    endings,
    holds,
    journal,
    knowledge,
    knowledge_editor,
    leader,
    looks,
    notices,
    order_print,
    orders,
    people,
    phone_settings,
    recordings,
    recusals,
    reviewing,
    rulings,
    sealed,
    sessions,
    tickets,
    visiting,
)
from cases.permissions import Action
from storage.viewer import Role
from web.services import Place, Room

# What each begins her day with; whose page is not there begins with the first of the rail.
STARTS = {
    Role.DISPATCHER: "/dispatch",
    Role.UNIT_CLERK: "/orders",
    Role.REVIEWER: "/review",
    Role.VISITOR: "/visits",
    Role.SUPERVISOR: "/supervision",
    Role.LEADER: "/leader",
    Role.SECRETARY: "/leader",
    Role.DISCIPLINE: "/discipline",
    Role.ADMINISTRATOR: "/people",
    Role.EDITOR: "/knowledge",
    Role.AUDITOR: "/journal",
}


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
            endings.router,
            reviewing.router,
            visiting.router,
            dispatching.router,
            dispatch_part.router,
            order_print.router,
            orders.router,
            rulings.router,
            recusals.router,
            sealed.router,
            looks.router,
            recordings.router,
            attachments.router,
            holds.router,
            knowledge_editor.router,  # /knowledge/new before /knowledge/{entry_id}
            knowledge.router,
            directory.router,
            city_units.router,
            notices.router,
            people.router,
            sessions.router,
            journal.router,
        ),
        places=(
            Place("desk", "/desk", Action.TAKE_CALLS),
            Place("dispatch", "/dispatch", Action.CHARGE_UNITS),
            Place("review", "/review", Action.DECIDE),
            Place("visits", "/visits", Action.VISIT),
            Place("orders", "/orders", Action.HANDLE),
            Place("rulings", "/rulings", Action.DECIDE),
            Place("calls", "/calls", Action.SEE_CALLS),
            Place("tickets", "/tickets", Action.SEE_TICKETS),
            Place("knowledge", "/knowledge", Action.READ_KNOWLEDGE),
            Place("recordings", "/recordings", Action.SEARCH_RECORDINGS),
            Place("looks", "/looks", Action.LIST_LOOKS),
            Place("people", "/people", Action.MANAGE_PEOPLE),
            Place("city", "/city", Action.MANAGE_CITY),
            Place("journal", "/journal", Action.READ_JOURNAL),
            Place("notices", "/notices"),
        ),
        strip="desk/strip.html",
        keys="desk/keys.html",
        mine="notices_part.html",
        badges="/notices/badge",
        scripts=("built/phone.js", "player.js", "knowledge.js", "dispatch.js"),
        styles=("desk.css", "cases.css", "dispatch.css", "orders.css", "knowledge.css"),
        starts=STARTS,
    )
