"""How people learn of their work.

Revision: 0012; after: 0011.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

RANDOM_ID = "('x' || substr(md5(gen_random_uuid()::text), 1, 13))::bit(52)::bigint"
NOW, EMPTY, FALSE, ZERO = (sa.text(each) for each in ("now()", "''::bytea", "false", "0"))


def upgrade() -> None:
    op.create_table(
        "notice_setting",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), server_default=EMPTY, nullable=False),
        sa.Column("from_minute", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("to_minute", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("days", sa.String(), server_default="1234567", nullable=False),
        sa.Column("digest", sa.String(), server_default="", nullable=False),
        sa.Column("digest_minute", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("kinds", postgresql.ARRAY(sa.String()), server_default="{}", nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice_setting")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.id"], name=op.f("fk_notice_setting_person_id_person")
        ),
        sa.UniqueConstraint("person_id", "channel", name=op.f("uq_notice_setting_person_id")),
    )
    op.create_table(
        "notice",
        sa.Column(
            "id", sa.BigInteger(), autoincrement=False, server_default=sa.text(RANDOM_ID), nullable=False
        ),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=True),
        sa.Column("order_id", sa.BigInteger(), nullable=True),
        sa.Column("outbox_id", sa.BigInteger(), nullable=True),
        sa.Column("urgent", sa.Boolean(), server_default=FALSE, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_notice_person_id_person")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_notice_ticket_id_ticket")),
        sa.ForeignKeyConstraint(["order_id"], ["sub_order.id"], name=op.f("fk_notice_order_id_sub_order")),
        sa.UniqueConstraint("outbox_id", "person_id", name=op.f("uq_notice_outbox_id")),
    )
    op.create_index(op.f("ix_notice_ticket_id"), "notice", ["ticket_id"])
    op.create_index(op.f("ix_notice_order_id"), "notice", ["order_id"])
    op.create_index("ix_notice_person", "notice", ["person_id", "at"])
    op.create_index("ix_notice_unseen", "notice", ["person_id"], postgresql_where=sa.text("seen_at IS NULL"))
    op.create_table(
        "receipt",
        sa.Column(
            "id", sa.BigInteger(), autoincrement=False, server_default=sa.text(RANDOM_ID), nullable=False
        ),
        sa.Column("notice_id", sa.BigInteger(), nullable=True),
        sa.Column("outbox_id", sa.BigInteger(), nullable=True),
        sa.Column("ticket_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("state", sa.String(), server_default="waiting", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("key", sa.String(), server_default="", nullable=False),
        sa.Column("parts", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("error", sa.String(), server_default="", nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("settled_by", sa.BigInteger(), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipt")),
        sa.ForeignKeyConstraint(["notice_id"], ["notice.id"], name=op.f("fk_receipt_notice_id_notice")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_receipt_ticket_id_ticket")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_receipt_person_id_person")),
        sa.ForeignKeyConstraint(["settled_by"], ["person.id"], name=op.f("fk_receipt_settled_by_person")),
        sa.UniqueConstraint("notice_id", "channel", name=op.f("uq_receipt_notice_id")),
        sa.UniqueConstraint("outbox_id", "channel", name="uq_receipt_outbox_channel"),
        sa.CheckConstraint("(notice_id IS NULL) <> (outbox_id IS NULL)", name="one_subject"),
    )
    op.create_index(op.f("ix_receipt_ticket_id"), "receipt", ["ticket_id"])
    op.create_index(
        "ix_receipt_owed", "receipt", ["due_at"], postgresql_where=sa.text("state IN ('waiting', 'sending')")
    )
    op.create_index(
        "ix_receipt_lost",
        "receipt",
        ["at"],
        postgresql_where=sa.text("state IN ('failed', 'unsure') AND settled_at IS NULL"),
    )
    op.create_index("ix_receipt_key", "receipt", ["key"], postgresql_where=sa.text("key <> ''"))
