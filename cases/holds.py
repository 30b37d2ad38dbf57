"""Legal hold: a call or ticket, and all that belongs to it, is not deleted until somebody lifts it.

What belongs together: a ticket and its calls, with their recordings, attachments and drafts. A hold on one of
them holds them all.
"""

from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from cases import journal
from cases.errors import NotVisible, Refused
from cases.permissions import Action, demand, rule
from cases.ticket_numbers import called
from cases.visible import visible_calls, visible_tickets
from storage.tables import Call, Hold, Ticket, TicketCall
from storage.viewer import Viewer

Kind = Literal["call", "ticket"]

LONGEST_WHY = 300


def place(session: Session, viewer: Viewer, kind: Kind, key: str, why: str) -> None:
    """From now on it stays; a second hold beside the first is none. `key`: a call's id, a ticket's number.

    Raises NotAllowed, NotVisible, Refused on `why`.
    """
    matter = _matter(session, viewer, kind, key)
    why = why.strip()
    if not why or len(why) > LONGEST_WHY:
        raise Refused({"why": "too_long" if why else "required"})
    if held(session, matter) is None:
        session.add(Hold(why=why, by_id=viewer.person_id, **_subject(matter)))
        _note(session, viewer, matter, "held")


def lift(session: Session, viewer: Viewer, kind: Kind, key: str) -> None:
    """From now on the policy's days count again. Raises NotAllowed, NotVisible."""
    matter = _matter(session, viewer, kind, key)
    found = held(session, matter)
    if found is not None:
        found.lifted_at, found.lifted_by = datetime.now(UTC), viewer.person_id
        _note(session, viewer, matter, "released")


def held(session: Session, matter: Call | Ticket) -> Hold | None:
    """The hold on this very call or ticket."""
    mine = Hold.call_id == matter.id if isinstance(matter, Call) else Hold.ticket_id == matter.id
    return session.scalar(select(Hold).where(mine, Hold.lifted_at.is_(None)).with_for_update())


def stays(session: Session, matter: Call | Ticket) -> bool:
    """Whether anything holds it, be it a hold of its own or of what belongs to it."""
    if isinstance(matter, Call):
        query = select(Call.id).where(Call.id == matter.id, call_is_held(Call.id))
        return session.scalar(query) is not None
    return (
        session.scalar(select(Ticket.id).where(Ticket.id == matter.id, ticket_is_held(Ticket.id))) is not None
    )


def call_is_held(call_id: ColumnElement[str] | InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """By a hold of its own, or of a ticket that was written of it, or of another call of that ticket."""
    mine = aliased(TicketCall)
    by_ticket = exists().where(mine.call_id == call_id, _ticket_or_its_calls(mine.ticket_id))
    return or_(exists().where(Hold.call_id == call_id, Hold.lifted_at.is_(None)), by_ticket)


def ticket_is_held(ticket_id: ColumnElement[int] | InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """By a hold of its own, or of one of its calls."""
    return _ticket_or_its_calls(ticket_id)


def _ticket_or_its_calls(ticket_id: ColumnElement[int] | InstrumentedAttribute[int]) -> ColumnElement[bool]:
    one, link = aliased(Hold), aliased(TicketCall)
    calls = select(link.call_id).where(link.ticket_id == ticket_id)
    return exists().where(or_(one.ticket_id == ticket_id, one.call_id.in_(calls)), one.lifted_at.is_(None))


def _matter(session: Session, viewer: Viewer, kind: Kind, key: str) -> Call | Ticket:
    demand(viewer, Action.HOLD)
    found: Call | Ticket | None = (
        session.scalar(visible_calls(viewer, Action.HOLD).where(Call.id == key))
        if kind == "call"
        else session.scalar(visible_tickets(viewer, Action.HOLD).where(called(key)))
    )
    if found is None:
        raise NotVisible(f"no {kind} {key}")
    return found


def _subject(matter: Call | Ticket) -> dict[str, int | str]:
    return {"call_id": matter.id} if isinstance(matter, Call) else {"ticket_id": matter.id}


def _note(session: Session, viewer: Viewer, matter: Call | Ticket, act: str) -> None:
    kind = "call" if isinstance(matter, Call) else "ticket"
    by = rule(viewer, Action.HOLD, sealed=matter.sealed)
    journal.append(session, viewer, f"{kind}.{act}", kind, matter.id, rule=by)
