"""The tables of a case's handling: sub-orders and what is asked, ruled, demanded and found out about them.

All of them hang on a ticket and are seen by whoever sees the ticket. Written by cases/ alone.
"""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import NOW, RANDOM_ID, Base
from storage.secret import EMPTY, Secret
from storage.waking import woken_by

FALSE = text("false")


class SubOrder(Base):
    """承办: one unit's share of a ticket, with its own state, clock and reply. States: cases/states.py.

    `parent_id`: passed down by a unit to one below it; that unit answers for it.
    """

    __tablename__ = "sub_order"
    __table_args__ = (
        Index("ix_sub_order_unit", "unit_id", "state", "due_at"),
        Index(
            "ix_sub_order_due",
            "due_at",
            postgresql_where=text("state IN ('sent', 'taken', 'objected')"),
        ),
        *woken_by("order", "progress"),
        Index(
            "uq_sub_order_current",
            "ticket_id",
            "unit_id",
            unique=True,
            postgresql_where=text("state NOT IN ('returned', 'recalled')"),
        ),
    )
    id: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, server_default=RANDOM_ID
    )
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("sub_order.id"), index=True)
    state: Mapped[str] = mapped_column(server_default="sent")
    part: Mapped[str] = mapped_column(server_default="lead")  # lead | assist
    way: Mapped[str] = mapped_column(server_default="web")  # web | phone | paper: how the unit was charged
    designated: Mapped[bool] = mapped_column(server_default=FALSE)  # by ruling or instruction: no objection
    note: Mapped[str] = mapped_column(Secret("sub_order.note"), server_default=EMPTY)  # to the unit
    sent_at: Mapped[datetime] = mapped_column(server_default=NOW, index=True)  # its clock starts here
    sent_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    due_at: Mapped[datetime | None]
    due_rule: Mapped[str] = mapped_column(server_default="")  # as ticket.due_rule
    due_provisional: Mapped[bool] = mapped_column(server_default=FALSE)
    taken_at: Mapped[datetime | None]  # 签收
    taken_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    replied_at: Mapped[datetime | None] = mapped_column(index=True)
    replied_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    account: Mapped[str] = mapped_column(Secret("sub_order.account"), server_default=EMPTY)  # internal
    public_reply: Mapped[str] = mapped_column(Secret("sub_order.public_reply"), server_default=EMPTY)
    finding: Mapped[str] = mapped_column(server_default="")  # true | partly | untrue | unclear
    solved: Mapped[str] = mapped_column(server_default="")  # yes | partly | no
    why_unsolved: Mapped[str] = mapped_column(Secret("sub_order.why_unsolved"), server_default=EMPTY)
    out_of_remit: Mapped[bool] = mapped_column(server_default=FALSE)
    contacted_at: Mapped[datetime | None]
    contacted_how: Mapped[str] = mapped_column(server_default="")  # phone | visit | message | none
    ended_at: Mapped[datetime | None]
    redone: Mapped[int] = mapped_column(server_default=text("0"))
    version: Mapped[int] = mapped_column(server_default=text("1"))
    progress_at: Mapped[datetime | None]  # since when a note of progress is awaited: urgent matters alone
    next_at: Mapped[datetime | None]  # storage/waking.py
    next_for: Mapped[datetime | None]
    progress_next_at: Mapped[datetime | None]
    progress_next_for: Mapped[datetime | None]


