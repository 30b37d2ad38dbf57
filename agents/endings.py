"""How a ticket ends that no unit closes, on its page: answered, refused, transferred, merged; reopened."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from agents.people import names_of
from agents.ticket_parts import ticket_part, version_of
from agents.tickets import act_on, form_fields
from cases import answering, joining, personal, repeats
from cases.permissions import Action, may
from cases.states import State
from cases.steps import is_decider
from cases.visible import reaches, visible_tickets
from routing.policy import Policy
from storage.tables import Ticket
from storage.viewer import Viewer
from web.login import needs, services

router = APIRouter()
Writer = Annotated[Viewer, Depends(needs(Action.WRITE_TICKETS))]
Sorter = Annotated[Viewer, Depends(needs(Action.SORT))]
Typed = Annotated[dict[str, str], Depends(form_fields)]


@router.post("/tickets/{number}/answer")
def answer(request: Request, number: str, who: Writer, typed: Typed) -> Response:
    """What the caller is told is the end of it; `entry`: the knowledge that it was taken from, or ''."""
    told, entry = _word(typed, "answer"), typed.get("entry", "")

    def act(session: Session) -> None:
        version = version_of(typed)
        answering.answer_directly(session, who, number, told, _now(), entry=entry, version=version)

    return act_on(request, number, who, "answer", typed, act)


@router.post("/tickets/{number}/refusal")
def refuse(request: Request, number: str, who: Sorter, typed: Typed) -> Response:
    """By a ground of the policy's, in words that the caller is told."""
    return _by_ground(request, number, who, "refusal", typed, answering.refuse)


@router.post("/tickets/{number}/transfer")
def transfer(request: Request, number: str, who: Sorter, typed: Typed) -> Response:
    """To the hotline for what is outside our scope."""
    return _by_ground(request, number, who, "transfer", typed, answering.transfer)


@router.post("/tickets/{number}/withdrawal")
def withdraw(request: Request, number: str, who: Writer, typed: Typed) -> Response:
    """Its caller takes it back, or it should not have been written."""
    return _by_ground(request, number, who, "withdrawal", typed, answering.withdraw)


@router.post("/tickets/{number}/receipt")
def note_receipt(request: Request, number: str, who: Sorter, typed: Typed) -> Response:
    """What the other hotline gave for it."""

    def act(session: Session) -> None:
        receipt = _word(typed, "receipt")
        answering.note_receipt(session, who, number, receipt, _now(), version=version_of(typed))

    return act_on(request, number, who, "receipt", typed, act)


@router.post("/tickets/{number}/reopening")
def reopen(request: Request, number: str, who: Writer, typed: Typed) -> Response:
    """It is to be sorted anew."""
    policy = services(request).policy

    def act(session: Session) -> None:
        why = _word(typed, "why")
        answering.reopen(session, who, number, why, policy, _now(), version=version_of(typed))

    return act_on(request, number, who, "reopening", typed, act)


@router.post("/tickets/{number}/merge")
def merge(request: Request, number: str, who: Sorter, typed: Typed) -> Response:
    """Into the ticket whose number is in `lead`."""
    policy = services(request).policy

    def act(session: Session) -> None:
        lead = _word(typed, "lead")
        joining.merge(session, who, number, lead, policy, _now(), version=version_of(typed))

    return act_on(request, number, who, "merge", typed, act)


@router.post("/tickets/{number}/split")
def split(request: Request, number: str, who: Sorter, typed: Typed) -> Response:
    """It was no repeat after all."""
    return act_on(
        request,
        number,
        who,
        "split",
        typed,
        lambda session: joining.split(session, who, number, _now(), version=version_of(typed)),
    )


@ticket_part("ending")
def shown(session: Session, who: Viewer, ticket: Ticket, policy: Policy) -> dict[str, Any]:
    """How it ended, what was merged into it, which ends she may give it, and what may be the same matter."""
    ending = answering.current(session, ticket)
    may_write = may(who, Action.WRITE_TICKETS) and reaches(session, who, Action.WRITE_TICKETS, ticket)
    may_sort = may(who, Action.SORT) and reaches(session, who, Action.SORT, ticket)
    hers = visible_tickets(who).where(Ticket.id.in_(joining.follower_ids(ticket))).order_by(Ticket.id)
    to_sort = may_sort and ticket.state == State.ACCEPTED
    return {
        "ending": ending,
        "by": names_of(session, {ending.by_id}).get(ending.by_id or 0, "") if ending else "",
        "lead": joining.lead_of(session, who, ticket) if ticket.state == State.MERGED else None,
        "merged": [personal.shown(each, full=False) for each in session.scalars(hers)],
        "may_write": may_write,
        "may_end": may_write and answering.may_end(who, ticket),
        "may_sort": may_sort,
        "may_refuse": may_sort and is_decider(who, ticket, "refusal", policy),
        "repeats": _repeats(session, who, ticket) if to_sort else [],
    }


def _repeats(session: Session, who: Viewer, ticket: Ticket) -> list[tuple[Any, tuple[str, ...]]]:
    found = repeats.repeats_of(session, who, ticket)
    return [(personal.shown(each.ticket, full=False), each.why) for each in found]


def _by_ground(
    request: Request, number: str, who: Viewer, part: str, typed: dict[str, str], does: Any
) -> Response:
    policy = services(request).policy

    def act(session: Session) -> None:
        ground, words = typed.get("ground", ""), _word(typed, "words")
        does(session, who, number, ground, words, policy, _now(), version=version_of(typed))

    return act_on(request, number, who, part, typed, act)


def _word(typed: dict[str, str], name: str) -> str:
    return typed.get(name, "").strip()


def _now() -> datetime:
    return datetime.now(UTC)
