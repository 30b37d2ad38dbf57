"""Calls are found by the published number that was dialled.

Revision: 0018; after: 0017.
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_call_line", "call", ["line", "began_at"])
