"""The directory of who handles what, and the knowledge base. Nothing in them is of a caller.

Units, categories and limits are codes of the policy's. Written by cases/directory.py and cases/knowledge.py.
"""

from datetime import date, datetime

from sqlalchemy import ARRAY, BigInteger, ForeignKey, Identity, Index, String, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import NOW, Base


class DirectoryEntry(Base):
    """派单目录: a matter of this category, kind, place or with these words goes to this unit.

    What is empty may be anything. `choice`: one of the kind's longer limits.
    """

    __tablename__ = "directory_entry"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    category: Mapped[str] = mapped_column(server_default="")  # this one and all below it
    kind: Mapped[str] = mapped_column(server_default="")
    words: Mapped[list[str]] = mapped_column(ARRAY(String), server_default=text("'{}'"))  # any of them
    place: Mapped[str] = mapped_column(server_default="")
    unit: Mapped[str]
    choice: Mapped[str] = mapped_column(server_default="")
    designated: Mapped[bool] = mapped_column(server_default=text("false"))  # that unit may not object
    note: Mapped[str] = mapped_column(server_default="")
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    changed_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    changed_at: Mapped[datetime] = mapped_column(server_default=NOW)
    version: Mapped[int] = mapped_column(server_default=text("1"))


class KnowledgeEntry(Base):
    """What may be answered at once, as it is now; how it was before: KnowledgeVersion."""

    __tablename__ = "knowledge_entry"
    __table_args__ = (
        Index("ix_knowledge_entry_found", "found", postgresql_using="gin"),
        Index("ix_knowledge_entry_state", "state", "valid_until"),
    )
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    title: Mapped[str]
    body: Mapped[str]
    category: Mapped[str] = mapped_column(server_default="")
    unit: Mapped[str] = mapped_column(server_default="")  # who answers for what it says
    keywords: Mapped[str] = mapped_column(server_default="")
    valid_from: Mapped[date | None]
    valid_until: Mapped[date | None]  # that day included
    state: Mapped[str] = mapped_column(server_default="draft")  # draft | published | withdrawn
    version: Mapped[int] = mapped_column(server_default=text("1"))
    used: Mapped[int] = mapped_column(server_default=text("0"))  # times it was somebody's answer
    found: Mapped[str] = mapped_column(TSVECTOR, server_default=text("''::tsvector"), deferred=True)
    changed_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    changed_at: Mapped[datetime] = mapped_column(server_default=NOW)


class KnowledgeVersion(Base):
    """An entry as it was written once."""

    __tablename__ = "knowledge_version"
    entry_id: Mapped[int] = mapped_column(ForeignKey("knowledge_entry.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str]
    body: Mapped[str]
    category: Mapped[str] = mapped_column(server_default="")
    unit: Mapped[str] = mapped_column(server_default="")
    keywords: Mapped[str] = mapped_column(server_default="")
    valid_from: Mapped[date | None]
    valid_until: Mapped[date | None]
    by_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    at: Mapped[datetime] = mapped_column(server_default=NOW)
