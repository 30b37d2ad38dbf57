"""裁定: what units ask, for those who decide on it: objections and requests for more time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from agents.people import names_of
from agents.ticket_parts import Again
from agents.tickets import pressing
from agents.waiting import waits
from cases import personal, rulings
from cases.errors import Conflict
from cases.errors import Refused as Faulty
from cases.permissions import Action
from cases.rulings import KINDS, Waiting
from routing.policy import Policy
from storage.viewer import Viewer
from web.login import needs, services
from web.render import page

router = APIRouter()
ROWS = 20
Decider = Annotated[Viewer, Depends(needs(Action.DECIDE))]


@dataclass(frozen=True, slots=True)
class Listed:
    """A request with its ticket as lists show it. `until`: when it should be ruled on, more time before what
    there is runs out; `due`: how pressing that is. `is_own`: somebody else has to rule on it."""

    asked: Waiting
    ticket: Any
    ground: str
    until: datetime | None
    due: str
    is_own: bool


@waits("rulings")
def _waiting(session: Session, viewer: Viewer, policy: Policy) -> dict[str, int]:
    return rulings.counts(session, viewer, policy)


@router.get("/rulings")
def rulings_page(
    request: Request,
    who: Decider,
    which: Annotated[str, Query(alias="list", max_length=20)] = "all",
    number: Annotated[int, Query(alias="page", ge=1, le=10_000)] = 1,
) -> Response:
    """What waits for her ruling, longest asked first."""
    return _page(request, who, which, number)


@router.post("/orders/{order_id}/ruling")
def rule(
    request: Request,
    order_id: int,
    who: Decider,
    kind: Annotated[Literal["objection", "extension"], Form()],
    decision: Annotated[Literal["grant", "refuse"], Form()],
    remark: Annotated[str, Form(max_length=20_000)] = "",
    which: Annotated[str, Form(alias="list", max_length=20)] = "all",
) -> Response:
    """Grant or refuse; what was written of it stays when that cannot be."""
    at = services(request)
    decide = rulings.rule_objection if kind == "objection" else rulings.rule_extension
    form, typed = f"{kind}-{order_id}", {"remark": remark}
    try:
        with at.database.session() as session:
            decide(session, who, order_id, decision == "grant", remark.strip(), at.policy, datetime.now(UTC))
    except Faulty as fault:
        status = 409 if "event" in fault.faults else 422
        return _page(request, who, which, 1, status, Again(form, typed, fault.faults))
    except Conflict:
        return _page(request, who, which, 1, 409, Again(form, typed, {"event": "meanwhile"}))
    return RedirectResponse(f"/rulings?list={which}" if which in KINDS else "/rulings", status_code=303)


def _page(
    request: Request, who: Viewer, which: str, number: int, status: int = 200, again: Again | None = None
) -> Response:
    policy = services(request).policy
    which = which if which in KINDS else "all"
    with services(request).database.session() as session:
        counts: Mapping[str, int] = rulings.counts(session, who, policy)
        kind = which if which in KINDS else ""
        found = rulings.waiting(session, who, policy, kind, ROWS + 1, (number - 1) * ROWS)
        names = names_of(session, {each.request.asked_by for each in found})
        rows = [_listed(each, who) for each in found[:ROWS]]
    address = f"/rulings?list={which}"
    return page(
        request,
        "rulings.html",
        status,
        which=which,
        counts={"all": sum(counts.values()), **counts},
        rows=rows,
        names=names,
        again=again or Again(),
        newest=address if number > 1 else "",
        older=f"{address}&page={number + 1}" if len(found) > ROWS else "",
    )


def _listed(asked: Waiting, who: Viewer) -> Listed:
    tell = personal.telling(asked.ticket, full=False)
    until = asked.by.at if asked.by else asked.order.due_at
    return Listed(
        asked,
        personal.shown(asked.ticket, full=False),
        tell(asked.request.ground),
        until,
        pressing(until),
        asked.request.asked_by == who.person_id,
    )
