"""What a viewer may see. Every query of calls, tickets and recordings starts here.

A sealed call or ticket is visible only to persons named for it; to everybody else it does not exist.
"""

from sqlalchemy import ColumnElement, Select, exists, false, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cases.permissions import Action, may
from routing.policy import Policy
from storage.tables import Call, CallLeg, Named, Person, Recording, Ticket
from storage.viewer import Viewer


def visible_calls(viewer: Viewer) -> Select[Call]:
    return select(Call).where(_may_see_call(viewer))


def visible_tickets(viewer: Viewer) -> Select[Ticket]:
    if not may(viewer, Action.SEE_CASES):
        return select(Ticket).where(false())
    named = exists().where(Named.ticket_id == Ticket.id, Named.person_id == viewer.person_id)
    return select(Ticket).where(or_(Ticket.sealed.is_(False), named))


def visible_recordings(viewer: Viewer) -> Select[Recording]:
    """Recordings of visible calls: all of them for those who supervise, one's own for agents."""
    query = select(Recording).join(Call, Call.id == Recording.call_id).where(_may_see_call(viewer))
    if may(viewer, Action.HEAR_ALL):
        return query
    if not may(viewer, Action.HEAR_OWN):
        return query.where(false())
    spoke = exists().where(
        CallLeg.call_id == Call.id, CallLeg.person_id == viewer.person_id, CallLeg.answered_at.is_not(None)
    )
    return query.where(or_(Call.agent_id == viewer.person_id, spoke, Call.sealed & _named_for_call(viewer)))


def name(
    session: Session, person_id: int, why: str, call_id: str | None = None, ticket_id: int | None = None
) -> None:
    """Let a person see a sealed call or ticket; naming twice is naming once."""
    session.execute(
        insert(Named)
        .values(person_id=person_id, call_id=call_id, ticket_id=ticket_id, why=why)
        .on_conflict_do_nothing()
    )


def name_readers(
    session: Session, policy: Policy, call_id: str | None = None, ticket_id: int | None = None
) -> list[int]:
    """Name all who hold a role that the policy lets read sealed matters; returns their ids."""
    readers = session.scalars(
        select(Person.id).where(Person.active, Person.role.in_(policy.sealed_readers))
    ).all()
    for person_id in readers:
        name(session, person_id, "policy", call_id, ticket_id)
    return list(readers)


def _may_see_call(viewer: Viewer) -> ColumnElement[bool]:
    if not may(viewer, Action.SEE_CASES):
        return false()
    return or_(Call.sealed.is_(False), _named_for_call(viewer))


def _named_for_call(viewer: Viewer) -> ColumnElement[bool]:
    return exists().where(Named.call_id == Call.id, Named.person_id == viewer.person_id)
