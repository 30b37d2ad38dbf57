"""The duty agent's desk: the caller's record inside the ring, the ticket form beside it, its draft, its end.

Words with the telephone are agents/duty_acts.py and agents/leader.py; the phone is agents/phone/*.ts.
"""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import Histogram
from pydantic import BaseModel, Field

from agents.duty_room import room_of
from cases import calls, drafts, knowledge, offers, personal, tickets
from cases.errors import Refused as Faults
from cases.permissions import Action
from cases.ticket_form import TicketForm
from routing.policy import Policy
from routing.terms import Reason, Words
from storage.viewer import Viewer
from web.answers import json_of
from web.login import needs, needs_within, services, viewer_within
from web.messages import Catalogue
from web.render import now, page, renderer, translate

router = APIRouter()
Agent = Annotated[Viewer, Depends(needs(Action.TAKE_CALLS))]

SAVED: dict[str, Any] = {
    "description": "Kept",
    "content": json_of(message="string", link="string", address="string"),
}
CLOSE_KEYS = ("F2", "F3", "F4", "F6", "F7", "F8", "F9", "F10")  # F1, F5, F11, F12 are the browser's
CALLS_OF_THE_DAY = 12
POP_TEMPLATES = ("desk/work.html", "desk/fields.html", "knowledge_box.html", "ui.html")
POP = Histogram(
    "hotline_pop_seconds",
    "The server's time for a caller's record inside the ring",
    buckets=(0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.35, 0.6, 1.0, 2.0, 5.0),
)


class TypedDraft(BaseModel):
    """What is typed so far; `revision` is the browser's counter."""

    revision: int = Field(ge=1)
    body: dict[Annotated[str, Field(max_length=40)], Annotated[str, Field(max_length=20_000)]] = Field(
        max_length=40
    )


@router.get("/desk")
def desk(request: Request, who: Agent) -> Response:
    """What lies beside the calls in hand: unsettled calls, the day's calls, the device test."""
    renderer(request).prepare(*POP_TEMPLATES)
    with services(request).database.session() as session:
        offers.prepare(session, who)
    return page(request, "desk/desk.html", **_day(request, who))


@router.get("/desk/day")
def day(request: Request, who: Agent) -> Response:
    """The lists alone, drawn again when a call or ticket changes."""
    return page(request, "desk/day.html", **_day(request, who))


@router.get("/desk/calls/{call_id}")
@needs_within(Action.TAKE_CALLS)
@POP.time()
def pop(request: Request, call_id: str, offer: str = "") -> Response:
    """The caller's record and an empty or half-filled form. Raises NotLoggedIn, NotVisible, DatabaseAway."""
    at = services(request)
    with at.database.session() as session:
        who = viewer_within(request, session, Action.TAKE_CALLS)
        found = offers.offered(session, who, call_id, offer)
        rings = found.rings_here and found.call.outcome == "live"
        full = rings or personal.sees_call(session, who, found.call)
        found = personal.shown_pop(found, full=full)
    t = translate(request)
    line = at.policy.line(found.call.line)
    kept = found.draft
    return page(
        request,
        "desk/work.html",
        pop=found,
        who=who,
        shown_number=found.number_display
        or found.call.number_raw
        or t("desk.record.web" if found.call.origin == "web" else "desk.record.withheld"),
        line_name=f"{found.call.line} {line.name if line else ''}".strip(),
        form_id=f"{call_id}:{who.person_id}:{found.tickets[0].number if found.tickets else 0}",
        draft={"revision": kept.revision, "body": kept.body} if kept else {"revision": 0, "body": {}},
        close_keys=CLOSE_KEYS,
        **_names(at.policy, t.language),
    )


@router.put("/desk/calls/{call_id}/draft")
def keep_draft(request: Request, who: Agent, call_id: str, typed: TypedDraft) -> dict[str, int]:
    """Keeps what is typed; answers with the revision that is stored now."""
    with services(request).database.session() as session:
        kept = drafts.keep_draft(session, who, call_id, dict(typed.body), typed.revision)
    return {"revision": kept.revision}


async def typed_fields(request: Request) -> dict[str, str]:
    """The form's fields as typed, whatever they are: cases/ticket_form.py judges them."""
    return {name: str(value) for name, value in (await request.form()).items()}


Typed = Annotated[dict[str, str], Depends(typed_fields)]


