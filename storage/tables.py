"""The tables. One row per fact, one writer per fact; times are UTC with zone.

Who writes what: `cases/` everything but `person_duty.live*` (telephony/live.py) and
`call_leg`, `recording` (telephony/cel.py and telephony/ledger.py through cases/).
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from storage import (  # noqa: F401 - foreign keys lead to their tables, and from them to these
    knowledge,
    notices,
    parties,
    staff,
    work,
)
from storage.base import NOW, NUMBER, RANDOM_ID, Base
from storage.secret import EMPTY, Secret, SecretJson, found_by
from storage.waking import woken_by


class Call(Base):
    """One caller's visit, from ring to hang-up; transfers and a return to the queue stay in it.

    `id` is minted by the dialplan; `offer_token` proves that a phone is being offered the call.
    """

    __tablename__ = "call"
    __table_args__ = (
        Index("ix_call_live", "id", postgresql_where=text("outcome = 'live'")),
        found_by("ix_call_number", "number"),
        Index("ix_call_line", "line", "began_at"),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    linkedid: Mapped[str] = mapped_column(index=True)
    offer_token: Mapped[str]
    line: Mapped[str]  # the published number that was dialled
    number_raw: Mapped[str] = mapped_column(Secret("call.number_raw"))
    number: Mapped[str | None] = mapped_column(Secret("call.number", NUMBER))  # E.164, short; NULL: withheld
    origin: Mapped[str] = mapped_column(server_default="trunk")  # trunk | web | lab | visit
    number_kind: Mapped[str]  # mobile | fixed | short | service | foreign | staff | withheld | web | unknown
    caller_id: Mapped[int | None] = mapped_column(ForeignKey("caller.id"), index=True)
    language: Mapped[str] = mapped_column(server_default="zh")
    kind: Mapped[str] = mapped_column(server_default="")  # what was pressed: inquiry, help, complaint, ''
    sealed: Mapped[bool] = mapped_column(server_default=text("false"))
    outcome: Mapped[str] = mapped_column(server_default="live")  # cases/calls.Outcome, or live
    began_at: Mapped[datetime] = mapped_column(index=True)
    queued_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]  # by a person, not by the menu
    ended_at: Mapped[datetime | None] = mapped_column(index=True)
    missed_id: Mapped[str | None] = mapped_column(ForeignKey("call.id"), index=True)  # which this one answers
    agent_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)  # who answered last
    closed_reason: Mapped[str] = mapped_column(server_default="")  # needs no ticket: silent, wrong_number, …
    closed_note: Mapped[str] = mapped_column(Secret("call.closed_note"), server_default=EMPTY)
    closed_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    closed_at: Mapped[datetime | None]


class CallStep(Base):
    """What happened in a call, in order: menu, key, queue, offer, answer, hold, transfer, end."""

    __tablename__ = "call_step"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    call_id: Mapped[str] = mapped_column(ForeignKey("call.id"), index=True)
    at: Mapped[datetime]
    step: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))  # codes and ids only
    number: Mapped[str] = mapped_column(
        Secret("call_step.number"), server_default=EMPTY
    )  # sent to, or dialled
    source: Mapped[str] = mapped_column(server_default="agi")  # agi | cel | ami | desk
    fingerprint: Mapped[str | None] = mapped_column(unique=True)  # makes re-reading CEL harmless


class CallLeg(Base):
    """One channel of a call, from CEL. An agent's leg that never answered is an offer, not a call."""

    __tablename__ = "call_leg"
    uniqueid: Mapped[str] = mapped_column(primary_key=True)
    call_id: Mapped[str] = mapped_column(ForeignKey("call.id"), index=True)
    channel: Mapped[str]
    part: Mapped[str]  # caller | agent | consult | other
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    began_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    cause: Mapped[int | None]


class Recording(Base):
    """The ledger: each answered call tied to a hashed stereo file (left caller, right agent), or to a gap."""

    __tablename__ = "recording"
    __table_args__ = (Index("ix_recording_open", "id", postgresql_where=text("state = 'open'")),)
    id: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, server_default=RANDOM_ID
    )
    call_id: Mapped[str] = mapped_column(ForeignKey("call.id"), index=True)
    name: Mapped[str] = mapped_column(unique=True)  # stem of the leg files: <call id> or <call id>-consult-…
    part: Mapped[str] = mapped_column(server_default="call")  # call | consult
    state: Mapped[str]  # open | ready | gap | removed
    path: Mapped[str] = mapped_column(server_default="")  # relative to the recordings folder
    sha256: Mapped[str] = mapped_column(server_default="")  # of the plain sound, as size_bytes
    key_id: Mapped[str] = mapped_column(server_default="", index=True)  # of the sealed file; '': it is plain
    duration_seconds: Mapped[float | None]
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    repaired: Mapped[bool] = mapped_column(server_default=text("false"))
    note: Mapped[str] = mapped_column(server_default="")
    peaks: Mapped[dict[str, Any] | None]  # {"caller": [0..1…], "agent": [...]} for the waveform
    began_at: Mapped[datetime] = mapped_column(index=True)
    ready_at: Mapped[datetime | None]


