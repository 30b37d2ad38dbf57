"""Who is known: records of callers and enterprises, fed by ordinary tickets.

What is sealed feeds none, and takes back what it fed before it was sealed. A call that withheld its number
belongs to no record.
"""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Select, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from storage.base import COMPANY, NUMBER, USCC
from storage.parties import Caller, CallerNumber, Enterprise, MergeLog
from storage.tables import Call, Ticket, TicketCall
from storage.vault import installed

TOLD = {"name": "caller_name", "sex": "caller_sex", "company": "company", "place": "place"}
"""Columns of a caller → of the tickets that feed them."""
NEW = (*TOLD.values(), "uscc", "contact_number")
"""What of a ticket says who wrote it."""
_LOOKED_AT = 200  # of a caller's other tickets, when one of them is sealed


def feed(session: Session, ticket: Ticket, call: Call | None = None, changed: Collection[str] = NEW) -> None:
    """The records that this ordinary ticket belongs to learn what it says; they are made if there are none.

    Without a call the ticket came by letter or message: then its contact number says who wrote it.
    `changed`: the columns that say something new.
    """
    was = ticket.enterprise_id
    if {"company", "uscc"} & set(changed):
        enterprise = _enterprise(session, ticket.uscc, ticket.company, ticket.created_at)
        ticket.enterprise_id = enterprise.id if enterprise else None
    caller = _caller_of(session, ticket, call)
    if caller is not None:
        _tell(caller, ticket, changed)
        ticket.caller_id = caller.id
        if call is not None:
            call.caller_id = caller.id
    if was is not None and was != ticket.enterprise_id:
        session.flush()
        _drop_unused(session, was)


def unfeed(session: Session, ticket: Ticket) -> None:
    """A name that is known from nothing but a sealed matter would give it away at the next call."""
    caller_id, enterprise_id = ticket.caller_id, ticket.enterprise_id
    ticket.caller_id = ticket.enterprise_id = None
    session.flush()
    if caller_id is not None:
        _forget_caller(session, ticket, caller_id, enterprise_id)
    if enterprise_id is not None:
        _forget_enterprise(session, ticket, enterprise_id)


def record_of(session: Session, number: str) -> Caller | None:
    """Whose number (normalised) it is."""
    return session.scalar(select(Caller).join(CallerNumber).where(CallerNumber.number == number))


# -- feeding ----------------------------------------------------------------------------------------


def _caller_of(session: Session, ticket: Ticket, call: Call | None) -> Caller | None:
    if ticket.caller_id is not None:
        return session.get_one(Caller, ticket.caller_id)
    number = call.number if call is not None else ticket.contact_number
    if not number or (call is None and _has_calls(session, ticket)):
        return None
    found = record_of(session, number)
    if found is None:
        alone(session, NUMBER, number)
        found = record_of(session, number)
    if found is None:
        found = Caller(created_at=ticket.created_at, changed_at=ticket.created_at)
        session.add(found)
        session.flush()
        session.add(CallerNumber(number=number, caller_id=found.id))
    return found


def _has_calls(session: Session, ticket: Ticket) -> bool:
    return session.scalar(select(exists().where(TicketCall.ticket_id == ticket.id))) or False


def _tell(caller: Caller, ticket: Ticket, changed: Collection[str]) -> None:
    told = {field: getattr(ticket, column) for field, column in TOLD.items() if column in changed}
    told["enterprise_id"] = ticket.enterprise_id
    new = {field: value for field, value in told.items() if value and getattr(caller, field) != value}
    for field, value in new.items():
        setattr(caller, field, value)
    if new:
        caller.version += 1
    caller.changed_at = max(caller.changed_at, ticket.created_at) if changed is NEW else datetime.now(UTC)


def _enterprise(session: Session, uscc: str, company: str, at: datetime) -> Enterprise | None:
    """By its code; by its name if that is told alone, and no two have it."""
    found = with_code(session, uscc)
    if found is None and (uscc or company):
        alone(session, *((USCC, uscc) if uscc else (COMPANY, company)))
        found = with_code(session, uscc)
    if found is None and company:
        named = session.scalars(
            select(Enterprise).where(Enterprise.name == company, Enterprise.merged_into.is_(None))
        ).all()
        fitting = [each for each in named if not (uscc and each.uscc)]
        if len(fitting) > 1:
            return None
        found = fitting[0] if fitting else None
    if found is None and (uscc or company):
        found = Enterprise(created_at=at, changed_at=at)
        session.add(found)
    if found is not None:
        found.name = found.name or company
        found.uscc = found.uscc or uscc or None
        found.changed_at = max(found.changed_at, at)
        session.flush()
    return found


