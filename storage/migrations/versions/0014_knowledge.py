"""The directory of who handles what, and the knowledge base.

Revision: 0014; after: 0013.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

NOW, ZERO, ONE = (sa.text(each) for each in ("now()", "0", "1"))


def _text(name: str, *, must: bool = False) -> "sa.Column[str]":
    return sa.Column(name, sa.String(), server_default=None if must else "", nullable=False)


def _when(name: str) -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True), server_default=NOW, nullable=False)


def upgrade() -> None:
    op.create_table(
        "directory_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        _text("category"),
        _text("kind"),
        sa.Column("words", sa.ARRAY(sa.String()), server_default=sa.text("'{}'"), nullable=False),
        _text("place"),
        _text("unit", must=True),
        _text("choice"),
        sa.Column("designated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        _text("note"),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("changed_by", sa.BigInteger(), nullable=True),
        _when("changed_at"),
        sa.Column("version", sa.Integer(), server_default=ONE, nullable=False),
        sa.ForeignKeyConstraint(
            ["changed_by"], ["person.id"], name=op.f("fk_directory_entry_changed_by_person")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_directory_entry")),
    )
    op.create_table(
        "knowledge_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        _text("title", must=True),
        _text("body", must=True),
        *(_text(name) for name in ("category", "unit", "keywords")),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("state", sa.String(), server_default="draft", nullable=False),
        sa.Column("version", sa.Integer(), server_default=ONE, nullable=False),
        sa.Column("used", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("found", TSVECTOR(), server_default=sa.text("''::tsvector"), nullable=False),
        sa.Column("changed_by", sa.BigInteger(), nullable=True),
        _when("changed_at"),
        sa.ForeignKeyConstraint(
            ["changed_by"], ["person.id"], name=op.f("fk_knowledge_entry_changed_by_person")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_knowledge_entry")),
    )
    op.create_index("ix_knowledge_entry_found", "knowledge_entry", ["found"], postgresql_using="gin")
    op.create_index("ix_knowledge_entry_state", "knowledge_entry", ["state", "valid_until"])
    op.create_table(
        "knowledge_version",
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        _text("title", must=True),
        _text("body", must=True),
        *(_text(name) for name in ("category", "unit", "keywords")),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("by_id", sa.BigInteger(), nullable=True),
        _when("at"),
        sa.ForeignKeyConstraint(["by_id"], ["person.id"], name=op.f("fk_knowledge_version_by_id_person")),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["knowledge_entry.id"], name=op.f("fk_knowledge_version_entry_id_knowledge_entry")
        ),
        sa.PrimaryKeyConstraint("entry_id", "version", name=op.f("pk_knowledge_version")),
    )