class Ticket(Base):
    """工单. Its handling (sub-orders, closing, visits …): storage/work.py; states: cases/states.py."""

    __tablename__ = "ticket"
    __table_args__ = (
        found_by("ix_ticket_calling_number", "calling_number"),
        found_by("ix_ticket_contact_number", "contact_number"),
        UniqueConstraint("created_by", "form_id"),
        Index("ix_ticket_state", "state", "due_at"),
        *woken_by("ticket", "visit"),
    )
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    number: Mapped[str] = mapped_column(unique=True)  # yyMMdd + six drawn digits: docs/decisions/0013
    state: Mapped[str]  # cases/states.py
    channel: Mapped[str]  # phone | sms | fax | web | letter
    kind: Mapped[str]
    urgency: Mapped[str] = mapped_column(server_default="normal")  # normal | urgent | critical
    sealed: Mapped[bool] = mapped_column(server_default=text("false"))
    caller_id: Mapped[int | None] = mapped_column(ForeignKey("caller.id"), index=True)
    caller_name: Mapped[str] = mapped_column(Secret("ticket.caller_name"), server_default=EMPTY)
    caller_sex: Mapped[str] = mapped_column(server_default="")
    calling_number: Mapped[str] = mapped_column(Secret("ticket.calling_number", NUMBER), server_default=EMPTY)
    contact_number: Mapped[str] = mapped_column(Secret("ticket.contact_number", NUMBER), server_default=EMPTY)
    company: Mapped[str] = mapped_column(Secret("ticket.company"), server_default=EMPTY)
    uscc: Mapped[str] = mapped_column(Secret("ticket.uscc"), server_default=EMPTY)  # routing/uscc.py
    enterprise_id: Mapped[int | None] = mapped_column(ForeignKey("enterprise.id"), index=True)
    place: Mapped[str] = mapped_column(Secret("ticket.place"), server_default=EMPTY)
    category: Mapped[str] = mapped_column(server_default="")
    accused: Mapped[str] = mapped_column(Secret("ticket.accused"), server_default=EMPTY)
    accused_unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"))
    title: Mapped[str] = mapped_column(Secret("ticket.title"))
    content: Mapped[str] = mapped_column(Secret("ticket.content"))
    # What the caller was told at once.
    answer: Mapped[str] = mapped_column(Secret("ticket.answer"), server_default=EMPTY)
    reply_wanted: Mapped[bool] = mapped_column(server_default=text("true"))
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    due_choice: Mapped[str] = mapped_column(server_default="")  # a longer limit that was chosen, or ''
    due_rule: Mapped[str] = mapped_column(server_default="")  # why, as cases/deadlines.py writes it
    due_provisional: Mapped[bool] = mapped_column(server_default=text("false"))
    form_id: Mapped[str | None]  # the browser's: saved twice by one person is saved once
    sent_at: Mapped[datetime | None]  # first to a unit
    closed_at: Mapped[datetime | None] = mapped_column(index=True)  # NULL while it is open
    visit_due_at: Mapped[datetime | None]  # while its caller is to be asked how it went
    visit_due_rule: Mapped[str] = mapped_column(server_default="")  # as due_rule
    visit_due_provisional: Mapped[bool] = mapped_column(server_default=text("false"))
    waits_until: Mapped[datetime | None]  # a visit that is to be tried again
    satisfied: Mapped[str] = mapped_column(server_default="")  # by the last visit; '': unrated
    first_satisfied: Mapped[str] = mapped_column(server_default="")  # by the first
    returned: Mapped[int] = mapped_column(server_default=text("0"))  # by units, upheld
    extended: Mapped[int] = mapped_column(server_default=text("0"))
    visited: Mapped[int] = mapped_column(server_default=text("0"))  # attempts, reached or not
    redone: Mapped[int] = mapped_column(server_default=text("0"))
    urged: Mapped[int] = mapped_column(server_default=text("0"))
    next_at: Mapped[datetime | None]  # storage/waking.py
    next_for: Mapped[datetime | None]
    next_in: Mapped[str] = mapped_column(server_default="")  # the state it was reckoned in
    created_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW, index=True)
    changed_at: Mapped[datetime] = mapped_column(server_default=NOW)
    version: Mapped[int] = mapped_column(server_default=text("1"))


