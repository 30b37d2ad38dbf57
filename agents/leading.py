"""批示: the leader's page, and his secretary's; a word is written where the report stands."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from agents.people import names_of
from agents.supervision import Typed, id_of
from agents.ticket_parts import Again
from agents.tickets import act_on
from agents.units import unit_options
from agents.waiting import waits
from cases import instructions, leading, personal, units
from cases.errors import Refused
from cases.leading import Told
from cases.permissions import Action
from routing.policy import Policy
from storage.viewer import Viewer
from web.login import needs, services
from web.render import page

router = APIRouter()
Leader = Annotated[Viewer, Depends(needs(Action.INSTRUCT))]


@waits("leading")
def _waiting(session: Session, viewer: Viewer, policy: Policy) -> dict[str, int]:
    found = leading.counts(session, viewer, policy, datetime.now(UTC))
    return {name: count for name, count in found.items() if name == "waiting"}


@router.get("/leader")
def leader_page(request: Request, who: Leader) -> Response:
    """What awaits his word, his instructions, today's calls on his lines."""
    return _page(request, who)


@router.post("/tickets/{number}/instruction")
def instruct(request: Request, number: str, who: Leader, typed: Typed) -> Response:
    """批示 on a report, or of his own accord; by himself, or entered by a secretary."""
    policy, report = services(request).policy, id_of(typed.get("report", ""))
    leader, unit = id_of(typed.get("leader", "")), typed.get("unit", "")

    def act(session: Session) -> None:
        words, now = typed.get("words", ""), datetime.now(UTC)
        named = {"leader_id": leader, "report_id": report}
        instructions.instruct(session, who, number, words, policy, now, **named, unit_code=unit)

    part = f"instruct-{report}"
    if typed.get("from") != "leader":
        return act_on(request, number, who, part, typed, act)
    try:
        with services(request).database.session() as session:
            act(session)
    except Refused as fault:
        return _page(request, who, 409 if "event" in fault.faults else 422, Again(part, typed, fault.faults))
    return RedirectResponse("/leader", status_code=303)


def _page(request: Request, who: Viewer, status: int = 200, again: Again | None = None) -> Response:
    policy, now = services(request).policy, datetime.now(UTC)
    with services(request).database.session() as session:
        waiting, running = (leading.told(session, who, which, now) for which in ("waiting", "running"))
        rows = [each.instruction for each in (*waiting, *running)]
        ids = {each for row in rows for each in (row.leader_id, row.reported_by, row.given_by, row.done_by)}
        calls = leading.calls(session, who, policy, now)
        names_for = instructions.leaders_for(session, who)
        context: dict[str, Any] = {
            "waiting": [_shown(each, now) for each in waiting],
            "running": [_shown(each, now) for each in running],
            "calls": [
                (personal.shown(each.call, full=False), personal.shown(each.ticket, full=False))
                for each in calls
            ],
            "counts": leading.counts(session, who, policy, now),
            "names": names_of(session, ids | {each.call.agent_id for each in calls}),
            "units": {unit.id: unit.name for unit in units.everyone(session)},
            "for_whom": [one.name for one in names_for],
            "form": {"names_for": [], "options": unit_options(session)},
        }
    answered = {f"instruct-{each.instruction.id}" for each in waiting}
    context["gone"] = again is not None and again.part not in answered
    return page(request, "leading.html", status, again=again or Again(), **context)


def _shown(each: Told, now: datetime) -> tuple[Any, Any, str, Any]:
    """The case masked, its row, how it stands, and the way its texts are told."""
    tell = personal.telling(each.ticket, full=False)
    return (
        personal.shown(each.ticket, full=False),
        each.instruction,
        instructions.standing(each.instruction, each.ticket, now),
        tell,
    )
