"""How people learn of their work: what they have to know, by which ways, and what became of each message.

Written by cases/notices.py, cases/sending.py and cases/notice_settings.py. No row holds a word of a case:
words are made when they are shown or sent, for whoever may still know.
"""

from datetime import datetime

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import NOW, RANDOM_ID, Base
from storage.secret import EMPTY, Secret

OWED = text("state IN ('waiting', 'sending')")
LOST = text("state IN ('failed', 'unsure') AND settled_at IS NULL")


class NoticeSetting(Base):
    """One more way than the page, as its person wants it. Minutes are of the local day; equal ones: all day.

    `digest`: '' each at once, or collected: hourly, daily (at `digest_minute`). `kinds`: groups of
    cases/notices.KINDS; none: all of them.
    """

    __tablename__ = "notice_setting"
    __table_args__ = (UniqueConstraint("person_id", "channel"),)
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    channel: Mapped[str]  # email | sms | webhook
    address: Mapped[str] = mapped_column(Secret("notice_setting.address"))
    secret: Mapped[str] = mapped_column(Secret("notice_setting.secret"), server_default=EMPTY)  # signs
    from_minute: Mapped[int] = mapped_column(server_default=text("0"))
    to_minute: Mapped[int] = mapped_column(server_default=text("0"))
    days: Mapped[str] = mapped_column(server_default="1234567")  # of the week, Monday is 1
    digest: Mapped[str] = mapped_column(server_default="")
    digest_minute: Mapped[int] = mapped_column(server_default=text("0"))
    kinds: Mapped[list[str]] = mapped_column(ARRAY(String), server_default="{}")
    changed_at: Mapped[datetime] = mapped_column(server_default=NOW)


class Notice(Base):
    """One person has to know one thing. `outbox_id` has no key to its row, which may go sooner."""

    __tablename__ = "notice"
    __table_args__ = (
        UniqueConstraint("outbox_id", "person_id"),
        Index("ix_notice_person", "person_id", "at"),
        Index("ix_notice_unseen", "person_id", postgresql_where=text("seen_at IS NULL")),
    )
    id: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, server_default=RANDOM_ID
    )
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    kind: Mapped[str]
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("ticket.id"), index=True)
    order_id: Mapped[int | None] = mapped_column(ForeignKey("sub_order.id"), index=True)
    outbox_id: Mapped[int | None] = mapped_column(BigInteger)
    urgent: Mapped[bool] = mapped_column(server_default=text("false"))
    at: Mapped[datetime] = mapped_column(server_default=NOW)
    seen_at: Mapped[datetime | None]


class Receipt(Base):
    """What became of one notice by one channel, or of one text to a caller (`outbox_id`, `ticket_id`).

    Written before sending and after: who dies in between leaves `sending` behind. Rows of one `key` left as
    one message, which carries it, so that a repeated one can be told.
    """

    __tablename__ = "receipt"
    __table_args__ = (
        UniqueConstraint("notice_id", "channel"),
        UniqueConstraint("outbox_id", "channel", name="uq_receipt_outbox_channel"),
        CheckConstraint("(notice_id IS NULL) <> (outbox_id IS NULL)", name="one_subject"),
        Index("ix_receipt_owed", "due_at", postgresql_where=OWED),
        Index("ix_receipt_lost", "at", postgresql_where=LOST),
        Index("ix_receipt_key", "key", postgresql_where=text("key <> ''")),
    )
    id: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, server_default=RANDOM_ID
    )
    notice_id: Mapped[int | None] = mapped_column(ForeignKey("notice.id"))
    outbox_id: Mapped[int | None] = mapped_column(BigInteger)
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("ticket.id"), index=True)
    kind: Mapped[str]
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))  # NULL: the caller
    channel: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="waiting")  # cases/sending.py: Fate
    due_at: Mapped[datetime]
    claimed_at: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(server_default=text("0"))
    key: Mapped[str] = mapped_column(server_default="")  # '' before the first try
    parts: Mapped[int] = mapped_column(server_default=text("0"))  # what a carrier charges a text for
    error: Mapped[str] = mapped_column(
        server_default=""
    )  # a code, never an address or a word of the other side
    at: Mapped[datetime] = mapped_column(server_default=NOW)  # of its state
    settled_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    settled_at: Mapped[datetime | None]  # somebody has seen to a lost one
