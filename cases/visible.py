"""What a viewer may see. Every query of calls, tickets and recordings starts here.

A scope of cases/permissions.py becomes SQL. What is sealed is visible only to persons named for it; what a
person is recused from, to her not at all. To everybody else it does not exist.
"""

from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    String,
    and_,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from cases.permissions import Action, Scope, cell
from cases.states import GONE
from routing.policy import Policy
from storage.staff import Person
from storage.tables import (
    Call,
    CallLeg,
    HandedOver,
    Named,
    Recording,
    Recusal,
    Ticket,
    TicketCall,
)
from storage.viewer import Role, Viewer
from storage.work import Instruction, SubOrder

OFFERED = "offered"  # why somebody is named for a sealed call: it rings at her phone
TAKEN = (OFFERED, "answered", "saved")  # named for having had the call or written it down: ends by hand-over
FEW = 5000  # rows: about the root of (a page's rows × a million tickets), where both ways take as long
POLICY = "policy"  # named by the role that she holds

# It is nothing but her facts, takes about a millisecond, and is asked for a dozen times by one page.
_put_together_once = lru_cache(maxsize=1024)

# Names of their own: the query around them may join these tables as well.
_Call, _Ticket, _Link = aliased(Call), aliased(Ticket), aliased(TicketCall)
_Share, _Report = aliased(SubOrder), aliased(Instruction)

# Before that a call may still be sealed by a key, and whoever saw it vanish from a list would know.
_PAST_THE_MENU = or_(Call.queued_at.is_not(None), Call.answered_at.is_not(None), Call.outcome != "live")


def visible_calls(viewer: Viewer, action: Action = Action.SEE_CALLS) -> Select[Call]:
    return select(Call).where(_call_within(viewer, action))


def visible_tickets(viewer: Viewer, action: Action = Action.SEE_TICKETS) -> Select[Ticket]:
    return select(Ticket).where(_ticket_within(viewer, action))


def tickets_among(
    session: Session, viewer: Viewer, action: Action = Action.SEE_TICKETS
) -> Select[int] | None:
    """The ids among which all tickets are that she may do it to, for a list to begin from; None: of no use.

    A small unit's few are found at once by its shares, and never by going through a million tickets until a
    page is full; many are found soonest by going from the newest on. It lets nobody see anything:
    `visible_tickets` alone says what is hers.
    """
    whole: Select[Any]
    match cell(viewer.role, action).ordinary:
        case Scope.UNIT:
            shares = _Share.unit_id.in_(viewer.units)
            whole = select(_Share.unit_id).where(shares)
            ways = [select(_Share.ticket_id).where(shares)]
        case Scope.LINE:
            calls = _Call.line.in_(viewer.lines)
            whole = select(_Call.line).where(calls)
            by_line = select(_Link.ticket_id).join(_Call, _Call.id == _Link.call_id).where(calls)
            ways = [by_line, select(_Report.ticket_id).where(_Report.leader_id.in_(_hers(viewer)))]
        case _:
            return None
    counted = select(func.count()).select_from(whole.limit(FEW).subquery())  # by index alone
    if session.scalar(counted) == FEW:
        return None
    named = select(Named.ticket_id).where(Named.person_id == viewer.person_id, Named.ticket_id.is_not(None))
    ids = union_all(*ways, named).subquery()
    return select(ids.c.ticket_id)


def visible_recordings(viewer: Viewer, action: Action = Action.HEAR) -> Select[Recording]:
    """Recordings of the calls that the viewer may hear."""
    return select(Recording).join(Call, Call.id == Recording.call_id).where(_call_within(viewer, action))


def reaches(session: Session, viewer: Viewer, action: Action, thing: Call | Ticket) -> bool:
    """Whether she may do this to this very call or ticket."""
    query = (
        visible_calls(viewer, action).where(Call.id == thing.id).with_only_columns(Call.id)
        if isinstance(thing, Call)
        else visible_tickets(viewer, action).where(Ticket.id == thing.id).with_only_columns(Ticket.id)
    )
    return session.execute(query).first() is not None


def name(
    session: Session, person_id: int, why: str, call_id: str | None = None, ticket_id: int | None = None
) -> None:
    """Let a person see a sealed call or ticket; naming twice is naming once, for the weightier reason.

    Who had taken it and handed it over is not named again for having taken it.
    """
    subject = Named.ticket_id if call_id is None else Named.call_id
    new = select(
        literal(person_id, BigInteger),
        literal(call_id, String),
        literal(ticket_id, BigInteger),
        literal(why, String),
    )
    if why in TAKEN:
        gone = HandedOver.ticket_id == ticket_id if call_id is None else HandedOver.call_id == call_id
        new = new.where(~exists().where(HandedOver.person_id == person_id, gone))
    row = insert(Named).from_select(["person_id", "call_id", "ticket_id", "why"], new)
    lighter = Named.why == OFFERED if why in TAKEN else Named.why.in_(TAKEN)
    session.execute(
        row.on_conflict_do_update(
            index_elements=[Named.person_id, subject], set_={"why": why, "at": func.now()}, where=lighter
        )
    )


