"""Calls: the list of every visit, answered or not, and the page that tells one from ring to end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from agents import holds, recusals, sealed
from agents.filters import Filter, Wanted, list_page
from agents.people import names_of
from agents.recordings import players
from agents.story import people_in, tell
from cases import dialling, personal
from cases.calls import CallSearch, list_calls
from cases.history import record_history
from cases.offers import read_call
from cases.permissions import Action
from cases.visible import visible_calls, visible_recordings, visible_tickets
from storage.parties import Caller
from storage.staff import Person
from storage.tables import Call, CallLeg, CallStep, Recording, Ticket, TicketCall
from storage.viewer import Viewer
from web.login import needs, services
from web.render import page, translate

router = APIRouter()
ORIGINS = ("trunk", "web", "visit", "lab")
OUTCOMES = ("live", "answered", "abandoned", "rejected", "unreached")


@dataclass(frozen=True, slots=True)
class Row:
    """One call of the list, its caller masked. Seconds are None while unknown.

    `may_return`: she can call back who was missed; `back`: the last call back, `back_by`: whose it was;
    `through`: the last call in which who was missed got through herself.
    """

    call: Any
    caller: Any
    agent: Person | None
    tickets: Sequence[str]
    recorded: bool
    wait_seconds: float | None
    talk_seconds: float | None
    may_return: bool
    back: Call | None
    back_by: str
    through: Call | None


@router.get("/calls")
def calls_page(
    request: Request,
    who: Annotated[Viewer, Depends(needs(Action.SEE_CALLS))],
    typed: Annotated[Filter, Depends()],
) -> Response:
    """Calls newest first, found by number, line, agent, day and outcome."""

    def find(session: Session, wanted: Wanted) -> list[Row]:
        search = CallSearch(
            **wanted.rows,
            line=typed.line,
            agent_id=wanted.agent_id,
            outcome=typed.outcome,
            origin=typed.origin,
        )
        return rows_of(session, who, list_calls(session, who, search))

    return list_page(request, "calls", typed, find, outcomes=OUTCOMES, origins=ORIGINS)


def rows_of(session: Session, who: Viewer, calls: Sequence[Call]) -> list[Row]:
    """The calls with callers, agents, tickets and whether there is something to hear."""
    ids = {call.id for call in calls}
    caller_ids = {call.caller_id for call in calls}
    agent_ids = {call.agent_id for call in calls}
    callers = {each.id: each for each in session.scalars(select(Caller).where(Caller.id.in_(caller_ids)))}
    agents = {each.id: each for each in session.scalars(select(Person).where(Person.id.in_(agent_ids)))}
    tickets = ticket_numbers(session, who, ids)
    missed_calls = [call for call in calls if dialling.is_missed(call)]
    missed = {call.id for call in missed_calls}
    back = dialling.returned(session, who, missed) if missed else {}
    through = dialling.got_through(session, who, missed_calls)
    back_by = names_of(session, {each.agent_id for each in back.values()})
    calls_out = _reached(session, who, missed) if missed else set()
    heard = visible_recordings(who).where(Recording.call_id.in_(ids), Recording.state == "ready")
    recorded = set(session.scalars(heard.with_only_columns(Recording.call_id)))
    return [
        Row(
            call=personal.shown(call, full=False),
            caller=personal.shown(callers.get(call.caller_id or 0), full=False),
            agent=agents.get(call.agent_id or 0),
            tickets=tickets.get(call.id, ()),
            recorded=call.id in recorded,
            wait_seconds=_between(call.queued_at, call.answered_at or call.ended_at),
            talk_seconds=_between(call.answered_at, call.ended_at),
            may_return=call.id in calls_out and call.number is not None,
            back=back.get(call.id),
            back_by=back_by.get(back[call.id].agent_id or 0, "") if call.id in back else "",
            through=through.get(call.id),
        )
        for call in calls
    ]


def _reached(session: Session, who: Viewer, call_ids: set[str]) -> set[str]:
    """Of these calls those whose callers she may call."""
    mine = visible_calls(who, Action.CALL_OUT).where(Call.id.in_(call_ids))
    return set(session.scalars(mine.with_only_columns(Call.id)))


def ticket_numbers(session: Session, who: Viewer, call_ids: set[str]) -> dict[str, list[str]]:
    """Call id → numbers of its tickets, as far as the viewer may see them."""
    query = (
        visible_tickets(who)
        .join(TicketCall, TicketCall.ticket_id == Ticket.id)
        .where(TicketCall.call_id.in_(call_ids))
        .order_by(Ticket.id)
        .with_only_columns(TicketCall.call_id, Ticket.number)
    )
    numbers: dict[str, list[str]] = {}
    for call_id, number in session.execute(query):
        numbers.setdefault(call_id, []).append(number)
    return numbers


def _between(start: datetime | None, end: datetime | None) -> float | None:
    return (end - start).total_seconds() if start and end else None


@router.get("/calls/{call_id}")
def call_page(
    request: Request, call_id: str, who: Annotated[Viewer, Depends(needs(Action.SEE_CALLS))]
) -> Response:
    """One call: what is known, what happened when, what was recorded and written."""
    return _one(request, call_id, who)


@router.post("/calls/{call_id}/full")
def show_call(
    request: Request, call_id: str, who: Annotated[Viewer, Depends(needs(Action.SHOW_PERSONAL))]
) -> Response:
    """The same page with names and numbers in full, this once; that she asked is journalled."""
    return _one(request, call_id, who, asked=True)


def _one(request: Request, call_id: str, who: Viewer, *, asked: bool = False) -> Response:
    with services(request).database.session() as session:
        record = read_call(session, who, call_id)
        if asked:
            personal.show(session, who, record.call)
        full = asked or personal.sees_call(session, who, record.call)
        steps = session.scalars(
            select(CallStep).where(CallStep.call_id == call_id).order_by(CallStep.at, CallStep.id)
        ).all()
        legs = session.execute(
            select(CallLeg, Person)
            .outerjoin(Person, Person.id == CallLeg.person_id)
            .where(CallLeg.call_id == call_id, CallLeg.part != "caller")
            .order_by(CallLeg.began_at)
        ).all()
        names = names_of(session, people_in(steps))
        heard = visible_recordings(who).where(Recording.call_id == call_id).order_by(Recording.began_at)
        context: dict[str, Any] = {
            "row": rows_of(session, who, [record.call])[0],
            "story": tell(
                [personal.shown(step, full=full) for step in steps],
                names,
                services(request).policy,
                translate(request),
            ),
            "can_show": not full and personal.may_show(session, who, record.call),
            "asked": asked,
            "legs": legs,
            "players": players(session.scalars(heard)),
            "closer": session.get(Person, record.call.closed_by) if record.call.closed_by else None,
            "history": record_history(session, who, "call", call_id),
            "recusals": recusals.shown(session, who, record.call),
            "sealed": sealed.shown(session, who, record.call),
            "hold": holds.shown(session, who, record.call),
        }
    return page(request, "calls_one.html", record=personal.shown_pop(record, full=full), **context)