def with_code(session: Session, uscc: str) -> Enterprise | None:
    """The enterprise of a (normalised) code."""
    return session.scalar(select(Enterprise).where(Enterprise.uscc == uscc)) if uscc else None


def alone(session: Session, domain: str, value: str) -> None:
    """Two who make a record of the same at once: the second waits here for the first."""
    key = int.from_bytes(installed().twin(domain, value)[:8], signed=True)
    session.execute(select(func.pg_advisory_xact_lock(key)))


# -- taking back ------------------------------------------------------------------------------------


def _forget_caller(session: Session, ticket: Ticket, caller_id: int, enterprise_id: int | None) -> None:
    its_calls = select(TicketCall.call_id).where(TicketCall.ticket_id == ticket.id)
    by_ticket = exists().where(Ticket.caller_id == caller_id, Ticket.sealed.is_(False))
    by_call = exists().where(Call.caller_id == caller_id, Call.sealed.is_(False), Call.id.not_in(its_calls))
    gone = select(Caller.id).where(or_(Caller.id == caller_id, Caller.merged_into == caller_id))
    ids = list(session.scalars(gone))
    if session.scalar(select(or_(by_ticket, by_call))):
        _take_back(session, ticket, ids, caller_id, enterprise_id)
        return
    session.execute(update(Call).where(Call.caller_id.in_(ids)).values(caller_id=None))
    session.execute(update(Ticket).where(Ticket.caller_id.in_(ids)).values(caller_id=None))
    session.execute(delete(CallerNumber).where(CallerNumber.caller_id.in_(ids)))
    _forget_merges(session, "caller", ids)
    session.execute(delete(Caller).where(Caller.merged_into.in_(ids)))
    session.execute(delete(Caller).where(Caller.id.in_(ids)))


def _take_back(
    session: Session, ticket: Ticket, ids: Iterable[int], caller_id: int, enterprise_id: int | None
) -> None:
    """What only this ticket said of her is what another said, or nothing."""
    others = session.scalars(
        select(Ticket)
        .where(Ticket.caller_id == caller_id, Ticket.sealed.is_(False))
        .order_by(Ticket.id.desc())
        .limit(_LOOKED_AT)
    ).all()
    for caller in session.scalars(select(Caller).where(Caller.id.in_(ids))):
        for field, column in TOLD.items():
            said = [getattr(other, column) for other in others]
            if getattr(caller, field) == getattr(ticket, column) not in ("", *said):
                setattr(caller, field, next(filter(None, said), ""))
        employers = [other.enterprise_id for other in others]
        if enterprise_id is not None and caller.enterprise_id == enterprise_id not in employers:
            caller.enterprise_id = next(filter(None, employers), None)
    session.flush()


def _forget_enterprise(session: Session, ticket: Ticket, enterprise_id: int) -> None:
    if _drop_unused(session, enterprise_id):
        return
    said = session.execute(
        select(Ticket.company, Ticket.uscc)
        .where(Ticket.enterprise_id == enterprise_id)
        .order_by(Ticket.id.desc())
        .limit(_LOOKED_AT)
    ).all()
    for enterprise in session.scalars(_with_merged(enterprise_id)):
        if enterprise.name == ticket.company not in ("", *(row.company for row in said)):
            enterprise.name = next((row.company for row in said if row.company), "")
        if enterprise.uscc == ticket.uscc not in ("", *(row.uscc for row in said)):
            enterprise.uscc = None
    session.flush()


def _drop_unused(session: Session, enterprise_id: int) -> bool:
    """Nobody's enterprise any more: its record goes. False: somebody's."""
    used = select(Enterprise.id).where(Enterprise.id == enterprise_id, is_used())
    if session.scalar(used) is not None:
        return False
    ids = [each.id for each in session.scalars(_with_merged(enterprise_id))]
    _forget_merges(session, "enterprise", ids)
    session.execute(delete(Enterprise).where(Enterprise.merged_into.in_(ids)))
    session.execute(delete(Enterprise).where(Enterprise.id.in_(ids)))
    return True


def is_used() -> ColumnElement[bool]:
    """A ticket or a caller belongs to the enterprise."""
    return or_(
        exists().where(Ticket.enterprise_id == Enterprise.id),
        exists().where(Caller.enterprise_id == Enterprise.id),
    )


def _with_merged(enterprise_id: int) -> Select[Enterprise]:
    return select(Enterprise).where(
        or_(Enterprise.id == enterprise_id, Enterprise.merged_into == enterprise_id)
    )


def _forget_merges(session: Session, kind: str, ids: list[int]) -> None:
    about = or_(MergeLog.gone_id.in_(ids), MergeLog.kept_id.in_(ids))
    session.execute(delete(MergeLog).where(MergeLog.kind == kind, about))
