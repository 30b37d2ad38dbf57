"""The part of a ticket's page where it is sent to units, and what is done about each share of it there."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from agents.dispatching import first_choice, proposed
from agents.order_print import prints
from agents.ticket_parts import ticket_part, version_of
from agents.tickets import act_on, form_fields
from agents.units import unit_options
from cases import charging, directory, dispatch, shares, sorting, units
from cases.deadlines import load_calendar
from cases.dispatch import LIVE, PARTS, WAYS, Share
from cases.errors import NotVisible, Refused
from cases.permissions import Action
from cases.states import TICKET, Event, Order, State
from cases.steps import locked_order
from cases.visible import reaches, visible_tickets
from routing.policy import Policy
from storage.staff import Unit
from storage.tables import Ticket
from storage.viewer import Viewer
from storage.work import SubOrder
from web.login import needs, services

router = APIRouter()
ASSISTING = 4  # fields for assisting units on the form; more are sent by a second form

Dispatcher = Annotated[Viewer, Depends(needs(Action.CHARGE_UNITS))]
Typed = Annotated[dict[str, str], Depends(form_fields)]


@router.post("/tickets/{number}/dispatch")
def send(request: Request, number: str, who: Dispatcher, typed: Typed) -> Response:
    """The units have the ticket from now on: one leads, others assist."""
    policy, rows = services(request).policy, _shares(typed)

    def act(session: Session) -> None:
        try:
            dispatch.send(
                session,
                who,
                number,
                [share for _, share in rows],
                policy,
                datetime.now(UTC),
                choice=typed.get("choice", ""),
                version=version_of(typed),
                designated=_is_designated(session, who, number, typed.get("unit", ""), policy),
            )
        except Refused as refused:
            raise Refused(_named(refused.faults, [place for place, _ in rows])) from refused

    return act_on(request, number, who, "dispatch", typed, act)


@router.post("/tickets/{number}/dispatch/undo")
def undo(request: Request, number: str, who: Dispatcher) -> Response:
    """What she sent last is unsent."""
    policy = services(request).policy
    return act_on(
        request,
        number,
        who,
        "undo",
        {},
        lambda session: dispatch.undo(session, who, number, datetime.now(UTC), policy),
    )


@router.post("/tickets/{number}/shares/{order_id}/recall")
def recall(request: Request, number: str, order_id: int, who: Dispatcher, typed: Typed) -> Response:
    """Take a share back from its unit, with a reason."""
    policy, reason = services(request).policy, typed.get("reason", "").strip()

    def act(session: Session) -> None:
        _of_ticket(session, who, number, order_id)
        dispatch.recall(session, who, order_id, reason, policy, datetime.now(UTC), version=version_of(typed))

    return act_on(request, number, who, f"recall-{order_id}", typed, act)


@router.post("/tickets/{number}/shares/{order_id}/told")
def note_told(request: Request, number: str, order_id: int, who: Dispatcher, typed: Typed) -> Response:
    """Who was told of a share by telephone."""
    told, call_id = typed.get("told", "").strip(), typed.get("call", "").strip()

    def act(session: Session) -> None:
        _of_ticket(session, who, number, order_id)
        charging.note_told(session, who, order_id, told, call_id, datetime.now(UTC))

    return act_on(request, number, who, f"told-{order_id}", typed, act)


# -- what the part shows ----------------------------------------------------------------------------


@ticket_part("dispatching")
def shown(session: Session, who: Viewer, ticket: Ticket, policy: Policy) -> dict[str, Any]:
    """Who has it, or had it done; for who may send it the form, filled with the proposal."""
    now = datetime.now(UTC)
    known = units.everyone(session)
    names = {unit.id: unit.name for unit in known}
    having = shares.of(session, ticket)
    may_send = reaches(session, who, Action.CHARGE_UNITS, ticket)
    live = [each for each in having if each.state in LIVE]
    context: dict[str, Any] = {
        "shares": sorted(having, key=lambda each: each.part != PARTS[0]),
        "live": {each.id for each in live},
        "tellable": {each.id for each in having if charging.tellable(ticket, each)},
        "sheets": {each.id for each in having if prints(who, each)},
        "names": names,
        "phones": {unit.id: unit.phone for unit in known},
        "may_send": may_send,
        "returned": _returned(session, ticket, names),
        "left": 0,
        "form": None,
    }
    if not may_send:
        return context
    for each in sorting.undoable(session, who, now, policy):
        if each.ticket.id == ticket.id:
            context["left"] = max(1, round((each.until - now).total_seconds()))
    if Event.DISPATCH in TICKET[State(ticket.state)]:
        context["form"] = _form(session, ticket, live, policy, now)
    return context


def _returned(session: Session, ticket: Ticket, names: Mapping[int, str]) -> list[str]:
    """Units that had it once and returned it with reason."""
    theirs = SubOrder.ticket_id == ticket.id, SubOrder.state == Order.RETURNED
    found = session.scalars(select(SubOrder.unit_id).where(*theirs).order_by(SubOrder.ended_at, SubOrder.id))
    return [names[unit_id] for unit_id in dict.fromkeys(found)]


def _form(
    session: Session, ticket: Ticket, live: list[SubOrder], policy: Policy, now: datetime
) -> dict[str, Any]:
    leads = any(each.part == PARTS[0] for each in live)
    proposal = None if leads else proposed(directory.load(session, policy), ticket)
    choice = first_choice(ticket, proposal)
    usual = dispatch.reckon(ticket, ticket.due_choice, policy, load_calendar(session), now)
    accused = units.around(session, ticket.accused_unit_id)[0] if ticket.accused_unit_id else ()
    barred = {*accused, *(each.unit_id for each in live)}
    codes = {unit.code for unit in session.scalars(select(Unit).where(Unit.id.in_(barred)))}
    return {
        "needs_lead": not leads,
        "proposal": proposal,
        "choice": choice,
        "choices": list(policy.kind(ticket.kind).longer) if ticket.sent_at is None else [],
        "due": usual,
        "options": [option for option in unit_options(session) if option[0] not in codes],
        "assisting": range(1, ASSISTING + 1),
        "ways": WAYS,
    }


# -- what was typed ---------------------------------------------------------------------------------


def _shares(typed: Mapping[str, str]) -> list[tuple[str, Share]]:
    """The units chosen, each with the ending of its fields' names: "" the leading one, then "_1" …

    A leading unit that was left open is there, to be asked for, if the form had its field.
    """
    found = []
    for place in ("", *(f"_{index}" for index in range(1, ASSISTING + 1))):
        code = typed.get(f"unit{place}", "").strip()
        if code or (not place and "unit" in typed):
            part = PARTS[1] if place else PARTS[0]
            note, way = typed.get(f"note{place}", "").strip(), typed.get(f"way{place}", WAYS[0])
            found.append((place, Share(code, part, note, way)))
    return found


def _named(faults: Mapping[str, str], places: list[str]) -> dict[str, str]:
    """Faults by the form's own fields: the second share may stand in the third row."""
    told = {}
    for field, code in faults.items():
        name, _, index = field.partition("_")
        known = name in ("unit", "part", "way", "note") and places
        told[f"{name}{places[int(index or 0)]}" if known else field] = code
    return told


def _is_designated(session: Session, who: Viewer, number: str, unit: str, policy: Policy) -> bool:
    """The directory says that this unit may not return such a matter."""
    ticket = session.scalar(visible_tickets(who, Action.CHARGE_UNITS).where(Ticket.number == number))
    proposal = proposed(directory.load(session, policy), ticket) if ticket else None
    return bool(proposal and proposal.unit_code == unit and proposal.designated)


def _of_ticket(session: Session, who: Viewer, number: str, order_id: int) -> SubOrder:
    """The share, which is this ticket's. Raises NotVisible."""
    ticket, order = locked_order(session, who, order_id, Action.CHARGE_UNITS)
    if ticket.number != number:
        raise NotVisible(f"no order {order_id} of {number}")
    return order