class UnitRequest(Base):
    """What a unit asks about its sub-order, and the ruling: an objection to it, or more time for it."""

    __tablename__ = "unit_request"
    __table_args__ = (
        Index(
            "uq_unit_request_open", "order_id", "kind", unique=True, postgresql_where=text("decision = ''")
        ),
        CheckConstraint("decided_by <> asked_by", name="two_people"),
    )
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("sub_order.id"), index=True)
    kind: Mapped[str]  # objection | extension
    ground: Mapped[str] = mapped_column(Secret("unit_request.ground"))
    law: Mapped[str] = mapped_column(server_default="")  # the legal ground of an extension, as cited
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"))  # who should have it instead
    choice: Mapped[str] = mapped_column(server_default="")  # which of the policy's extensions
    due_before: Mapped[datetime | None]
    due_after: Mapped[datetime | None]  # as asked, then as approved
    asked_by: Mapped[int] = mapped_column(ForeignKey("person.id"))
    asked_at: Mapped[datetime] = mapped_column(server_default=NOW)
    decision: Mapped[str] = mapped_column(server_default="")  # '' | granted | refused
    remark: Mapped[str] = mapped_column(Secret("unit_request.remark"), server_default=EMPTY)
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    decided_at: Mapped[datetime | None]


class TicketNote(Base):
    """A word on a ticket or on one sub-order: progress, urging 催办, a telephone charge, a remark."""

    __tablename__ = "ticket_note"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    order_id: Mapped[int | None] = mapped_column(ForeignKey("sub_order.id"), index=True)
    kind: Mapped[str]  # progress | urging | charge | remark
    text: Mapped[str] = mapped_column(Secret("ticket_note.text"), server_default=EMPTY)
    call_id: Mapped[str | None] = mapped_column(ForeignKey("call.id"))
    by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))  # NULL: the clock
    at: Mapped[datetime] = mapped_column(server_default=NOW, index=True)


class Supervision(Base):
    """督办: somebody sees to it that a case moves, until it is ended with an outcome."""

    __tablename__ = "supervision"
    __table_args__ = (
        Index("uq_supervision_open", "ticket_id", unique=True, postgresql_where=text("ended_at IS NULL")),
        *woken_by("supervision"),
    )
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    ground: Mapped[str]  # late | silent | dissatisfied | returned | many_units | hard | instruction
    demand: Mapped[str] = mapped_column(Secret("supervision.demand"), server_default=EMPTY)
    due_at: Mapped[datetime | None]
    due_rule: Mapped[str] = mapped_column(server_default="")
    due_provisional: Mapped[bool] = mapped_column(server_default=FALSE)
    by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))  # NULL: the clock
    at: Mapped[datetime] = mapped_column(server_default=NOW)
    outcome: Mapped[str] = mapped_column(Secret("supervision.outcome"), server_default=EMPTY)
    ended_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    ended_at: Mapped[datetime | None]
    next_at: Mapped[datetime | None]  # storage/waking.py
    next_for: Mapped[datetime | None]


class Instruction(Base):
    """A report to a leader and 批示, his written word on it, which has a deadline of its own."""

    __tablename__ = "instruction"
    __table_args__ = woken_by("instruction")
    id: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, server_default=RANDOM_ID
    )
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    leader_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    report: Mapped[str] = mapped_column(Secret("instruction.report"), server_default=EMPTY)
    reported_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    reported_at: Mapped[datetime] = mapped_column(server_default=NOW)
    words: Mapped[str] = mapped_column(Secret("instruction.words"), server_default=EMPTY)
    given_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    given_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    due_rule: Mapped[str] = mapped_column(server_default="")
    due_provisional: Mapped[bool] = mapped_column(server_default=FALSE)
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"))  # designated by it
    outcome: Mapped[str] = mapped_column(Secret("instruction.outcome"), server_default=EMPTY)
    done_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    done_at: Mapped[datetime | None]
    next_at: Mapped[datetime | None]  # storage/waking.py
    next_for: Mapped[datetime | None]


