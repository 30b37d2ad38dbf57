"""The journal sealed in batches, and in which log-in each line was written.

Revision: 0007; after: 0006.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("journal", sa.Column("session_id", sa.BigInteger(), nullable=True))
    op.create_index("ix_journal_actor", "journal", ["actor_id", "at"])
    op.create_index("ix_journal_act", "journal", ["act", "at"])
    op.create_table(
        "journal_seal",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_id", sa.BigInteger(), nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("marks", sa.LargeBinary(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("form", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_seal")),
    )
    op.execute(
        """
        CREATE TRIGGER journal_seal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_seal
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
        """
    )
    op.execute("REVOKE UPDATE, DELETE, TRUNCATE ON journal_seal FROM PUBLIC, CURRENT_USER")
    # An id is drawn before the row is written, which is when PostgreSQL numbers the transaction. The chain
    # must not meet an id whose transaction has no number yet (cases/chain.py): number it first.
    op.execute(
        """
        CREATE FUNCTION number_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_current_xact_id();
            RETURN NULL;
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER journal_numbered BEFORE INSERT ON journal
        FOR EACH STATEMENT EXECUTE FUNCTION number_transaction()
        """
    )
