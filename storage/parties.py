"""The tables of callers and enterprises, and of what was merged."""

from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ForeignKey, Identity, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import COMPANY, NAME, NOW, NUMBER, RANDOM_ID, USCC, Base
from storage.secret import EMPTY, Secret, found_by


class Caller(Base):
    """Somebody who called before, as far as known. `merged_into`: this one is found as that one."""

    __tablename__ = "caller"
    __table_args__ = (found_by("ix_caller_name", "name"), found_by("ix_caller_company", "company"))
    id: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, server_default=RANDOM_ID
    )
    name: Mapped[str] = mapped_column(Secret("caller.name", NAME), server_default=EMPTY)
    sex: Mapped[str] = mapped_column(server_default="")
    company: Mapped[str] = mapped_column(Secret("caller.company", COMPANY), server_default=EMPTY)
    enterprise_id: Mapped[int | None] = mapped_column(ForeignKey("enterprise.id"), index=True)
    tags: Mapped[list[str]] = mapped_column(ARRAY(String), server_default="{}")  # codes of the policy
    merged_into: Mapped[int | None] = mapped_column(ForeignKey("caller.id"), index=True)
    place: Mapped[str] = mapped_column(Secret("caller.place"), server_default=EMPTY)
    note: Mapped[str] = mapped_column(Secret("caller.note"), server_default=EMPTY)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    changed_at: Mapped[datetime] = mapped_column(server_default=NOW, index=True)
    version: Mapped[int] = mapped_column(server_default=text("1"))


class CallerNumber(Base):
    __tablename__ = "caller_number"
    __table_args__ = (found_by("uq_caller_number_number", "number", unique=True),)
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    number: Mapped[str] = mapped_column(Secret("caller_number.number", NUMBER))  # see routing/numbers.py
    caller_id: Mapped[int] = mapped_column(ForeignKey("caller.id"), index=True)


class Enterprise(Base):
    """企业. `merged_into`: this one is found as that one, and has nothing of its own any more."""

    __tablename__ = "enterprise"
    __table_args__ = (
        found_by("uq_enterprise_uscc", "uscc", unique=True),
        found_by("ix_enterprise_name", "name"),
        found_by("ix_enterprise_contact_number", "contact_number"),
    )
    id: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, server_default=RANDOM_ID
    )
    name: Mapped[str] = mapped_column(Secret("enterprise.name", COMPANY), server_default=EMPTY)
    uscc: Mapped[str | None] = mapped_column(
        Secret("enterprise.uscc", USCC)
    )  # routing/uscc.py; NULL: unknown
    place: Mapped[str] = mapped_column(Secret("enterprise.place"), server_default=EMPTY)
    scale: Mapped[str] = mapped_column(server_default="")  # micro | small | medium | large
    industry: Mapped[str] = mapped_column(server_default="")  # a section of GB/T 4754: A … T
    contact_name: Mapped[str] = mapped_column(Secret("enterprise.contact_name"), server_default=EMPTY)
    contact_number: Mapped[str] = mapped_column(
        Secret("enterprise.contact_number", NUMBER), server_default=EMPTY
    )
    note: Mapped[str] = mapped_column(Secret("enterprise.note"), server_default=EMPTY)
    merged_into: Mapped[int | None] = mapped_column(ForeignKey("enterprise.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    changed_at: Mapped[datetime] = mapped_column(server_default=NOW, index=True)
    version: Mapped[int] = mapped_column(server_default=text("1"))


class MergeLog(Base):
    """One record went into another; `moved` holds ids and names of fields alone, to undo it by."""

    __tablename__ = "merge_log"
    __table_args__ = (Index("ix_merge_log_kept", "kind", "kept_id"), Index("ix_merge_log_gone", "gone_id"))
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str]  # caller | enterprise
    gone_id: Mapped[int] = mapped_column(BigInteger)
    kept_id: Mapped[int] = mapped_column(BigInteger)
    moved: Mapped[dict[str, Any]]
    by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    at: Mapped[datetime]
    undone_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    undone_at: Mapped[datetime | None]
