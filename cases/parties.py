"""Callers and enterprises as records: found, with their history over all channels, their likely doubles.

Names are sealed in the database: a record is found by a whole number, name or code, never by a part of one.
What is sealed never fed a record (cases/known.py) and never shows in one, not even to who is named for it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, false, func, or_, select
from sqlalchemy.orm import Session

from cases.errors import NotVisible
from cases.lab import real_call
from cases.permissions import Action, demand
from cases.states import OPEN
from cases.visible import visible_calls, visible_tickets
from storage.parties import Caller, CallerNumber, Enterprise
from storage.tables import Call, Ticket, TicketCall
from storage.viewer import Viewer

HISTORY = 40  # calls and tickets each
DOUBLES = 8
_NUMBERS_COMPARED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PartySearch:
    """Whole values, as they are stored: `number` and `uscc` normalised."""

    number: str | None = None
    name: str = ""
    company: str = ""
    uscc: str = ""
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True)
class CallerRow:
    """A caller in a list; tickets are counted as far as the viewer sees them."""

    caller: Caller
    numbers: list[CallerNumber]
    enterprise: Enterprise | None
    tickets: int
    open: int


@dataclass(frozen=True, slots=True)
class EnterpriseRow:
    """An enterprise in a list."""

    enterprise: Enterprise
    callers: int
    tickets: int
    open: int


@dataclass(frozen=True, slots=True)
class History:
    """Newest first. `events`: calls and tickets by their time; `rated`: the ticket that was rated last."""

    events: list[tuple[datetime, Call | Ticket]]
    open: list[Ticket]
    rated: Ticket | None


@dataclass(frozen=True, slots=True)
class CallerRecord:
    """`doubles`: records that may be the same person's."""

    caller: Caller
    numbers: list[CallerNumber]
    enterprise: Enterprise | None
    history: History
    doubles: list[CallerRow]


@dataclass(frozen=True, slots=True)
class EnterpriseRecord:
    """`doubles`: records that may be the same enterprise's."""

    enterprise: Enterprise
    callers: list[CallerRow]
    history: History
    doubles: list[EnterpriseRow]


def find_callers(session: Session, viewer: Viewer, search: PartySearch) -> list[CallerRow]:
    """Who was heard of last first. Raises NotAllowed."""
    demand(viewer, Action.SEE_PARTIES)
    known = or_(Caller.name != "", exists().where(CallerNumber.caller_id == Caller.id))
    query = select(Caller).where(Caller.merged_into.is_(None), known)
    if search.number is not None:
        query = query.where(
            exists().where(CallerNumber.caller_id == Caller.id, CallerNumber.number == search.number)
        )
    if search.name:
        query = query.where(Caller.id.in_(_kept(Caller, Caller.name == search.name)))
    if search.company:
        named = select(Enterprise.id).where(Enterprise.name == search.company)
        query = query.where(or_(Caller.company == search.company, Caller.enterprise_id.in_(named)))
    if search.uscc:
        coded = _kept(Enterprise, Enterprise.uscc == search.uscc)
        query = query.where(Caller.enterprise_id.in_(coded))
    query = query.order_by(Caller.changed_at.desc(), Caller.id).limit(search.limit).offset(search.offset)
    return _caller_rows(session, viewer, session.scalars(query).all())


def find_enterprises(session: Session, viewer: Viewer, search: PartySearch) -> list[EnterpriseRow]:
    """Which was heard of last first; `name` is of no use here. Raises NotAllowed."""
    demand(viewer, Action.SEE_PARTIES)
    query = select(Enterprise).where(Enterprise.merged_into.is_(None))
    if search.number is not None:
        hers = select(Caller.enterprise_id).join(CallerNumber).where(CallerNumber.number == search.number)
        query = query.where(or_(Enterprise.contact_number == search.number, Enterprise.id.in_(hers)))
    if search.company:
        query = query.where(Enterprise.id.in_(_kept(Enterprise, Enterprise.name == search.company)))
    if search.uscc:
        query = query.where(Enterprise.id.in_(_kept(Enterprise, Enterprise.uscc == search.uscc)))
    query = query.order_by(Enterprise.changed_at.desc(), Enterprise.id)
    found = session.scalars(query.limit(search.limit).offset(search.offset)).all()
    return _enterprise_rows(session, viewer, found)


def read_caller(session: Session, viewer: Viewer, caller_id: int) -> CallerRecord:
    """A caller's record; of one that was merged, that into which it went. Raises NotAllowed, NotVisible."""
    caller = kept_caller(session, viewer, caller_id)
    numbers = numbers_of(session, [caller.id]).get(caller.id, [])
    history = _history(session, viewer, *_whose(caller, numbers))
    enterprise = session.get(Enterprise, caller.enterprise_id) if caller.enterprise_id else None
    doubles = _caller_doubles(session, viewer, caller, numbers, history)
    return CallerRecord(caller, numbers, enterprise, history, doubles)