class Closing(Base):
    """The closing form of the whole case and its audit; each submission has a row."""

    __tablename__ = "closing"
    __table_args__ = (
        Index("uq_closing_open", "ticket_id", unique=True, postgresql_where=text("decision = ''")),
        CheckConstraint("decided_by <> by_id", name="two_people"),
    )
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    finding: Mapped[str] = mapped_column(server_default="")
    solved: Mapped[str] = mapped_column(server_default="")
    why_unsolved: Mapped[str] = mapped_column(Secret("closing.why_unsolved"), server_default=EMPTY)
    out_of_remit: Mapped[bool] = mapped_column(server_default=FALSE)
    contacted_at: Mapped[datetime | None]
    contacted_how: Mapped[str] = mapped_column(server_default="")
    account: Mapped[str] = mapped_column(Secret("closing.account"), server_default=EMPTY)
    public_reply: Mapped[str] = mapped_column(Secret("closing.public_reply"), server_default=EMPTY)
    by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    at: Mapped[datetime] = mapped_column(server_default=NOW)
    decision: Mapped[str] = mapped_column(server_default="")  # '' | approved | sent_back
    remark: Mapped[str] = mapped_column(Secret("closing.remark"), server_default=EMPTY)
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    decided_at: Mapped[datetime | None]


class Visit(Base):
    """回访: one attempt to hear from the caller how it went. `satisfied` as routing/policy.py's scale."""

    __tablename__ = "visit"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    call_id: Mapped[str | None] = mapped_column(ForeignKey("call.id"))
    reached: Mapped[bool]
    true: Mapped[bool | None]  # was it handled as the unit says
    contacted: Mapped[bool | None]  # did staff make contact
    solved: Mapped[bool | None]
    satisfied: Mapped[str] = mapped_column(server_default="")  # '': unrated
    words: Mapped[str] = mapped_column(Secret("visit.words"), server_default=EMPTY)
    by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    at: Mapped[datetime] = mapped_column(server_default=NOW, index=True)


class Ending(Base):
    """How a case ended that no unit closed, or went elsewhere: answered, refused, transferred, merged."""

    __tablename__ = "ending"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    kind: Mapped[str]  # answered | refused | transferred | merged | withdrawn
    ground: Mapped[str] = mapped_column(server_default="")  # a code of the policy's
    words: Mapped[str] = mapped_column(Secret("ending.words"), server_default=EMPTY)  # told to the caller
    to_number: Mapped[str] = mapped_column(server_default="")  # transferred: 12345
    receipt: Mapped[str] = mapped_column(server_default="")  # what was given there for it
    receipt_at: Mapped[datetime | None]
    lead_id: Mapped[int | None] = mapped_column(ForeignKey("ticket.id"), index=True)  # merged into
    by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    at: Mapped[datetime] = mapped_column(server_default=NOW, index=True)
    undone_at: Mapped[datetime | None]  # reopened, or split again


class Dialling(Base):
    """What a person may call next, about a ticket or a missed call, by a token that is good once and not for
    long: cases/dialling.py.

    No browser learns the number that the token stands for; it is forgotten when the call is placed.
    """

    __tablename__ = "dialling"
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True, autoincrement=False)
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("ticket.id"), index=True)
    missed_id: Mapped[str | None] = mapped_column(ForeignKey("call.id"), index=True)  # who is called back
    call_id: Mapped[str] = mapped_column(unique=True, index=True)  # the call's, if it is ever placed
    token_hash: Mapped[str]  # SHA-256
    number: Mapped[str] = mapped_column(Secret("dialling.number"), server_default=EMPTY)  # as the trunk dials
    until: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Rung(Base):
    """A level before or after a deadline that was reached: once for each subject, level and due moment."""

    __tablename__ = "rung"
    __table_args__ = (UniqueConstraint("subject_kind", "subject_id", "level", "due_at"),)
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("ticket.id"), index=True)
    subject_kind: Mapped[str]  # a ladder of the policy's: ticket, order, progress, …
    subject_id: Mapped[int] = mapped_column(BigInteger)
    level: Mapped[str]  # a code of that ladder
    due_at: Mapped[datetime]
    told: Mapped[bool]  # not when a higher level was reached by then, as after an outage
    fired_at: Mapped[datetime] = mapped_column(server_default=NOW)
