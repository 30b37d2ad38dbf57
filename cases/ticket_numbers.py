"""A ticket's number: its day, then six digits that were drawn. Why: docs/decisions/0013-sealed.md.

Nothing can be read from a gap, and a sealed ticket's number looks like all others. A ticket that is sealed
later gets another; the old one leads whoever may see the ticket to it, and is never given again.
"""

import secrets
from datetime import date

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from storage.tables import Ticket, TicketNumber

_DIGITS = 6


def draw(session: Session, day: date) -> str:
    """A number that no ticket ever had; `belongs` says whose it is."""
    return _drawn(session, f"{day:%y%m%d}")


def belongs(session: Session, ticket: Ticket) -> None:
    """The ticket's number leads to it from now on."""
    mine = update(TicketNumber).where(TicketNumber.number == ticket.number)
    session.execute(mine.values(ticket_id=ticket.id))


def draw_anew(session: Session, ticket: Ticket) -> None:
    """Another number for a ticket that is sealed now: others know the one it had."""
    ticket.number = _drawn(session, ticket.number[:6])
    belongs(session, ticket)


def called(number: str) -> ColumnElement[bool]:
    """The ticket that has this number, or had it."""
    return Ticket.id == select(TicketNumber.ticket_id).where(TicketNumber.number == number).scalar_subquery()


def _drawn(session: Session, day: str) -> str:
    while True:
        row = insert(TicketNumber).values(number=f"{day}{secrets.randbelow(10**_DIGITS):0{_DIGITS}d}")
        free = row.on_conflict_do_nothing().returning(TicketNumber.number)
        if (number := session.scalar(free)) is not None:
            return number
