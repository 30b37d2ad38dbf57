"""A second step of logging in, known browsers, the first administrator; a phone's secret is its log-in's.

Revision: 0006; after: 0005. A hardware phone's secret becomes its digest; browsers get theirs anew.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

NOW = sa.text("now()")


def upgrade() -> None:
    op.add_column("web_session", sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False))
    op.create_unique_constraint(op.f("uq_web_session_id"), "web_session", ["id"])
    op.add_column(
        "web_session", sa.Column("awaits_code", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column(
        "web_session", sa.Column("wrong_codes", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("web_session", sa.Column("phone_slot", sa.Integer(), nullable=True))
    op.create_index(
        "ix_web_session_phone",
        "web_session",
        ["person_id"],
        postgresql_where=sa.text("phone_slot IS NOT NULL"),
    )
    op.add_column("person", sa.Column("phone_digest", sa.String(), server_default="", nullable=False))
    op.add_column("person", sa.Column("demo", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.execute(
        """
        UPDATE person SET phone_digest = md5(endpoint || ':hotline:' || (
            SELECT secret FROM sip_secret WHERE person_id = person.id ORDER BY id DESC LIMIT 1
        ))
        WHERE phone = 'hardware' AND EXISTS (SELECT 1 FROM sip_secret WHERE person_id = person.id)
        """
    )
    op.drop_table("sip_secret")
    op.create_table(
        "totp",
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("proved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_step", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_totp")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_totp_person_id_person")),
    )
    op.create_table(
        "recovery_code",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_code")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_recovery_code_person_id_person")),
    )
    op.create_index(op.f("ix_recovery_code_person_id"), "recovery_code", ["person_id"])
    op.create_table(
        "known_browser",
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_known_browser")),
    )
    op.create_table(
        "first_link",
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_first_link")),
    )