class TicketNumber(Base):
    """Every number ever given, and to which ticket; one that was sealed later has two. Never given again."""

    __tablename__ = "ticket_number"
    number: Mapped[str] = mapped_column(primary_key=True)
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("ticket.id"), index=True)


class TicketCall(Base):
    __tablename__ = "ticket_call"
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), primary_key=True)
    call_id: Mapped[str] = mapped_column(ForeignKey("call.id"), primary_key=True, index=True)


class Named(Base):
    """Who may see a sealed call or ticket; `why` names the rule or the act."""

    __tablename__ = "named"
    __table_args__ = (
        UniqueConstraint("person_id", "call_id"),
        UniqueConstraint("person_id", "ticket_id", name="uq_named_person_ticket"),
    )
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    call_id: Mapped[str | None] = mapped_column(ForeignKey("call.id"), index=True)
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("ticket.id"), index=True)
    why: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=NOW)


class HandedOver(Base):
    """Who had taken a sealed call or written its ticket, and sees it no more; `by_id` NULL: by the clock."""

    __tablename__ = "handed_over"
    __table_args__ = (
        UniqueConstraint("person_id", "call_id"),
        UniqueConstraint("person_id", "ticket_id", name="uq_handed_over_person_ticket"),
    )
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    call_id: Mapped[str | None] = mapped_column(ForeignKey("call.id"))
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("ticket.id"))
    by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    at: Mapped[datetime] = mapped_column(server_default=NOW)


class Unsealing(Base):
    """One asks that a sealed ticket be ordinary, another decides: granted, refused, lapsed; '' meanwhile."""

    __tablename__ = "unsealing"
    __table_args__ = (
        Index("uq_unsealing_open", "ticket_id", unique=True, postgresql_where=text("decision = ''")),
        CheckConstraint("decided_by <> asked_by", name="two_people"),
    )
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    asked_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    ground: Mapped[str] = mapped_column(Secret("unsealing.ground"))
    asked_at: Mapped[datetime] = mapped_column(server_default=NOW)
    decision: Mapped[str] = mapped_column(server_default="")
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    decided_at: Mapped[datetime | None]


class Recusal(Base):
    """回避: who must not know of a call or ticket, by her own word or somebody else's."""

    __tablename__ = "recusal"
    __table_args__ = (
        UniqueConstraint("person_id", "ticket_id"),
        UniqueConstraint("person_id", "call_id", name="uq_recusal_person_call"),
        CheckConstraint("(ticket_id IS NULL) <> (call_id IS NULL)", name="one_subject"),
    )
    id: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, server_default=RANDOM_ID
    )
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    call_id: Mapped[str | None] = mapped_column(ForeignKey("call.id"), index=True)
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("ticket.id"), index=True)
    why: Mapped[str]  # a code: own_word, kin, named_in_it, …
    by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    at: Mapped[datetime] = mapped_column(server_default=NOW)


class Attachment(Base):
    """A file of a ticket, sealed on the disk (storage/files.py); seen by whoever sees the ticket."""

    __tablename__ = "attachment"
    id: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, server_default=RANDOM_ID
    )
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    name: Mapped[str] = mapped_column(Secret("attachment.name"))
    media_type: Mapped[str]  # by its content, never by the browser's word
    size_bytes: Mapped[int] = mapped_column(BigInteger)  # of the plain content, as sha256
    sha256: Mapped[str]
    path: Mapped[str] = mapped_column(unique=True)  # relative to the attachments folder
    key_id: Mapped[str] = mapped_column(index=True)
    by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    at: Mapped[datetime] = mapped_column(server_default=NOW)


class Hold(Base):
    """Legal hold: a call or ticket, and all that belongs to it, stays until it is lifted."""

    __tablename__ = "hold"
    __table_args__ = (
        CheckConstraint("(ticket_id IS NULL) <> (call_id IS NULL)", name="one_subject"),
        Index("uq_hold_call", "call_id", unique=True, postgresql_where=text("lifted_at IS NULL")),
        Index("uq_hold_ticket", "ticket_id", unique=True, postgresql_where=text("lifted_at IS NULL")),
    )
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    call_id: Mapped[str | None] = mapped_column(ForeignKey("call.id"))
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("ticket.id"))
    why: Mapped[str] = mapped_column(Secret("hold.why"))
    by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    since: Mapped[datetime] = mapped_column(server_default=NOW)
    lifted_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    lifted_at: Mapped[datetime | None]


