"""Who learns of what: each message of the outbox becomes notices for people, and texts for callers.

A message is taken, its notices and their receipts are written, and it is done, in one transaction: however
many plan at once, each person is told once. Of a sealed ticket only those named for it learn, of any ticket
nobody who is recused; no caller of a sealed matter is ever written to. Sending: cases/sending.py.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import structlog
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from cases.logins import viewer_of
from cases.permissions import Action
from cases.states import GONE, State
from cases.visible import not_recused, reaches
from routing.handling import Level
from routing.policy import Policy
from routing.quiet import Wish, moment
from storage import outbox
from storage.base import Base
from storage.notices import Notice, NoticeSetting, Receipt
from storage.notify import Note, notify_all
from storage.staff import Person
from storage.tables import Outbox, Ticket
from storage.viewer import Role
from storage.work import Closing, Instruction, Rung, SubOrder, TicketNote, UnitRequest

STUCK = timedelta(minutes=10)
CALLER_HOURS = Wish(8 * 60, 21 * 60)  # what is no answer to a call of hers waits for the morning
CALLED_NOW = "ticket.accepted"

log = structlog.get_logger(__name__)


class Who(StrEnum):
    """Whom a message is for. Roles are asked city-wide; whoever may not see the ticket drops out."""

    UNIT = "unit"  # clerks of the order's unit; without an order, of all units that have the ticket
    DISPATCHERS = "dispatchers"
    VISITORS = "visitors"
    SUPERVISORS = "supervisors"
    OBJECTION = "objection"  # who rules on it, as the policy says
    EXTENSION = "extension"
    CLOSING = "closing"
    ASKER = "asker"  # who asked, submitted or reported what this is the answer to
    LEADER = "leader"  # to whom it was reported
    LEVEL = "level"  # whom the ladder's level names


@dataclass(frozen=True, slots=True)
class Kind:
    """`group`: what a person chooses by. `otherwise`: who is told when there is nobody of `to`.

    `after`: she may learn of it though the ticket is hers no more, unless it is sealed or she is recused.
    `only_in`: the state of the ticket without which it has come too late.
    """

    group: str
    to: tuple[Who, ...]
    otherwise: tuple[Who, ...] = ()
    after: bool = False
    only_in: State | None = None


KINDS: Mapping[str, Kind] = {
    "order.sent": Kind("work", (Who.UNIT,), otherwise=(Who.DISPATCHERS,)),
    "order.due_moved": Kind("work", (Who.UNIT,), otherwise=(Who.DISPATCHERS,)),
    "order.recalled": Kind("work", (Who.UNIT,), after=True),
    "order.objected": Kind("decide", (Who.OBJECTION,)),
    "order.ruled": Kind("answer", (Who.ASKER, Who.UNIT), after=True),
    "extension.asked": Kind("decide", (Who.EXTENSION,)),
    "extension.ruled": Kind("answer", (Who.ASKER, Who.UNIT)),
    "closing.submitted": Kind("decide", (Who.CLOSING,), only_in=State.REVIEW),
    "closing.sent_back": Kind("work", (Who.ASKER, Who.UNIT)),
    "visit.due": Kind("work", (Who.VISITORS,), only_in=State.VISIT),
    "ticket.dissatisfied": Kind("work", (Who.UNIT, Who.DISPATCHERS, Who.SUPERVISORS)),
    "urged": Kind("late", (Who.UNIT,), otherwise=(Who.DISPATCHERS,)),
    "supervised": Kind("late", (Who.UNIT, Who.DISPATCHERS)),
    "reported": Kind("decide", (Who.LEADER,)),
    "instructed": Kind("work", (Who.UNIT, Who.DISPATCHERS, Who.SUPERVISORS, Who.ASKER)),
    "rung": Kind("late", (Who.LEVEL,)),
    "text.lost": Kind("work", (Who.DISPATCHERS,)),
}
TO_CALLERS: Mapping[str, str] = {
    "ticket.accepted": "accepted",
    "ticket.done": "done",
    "ticket.refused": "refused",
    "ticket.transferred": "transferred",
    "ticket.progress": "progress",
}
"""What callers are told by SMS → the policy's text."""

GROUPS = ("work", "decide", "answer", "late")
UNREACHED = "unreached"  # the kind of a notice that went to `otherwise`
TEST = "test"
AFTER = tuple(name for name, kind in KINDS.items() if kind.after)

_ROLES: Mapping[Who, Role] = {
    Who.DISPATCHERS: Role.DISPATCHER,
    Who.VISITORS: Role.VISITOR,
    Who.SUPERVISORS: Role.SUPERVISOR,
}


