"""What the calendar's keepers entered, and when deadlines were reckoned anew.

Revision: 0011; after: 0010.
"""

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
