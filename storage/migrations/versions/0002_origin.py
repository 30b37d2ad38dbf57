"""By whose door a call came: the trunk, the public page, or a test of our own.

Revision: 0002; after: 0001.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("call", sa.Column("origin", sa.String(), server_default="trunk", nullable=False))
