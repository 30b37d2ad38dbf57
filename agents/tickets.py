"""Tickets: the list, a ticket's page with its story and its calls, changing one that is saved."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from agents import attachments, holds, recusals, sealed, units
from agents.filters import Filter, Wanted, list_page
from agents.people import names_of
from agents.recordings import players
from agents.ticket_parts import PARTS, Again, version_of
from cases import personal, timeline
from cases.deadlines import say_rule
from cases.errors import Conflict
from cases.errors import Refused as Faulty
from cases.history import record_history
from cases.lab import OUT
from cases.permissions import Action
from cases.states import PROMISED, TICKET, State
from cases.ticket_form import TicketForm
from cases.tickets import TicketSearch, change_ticket, list_tickets, open_ticket
from cases.visible import reaches
from storage.staff import Unit
from storage.tables import Ticket
from storage.viewer import Viewer
from web.login import needs, services
from web.render import look, page

router = APIRouter()


SOON = timedelta(hours=24)
LATE = "late"
COMPARED = (
    "kind",
    "choice",
    "urgency",
    "title",
    "content",
    "answer",
    "caller_name",
    "caller_sex",
    "contact_number",
    "company",
    "uscc",
    "place",
    "category",
    "accused",
    "accused_unit",
    "reply_wanted",
)


async def form_fields(request: Request) -> dict[str, str]:
    """Dependency: the fields of a form as typed, whatever they are called."""
    form = await request.form(max_files=0, max_fields=60, max_part_size=200_000)
    return {name: str(value) for name, value in form.items()}


@router.get("/tickets")
def tickets_page(
    request: Request,
    who: Annotated[Viewer, Depends(needs(Action.SEE_TICKETS))],
    typed: Annotated[Filter, Depends()],
) -> Response:
    """Tickets newest first; a ticket's own number goes straight to it."""
    if typed.ticket.strip():
        return RedirectResponse(f"/tickets/{typed.ticket.strip()}", status_code=303)

    def find(session: Session, wanted: Wanted) -> list[tuple[Any, str, str]]:
        late = typed.state == LATE
        search = TicketSearch(
            **wanted.rows,
            state="" if late else typed.state,
            kind=typed.kind,
            created_by=wanted.agent_id,
            late_at=datetime.now(UTC) if late else None,
        )
        rows = list_tickets(session, who, search)
        names = names_of(session, {ticket.created_by for ticket in rows})
        return [
            (personal.shown(ticket, full=False), due_state(ticket), names.get(ticket.created_by or 0, ""))
            for ticket in rows
        ]

    return list_page(request, "tickets", typed, find, states=[state.value for state in State])


def due_state(ticket: Ticket) -> str:
    """As `pressing`; '' for a ticket that owes nothing."""
    return pressing(ticket.due_at) if ticket.state in PROMISED else ""


def pressing(due_at: datetime | None) -> str:
    """ahead, soon (within a day) or over; '' for what is never due."""
    if due_at is None:
        return ""
    left = due_at - datetime.now(UTC)
    return "over" if left < timedelta(0) else "soon" if left < SOON else "ahead"


@router.get("/tickets/{number}")
def ticket_page(
    request: Request, number: str, who: Annotated[Viewer, Depends(needs(Action.SEE_TICKETS))]
) -> Response:
    """One ticket: what it says, its deadline, its calls with their recordings, its story."""
    return page_of(request, number, who)


@router.post("/tickets/{number}/full")
def show_ticket(
    request: Request, number: str, who: Annotated[Viewer, Depends(needs(Action.SHOW_PERSONAL))]
) -> Response:
    """The same page with names and numbers in full, this once; that she asked is journalled."""
    return page_of(request, number, who, asked=True)


def act_on(
    request: Request,
    number: str,
    who: Viewer,
    part: str,
    typed: Mapping[str, Any],
    act: Callable[[Session], object],
) -> Response:
    """Do what a form of the ticket's page asks for; refused, the page comes back with the form as typed.

    409 when the case has moved on (faults under "event", or Conflict), 422 when something typed will not do.
    """
    try:
        with services(request).database.session() as session:
            act(session)
    except Faulty as fault:
        status = 409 if "event" in fault.faults else 422
        return page_of(request, number, who, status, part, typed, fault.faults)
    except Conflict:
        return page_of(request, number, who, 409, part, typed, {"": "meanwhile"})
    return RedirectResponse(f"/tickets/{number}", status_code=303)


