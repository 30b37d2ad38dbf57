"""Sending what is owed, by ways that can fail, so that nothing is lost and nothing is sent twice unknowingly.

A receipt says `sending` before a message leaves and what came of it after. Who dies in between leaves it so
until the lease is over. Then what carries its key (e-mail, webhook) is sent again under the same one; robots
of WeCom and DingTalk know no key and may say a thing twice, which costs nothing. A text message is not sent
again: nobody can tell whether it left, so it is `unsure`, and a person decides.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

import structlog
from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from cases import joining, notice_words
from cases.logins import viewer_of
from cases.notice_words import Say
from cases.notices_mine import about, knowable
from cases.states import GONE
from routing.numbers import normalise
from routing.policy import Policy
from storage import outbox
from storage.database import Database
from storage.notices import Notice, NoticeSetting, Receipt
from storage.staff import Person, Unit
from storage.tables import Call, Ticket, TicketCall
from storage.work import SubOrder

LEASE = timedelta(minutes=5)  # longer than any sender takes
RETRY = tuple(timedelta(minutes=each) for each in (1, 5, 30, 120, 360, 720))  # then it failed
TEXT_LOST = "text.lost"

log = structlog.get_logger(__name__)


class Fate(StrEnum):
    """States of a receipt."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"  # surely not sent, and not tried again by itself
    UNSURE = "unsure"  # it may have been
    DROPPED = "dropped"  # nobody is to learn of it by this way any more


UNSETTLED = (Fate.WAITING, Fate.SENDING)


class NotSent(Exception):
    """It surely did not leave. `code` goes into the receipt; `final`: another try would end the same way."""

    def __init__(self, code: str, *, final: bool) -> None:
        super().__init__(code)
        self.code, self.final = code, final


class PerhapsSent(Exception):
    """It may have left: the other side took it and never said so."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Outgoing:
    """`key` is the same at each try. `secret` signs, where the way knows signatures."""

    key: str
    address: str
    subject: str
    text: str
    secret: str = ""


class Sender(Protocol):
    """One way out; rooms above fulfil it. `repeatable`: the other side can tell by the key what it has."""

    @property
    def repeatable(self) -> bool: ...

    def send(self, message: Outgoing) -> int:
        """Returns what it is charged as, in parts. Raises NotSent, PerhapsSent."""
        ...


@dataclass(frozen=True, slots=True)
class Post:
    """All that sending needs. `says`: a message catalogue per language; `desk`: the pages' address, or ''."""

    senders: Mapping[str, Sender]
    policy: Policy
    says: Mapping[str, Say]
    desk: str = ""


def turn(database: Database, post: Post, clock: Callable[[], datetime], most: int = 20) -> int:
    """Send what is due, one message after the other; how many were tried. Raises DatabaseAway."""
    for tried in range(most):
        if not _one(database, post, clock):
            return tried
    return most


def _one(database: Database, post: Post, clock: Callable[[], datetime]) -> bool:
    """False: nothing is due."""
    with database.session() as session:
        rows = _claim(session, post, clock())
        message = _compose(session, rows, post) if rows else None
        if rows and message is None:
            return True  # nobody is to be told any more, or nobody knows whether she was
    if not rows or message is None:
        return False
    fate, error, parts = _sent(post.senders[rows[0].channel], message)
    with database.session() as session:
        _settle(session, message.key, fate, error, parts, clock())
    return True


def _sent(sender: Sender, message: Outgoing) -> tuple[Fate, str, int]:
    """What came of it, an error's code, and the parts it was charged as."""
    try:
        return Fate.SENT, "", sender.send(message)
    except NotSent as why:
        return Fate.FAILED if why.final else Fate.WAITING, why.code, 0
    except PerhapsSent as why:
        return Fate.WAITING if sender.repeatable else Fate.UNSURE, why.code, 0


# -- before -----------------------------------------------------------------------------------------


def _claim(session: Session, post: Post, now: datetime) -> list[Receipt]:
    """Receipts that go as one message, marked as being sent; [] when nothing is due."""
    due = and_(Receipt.state == Fate.WAITING, Receipt.due_at <= now)
    left = and_(Receipt.state == Fate.SENDING, Receipt.claimed_at < now - LEASE)
    query = select(Receipt).where(
        or_(due, left), or_(Receipt.key == "", _leads()), Receipt.channel.in_(list(post.senders))
    )
    first = session.scalar(
        query.order_by(Receipt.due_at, Receipt.id).limit(1).with_for_update(skip_locked=True)
    )
    if first is None:
        return []
    if first.key:  # tried before: the same ones go again
        together = and_(Receipt.key == first.key, Receipt.state.in_(UNSETTLED))
    elif first.person_id is None:
        together = Receipt.id == first.id
    else:
        together = and_(due, Receipt.key == "", Receipt.person_id == first.person_id)
    same = select(Receipt).where(together, Receipt.channel == first.channel).order_by(Receipt.id)
    locked = session.scalars(same.with_for_update(skip_locked=not first.key))
    rows = sorted(locked, key=lambda row: (row.due_at, row.id))
    key = first.key or secrets.token_hex(16)
    lost = first.state == Fate.SENDING and not post.senders[first.channel].repeatable
    for row in rows:
        row.key, row.claimed_at, row.at = key, now, now
        row.state = Fate.UNSURE if lost else Fate.SENDING
        row.error = "interrupted" if lost else row.error
        row.tries += 0 if lost else 1
    if lost:
        _tell_of_lost(session, rows)
    return rows


