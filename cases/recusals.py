"""回避: who has an interest in a matter must not know of it; by her own word, or by somebody else's.

Whose own unit is accused, or one above it, is recused without a word: cases/visible.py.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cases import journal
from cases.errors import NotAllowed, NotVisible, Refused
from cases.lab import real_person
from cases.permissions import Action, demand, rule
from cases.ticket_numbers import called
from cases.visible import visible_calls, visible_tickets
from storage.staff import Person
from storage.tables import Call, Recusal, Ticket
from storage.viewer import Viewer

Kind = Literal["call", "ticket"]

OWN_WORD = "own_word"
REASONS = ("kin", "named_in_it", "other")
_SEE = {"call": Action.SEE_CALLS, "ticket": Action.SEE_TICKETS}


@dataclass(frozen=True, slots=True)
class Recused:
    """Somebody who must not know, since when, why (a code), and by whose word."""

    id: int
    person: Person
    why: str
    at: datetime
    by_id: int | None


def recuse_self(session: Session, viewer: Viewer, kind: Kind, key: str) -> None:
    """By her own word she loses sight of it at once. `key`: a call's id, a ticket's number.

    Raises NotVisible, NotAllowed.
    """
    demand(viewer, _SEE[kind])
    matter = _matter(session, viewer, _SEE[kind], kind, key)
    _recuse(session, viewer, matter, viewer.person_id, OWN_WORD, _SEE[kind])


def recuse(session: Session, viewer: Viewer, kind: Kind, key: str, person_id: int, why: str) -> None:
    """Somebody else must not know of it, for one of REASONS; twice is once, the first reason stays.

    Raises NotVisible, NotAllowed, Refused.
    """
    demand(viewer, Action.RECUSE_OTHERS)
    matter = _matter(session, viewer, Action.RECUSE_OTHERS, kind, key)
    faults = {} if why in REASONS else {"why": "unknown" if why else "required"}
    if person_id == viewer.person_id:
        faults["person"] = "self"
    elif session.scalar(select(Person.id).where(Person.id == person_id, Person.active)) is None:
        faults["person"] = "unknown"
    if faults:
        raise Refused(faults)
    _recuse(session, viewer, matter, person_id, why, Action.RECUSE_OTHERS)


def lift(session: Session, viewer: Viewer, recusal_id: int) -> Call | Ticket:
    """She may know of it again; never by her own hand. The matter. Raises NotVisible, NotAllowed."""
    demand(viewer, Action.RECUSE_OTHERS)
    # Asked in one: whether there is such a recusal, and from something that she sees.
    calls = visible_calls(viewer, Action.RECUSE_OTHERS).with_only_columns(Call.id)
    tickets = visible_tickets(viewer, Action.RECUSE_OTHERS).with_only_columns(Ticket.id)
    hers = or_(Recusal.call_id.in_(calls), Recusal.ticket_id.in_(tickets))
    found = session.scalar(select(Recusal).where(Recusal.id == recusal_id, hers).with_for_update())
    if found is None:
        raise NotVisible(f"no recusal {recusal_id}")
    matter = _of(session, found)
    if found.person_id == viewer.person_id:
        raise NotAllowed("nobody lifts her own recusal")
    _note(session, viewer, matter, "recusal_lifted", found.person_id, found.why, Action.RECUSE_OTHERS)
    session.delete(found)
    return matter


def recused_from(session: Session, matter: Call | Ticket) -> list[Recused]:
    """By word, for a viewer who sees the matter; first one first."""
    mine = Recusal.call_id == matter.id if isinstance(matter, Call) else Recusal.ticket_id == matter.id
    rows = select(Recusal, Person).join(Person, Person.id == Recusal.person_id).where(mine)
    return [
        Recused(row.id, person, row.why, row.at, row.by_id)
        for row, person in session.execute(rows.order_by(Recusal.at, Recusal.id))
    ]


def choice_of_people(session: Session, viewer: Viewer) -> list[tuple[str, str]]:
    """Everybody else who works here, for a choice by name: (id, name and account)."""
    others = select(Person).where(Person.active, Person.id != viewer.person_id, real_person())
    return [
        (str(one.id), f"{one.name} {one.login}") for one in session.scalars(others.order_by(Person.login))
    ]


def _matter(session: Session, viewer: Viewer, action: Action, kind: Kind, key: str) -> Call | Ticket:
    found: Call | Ticket | None = (
        session.scalar(visible_calls(viewer, action).where(Call.id == key))
        if kind == "call"
        else session.scalar(visible_tickets(viewer, action).where(called(key)))
    )
    if found is None:
        raise NotVisible(f"no {kind} {key}")
    return found


def _of(session: Session, recusal: Recusal) -> Call | Ticket:
    """What a recusal is from."""
    if recusal.call_id is not None:
        return session.get_one(Call, recusal.call_id)
    return session.get_one(Ticket, recusal.ticket_id)


def _recuse(
    session: Session, viewer: Viewer, matter: Call | Ticket, person_id: int, why: str, action: Action
) -> None:
    subject = {"call_id": matter.id} if isinstance(matter, Call) else {"ticket_id": matter.id}
    row = insert(Recusal).values(person_id=person_id, why=why, by_id=viewer.person_id, **subject)
    if session.scalar(row.on_conflict_do_nothing().returning(Recusal.id)) is not None:
        _note(session, viewer, matter, "recused", person_id, why, action)


def _note(
    session: Session,
    viewer: Viewer,
    matter: Call | Ticket,
    act: str,
    person_id: int,
    why: str,
    action: Action,
) -> None:
    kind = "call" if isinstance(matter, Call) else "ticket"
    allowed = rule(viewer, action, sealed=matter.sealed)
    journal.append(
        session, viewer, f"{kind}.{act}", kind, matter.id, rule=allowed, person_id=person_id, why=why
    )
