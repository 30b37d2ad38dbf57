"""What was done on a day is found by its time.

Revision: 0016; after: 0015.
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

TIMES = (
    ("ticket", "closed_at"),
    ("sub_order", "sent_at"),
    ("sub_order", "replied_at"),
    ("ticket_note", "at"),
    ("visit", "at"),
    ("ending", "at"),
)


def upgrade() -> None:
    for table, column in TIMES:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)
