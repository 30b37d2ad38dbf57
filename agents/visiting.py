"""回访: who is to be called, the form beside the ticket, and what callers said."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from agents.people import names_of
from agents.ticket_parts import ticket_part, version_of
from agents.tickets import act_on, form_fields
from agents.waiting import waits
from cases import answering, closing, personal, visits
from cases.deadlines import say_rule
from cases.permissions import Action, may
from cases.states import State
from cases.visible import reaches
from routing.policy import Policy
from storage.tables import Ticket
from storage.viewer import Viewer
from web.faults import Refused
from web.login import needs, services
from web.messages import LANGUAGES
from web.render import page

router = APIRouter()
ROWS = 50


@waits("visits")
def _waiting(session: Session, viewer: Viewer, policy: Policy) -> dict[str, int]:
    counted = visits.counts(session, viewer, policy, datetime.now(UTC))
    return {name: count for name, count in counted.items() if name != "later"}


@router.get("/visits")
def visits_page(
    request: Request,
    who: Annotated[Viewer, Depends(needs(Action.VISIT))],
    which: Annotated[str, Query(alias="list", max_length=20)] = visits.LISTS[0],
    number: Annotated[int, Query(alias="page", ge=1, le=10_000)] = 1,
) -> Response:
    """Who is to be called today, those first who were not satisfied before; and who on another day."""
    if which not in visits.LISTS:
        raise Refused("error.missing", status=404)
    policy, now = services(request).policy, datetime.now(UTC)
    with services(request).database.session() as session:
        found = visits.tray(session, who, which, policy, now, ROWS + 1, (number - 1) * ROWS)
        rows = [(personal.shown(each, full=False), _timing(each, now)) for each in found[:ROWS]]
        counts = visits.counts(session, who, policy, now)
    context: dict[str, Any] = {"rows": rows, "counts": counts, "lists": visits.LISTS, "which": which}
    return page(request, "visits.html", **context, number=number, more=len(found) > ROWS)


@router.post("/tickets/{number}/visit")
def record(
    request: Request,
    number: str,
    who: Annotated[Viewer, Depends(needs(Action.VISIT))],
    typed: Annotated[dict[str, str], Depends(form_fields)],
) -> Response:
    """One attempt to hear how it went."""
    policy, form = services(request).policy, visits.VisitForm.read(typed)

    def act(session: Session) -> None:
        visits.record(session, who, number, form, policy, datetime.now(UTC), version=version_of(typed))

    return act_on(request, number, who, "visit", typed, act)


@ticket_part("visit")
def shown(session: Session, who: Viewer, ticket: Ticket, policy: Policy) -> dict[str, Any]:
    """What callers said so far; the form with what is read out to her, for who asks in this state."""
    made = visits.of(session, ticket)
    state = State(ticket.state)
    may_visit = (
        state in (State.VISIT, State.DONE)
        and may(who, Action.VISIT)
        and reaches(session, who, Action.VISIT, ticket)
    )
    grades = policy.handling.satisfaction
    return {
        "made": made,
        "names": names_of(session, {each.by_id for each in made}),
        "grades": {grade.code: grade for grade in grades},
        "may_visit": may_visit,
        "is_done": state is State.DONE,
        "reply": _reply(session, ticket) if may_visit else "",
        "rule": {each: say_rule(ticket.visit_due_rule, policy, each) for each in LANGUAGES}
        if ticket.visit_due_rule
        else {},
        "left": policy.handling.visit_attempts - visits.missed(session, ticket) if may_visit else 0,
    }


def _reply(session: Session, ticket: Ticket) -> str:
    """What the caller was, or is now, told."""
    approved = next((form for form in closing.forms(session, ticket) if form.decision == "approved"), None)
    if approved is not None:
        return approved.public_reply
    ending = answering.current(session, ticket)
    return ending.words if ending is not None else ticket.answer


def _timing(ticket: Ticket, now: datetime) -> str:
    """again (at an hour that has not come), over, or ''."""
    if ticket.waits_until is not None and ticket.waits_until > now:
        return "again"
    return "over" if ticket.visit_due_at is not None and ticket.visit_due_at < now else ""
