"""What is personal is sealed: columns of text become columns of sealed values, row by row.

Revision: 0008; after: 0007. An empty database needs no key for it, any other the vault of storage/vault.py.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from storage.vault import TWIN_AT, TWIN_BYTES, installed

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ROWS = 1000  # at once
NUMBER = "number"
EMPTY = sa.text("''::bytea")
COLUMNS = {
    "caller": ["name", "company", "place", "note"],
    "caller_number": ["number"],
    "call": ["number_raw", "number", "closed_note"],
    "ticket": [
        *("caller_name", "calling_number", "contact_number", "company", "place", "accused"),
        *("title", "content", "answer"),
    ],
    "draft": ["body"],
}
REQUIRED = {"caller_number.number", "call.number_raw", "ticket.title", "ticket.content", "draft.body"}
NULLABLE = {"call.number"}
TWINS = {
    "caller_number.number": "uq_caller_number_number",
    "call.number": "ix_call_number",
    "ticket.calling_number": "ix_ticket_calling_number",
    "ticket.contact_number": "ix_ticket_contact_number",
}


def upgrade() -> None:
    op.create_table(
        "vault_key",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("proof", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vault_key")),
    )
    op.drop_constraint("pk_caller_number", "caller_number")
    op.add_column("caller_number", sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False))
    op.create_primary_key("pk_caller_number", "caller_number", ["id"])
    for table, columns in COLUMNS.items():
        for column in columns:
            op.add_column(table, sa.Column(f"{column}_sealed", sa.LargeBinary(), nullable=True))
        key = ["person_id", "call_id"] if table == "draft" else ["id"]
        _convert(table, key, columns, {f"{column}_sealed": _sealer(table, column) for column in columns})
        for column in columns:
            op.drop_column(table, column)
            _take_place(table, column)
    op.add_column("call_step", sa.Column("number_sealed", sa.LargeBinary(), nullable=True))
    _convert("call_step", ["id"], ["detail"], {"number_sealed": _step_number}, "detail ? 'to'")
    op.execute("UPDATE call_step SET detail = detail - 'to' WHERE detail ? 'to'")
    _take_place("call_step", "number")
    for table in (*COLUMNS, "call_step"):
        _forget(table)


def _sealer(table: str, column: str) -> Callable[[Any], bytes | None]:
    name = f"{table}.{column}"

    def sealed(value: Any) -> bytes | None:
        if value is None:
            return None
        text = json.dumps(value, ensure_ascii=False) if column == "body" else value
        return (
            installed().seal("fields", name, text.encode(), NUMBER if name in TWINS else "") if text else b""
        )

    return sealed


def _step_number(detail: dict[str, Any]) -> bytes:
    number = str(detail["to"] or "")
    return installed().seal("fields", "call_step.number", number.encode()) if number else b""


def _convert(
    table: str,
    key: list[str],
    old: list[str],
    new: dict[str, Callable[[Any], bytes | None]],
    where: str = "true",
) -> None:
    """Fill each `new` column from its `old` one, in the order of the key."""
    database = op.get_bind()
    keys, columns = ", ".join(key), list(new)
    update = sa.text(
        f'UPDATE "{table}" SET {", ".join(f"{name} = :{name}" for name in columns)} '  # noqa: S608
        f"WHERE {' AND '.join(f'{name} = :{name}' for name in key)}"
    )
    for rows in _batches(database, f'SELECT {keys}, {", ".join(old)} FROM "{table}" WHERE {where}', key):  # noqa: S608
        told = []
        for row in rows:
            values = zip(new.items(), old, strict=True)
            told.append(
                {name: row[name] for name in key} | {name: make(row[was]) for (name, make), was in values}
            )
        database.execute(update, told)


def _batches(database: sa.Connection, query: str, key: list[str]) -> Iterator[list[dict[str, Any]]]:
    keys = ", ".join(key)
    limit = f" ORDER BY {keys} LIMIT {ROWS}"
    rows = database.execute(sa.text(query + limit)).mappings().all()
    while rows:
        yield [dict(row) for row in rows]
        after = f" AND ({keys}) > ({', '.join(f':{name}' for name in key)})"
        last = {name: rows[-1][name] for name in key}
        rows = database.execute(sa.text(query + after + limit), last).mappings().all()


def _take_place(table: str, column: str) -> None:
    """The sealed column becomes the column, with its default and index."""
    name = f"{table}.{column}"
    op.alter_column(table, f"{column}_sealed", new_column_name=column)
    if name not in NULLABLE:
        op.execute(f"UPDATE \"{table}\" SET {column} = '' WHERE {column} IS NULL")  # noqa: S608
        default = None if name in REQUIRED else EMPTY
        op.alter_column(table, column, nullable=False, server_default=default)
    if name in TWINS:
        twin = sa.text(f"substr({column}, {TWIN_AT + 1}, {TWIN_BYTES})")
        op.create_index(TWINS[name], table, [twin], unique=name == "caller_number.number")


def _forget(table: str) -> None:
    """Write the table anew: what was in clear is otherwise still in its file, in dead rows and columns."""
    op.execute(f'ALTER TABLE "{table}" ADD COLUMN written_anew float DEFAULT random()')
    op.drop_column(table, "written_anew")