def name_readers(
    session: Session, policy: Policy, call_id: str | None = None, ticket_id: int | None = None
) -> list[int]:
    """Name all who hold a role that the policy lets read sealed matters; returns their ids."""
    readers = session.scalars(
        select(Person.id).where(Person.active, Person.role.in_(policy.sealed_readers))
    ).all()
    for person_id in readers:
        name(session, person_id, POLICY, call_id, ticket_id)
    return list(readers)


@_put_together_once
def _call_within(viewer: Viewer, action: Action) -> ColumnElement[bool]:
    may = cell(viewer.role, action)
    named = exists().where(Named.call_id == Call.id, Named.person_id == viewer.person_id)
    ordinary = _calls(viewer, may.ordinary)
    if ordinary is not None:
        ordinary = and_(ordinary, _PAST_THE_MENU)
    allowed = _allowed(Call.sealed, ordinary, named, may.sealed)
    return false() if allowed is None else and_(allowed, ~_recused_from_call(viewer))


@_put_together_once
def _ticket_within(viewer: Viewer, action: Action) -> ColumnElement[bool]:
    may = cell(viewer.role, action)
    named = exists().where(Named.ticket_id == Ticket.id, Named.person_id == viewer.person_id)
    allowed = _allowed(Ticket.sealed, _tickets(viewer, may.ordinary), named, may.sealed)
    if allowed is None:
        return false()
    return and_(allowed, not_recused(viewer))


def not_recused(viewer: Viewer) -> ColumnElement[bool]:
    """She has no reason to keep out of the ticket; it says not that she may see it."""
    by_call = exists().where(
        _Link.ticket_id == Ticket.id, Recusal.call_id == _Link.call_id, Recusal.person_id == viewer.person_id
    )
    return and_(~_recused_from_ticket(viewer), ~by_call)


def _allowed(
    is_sealed: InstrumentedAttribute[bool],
    ordinary: ColumnElement[bool] | None,
    named: ColumnElement[bool],
    sealed: Scope,
) -> ColumnElement[bool] | None:
    """Which rows a cell opens; None: no row at all."""
    ways = []
    if ordinary is not None:
        ways.append(and_(is_sealed.is_(False), ordinary))
    if sealed is Scope.NAMED:
        ways.append(and_(is_sealed, named))
    return or_(*ways) if ways else None


def _calls(viewer: Viewer, scope: Scope) -> ColumnElement[bool] | None:
    match scope:
        case Scope.ALL:
            return true()
        case Scope.OWN:
            spoke = exists().where(
                CallLeg.call_id == Call.id,
                CallLeg.person_id == viewer.person_id,
                CallLeg.answered_at.is_not(None),
            )
            return or_(Call.agent_id == viewer.person_id, spoke)
        case Scope.LINE if viewer.lines:
            return Call.line.in_(viewer.lines)
        case Scope.UNIT if viewer.units:
            return exists().where(
                _Link.call_id == Call.id,
                _Share.ticket_id == _Link.ticket_id,
                _Share.unit_id.in_(viewer.units),
                _Share.state.not_in(GONE),
            )
    return None


def _tickets(viewer: Viewer, scope: Scope) -> ColumnElement[bool] | None:
    match scope:
        case Scope.ALL:
            return true()
        case Scope.OWN:
            return Ticket.created_by == viewer.person_id
        case Scope.LINE:
            reported = exists().where(_Report.ticket_id == Ticket.id, _Report.leader_id.in_(_hers(viewer)))
            by_line = exists().where(
                _Link.ticket_id == Ticket.id, _Call.id == _Link.call_id, _Call.line.in_(viewer.lines)
            )
            return or_(reported, by_line) if viewer.lines else reported
        case Scope.UNIT if viewer.units:
            sent = select(_Share.id).where(
                _Share.ticket_id == Ticket.id,
                _Share.unit_id.in_(viewer.units),
                _Share.state.not_in(GONE),
            )
            return sent.offset(0).exists()  # else PostgreSQL reads all shares of a unit to open one ticket
    return None


def _hers(viewer: Viewer) -> Select[int]:
    """Who is told of what she writes on: a leader himself, a secretary by the leaders of her lines."""
    if viewer.role is not Role.SECRETARY:
        return select(Person.id).where(Person.id == viewer.person_id)
    return select(Person.id).where(Person.role == Role.LEADER, Person.lines.op("&&")(list(viewer.lines)))


def _recused_from_ticket(viewer: Viewer, ticket: type[Ticket] = Ticket) -> ColumnElement[bool]:
    """By word about the ticket itself, or because her own unit or one above it is accused."""
    said = exists().where(Recusal.ticket_id == ticket.id, Recusal.person_id == viewer.person_id)
    if not viewer.kin:
        return said
    return or_(said, and_(ticket.accused_unit_id.is_not(None), ticket.accused_unit_id.in_(viewer.kin)))


def _recused_from_call(viewer: Viewer) -> ColumnElement[bool]:
    """From the call itself, or from a ticket that was written of it."""
    by_call = exists().where(Recusal.call_id == Call.id, Recusal.person_id == viewer.person_id)
    by_ticket = exists().where(
        _Link.call_id == Call.id, _Ticket.id == _Link.ticket_id, _recused_from_ticket(viewer, _Ticket)
    )
    return or_(by_call, by_ticket)
