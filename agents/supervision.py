"""督查督办: the supervisors' board, and what a ticket's page has of urging, supervising and leaders."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from agents.people import names_of
from agents.ticket_parts import Again, ticket_part
from agents.tickets import act_on, form_fields, pressing
from agents.units import unit_options
from agents.waiting import waits
from cases import board, escalation, instructions, personal, shares, supervision, units
from cases.board import LISTS
from cases.errors import Refused
from cases.permissions import Action, may
from cases.states import OPEN, OWED
from cases.visible import reaches
from routing.policy import Policy
from storage.tables import Ticket
from storage.viewer import Viewer
from web.login import needs, services
from web.render import page

router = APIRouter()
ROWS = 50
Typed = Annotated[dict[str, str], Depends(form_fields)]
Supervisor = Annotated[Viewer, Depends(needs(Action.SUPERVISE))]
Reporter = Annotated[Viewer, Depends(needs(Action.REPORT_UP))]


@waits("supervision")
def _waiting(session: Session, viewer: Viewer, policy: Policy) -> dict[str, int]:
    return {"hers": board.hers(session, viewer, policy, datetime.now(UTC))}


@router.get("/supervision")
def board_page(
    request: Request,
    who: Supervisor,
    which: Annotated[str, Query(alias="list", max_length=20)] = LISTS[0],
    number: Annotated[int, Query(alias="page", ge=1, le=10_000)] = 1,
    opened: Annotated[str, Query(alias="act", max_length=40)] = "",
) -> Response:
    """One list of the board, and how long the others are; `act`: the ticket whose form is open in its row."""
    return _board(request, who, which, number, opened)


@router.post("/tickets/{number}/urging")
def urge(request: Request, number: str, who: Supervisor, typed: Typed) -> Response:
    """催办 of one unit or of all that owe."""
    words, order = typed.get("words", ""), id_of(typed.get("order", ""))

    def act(session: Session) -> None:
        supervision.urge(session, who, number, words, datetime.now(UTC), order_id=order or None)

    return _act(request, number, who, "urge", typed, act)


@router.post("/tickets/{number}/supervision")
def supervise(request: Request, number: str, who: Supervisor, typed: Typed) -> Response:
    """督办: with its ground and what is demanded."""
    policy, ground, demand = services(request).policy, typed.get("ground", ""), typed.get("demand", "")

    def act(session: Session) -> None:
        supervision.supervise(session, who, number, ground, demand, policy, datetime.now(UTC))

    return _act(request, number, who, "supervise", typed, act)


@router.post("/tickets/{number}/supervision/end")
def end(request: Request, number: str, who: Supervisor, typed: Typed) -> Response:
    """What came of it."""
    outcome = typed.get("outcome", "")

    def act(session: Session) -> None:
        supervision.end(session, who, number, outcome, datetime.now(UTC))

    return _act(request, number, who, "end", typed, act)


@router.post("/tickets/{number}/report")
def report_up(request: Request, number: str, who: Reporter, typed: Typed) -> Response:
    """报领导: before whom, and why."""
    leader, naming = id_of(typed.get("leader", "")), bool(typed.get("naming"))

    def act(session: Session) -> None:
        words, now = typed.get("report", ""), datetime.now(UTC)
        instructions.report_up(session, who, number, leader, words, now, naming=naming)

    return act_on(request, number, who, "report", typed, act)


@router.post("/tickets/{number}/instructions/{instruction_id}/outcome")
def fulfil(request: Request, number: str, instruction_id: int, who: Reporter, typed: Typed) -> Response:
    """How an instruction was carried out."""
    outcome = typed.get("outcome", "")

    def act(session: Session) -> None:
        instructions.fulfil(session, who, number, instruction_id, outcome, datetime.now(UTC))

    return act_on(request, number, who, f"fulfil-{instruction_id}", typed, act)


# -- a ticket's page --------------------------------------------------------------------------------


@ticket_part("supervising")
def shown(session: Session, who: Viewer, ticket: Ticket, policy: Policy) -> dict[str, Any]:
    """What was done beside the case's state, and the forms of those who may do more of it.

    What was reported to leaders, and who has not answered, is for those who report and instruct.
    """
    now = datetime.now(UTC)
    inside = any(may(who, action) for action in (Action.SUPERVISE, Action.REPORT_UP, Action.INSTRUCT))
    urged, watched = supervision.urgings(session, ticket), supervision.all_of(session, ticket)
    told = [row for row in instructions.all_of(session, ticket) if inside or row.given_at is not None]
    known = {unit.id: unit.name for unit in units.everyone(session)}
    having = shares.of(session, ticket)
    people = [(row.by_id, row.ended_by) for row in watched]
    people += [(row.by_id, None) for row in urged]
    ids = {each for pair in people for each in pair}
    ids |= {each for row in told for each in (row.leader_id, row.reported_by, row.given_by, row.done_by)}
    may_supervise = reaches(session, who, Action.SUPERVISE, ticket)
    may_report = reaches(session, who, Action.REPORT_UP, ticket)
    may_instruct = reaches(session, who, Action.INSTRUCT, ticket)
    return {
        "inside": inside,
        "urgings": urged,
        "watched": [(row, supervision.standing(row, ticket, now)) for row in watched],
        "told": [(row, instructions.standing(row, ticket, now)) for row in told],
        "rungs": list(escalation.fired(session, ticket)) if inside else [],
        "levels": {(of, level.code): level for of, ladder in policy.ladders.items() for level in ladder},
        "names": names_of(session, ids),
        "units": known,
        "unit_of": {order.id: order.unit_id for order in having},
        "owing": [(str(order.id), known[order.unit_id]) for order in having if order.state in OWED],
        "is_open": ticket.state in OPEN,
        "may_supervise": may_supervise,
        "may_report": may_report,
        "leaders": [(str(one.id), one.name) for one in instructions.leaders(session)] if may_report else [],
        "may_instruct": may_instruct,
        "names_for": [(str(one.id), one.name) for one in instructions.leaders_for(session, who)]
        if may_instruct
        else [],
        "options": unit_options(session) if may_instruct else [],
    }


# -- the board --------------------------------------------------------------------------------------


def _act(
    request: Request,
    number: str,
    who: Viewer,
    part: str,
    typed: Mapping[str, str],
    act: Callable[[Session], object],
) -> Response:
    """On the ticket's page, or from its row on the board (`list`), which comes back with what was typed."""
    which = typed.get("list", "")
    if which not in LISTS:
        return act_on(request, number, who, part, typed, act)
    try:
        with services(request).database.session() as session:
            act(session)
    except Refused as fault:
        status = 409 if "event" in fault.faults else 422
        return _board(request, who, which, 1, number, status, Again(part, typed, fault.faults))
    return RedirectResponse(f"/supervision?list={which}", status_code=303)


def _board(
    request: Request,
    who: Viewer,
    which: str,
    number: int,
    opened: str = "",
    status: int = 200,
    again: Again | None = None,
) -> Response:
    policy, now = services(request).policy, datetime.now(UTC)
    which = which if which in LISTS else LISTS[0]
    with services(request).database.session() as session:
        found = board.tray(session, who, which, policy, now, ROWS + 1, (number - 1) * ROWS)
        counts = board.counts(session, who, policy, now)
        rows = [
            (
                row,
                personal.shown(row.ticket, full=False),
                pressing(row.due_at),
                supervision.standing(row.supervision, row.ticket, now) if row.supervision else "",
            )
            for row in found[:ROWS]
        ]
    context: dict[str, Any] = {
        "which": which,
        "lists": LISTS,
        "counts": counts,
        "rows": rows,
        "number": number,
        "more": len(found) > ROWS,
        "opened": opened,
        "again": again or Again(),
        "gone": again is not None and opened not in {row.ticket.number for row in found[:ROWS]},
    }
    return page(request, "supervision.html", status, **context)


def id_of(typed: str) -> int:
    """An id of a form's choice; 0: none, or none that could be."""
    return int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 19 else 0