@dataclass(frozen=True, slots=True)
class Subject:
    """What a message is about."""

    ticket: Ticket
    order: SubOrder | None = None
    asked_by: int | None = None
    leader_id: int | None = None
    level: Level | None = None


def plan(session: Session, policy: Policy, channels: Collection[str], now: datetime, limit: int = 20) -> int:
    """Turn due messages into notices and receipts; how many were taken. What cannot be, stays."""
    taken = outbox.claim(session, [*KINDS, *TO_CALLERS], now, limit)
    session.flush()
    if len(taken) > 1 and _fault(session, taken, policy, channels, now) is None:
        return len(taken)
    for message in taken:  # one of them cannot be: the others can
        if (fault := _fault(session, [message], policy, channels, now)) is not None:
            log.error("message_unplanned", message=message.id, kind=message.kind, fault=repr(fault))
    return len(taken)


def _fault(
    session: Session, messages: Sequence[Outbox], policy: Policy, channels: Collection[str], now: datetime
) -> Exception | None:
    """Plan all of these, or none; why not."""
    try:
        with session.begin_nested():
            for message in messages:
                _plan(session, message, policy, channels, now)
            for message in messages:
                message.done_at = now
    except (LookupError, TypeError, ValueError) as fault:
        return fault
    return None


def unclaimed(session: Session, now: datetime) -> int:
    """Messages of kinds that nobody knows, and those that should long have been turned into notices."""
    known = Outbox.kind.in_([*KINDS, *TO_CALLERS])
    late = and_(known, Outbox.due_at < now - STUCK)
    owed = select(func.count()).where(Outbox.done_at.is_(None), Outbox.due_at <= now, or_(~known, late))
    return session.scalar(owed) or 0


def _plan(
    session: Session, message: Outbox, policy: Policy, channels: Collection[str], now: datetime
) -> None:
    subject = _subject(session, message.payload, policy)
    if subject is None:
        return  # it was deleted meanwhile
    if message.kind in TO_CALLERS:
        _tell_caller(session, message, subject.ticket, policy, channels, now)
        return
    kind, told_as = KINDS[message.kind], message.kind
    if kind.only_in not in (None, subject.ticket.state):
        return
    if subject.level is not None:
        told_as = f"rung.{subject.level.when}"
    people = _knowing(session, subject, kind, kind.to, policy)
    if not people and kind.otherwise:
        people, told_as = _knowing(session, subject, kind, kind.otherwise, policy), UNREACHED
    if not people:
        log.info("nobody_to_tell", message=message.id, kind=message.kind)
    urgent = subject.ticket.urgency != "normal"
    notices = {
        person.id: Notice(
            person_id=person.id,
            kind=told_as,
            ticket_id=subject.ticket.id,
            order_id=subject.order.id if subject.order else None,
            outbox_id=message.id,
            urgent=urgent,
            at=now,
        )
        for person in people
    }
    tell(session, notices, kind.group, policy, channels, now)


def tell(
    session: Session,
    notices: Mapping[int, Notice],
    group: str,
    policy: Policy,
    channels: Collection[str],
    now: datetime,
) -> None:
    """Write notices, by person, each with a receipt for every further way that she wants to hear of it by."""
    session.add_all(notices.values())
    notify_all(session, (Note(f"person:{person_id}", "notice") for person_id in notices))
    if not notices or not channels:
        return
    session.flush()
    wanted = NoticeSetting.person_id.in_(notices), NoticeSetting.channel.in_(channels)
    for setting in session.scalars(select(NoticeSetting).where(*wanted).order_by(NoticeSetting.id)):
        if not setting.kinds or group in setting.kinds:
            notice = notices[setting.person_id]
            due_at = moment(now, wish(setting), policy.zone, urgent=notice.urgent)
            owe(session, notice, setting.channel, due_at)


def owe(session: Session, notice: Notice, channel: str, due_at: datetime) -> None:
    """One notice is to go by one channel."""
    session.add(
        Receipt(
            notice_id=notice.id,
            ticket_id=notice.ticket_id,
            kind=notice.kind,
            person_id=notice.person_id,
            channel=channel,
            due_at=due_at,
        )
    )


def wish(setting: NoticeSetting) -> Wish:
    digest = setting.digest if setting.digest in ("hourly", "daily") else ""
    return Wish(
        setting.from_minute,
        setting.to_minute,
        setting.days,
        digest,  # type: ignore[arg-type]
        setting.digest_minute,
    )