def _leads() -> ColumnElement[bool]:
    """It is the first by id of those that go as one message, and stands for all of them: two that took a part
    each would send different words under one key, of which the second is thrown away by who gets it."""
    each = aliased(Receipt)
    first = select(func.min(each.id)).where(each.key == Receipt.key, each.state.in_(UNSETTLED))
    return Receipt.id == first.scalar_subquery()


def _compose(session: Session, rows: Sequence[Receipt], post: Post) -> Outgoing | None:
    """The message of claimed receipts. Those that nobody is to hear of are dropped; None: all were, or are
    unsure."""
    if rows[0].state == Fate.UNSURE:
        return None
    if rows[0].person_id is None:
        return _to_caller(session, rows[0], post)
    person = session.get_one(Person, rows[0].person_id)
    mine = NoticeSetting.person_id == person.id, NoticeSetting.channel == rows[0].channel
    setting = session.scalar(select(NoticeSetting).where(*mine))
    known = {}
    if person.active and setting is not None:
        asked = knowable(viewer_of(session, person)).where(Notice.id.in_([row.notice_id for row in rows]))
        known = {notice.id: about(session, notice, opens=opens) for notice, opens in session.execute(asked)}
    told = []
    for row in rows:
        found = known.get(row.notice_id or 0)
        if found is None or found.notice.seen_at is not None:
            row.state, row.error = Fate.DROPPED, "unknowable" if found is None else "seen"
        else:
            told.append(found)
    if not told or setting is None:
        return None
    say, language = post.says[person.language], person.language
    if setting.channel == "sms":
        text = notice_words.short(told, post.policy, say, language)
        return Outgoing(rows[0].key, setting.address, "", text)
    words = notice_words.letter(told, post.policy, say, language, post.desk)
    return Outgoing(rows[0].key, setting.address, words.subject, words.text, setting.secret)


def _to_caller(session: Session, row: Receipt, post: Post) -> Outgoing | None:
    """Her own number, a mobile's, and never of a sealed matter."""
    ticket = session.get(Ticket, row.ticket_id)
    number = normalise(
        (ticket.contact_number or ticket.calling_number) if ticket else "", post.policy.area_code
    )
    if ticket is None or ticket.sealed or not ticket.reply_wanted or number.kind != "mobile":
        row.state, row.error = Fate.DROPPED, "not_by_text"
        return None
    calls = select(Call).join(TicketCall, TicketCall.call_id == Call.id)
    call = session.scalar(calls.where(TicketCall.ticket_id == ticket.id).order_by(Call.began_at).limit(1))
    unit = session.scalar(_leading(joining.lead_id(session, ticket) or ticket.id))
    language = call.language if call else "zh"
    text = notice_words.for_caller(
        row.kind,
        ticket,
        post.policy,
        post.says[language],
        language,
        call.line if call else post.policy.lines[0].number,
        unit or post.policy.name,
        post.policy.zone,
    )
    return Outgoing(row.key, number.number or "", "", text)


def _leading(ticket_id: int) -> Select[str]:
    """The name of the unit that answers for it."""
    lead = select(Unit.name).join(SubOrder, SubOrder.unit_id == Unit.id).order_by(SubOrder.sent_at.desc())
    mine = SubOrder.ticket_id == ticket_id, SubOrder.part == "lead", SubOrder.state.not_in(GONE)
    return lead.where(*mine, SubOrder.parent_id.is_(None)).limit(1)


# -- after ------------------------------------------------------------------------------------------


def _settle(session: Session, key: str, fate: Fate, error: str, parts: int, now: datetime) -> None:
    """What became of the message of this key; that it may have been sent gives way to what is known."""
    open_ = Receipt.key == key, Receipt.state.in_([Fate.SENDING, Fate.UNSURE])
    rows = session.scalars(select(Receipt).where(*open_).order_by(Receipt.id).with_for_update()).all()
    for row in rows:
        row.state, row.error, row.parts, row.at = fate, error, parts, now
        if fate is Fate.WAITING and row.tries > len(RETRY):
            row.state = Fate.FAILED
        elif fate is Fate.WAITING:
            row.due_at = now + RETRY[row.tries - 1]
    if rows and rows[0].state in (Fate.FAILED, Fate.UNSURE):
        _tell_of_lost(session, rows)


def _tell_of_lost(session: Session, rows: Sequence[Receipt]) -> None:
    """A caller who may not have been told is called: the dispatchers learn of it."""
    log.warning("message_lost", channel=rows[0].channel, state=rows[0].state, error=rows[0].error)
    for row in rows:
        if row.person_id is None and row.ticket_id is not None:
            outbox.put(session, TEXT_LOST, {"ticket_id": row.ticket_id})
