"""An ordinary ticket becomes sealed. Whom it is named for, its sealer says: cases/tickets.py, calls.py."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases import dispatch, known, ticket_numbers
from cases.permissions import Action
from cases.sealed import listeners
from cases.states import GONE, State
from storage.staff import Person
from storage.tables import Ticket
from storage.viewer import Role, Viewer
from storage.work import SubOrder


def seal(session: Session, viewer: Viewer | None, ticket: Ticket, now: datetime) -> None:
    """It gets another number, its caller is remembered no more by it, and units that see it no more are rid
    of their shares: with the last of them it is to be sent anew, by those who may.

    What units replied stands while its closing is audited; a locked ticket.
    """
    ticket.sealed = True
    ticket_numbers.draw_anew(session, ticket)
    known.unfeed(session, ticket)
    session.flush()
    if ticket.state == State.HANDLING:
        blind = unseeing(session, ticket)
        dispatch.withdraw(session, viewer, ticket, blind, Action.WRITE_TICKETS, now, "sealed")


def unseeing(session: Session, ticket: Ticket) -> set[int]:
    """The units that had shares of it and where nobody may see it now, as ids; of an ordinary one: none."""
    if not ticket.sealed:
        return set()
    having = select(SubOrder.unit_id).where(SubOrder.ticket_id == ticket.id, SubOrder.state.not_in(GONE))
    readers = Person.id.in_(listeners(session, ticket)), Person.role == Role.UNIT_CLERK
    return set(session.scalars(having)) - set(session.scalars(select(Person.unit_id).where(*readers)))