def _tell_caller(
    session: Session,
    message: Outbox,
    ticket: Ticket,
    policy: Policy,
    channels: Collection[str],
    now: datetime,
) -> None:
    if "sms" not in channels or ticket.sealed or not ticket.reply_wanted:
        return
    due_at = now if message.kind == CALLED_NOW else moment(now, CALLER_HOURS, policy.zone)
    session.add(
        Receipt(outbox_id=message.id, ticket_id=ticket.id, kind=message.kind, channel="sms", due_at=due_at)
    )


# -- what a message is about ------------------------------------------------------------------------


def _subject(session: Session, payload: Mapping[str, int], policy: Policy) -> Subject | None:
    """By the ids of the payload; None when its ticket is gone. Raises KeyError for what it cannot be."""
    if "rung_id" in payload:
        return _of_rung(session, session.get(Rung, payload["rung_id"]), policy)
    ticket = session.get(Ticket, payload["ticket_id"])
    if ticket is None:
        return None
    found = {name: session.get(table, payload[name]) for name, table in _TABLES.items() if name in payload}
    order_ids = [payload.get("order_id"), *(getattr(row, "order_id", None) for row in found.values())]
    order_id = next(filter(None, order_ids), None)
    askers = (getattr(row, column, None) for row in found.values() for column in _ASKERS)
    return Subject(
        ticket,
        session.get(SubOrder, order_id) if order_id else None,
        next(filter(None, askers), None),
        getattr(found.get("instruction_id"), "leader_id", None),
    )


_ASKERS = ("asked_by", "by_id", "reported_by")
_TABLES: Mapping[str, type[Base]] = {
    "request_id": UnitRequest,
    "closing_id": Closing,
    "instruction_id": Instruction,
    "note_id": TicketNote,
}


def _of_rung(session: Session, rung: Rung | None, policy: Policy) -> Subject | None:
    ticket = session.get(Ticket, rung.ticket_id) if rung else None
    if rung is None or ticket is None:
        return None
    levels = {each.code: each for each in policy.ladders.get(rung.subject_kind, ())}  # type: ignore[call-overload]
    order = session.get(SubOrder, rung.subject_id) if rung.subject_kind in ("order", "progress") else None
    return Subject(ticket, order, level=levels[rung.level])


# -- who learns of it -------------------------------------------------------------------------------


def _knowing(
    session: Session, subject: Subject, kind: Kind, to: Iterable[Who], policy: Policy
) -> list[Person]:
    """Those of the audience who may know, by id."""
    wanted = or_(*(each for who in to for each in _of(who, subject, policy)))
    people = session.scalars(select(Person).where(Person.active, wanted).order_by(Person.id))
    return [person for person in people if _may_know(session, person, subject.ticket, kind)]


def _of(who: Who, subject: Subject, policy: Policy) -> Iterator[ColumnElement[bool]]:
    ticket, order = subject.ticket, subject.order
    match who:
        case Who.UNIT:
            yield from _clerks(ticket, order)
        case Who.ASKER:
            yield Person.id == subject.asked_by
        case Who.LEADER:
            yield Person.id == subject.leader_id
        case Who.LEVEL if subject.level is not None:
            for role in subject.level.to:
                yield from _clerks(ticket, order) if role == "unit_clerk" else _role(Role(role), ticket)
        case Who.OBJECTION | Who.EXTENSION | Who.CLOSING:
            yield from _role(Role(policy.decisions[who.value]), ticket)  # type: ignore[index]
        case _ if who in _ROLES:
            yield from _role(_ROLES[who], ticket)


def _role(role: Role, ticket: Ticket) -> Iterator[ColumnElement[bool]]:
    """What is sealed is handled by the discipline office in each of these roles, where it is named."""
    yield Person.role == role
    if ticket.sealed:
        yield Person.role == Role.DISCIPLINE


def _clerks(ticket: Ticket, order: SubOrder | None) -> Iterator[ColumnElement[bool]]:
    having = select(SubOrder.unit_id).where(SubOrder.ticket_id == ticket.id, SubOrder.state.not_in(GONE))
    unit = Person.unit_id == order.unit_id if order else Person.unit_id.in_(having)
    yield and_(Person.role == Role.UNIT_CLERK, unit)


def _may_know(session: Session, person: Person, ticket: Ticket, kind: Kind) -> bool:
    viewer = viewer_of(session, person)
    if reaches(session, viewer, Action.SEE_TICKETS, ticket):
        return True
    if not kind.after or ticket.sealed:
        return False
    free = select(Ticket.id).where(Ticket.id == ticket.id, not_recused(viewer))
    return session.execute(free).first() is not None
