"""What gave sealed matters away: numbers without gaps, ids in a row, a form's name that was everybody's.

Revision: 0005; after: 0004. Also: who handed what over, and unsealing.
"""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

RANDOM_ID = "('x' || substr(md5(gen_random_uuid()::text), 1, 13))::bit(52)::bigint"
NOW = sa.text("now()")


def upgrade() -> None:
    op.create_table(
        "ticket_number",
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_ticket_number")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_ticket_number_ticket_id_ticket")),
    )
    op.create_index(op.f("ix_ticket_number_ticket_id"), "ticket_number", ["ticket_id"])
    op.execute("INSERT INTO ticket_number (number, ticket_id) SELECT number, id FROM ticket")
    _number_sealed_anew()
    op.drop_table("ticket_day")
    op.drop_constraint(op.f("uq_ticket_form_id"), "ticket")
    op.create_unique_constraint(op.f("uq_ticket_created_by"), "ticket", ["created_by", "form_id"])
    for table in ("recording", "recusal"):
        op.execute(f"ALTER TABLE {table} ALTER id DROP IDENTITY, ALTER id SET DEFAULT {RANDOM_ID}")
    op.create_table(
        "handed_over",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("call_id", sa.String(), nullable=True),
        sa.Column("ticket_id", sa.BigInteger(), nullable=True),
        sa.Column("by_id", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_handed_over")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_handed_over_person_id_person")),
        sa.ForeignKeyConstraint(["call_id"], ["call.id"], name=op.f("fk_handed_over_call_id_call")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_handed_over_ticket_id_ticket")),
        sa.ForeignKeyConstraint(["by_id"], ["person.id"], name=op.f("fk_handed_over_by_id_person")),
        sa.UniqueConstraint("person_id", "call_id", name=op.f("uq_handed_over_person_id")),
        sa.UniqueConstraint("person_id", "ticket_id", name="uq_handed_over_person_ticket"),
    )
    op.create_table(
        "unsealing",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=False),
        sa.Column("asked_by", sa.BigInteger(), nullable=False),
        sa.Column("ground", sa.LargeBinary(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("decision", sa.String(), server_default="", nullable=False),
        sa.Column("decided_by", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unsealing")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_unsealing_ticket_id_ticket")),
        sa.ForeignKeyConstraint(["asked_by"], ["person.id"], name=op.f("fk_unsealing_asked_by_person")),
        sa.ForeignKeyConstraint(["decided_by"], ["person.id"], name=op.f("fk_unsealing_decided_by_person")),
        sa.CheckConstraint("decided_by <> asked_by", name="two_people"),
    )
    op.create_index(op.f("ix_unsealing_ticket_id"), "unsealing", ["ticket_id"])
    op.create_index(
        "uq_unsealing_open",
        "unsealing",
        ["ticket_id"],
        unique=True,
        postgresql_where=sa.text("decision = ''"),
    )


def _number_sealed_anew() -> None:
    """The numbers of sealed tickets were gaps in a row; the old ones go on leading to them."""
    connection = op.get_bind()
    for ticket_id, number in connection.execute(sa.text("SELECT id, number FROM ticket WHERE sealed")).all():
        told = None
        while told is None:
            drawn = f"{number[:6]}{secrets.randbelow(10**6):06d}"
            told = connection.scalar(
                sa.text(
                    "INSERT INTO ticket_number VALUES (:number, :ticket_id) "
                    "ON CONFLICT DO NOTHING RETURNING number"
                ),
                {"number": drawn, "ticket_id": ticket_id},
            )
        connection.execute(
            sa.text("UPDATE ticket SET number = :number WHERE id = :id"), {"number": told, "id": ticket_id}
        )
