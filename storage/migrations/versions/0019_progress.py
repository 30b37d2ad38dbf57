"""Notes of progress that are overdue are seen to by the clock.

Revision: 0019; after: 0018.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

RUNS = "state IN ('sent', 'taken') AND progress_at IS NOT NULL"
STALE = f"{RUNS} AND (progress_next_for IS DISTINCT FROM progress_at)"
AWAITED = """
UPDATE sub_order SET progress_at = greatest(sub_order.sent_at, (
    SELECT max(at) FROM ticket_note WHERE order_id = sub_order.id AND ticket_note.kind = 'progress'
))
FROM ticket WHERE ticket.id = sub_order.ticket_id AND ticket.urgency <> 'normal'
    AND sub_order.state IN ('sent', 'taken', 'objected')
"""


def upgrade() -> None:
    for name in ("progress_at", "progress_next_at", "progress_next_for"):
        op.add_column("sub_order", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.execute(AWAITED)
    op.create_index("ix_progress_next", "sub_order", ["progress_next_at"], postgresql_where=sa.text(RUNS))
    op.create_index("ix_progress_stale", "sub_order", ["id"], postgresql_where=sa.text(STALE))
