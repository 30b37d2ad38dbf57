"""Units, what was sent to them, and who must not know.

Revision: 0004; after: 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "unit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("level", sa.String(), server_default="second", nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unit")),
        sa.ForeignKeyConstraint(["parent_id"], ["unit.id"], name=op.f("fk_unit_parent_id_unit")),
        sa.UniqueConstraint("code", name=op.f("uq_unit_code")),
    )
    op.create_index(op.f("ix_unit_parent_id"), "unit", ["parent_id"])
    op.add_column("person", sa.Column("unit_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_person_unit_id_unit"), "person", "unit", ["unit_id"], ["id"])
    op.add_column("person", sa.Column("lines", sa.ARRAY(sa.String()), server_default="{}", nullable=False))
    op.add_column("ticket", sa.Column("accused_unit_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_ticket_accused_unit_id_unit"), "ticket", "unit", ["accused_unit_id"], ["id"]
    )
    op.create_table(
        "ticket_unit",
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("unit_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("by_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("ticket_id", "unit_id", name=op.f("pk_ticket_unit")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_ticket_unit_ticket_id_ticket")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_ticket_unit_unit_id_unit")),
        sa.ForeignKeyConstraint(["by_id"], ["person.id"], name=op.f("fk_ticket_unit_by_id_person")),
    )
    op.create_index(op.f("ix_ticket_unit_unit_id"), "ticket_unit", ["unit_id"])
    op.create_table(
        "recusal",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("call_id", sa.String(), nullable=True),
        sa.Column("ticket_id", sa.BigInteger(), nullable=True),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("by_id", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recusal")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_recusal_person_id_person")),
        sa.ForeignKeyConstraint(["call_id"], ["call.id"], name=op.f("fk_recusal_call_id_call")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_recusal_ticket_id_ticket")),
        sa.ForeignKeyConstraint(["by_id"], ["person.id"], name=op.f("fk_recusal_by_id_person")),
        sa.UniqueConstraint("person_id", "ticket_id", name=op.f("uq_recusal_person_id")),
        sa.UniqueConstraint("person_id", "call_id", name="uq_recusal_person_call"),
        sa.CheckConstraint("(ticket_id IS NULL) <> (call_id IS NULL)", name="one_subject"),
    )
    for column in ("person_id", "call_id", "ticket_id"):
        op.create_index(op.f(f"ix_recusal_{column}"), "recusal", [column])
    op.add_column("journal", sa.Column("rule", sa.String(), server_default="", nullable=False))
