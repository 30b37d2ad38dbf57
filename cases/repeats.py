"""What may be the same matter again: proposed to whoever sorts a ticket, decided by her."""

import re
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import or_
from sqlalchemy.orm import Session, load_only

from cases.permissions import Action
from cases.states import OPEN
from cases.visible import visible_tickets
from storage.tables import Ticket
from storage.viewer import Viewer

SHOWN = 5
NEWEST = 200  # open tickets that are read for it
WITHIN = timedelta(days=90)
ALIKE = 0.4  # of the pairs of characters that two titles have, in both
_NO_WORD = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Repeat:
    """An open ticket, and in what it is like: number, company, accused, title."""

    ticket: Ticket
    why: tuple[str, ...]


def repeats_of(session: Session, viewer: Viewer, ticket: Ticket) -> list[Repeat]:
    """Those most alike first, among what she may merge it with. Of what is sealed nothing is proposed."""
    if ticket.sealed:
        return []
    numbers = {each for each in (ticket.calling_number, ticket.contact_number) if each}
    others = (
        visible_tickets(viewer, Action.SORT)
        .where(Ticket.sealed.is_(False), Ticket.id != ticket.id, Ticket.state.in_(OPEN))
        .options(load_only(*(getattr(Ticket, name) for name in _READ), raiseload=False))
        .order_by(Ticket.created_at.desc(), Ticket.id.desc())
        .limit(NEWEST)
    )
    near = others.where(Ticket.created_at > ticket.created_at - WITHIN)
    found = {each.id: each for each in session.scalars(near)}
    same = [column == each for each in numbers for column in (Ticket.calling_number, Ticket.contact_number)]
    if ticket.accused_unit_id is not None:
        same.append(Ticket.accused_unit_id == ticket.accused_unit_id)
    if same:
        found |= {each.id: each for each in session.scalars(others.where(or_(*same)))}
    alike = [Repeat(each, why) for each in found.values() if (why := _why(ticket, each))]
    alike.sort(key=lambda each: (len(each.why), each.ticket.created_at), reverse=True)
    return alike[:SHOWN]


_READ = (
    *("number", "state", "created_at", "title", "company", "accused", "accused_unit_id"),
    *("calling_number", "contact_number", "caller_name", "kind", "sealed"),
)


def _why(one: Ticket, other: Ticket) -> tuple[str, ...]:
    """The accused alone is too little: half a city complains of one office."""
    numbers = {one.calling_number, one.contact_number} & {other.calling_number, other.contact_number}
    same_unit = one.accused_unit_id is not None and one.accused_unit_id == other.accused_unit_id
    same_words = bool(_plain(one.accused)) and _plain(one.accused) == _plain(other.accused)
    likeness = {
        "number": bool(numbers - {""}),
        "company": bool(_plain(one.company)) and _plain(one.company) == _plain(other.company),
        "accused": same_unit or same_words,
        "title": _likeness(one.title, other.title) >= ALIKE,
    }
    why = tuple(name for name, holds in likeness.items() if holds)
    return () if why == ("accused",) else why


def _likeness(one: str, other: str) -> float:
    """Of the pairs of characters in either, those in both: 0 to 1."""
    first, second = _pairs(one), _pairs(other)
    return len(first & second) / len(first | second) if first and second else 0.0


def _pairs(text: str) -> set[str]:
    plain = _plain(text)
    return {plain[index : index + 2] for index in range(len(plain) - 1)}


def _plain(text: str) -> str:
    return _NO_WORD.sub("", text).casefold()
