"""结案审核: the closing form on a ticket's page, and the reviewer's tray of those that wait for audit."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from agents.people import names_of
from agents.ticket_parts import ticket_part, version_of
from agents.tickets import act_on, due_state, form_fields
from agents.waiting import waits
from cases import closing, personal, shares, sorting, units
from cases.order_reply import Reply
from cases.permissions import Action, may
from cases.states import State
from cases.steps import is_decider
from cases.visible import reaches
from routing.policy import Policy
from storage.tables import Ticket
from storage.viewer import Viewer
from storage.work import Closing, SubOrder
from web.login import needs, services
from web.render import page

router = APIRouter()
ROWS = 50
Typed = Annotated[dict[str, str], Depends(form_fields)]


@waits("review")
def _waiting(session: Session, viewer: Viewer, policy: Policy) -> dict[str, int]:
    return closing.counts(session, viewer, policy)


@router.get("/review")
def review_page(
    request: Request,
    who: Annotated[Viewer, Depends(needs(Action.DECIDE))],
    number: Annotated[int, Query(alias="page", ge=1, le=10_000)] = 1,
) -> Response:
    """Closing forms that wait for her audit, oldest due first."""
    policy = services(request).policy
    with services(request).database.session() as session:
        found = closing.tray(session, who, policy, ROWS + 1, (number - 1) * ROWS)
        names = names_of(session, {form.by_id for _, form in found})
        having = sorting.having(session, [ticket.id for ticket, _ in found])
        unit_names = {unit.id: unit.name for unit in units.everyone(session)}
        rows = [
            (
                personal.shown(ticket, full=False),
                form,
                [unit_names[share.unit_id] for share in having.get(ticket.id, []) if share.parent_id is None],
                names.get(form.by_id or 0, ""),
                due_state(ticket),
            )
            for ticket, form in found[:ROWS]
        ]
        total = closing.counts(session, who, policy).get("closing", 0)
    context: dict[str, Any] = {"rows": rows, "total": total, "number": number, "more": len(found) > ROWS}
    return page(request, "review.html", **context)


@router.post("/tickets/{number}/closing")
def submit(
    request: Request, number: str, who: Annotated[Viewer, Depends(needs(Action.CLOSE))], typed: Typed
) -> Response:
    """The whole case is done, says whoever leads it."""
    policy, form = services(request).policy, Reply.read(typed)

    def act(session: Session) -> None:
        closing.submit(session, who, number, form, policy, datetime.now(UTC), version=version_of(typed))

    return act_on(request, number, who, "closing", typed, act)


@router.post("/tickets/{number}/closing/audit")
def audit(
    request: Request, number: str, who: Annotated[Viewer, Depends(needs(Action.DECIDE))], typed: Typed
) -> Response:
    """Somebody else approves it, or sends it back."""
    policy, remark = services(request).policy, typed.get("remark", "").strip()

    def act(session: Session) -> None:
        verdict, now = typed.get("verdict", ""), datetime.now(UTC)
        closing.audit(session, who, number, verdict, remark, policy, now, version=version_of(typed))

    return act_on(request, number, who, "audit", typed, act)


@ticket_part("closing")
def shown(session: Session, who: Viewer, ticket: Ticket, policy: Policy) -> dict[str, Any]:
    """The closing forms of a ticket, newest first; a new one, or the audit, for those whose turn it is."""
    forms = closing.forms(session, ticket)
    having = shares.of(session, ticket) if forms or ticket.state == State.HANDLING else []
    lead = shares.leading(having)
    may_close = (
        ticket.state == State.HANDLING
        and bool(having)
        and may(who, Action.CLOSE)
        and reaches(session, who, Action.CLOSE, ticket)
        and closing.leads(who, lead)
    )
    waits_for = forms[0] if forms and ticket.state == State.REVIEW else None
    decides = waits_for is not None and reaches(session, who, Action.DECIDE, ticket)
    decides = decides and is_decider(who, ticket, "closing", policy)
    names = {unit.id: unit.name for unit in units.everyone(session)} if may_close else {}
    return {
        "forms": forms,
        "is_told": closing.leads(who, lead),
        "names": names_of(session, {each for form in forms for each in (form.by_id, form.decided_by)}),
        "may_close": may_close,
        "lead": lead,
        "owed": [names[each.unit_id] for each in shares.owed(having)] if may_close else [],
        "contacted_at": _local(lead, policy),
        "may_audit": decides and waits_for is not None and waits_for.by_id != who.person_id,
        "is_own": decides and waits_for is not None and waits_for.by_id == who.person_id,
    }


def _local(lead: SubOrder | Closing | None, policy: Policy) -> str:
    """As the field of a form takes a moment."""
    at = lead.contacted_at if lead is not None else None
    return at.astimezone(policy.zone).strftime("%Y-%m-%dT%H:%M") if at else ""