def read_enterprise(session: Session, viewer: Viewer, enterprise_id: int) -> EnterpriseRecord:
    """An enterprise's record, as `read_caller`."""
    enterprise = kept_enterprise(session, viewer, enterprise_id)
    hers = select(Caller).where(Caller.enterprise_id == enterprise.id, Caller.merged_into.is_(None))
    callers = session.scalars(hers.order_by(Caller.changed_at.desc(), Caller.id).limit(HISTORY)).all()
    its_tickets = Ticket.enterprise_id == enterprise.id
    of_those = select(TicketCall.call_id).join(Ticket, Ticket.id == TicketCall.ticket_id)
    its_calls = Call.id.in_(of_those.where(its_tickets))
    history = _history(session, viewer, its_calls, its_tickets)
    rows = _caller_rows(session, viewer, callers)
    return EnterpriseRecord(enterprise, rows, history, _enterprise_doubles(session, viewer, enterprise))


def kept_caller(session: Session, viewer: Viewer, caller_id: int, *, lock: bool = False) -> Caller:
    """The record that stands for this one. Raises NotAllowed, NotVisible."""
    demand(viewer, Action.SEE_PARTIES)
    caller = session.get(Caller, caller_id, with_for_update=lock)
    if caller is not None and caller.merged_into is not None:
        caller = session.get(Caller, caller.merged_into, with_for_update=lock)
    if caller is None:
        raise NotVisible("no such caller")
    return caller


def kept_enterprise(
    session: Session, viewer: Viewer, enterprise_id: int, *, lock: bool = False
) -> Enterprise:
    """The same of enterprises."""
    demand(viewer, Action.SEE_PARTIES)
    enterprise = session.get(Enterprise, enterprise_id, with_for_update=lock)
    if enterprise is not None and enterprise.merged_into is not None:
        enterprise = session.get(Enterprise, enterprise.merged_into, with_for_update=lock)
    if enterprise is None:
        raise NotVisible("no such enterprise")
    return enterprise


def numbers_of(session: Session, caller_ids: Collection[int]) -> dict[int, list[CallerNumber]]:
    """Their numbers, oldest first, by the caller's id."""
    found: dict[int, list[CallerNumber]] = {}
    query = select(CallerNumber).where(CallerNumber.caller_id.in_(caller_ids)).order_by(CallerNumber.id)
    for number in session.scalars(query):
        found.setdefault(number.caller_id, []).append(number)
    return found


def calls_of(viewer: Viewer, caller: Caller, numbers: Iterable[CallerNumber]) -> Select[Call]:
    """Her calls that the viewer sees, none of them sealed; one that withheld its number is nobody's."""
    by_call, _ = _whose(caller, numbers)
    return visible_calls(viewer).where(Call.sealed.is_(False), real_call(), by_call)


def tickets_of(viewer: Viewer, caller: Caller, numbers: Iterable[CallerNumber]) -> Select[Ticket]:
    """Her tickets that the viewer sees, none of them sealed."""
    _, by_ticket = _whose(caller, numbers)
    return visible_tickets(viewer).where(Ticket.sealed.is_(False), by_ticket)


# -- parts ------------------------------------------------------------------------------------------