class Draft(Base):
    """What is typed and not yet saved, per person and call. `revision` is the browser's counter."""

    __tablename__ = "draft"
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
    call_id: Mapped[str] = mapped_column(primary_key=True)
    body: Mapped[dict[str, Any]] = mapped_column(SecretJson("draft.body"))
    revision: Mapped[int]
    changed_at: Mapped[datetime] = mapped_column(server_default=NOW)


class Journal(Base):
    """Append-only: who did what to what. Personal data is referenced by id, never copied."""

    __tablename__ = "journal"
    __table_args__ = (
        Index("ix_journal_subject", "subject_kind", "subject_id"),
        Index("ix_journal_actor", "actor_id", "at"),
        Index("ix_journal_act", "act", "at"),
    )
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=NOW, index=True)
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))  # NULL: the system
    act: Mapped[str]  # ticket.created, call.closed, recording.played, duty.paused, …
    subject_kind: Mapped[str]  # call | ticket | recording | person
    subject_id: Mapped[str]
    rule: Mapped[str] = mapped_column(server_default="")  # the cell that allowed it: role/action/scope
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    address: Mapped[str] = mapped_column(server_default="")
    session_id: Mapped[int | None] = mapped_column(BigInteger)  # the log-in's; sessions go before the journal


class JournalSeal(Base):
    """What the journal's lines were when the clock sealed them: cases/chain.py. Append-only as well.

    It answers for every id from `first_id` to `last_id`, given to a line or not. `marks`: 24 bytes a line,
    its distance from `first_id` and its own MAC; `hash` binds them, the columns and the seal before.
    """

    __tablename__ = "journal_seal"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)  # 1, 2, 3 …
    first_id: Mapped[int] = mapped_column(BigInteger)
    last_id: Mapped[int] = mapped_column(BigInteger)
    lines: Mapped[int]
    marks: Mapped[bytes]
    previous: Mapped[bytes]
    hash: Mapped[bytes]
    key_id: Mapped[str]
    form: Mapped[int]  # of the lines as they were signed: cases/chain.py
    at: Mapped[datetime]


# What the application may add of each, never change or remove; no id, and no time, of its own choosing.
APPEND_ONLY = {
    "journal": ("actor_id", "act", "subject_kind", "subject_id", "rule", "detail", "address", "session_id"),
    "journal_seal": tuple(column.name for column in JournalSeal.__table__.columns),
}


class Outbox(Base):
    """All that leaves: written in the act's transaction, sent by the clock (senders come with doors/)."""

    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str]
    payload: Mapped[dict[str, Any]]
    due_at: Mapped[datetime] = mapped_column(server_default=NOW, index=True)
    claimed_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class CalendarDay(Base):
    """Days that differ from the week's rule: holidays and make-up workdays. Editable."""

    __tablename__ = "calendar_day"
    day: Mapped[date] = mapped_column(primary_key=True)
    works: Mapped[bool]
    name: Mapped[str] = mapped_column(server_default="")


class CalendarYear(Base):
    """Years whose holidays are announced; a deadline that touches any other is provisional."""

    __tablename__ = "calendar_year"
    year: Mapped[int] = mapped_column(primary_key=True)
    announced: Mapped[bool] = mapped_column(server_default=text("true"))


class ReadMark(Base):
    """How far a file was read, so that a restart goes on where it stopped (CEL, spool)."""

    __tablename__ = "read_mark"
    name: Mapped[str] = mapped_column(primary_key=True)
    inode: Mapped[int] = mapped_column(BigInteger)
    offset: Mapped[int] = mapped_column(BigInteger)


class VaultKey(Base):
    """The keys that this database needs, which lie in files (storage/vault.py)."""

    __tablename__ = "vault_key"
    id: Mapped[str] = mapped_column(primary_key=True)
    proof: Mapped[bytes]  # opens with the right key of that id alone
    made_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]


class Alarm(Base):
    """Something that an operator must see to; rules: hotline/alarms.py. At most one of a name is raised."""

    __tablename__ = "alarm"
    __table_args__ = (
        Index("uq_alarm_raised", "name", unique=True, postgresql_where=text("cleared_at IS NULL")),
    )
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))  # figures only
    raised_at: Mapped[datetime]
    cleared_at: Mapped[datetime | None]
