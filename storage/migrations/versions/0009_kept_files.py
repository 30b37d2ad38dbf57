"""Files that are sealed: which key a recording lies under, attachments of tickets; holds.

Revision: 0009; after: 0008.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

RANDOM_ID = "('x' || substr(md5(gen_random_uuid()::text), 1, 13))::bit(52)::bigint"


def upgrade() -> None:
    op.add_column("recording", sa.Column("key_id", sa.String(), server_default="", nullable=False))
    op.create_index(op.f("ix_recording_key_id"), "recording", ["key_id"])
    op.create_table(
        "attachment",
        sa.Column(
            "id", sa.BigInteger(), autoincrement=False, server_default=sa.text(RANDOM_ID), nullable=False
        ),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("by_id", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachment")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_attachment_ticket_id_ticket")),
        sa.ForeignKeyConstraint(["by_id"], ["person.id"], name=op.f("fk_attachment_by_id_person")),
        sa.UniqueConstraint("path", name=op.f("uq_attachment_path")),
    )
    op.create_index(op.f("ix_attachment_ticket_id"), "attachment", ["ticket_id"])
    op.create_index(op.f("ix_attachment_key_id"), "attachment", ["key_id"])
    op.create_table(
        "hold",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("call_id", sa.String(), nullable=True),
        sa.Column("ticket_id", sa.BigInteger(), nullable=True),
        sa.Column("why", sa.LargeBinary(), nullable=False),
        sa.Column("by_id", sa.BigInteger(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("lifted_by", sa.BigInteger(), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold")),
        sa.ForeignKeyConstraint(["call_id"], ["call.id"], name=op.f("fk_hold_call_id_call")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_hold_ticket_id_ticket")),
        sa.ForeignKeyConstraint(["by_id"], ["person.id"], name=op.f("fk_hold_by_id_person")),
        sa.ForeignKeyConstraint(["lifted_by"], ["person.id"], name=op.f("fk_hold_lifted_by_person")),
        sa.CheckConstraint("(ticket_id IS NULL) <> (call_id IS NULL)", name="one_subject"),
    )
    for column in ("call", "ticket"):
        op.create_index(
            f"uq_hold_{column}",
            "hold",
            [f"{column}_id"],
            unique=True,
            postgresql_where=sa.text("lifted_at IS NULL"),
        )
