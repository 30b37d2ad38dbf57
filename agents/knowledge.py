"""The knowledge base for those who answer: its page with a search as one types, and the box beside a form.

What a box finds is put into the answer by agents/static/knowledge.js; nothing that was typed goes.
"""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from agents.people import names_of
from agents.ticket_parts import ticket_part
from agents.waiting import waits
from cases import knowledge
from cases.knowledge import Shelf
from cases.permissions import Action, may
from cases.states import OPEN
from routing.policy import Policy
from storage.tables import Ticket
from storage.viewer import Viewer
from web.login import needs, services
from web.render import now, page

router = APIRouter()
Reader = Annotated[Viewer, Depends(needs(Action.READ_KNOWLEDGE))]
Typed = Annotated[str, Query(max_length=200)]

IN_A_BOX = 5  # entries that a box beside a form has room for
ANSWERS = (Action.WRITE_TICKETS, Action.HANDLE, Action.CLOSE)  # who writes what callers are told


@router.get("/knowledge")
def knowledge_page(request: Request, who: Reader, q: Typed = "", category: Typed = "") -> Response:
    """What is found for what is typed; as long as nothing is, what is used most."""
    today = today_of(services(request).policy)
    with services(request).database.session() as session:
        found = knowledge.search(session, who, q, today, category=category)
        counts = knowledge.counts(session, who, today)
    template = "knowledge_found.html" if request.headers.get("hx-target") == "found" else "knowledge.html"
    return page(request, template, found=found, counts=counts, typed={"q": q, "category": category})


@router.get("/knowledge/answers")
def answers(request: Request, who: Reader, q: Typed = "") -> Response:
    """What the box beside a form shows for what is typed into it."""
    today = today_of(services(request).policy)
    found = []
    if q.strip():
        with services(request).database.session() as session:
            found = knowledge.search(session, who, q, today, limit=IN_A_BOX)
    return page(request, "knowledge_answers.html", found=found, typed=q)


@router.get("/knowledge/{entry_id}")
def entry_page(request: Request, entry_id: int, who: Reader) -> Response:
    """One entry; for its editors with its state and what can be done about it."""
    today = today_of(services(request).policy)
    with services(request).database.session() as session:
        entry = knowledge.read(session, who, entry_id)
        names = names_of(session, [entry.changed_by])
    return page(request, "knowledge_one.html", entry=entry, names=names, state=state_of(entry, today))


@ticket_part("knowledge")
def shown(session: Session, who: Viewer, ticket: Ticket, policy: Policy) -> dict[str, Any] | None:
    """What may answer this very ticket, before anything is typed; None for whom it has no answer to write."""
    if not may(who, Action.READ_KNOWLEDGE) or not any(may(who, action) for action in ANSWERS):
        return None
    if ticket.state not in OPEN:
        return None
    return {"found": knowledge.search(session, who, ticket.title, today_of(policy), limit=IN_A_BOX)}


@waits("knowledge")
def waiting(session: Session, who: Viewer, policy: Policy) -> dict[str, int]:
    """What expires and wants to be looked at by its editors."""
    counts = knowledge.counts(session, who, today_of(policy))
    return {"expiring": counts[Shelf.EXPIRING]} if counts else {}


def state_of(entry: Any, today: date) -> str:
    """draft, withdrawn, published; of those coming (not valid yet), soon (to expire) or over."""
    if entry.state != knowledge.State.PUBLISHED or not (entry.valid_from or entry.valid_until):
        return str(entry.state)
    if entry.valid_from and entry.valid_from > today:
        return "coming"
    if entry.valid_until and entry.valid_until < today:
        return "over"
    return "soon" if entry.valid_until and entry.valid_until <= today + knowledge.SOON else "published"


def today_of(policy: Policy) -> date:
    return now().astimezone(policy.zone).date()