def page_of(
    request: Request,
    number: str,
    who: Viewer,
    status: int = 200,
    part: str = "",
    typed: Mapping[str, Any] | None = None,
    faults: Mapping[str, str] | None = None,
    *,
    asked: bool = False,
) -> Response:
    """A ticket's page. `part`: the form of it that comes back, with what was `typed` and its `faults`.

    `asked`: names and numbers in full, on record.
    """
    policy = services(request).policy
    with services(request).database.session() as session:
        record = open_ticket(session, who, number)
        ticket = record.ticket
        if asked:
            personal.show(session, who, ticket)
        full = asked or personal.sees_ticket(session, who, ticket)
        heard = players(record.recordings)
        context: dict[str, Any] = {
            "ticket": personal.shown(ticket, full=full),
            "tell": personal.telling(ticket, full=full),
            "can_show": not full and personal.may_show(session, who, ticket),
            "can_dial": bool(ticket.contact_number or ticket.calling_number)
            and reaches(session, who, Action.CALL_OUT, ticket),
            "asked": asked,
            "due": due_state(ticket),
            "rule": say_rule(ticket.due_rule, policy, look(request).language) if ticket.due_rule else "",
            "heard": {
                call.id: [each for each in heard if each.recording.call_id == call.id]
                for call in record.calls
            },
            "names": names_of(session, {ticket.created_by}),
            "lines": list(dict.fromkeys(call.line for call in record.calls if call.origin != OUT)),
            "story": timeline.story(session, who, record),
            "units": units.shown(session, ticket),
            "recusals": recusals.shown(session, who, ticket),
            "sealed": sealed.shown(session, who, ticket),
            "attached": attachments.shown(session, who, ticket),
            "hold": holds.shown(session, who, ticket),
            "events": frozenset(event.value for event in TICKET[State(ticket.state)]),
        }
        context |= {name: shown(session, who, ticket, policy) for name, shown in PARTS.items()}
    context["again"] = Again(part, typed or {}, faults or {})
    return page(request, "tickets_one.html", status, **context)


@router.get("/tickets/{number}/edit")
def edit_page(
    request: Request, number: str, who: Annotated[Viewer, Depends(needs(Action.WRITE_TICKETS))]
) -> Response:
    """The form over a saved ticket."""
    with services(request).database.session() as session:
        ticket = _as_shown(session, who, number)
        values = values_of(session, ticket)
    return form_page(request, ticket, values)


@router.post("/tickets/{number}")
def change(
    request: Request,
    number: str,
    who: Annotated[Viewer, Depends(needs(Action.WRITE_TICKETS))],
    typed: Annotated[dict[str, str], Depends(form_fields)],
) -> Response:
    """Saves what was typed; faults and conflicts give the form back with every word still in it."""
    version = version_of(typed)
    form = TicketForm.read(typed)
    try:
        with services(request).database.session() as session:
            told = personal.over_ticket(session, who, number, form)
            changed = change_ticket(session, who, number, told, version, services(request).policy)
            is_hers = reaches(session, who, Action.SEE_TICKETS, changed)
    except Faulty as fault:
        with services(request).database.session() as session:
            ticket = _as_shown(session, who, number)
        return form_page(request, ticket, {**typed, "version": version}, status=422, faults=fault.faults)
    except Conflict as conflict:
        return conflict_page(request, who, number, form, conflict.theirs.version)
    if not is_hers:  # she has named her own unit, or one above it, as the accused
        return recusals.left(request)
    return RedirectResponse(f"/tickets/{changed.number}", status_code=303)


def conflict_page(request: Request, who: Viewer, number: str, form: TicketForm, version: int) -> Response:
    """Both texts side by side; saving again stores yours over theirs, knowingly."""
    with services(request).database.session() as session:
        ticket = _as_shown(session, who, number)
        changes = [
            entry
            for entry in record_history(session, who, "ticket", ticket.id)
            if entry.act.startswith("ticket.") and entry.act != "ticket.read"
        ]
        theirs = values_of(session, ticket)
    yours = {name: getattr(form, name) for name in COMPARED}
    differing = [name for name in COMPARED if theirs[name] != yours[name]]
    context: dict[str, Any] = {
        "theirs": theirs,
        "differing": differing,
        "last": changes[-1] if changes else None,
    }
    typed = {**yours, "version": max(version, ticket.version)}
    return form_page(request, ticket, typed, status=409, **context)


def _as_shown(session: Session, who: Viewer, number: str) -> Any:
    ticket = open_ticket(session, who, number).ticket
    return personal.shown(ticket, full=personal.sees_ticket(session, who, ticket))


def form_page(
    request: Request,
    ticket: Any,
    values: Mapping[str, Any],
    status: int = 200,
    faults: Mapping[str, str] | None = None,
    **context: Any,
) -> Response:
    """The form with `values`; `faults` are field → code (messages `fault.<code>`)."""
    shown: dict[str, Any] = {"theirs": None, "differing": [], "last": None, "faults": faults or {}} | context
    filled = {name: values.get(name, "") for name in (*COMPARED, "version")}
    with services(request).database.session() as session:
        shown["units"] = units.unit_options(session, ticket.accused_unit_id)
    return page(request, "tickets_edit.html", status, ticket=ticket, values=filled, **shown)


def values_of(session: Session, ticket: Any) -> dict[str, Any]:
    """A saved ticket as the form's fields."""
    columns = {"choice": "due_choice", "accused_unit": "accused_unit_id"}
    values = {name: getattr(ticket, columns.get(name, name)) for name in COMPARED}
    accused = session.get(Unit, ticket.accused_unit_id) if ticket.accused_unit_id else None
    return values | {"accused_unit": accused.code if accused else "", "version": ticket.version}