@router.post("/desk/calls/{call_id}/ticket", responses={200: SAVED})
def save_ticket(request: Request, who: Agent, call_id: str, typed: Typed) -> Response:
    """Ticket, journal and link to the call in one transaction; saving one form twice is saving it once."""
    at, t = services(request), translate(request)
    form, moment = TicketForm.read(typed), now()
    try:
        with at.database.session() as session:
            form = personal.over_call(session, who, call_id, form)
            ticket = tickets.save_ticket(session, who, form, call_id, at.policy, moment)
            if form.answer and ticket.created_at == moment:  # one form sent twice is one answer
                knowledge.count_as_answer(session, typed.get("entry", ""), sealed=ticket.sealed)
    except Faults as faults:
        return _faulty(t, faults)
    due = _local(at.policy, ticket.due_at)
    key = "desk.form.saved" if due else "desk.form.saved_no_due"
    if ticket.due_provisional:
        due = t("desk.form.provisional", due=due)
    return JSONResponse(
        {
            "message": t(key, due=due) if due else t(key),
            "link": t("desk.form.link", number=ticket.number),
            "address": f"/tickets/{ticket.number}",
        }
    )


@router.post("/desk/calls/{call_id}/close", responses={200: SAVED})
def close_call(request: Request, who: Agent, call_id: str, typed: Typed) -> Response:
    """The call needs no ticket, for one of the policy's reasons."""
    at, t = services(request), translate(request)
    reason = typed.get("reason", "")
    try:
        with at.database.session() as session:
            calls.close_call(session, who, call_id, reason, typed.get("note", ""), at.policy)
    except Faults as faults:
        return _faulty(t, faults)
    return JSONResponse({"message": t("desk.form.closed", reason=_said(at.policy, t.language)[reason])})


def _day(request: Request, who: Viewer) -> dict[str, Any]:
    at = services(request)
    midnight = now().astimezone(at.policy.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    mine = calls.CallSearch(agent_id=who.person_id, since=midnight, limit=CALLS_OF_THE_DAY)
    unsettled = calls.CallSearch(agent_id=who.person_id, unsettled=True, limit=CALLS_OF_THE_DAY)
    with at.database.session() as session:
        found = {
            "mine": calls.list_calls(session, who, mine),
            "unsettled": calls.list_calls(session, who, unsettled),
        }
        room = room_of(session, who, at.policy, translate(request).language)
    lists = {
        name: [personal.shown(call, full=call.outcome == "live") for call in each]
        for name, each in found.items()
    }
    return {"lists": lists, "room": room, **_names(at.policy, translate(request).language)}


def _names(policy: Policy, language: str) -> dict[str, Any]:
    """The policy's codes in words, for templates."""
    return {
        "kinds": [(kind.code, kind.name.say(language), kind.sealed) for kind in policy.kinds],
        "kind_names": {kind.code: kind.name.say(language) for kind in policy.kinds},
        "closings": _said(policy, language),
        "longer": _longer(policy),
    }


def _longer(policy: Policy) -> dict[str, tuple[Words, list[str]]]:
    """Each limit that may be chosen: its name, and of which kinds."""
    found: dict[str, tuple[Words, list[str]]] = {}
    for kind in policy.kinds:
        for code, choice in kind.longer.items():
            found.setdefault(code, (choice.name, []))[1].append(kind.code)
    return found


def _said(policy: Policy, language: str) -> dict[str, str]:
    reasons: tuple[Reason, ...] = policy.closing_reasons
    return {reason.code: reason.name.say(language) for reason in reasons}


def _local(policy: Policy, at: datetime | None) -> str:
    return at.astimezone(policy.zone).strftime("%m-%d %H:%M") if at else ""


def _faulty(t: Catalogue, faults: Faults) -> JSONResponse:
    """422: a sentence per field at fault; all that was typed stays in the browser."""
    fields = {name: _fault(t, code) for name, code in faults.faults.items()}
    return JSONResponse({"error": {"message": t("desk.refused"), "fields": fields}}, status_code=422)


def _fault(t: Catalogue, code: str) -> str:
    """The desk's own short sentence, else the one that all forms have."""
    name = code.partition(":")[0]
    for among in ("desk.fault", "fault"):
        if t.has(f"{among}.{name}"):
            return t.fault(code, among)
    return t("desk.fault.other")
