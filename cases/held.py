"""The right to see (PIPL 45): all that is held about one caller, for a sheet that is given to her.

Her own data and what was done for her; not what units wrote among themselves, and nothing of what is sealed:
who handles that answers for it. Taking a sheet is journalled.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases import personal
from cases.parties import calls_of, kept_caller, numbers_of, tickets_of
from storage.parties import Caller, CallerNumber, Enterprise
from storage.tables import Attachment, Call, Recording, Ticket
from storage.viewer import Viewer
from storage.work import Closing, Ending, Visit

MOST = 2000  # calls and tickets each


@dataclass(frozen=True, slots=True)
class HeldTicket:
    """`told`: what she was told at its end; `papers`: names of its files; `visits`: what she said of it."""

    ticket: Ticket
    told: Sequence[str]
    papers: Sequence[str]
    visits: Sequence[Visit]


@dataclass(frozen=True, slots=True)
class Held:
    """Oldest first. `recorded`: ids of the calls whose sound is still kept."""

    caller: Caller
    numbers: Sequence[CallerNumber]
    enterprise: Enterprise | None
    calls: Sequence[Call]
    recorded: frozenset[str]
    tickets: Sequence[HeldTicket]


def held(session: Session, viewer: Viewer, caller_id: int) -> Held:
    """As far as the viewer sees it. Raises NotAllowed, NotVisible."""
    caller = kept_caller(session, viewer, caller_id)
    personal.show_record(session, viewer, caller, "sheet")
    numbers = numbers_of(session, [caller.id]).get(caller.id, [])
    calls = session.scalars(
        calls_of(viewer, caller, numbers).order_by(Call.began_at, Call.id).limit(MOST)
    ).all()
    tickets = session.scalars(
        tickets_of(viewer, caller, numbers).order_by(Ticket.created_at, Ticket.id).limit(MOST)
    ).all()
    kept = select(Recording.call_id).where(
        Recording.call_id.in_([call.id for call in calls]), Recording.state == "ready"
    )
    enterprise = session.get(Enterprise, caller.enterprise_id) if caller.enterprise_id else None
    recorded = frozenset(session.scalars(kept))
    return Held(caller, numbers, enterprise, calls, recorded, _tickets(session, tickets))


def _tickets(session: Session, tickets: Sequence[Ticket]) -> list[HeldTicket]:
    ids = [ticket.id for ticket in tickets]
    told: dict[int, list[str]] = {}
    papers: dict[int, list[str]] = {}
    visits: dict[int, list[Visit]] = {}
    closed = select(Closing).where(Closing.ticket_id.in_(ids), Closing.decision == "approved")
    for closing in session.scalars(closed.order_by(Closing.id)):
        told.setdefault(closing.ticket_id, []).append(closing.public_reply)
    for ending in session.scalars(select(Ending).where(Ending.ticket_id.in_(ids)).order_by(Ending.id)):
        told.setdefault(ending.ticket_id, []).append(ending.words)
    files = select(Attachment).where(Attachment.ticket_id.in_(ids)).order_by(Attachment.at)
    for paper in session.scalars(files):
        papers.setdefault(paper.ticket_id, []).append(paper.name)
    for visit in session.scalars(select(Visit).where(Visit.ticket_id.in_(ids)).order_by(Visit.id)):
        visits.setdefault(visit.ticket_id, []).append(visit)
    return [
        HeldTicket(
            ticket,
            [words for words in (ticket.answer, *told.get(ticket.id, ())) if words],
            papers.get(ticket.id, ()),
            visits.get(ticket.id, ()),
        )
        for ticket in tickets
    ]
