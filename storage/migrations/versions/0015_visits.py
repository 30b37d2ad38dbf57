"""Calls that staff make to callers.

Revision: 0015; after: 0014.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

EMPTY = sa.text("''::bytea")


def upgrade() -> None:
    op.create_table(
        "dialling",
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("number", sa.LargeBinary(), server_default=EMPTY, nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_dialling_person_id_person")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_dialling_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_dialling")),
    )
    op.create_index(op.f("ix_dialling_ticket_id"), "dialling", ["ticket_id"])
    op.create_index(op.f("ix_dialling_call_id"), "dialling", ["call_id"], unique=True)