def _whose(
    caller: Caller, numbers: Iterable[CallerNumber]
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Which calls and which tickets are hers. A contact number may be anybody's, so it makes none hers."""
    known = [each.number for each in numbers]
    return (
        or_(Call.caller_id == caller.id, *(Call.number == each for each in known)),
        or_(Ticket.caller_id == caller.id, *(Ticket.calling_number == each for each in known)),
    )


def _history(
    session: Session, viewer: Viewer, its_calls: ColumnElement[bool], its_tickets: ColumnElement[bool]
) -> History:
    calls = session.scalars(
        visible_calls(viewer)
        .where(Call.sealed.is_(False), real_call(), its_calls)
        .order_by(Call.began_at.desc(), Call.id)
        .limit(HISTORY)
    ).all()
    seen = visible_tickets(viewer).where(Ticket.sealed.is_(False), its_tickets)
    newest = seen.order_by(Ticket.created_at.desc(), Ticket.id.desc())
    tickets = session.scalars(newest.limit(HISTORY)).all()
    rated = seen.where(Ticket.satisfied != "").order_by(
        Ticket.closed_at.desc().nulls_last(), Ticket.id.desc()
    )
    events: list[tuple[datetime, Call | Ticket]] = [(call.began_at, call) for call in calls]
    events += [(ticket.created_at, ticket) for ticket in tickets]
    events.sort(key=lambda event: event[0], reverse=True)
    still_open = session.scalars(newest.where(Ticket.state.in_(OPEN)).limit(HISTORY)).all()
    return History(events, list(still_open), session.scalar(rated.limit(1)))


def _kept(record: type[Caller] | type[Enterprise], fits: ColumnElement[bool]) -> Select[Any]:
    """Ids of the records that stand for those which fit."""
    return select(func.coalesce(record.merged_into, record.id)).where(fits)


def _counts(
    session: Session, viewer: Viewer, column: Any, ids: Collection[int]
) -> dict[int, tuple[int, int]]:
    """By id: tickets that the viewer sees, and how many of them are open."""
    seen = visible_tickets(viewer).where(Ticket.sealed.is_(False), column.in_(ids))
    is_open = func.count().filter(Ticket.state.in_(OPEN))
    rows = session.execute(seen.with_only_columns(column, func.count(), is_open).group_by(column))
    return {key: (every, still) for key, every, still in rows}


def _caller_rows(session: Session, viewer: Viewer, callers: Sequence[Caller]) -> list[CallerRow]:
    ids = [caller.id for caller in callers]
    numbers = numbers_of(session, ids)
    counts = _counts(session, viewer, Ticket.caller_id, ids)
    employers = {caller.enterprise_id for caller in callers if caller.enterprise_id is not None}
    found = session.scalars(select(Enterprise).where(Enterprise.id.in_(employers)))
    enterprises = {enterprise.id: enterprise for enterprise in found}
    return [
        CallerRow(
            caller,
            numbers.get(caller.id, []),
            enterprises.get(caller.enterprise_id or 0),
            *counts.get(caller.id, (0, 0)),
        )
        for caller in callers
    ]


def _enterprise_rows(session: Session, viewer: Viewer, found: Sequence[Enterprise]) -> list[EnterpriseRow]:
    ids = [enterprise.id for enterprise in found]
    people = session.execute(
        select(Caller.enterprise_id, func.count())
        .where(Caller.enterprise_id.in_(ids), Caller.merged_into.is_(None))
        .group_by(Caller.enterprise_id)
    )
    callers = {row[0]: row[1] for row in people}
    counts = _counts(session, viewer, Ticket.enterprise_id, ids)
    return [EnterpriseRow(each, callers.get(each.id, 0), *counts.get(each.id, (0, 0))) for each in found]


def _caller_doubles(
    session: Session, viewer: Viewer, caller: Caller, numbers: list[CallerNumber], history: History
) -> list[CallerRow]:
    """Other records that share a number with this one or its tickets, or both name and company."""
    told = [event.contact_number for _, event in history.events if isinstance(event, Ticket)]
    known = list(dict.fromkeys([*(each.number for each in numbers), *filter(None, told)]))
    known = known[:_NUMBERS_COMPARED]
    others = visible_tickets(viewer).where(
        Ticket.sealed.is_(False),
        Ticket.caller_id.is_not(None),
        or_(false(), *(Ticket.contact_number == number for number in known)),
    )
    of_number = select(CallerNumber.caller_id).where(
        or_(false(), *(CallerNumber.number == number for number in known))
    )
    of_ticket = others.with_only_columns(Ticket.caller_id)
    same: list[ColumnElement[bool]] = [Caller.id.in_(of_number), Caller.id.in_(of_ticket)]
    if caller.name and caller.company:
        same.append(and_(Caller.name == caller.name, Caller.company == caller.company))
    found = session.scalars(
        select(Caller)
        .where(Caller.id != caller.id, Caller.merged_into.is_(None), or_(*same))
        .order_by(Caller.changed_at.desc(), Caller.id)
        .limit(DOUBLES)
    ).all()
    return _caller_rows(session, viewer, found)


def _enterprise_doubles(session: Session, viewer: Viewer, enterprise: Enterprise) -> list[EnterpriseRow]:
    """Others of the same name or contact number; two codes are two enterprises, whatever their names."""
    same: list[ColumnElement[bool]] = []
    if enterprise.name:
        same.append(Enterprise.name == enterprise.name)
    if enterprise.contact_number:
        same.append(Enterprise.contact_number == enterprise.contact_number)
    query = select(Enterprise).where(
        Enterprise.id != enterprise.id, Enterprise.merged_into.is_(None), or_(false(), *same)
    )
    if enterprise.uscc:
        query = query.where(Enterprise.uscc.is_(None))
    found = session.scalars(query.order_by(Enterprise.changed_at.desc(), Enterprise.id).limit(DOUBLES)).all()
    return _enterprise_rows(session, viewer, found)
