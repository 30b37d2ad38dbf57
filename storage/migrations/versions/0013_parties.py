"""Callers and enterprises as records.

A caller's name and company get twins to be found by, which stand inside the sealed value: each is sealed
anew. Ids are drawn from now on, for they stand in addresses. Revision: 0013; after: 0012.
"""

import sqlalchemy as sa
from alembic import op

from storage.vault import TWIN_AT, TWIN_BYTES, installed

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

ROWS = 1000  # at once
RANDOM_ID = sa.text("('x' || substr(md5(gen_random_uuid()::text), 1, 13))::bit(52)::bigint")
NOW, EMPTY, ONE = (sa.text(each) for each in ("now()", "''::bytea", "1"))
TWINNED = {"name": "name", "company": "company"}  # column of caller → domain


def upgrade() -> None:
    op.create_table(
        "enterprise",
        sa.Column("id", sa.BigInteger(), server_default=RANDOM_ID, autoincrement=False, nullable=False),
        sa.Column("name", sa.LargeBinary(), server_default=EMPTY, nullable=False),
        sa.Column("uscc", sa.LargeBinary(), nullable=True),
        sa.Column("place", sa.LargeBinary(), server_default=EMPTY, nullable=False),
        sa.Column("scale", sa.String(), server_default="", nullable=False),
        sa.Column("industry", sa.String(), server_default="", nullable=False),
        sa.Column("contact_name", sa.LargeBinary(), server_default=EMPTY, nullable=False),
        sa.Column("contact_number", sa.LargeBinary(), server_default=EMPTY, nullable=False),
        sa.Column("note", sa.LargeBinary(), server_default=EMPTY, nullable=False),
        sa.Column("merged_into", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("version", sa.Integer(), server_default=ONE, nullable=False),
        sa.ForeignKeyConstraint(
            ["merged_into"], ["enterprise.id"], name=op.f("fk_enterprise_merged_into_enterprise")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enterprise")),
    )
    op.create_index(op.f("ix_enterprise_merged_into"), "enterprise", ["merged_into"])
    op.create_index(op.f("ix_enterprise_changed_at"), "enterprise", ["changed_at"])
    _found_by("uq_enterprise_uscc", "enterprise", "uscc", unique=True)
    _found_by("ix_enterprise_name", "enterprise", "name")
    _found_by("ix_enterprise_contact_number", "enterprise", "contact_number")
    op.create_table(
        "merge_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("gone_id", sa.BigInteger(), nullable=False),
        sa.Column("kept_id", sa.BigInteger(), nullable=False),
        sa.Column("moved", sa.dialects.postgresql.JSONB(), nullable=False),
        sa.Column("by_id", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_by", sa.BigInteger(), nullable=True),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["by_id"], ["person.id"], name=op.f("fk_merge_log_by_id_person")),
        sa.ForeignKeyConstraint(["undone_by"], ["person.id"], name=op.f("fk_merge_log_undone_by_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merge_log")),
    )
    op.create_index("ix_merge_log_kept", "merge_log", ["kind", "kept_id"])
    op.create_index("ix_merge_log_gone", "merge_log", ["gone_id"])
    _callers()
    op.add_column("ticket", sa.Column("enterprise_id", sa.BigInteger(), nullable=True))
    op.add_column("ticket", sa.Column("uscc", sa.LargeBinary(), server_default=EMPTY, nullable=False))
    op.create_foreign_key(
        op.f("fk_ticket_enterprise_id_enterprise"), "ticket", "enterprise", ["enterprise_id"], ["id"]
    )
    op.create_index(op.f("ix_ticket_enterprise_id"), "ticket", ["enterprise_id"])


def _callers() -> None:
    op.execute("ALTER TABLE caller ALTER COLUMN id DROP IDENTITY IF EXISTS")
    op.alter_column("caller", "id", server_default=RANDOM_ID)
    op.add_column("caller", sa.Column("enterprise_id", sa.BigInteger(), nullable=True))
    op.add_column("caller", sa.Column("tags", sa.ARRAY(sa.String()), server_default="{}", nullable=False))
    op.add_column("caller", sa.Column("merged_into", sa.BigInteger(), nullable=True))
    op.add_column(
        "caller", sa.Column("changed_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False)
    )
    op.execute("UPDATE caller SET changed_at = created_at")
    op.add_column("caller", sa.Column("version", sa.Integer(), server_default=ONE, nullable=False))
    op.create_foreign_key(
        op.f("fk_caller_enterprise_id_enterprise"), "caller", "enterprise", ["enterprise_id"], ["id"]
    )
    op.create_foreign_key(op.f("fk_caller_merged_into_caller"), "caller", "caller", ["merged_into"], ["id"])
    for column in ("enterprise_id", "merged_into", "changed_at"):
        op.create_index(op.f(f"ix_caller_{column}"), "caller", [column])
    _seal_anew()
    for column in TWINNED:
        _found_by(f"ix_caller_{column}", "caller", column)


def _seal_anew() -> None:
    """The same words, with the twin that they are found by."""
    database, last = op.get_bind(), -1
    query = sa.text("SELECT id, name, company FROM caller WHERE id > :last ORDER BY id LIMIT :most")
    update = sa.text("UPDATE caller SET name = :name, company = :company WHERE id = :id")
    while rows := database.execute(query, {"last": last, "most": ROWS}).mappings().all():
        database.execute(
            update,
            [
                {"id": row["id"]} | {each: _twinned(each, bytes(row[each])) for each in TWINNED}
                for row in rows
            ],
        )
        last = rows[-1]["id"]


def _twinned(column: str, value: bytes) -> bytes:
    if not value:
        return value
    vault, context = installed(), f"caller.{column}"
    return vault.seal("fields", context, vault.open("fields", context, value), TWINNED[column])


def _found_by(name: str, table: str, column: str, *, unique: bool = False) -> None:
    twin = sa.text(f"substr({column}, {TWIN_AT + 1}, {TWIN_BYTES})")
    op.create_index(name, table, [twin], unique=unique)
