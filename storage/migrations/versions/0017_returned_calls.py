"""Missed calls are called back, units have a telephone, a visit's deadline says why.

No supervision that began by itself outlives its case.

Revision: 0017; after: 0016.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

OUTLIVED = """
UPDATE supervision SET ended_at = ticket.closed_at FROM ticket
WHERE ticket.id = supervision.ticket_id AND ticket.closed_at IS NOT NULL
AND supervision.by_id IS NULL AND supervision.ended_at IS NULL
"""


def upgrade() -> None:
    for table in ("dialling", "call"):
        op.add_column(table, sa.Column("missed_id", sa.String(), nullable=True))
        op.create_foreign_key(op.f(f"fk_{table}_missed_id_call"), table, "call", ["missed_id"], ["id"])
        op.create_index(op.f(f"ix_{table}_missed_id"), table, ["missed_id"])
    op.alter_column("dialling", "ticket_id", nullable=True)
    op.add_column("unit", sa.Column("phone", sa.String(), server_default="", nullable=False))
    op.add_column("ticket", sa.Column("visit_due_rule", sa.String(), server_default="", nullable=False))
    op.execute(OUTLIVED)
