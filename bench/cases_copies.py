"""Cases in bulk: those of bench/cases_ways.py copied in SQL with all that belongs to them, each under keys,
a number, a caller and moments of its own. What is sealed opens as it did: no row's id is in it."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, DateTime, Table, text

from bench.cases_city import SMALL_LINE
from storage.base import Base
from storage.parties import Caller, CallerNumber, Enterprise
from storage.secret import Secret
from storage.tables import Call, Ticket

A_DAY = 270  # cases that a city closes
CALLERS_EVERY, ENTERPRISES_EVERY = 10, 25  # tickets
SMALL_LINE_EVERY = 2000  # tickets
CHUNK = 25_000  # tickets; the journal of as many is in the order of time
# A copy's keys: random ones stay within 52 bits, counted ones leave room for each copy's own.
DUE = (
    *("due_at", "visit_due_at", "waits_until", "next_at", "next_for"),
    *("progress_at", "progress_next_at", "progress_next_for"),
)
RANDOM, COUNTED, SPAN = 4_503_599_627, 100_000, 2**52
SCATTERED = ("sub_order", "instruction", "recording")
NAMES = {  # what details and payloads call the rows that they name
    "order": "sub_order",
    "above": "sub_order",
    "note": "ticket_note",
    "closing": "closing",
    "visit": "visit",
    "ending": "ending",
    "supervision": "supervision",
    "instruction": "instruction",
    "request": "unit_request",
    "rung": "rung",
}
OF_TICKET = (
    *("sub_order", "ticket_note", "supervision", "instruction", "closing", "visit", "ending", "rung"),
    "named",
)
OF_CALL = ("call", "call_leg", "recording")
OWN = {  # columns that are a copy's own
    "ticket": {
        "id": "c.dst",
        "number": "c.number",
        "caller_id": "CASE WHEN x.caller_id IS NOT NULL THEN p.caller_id END",
        "enterprise_id": "CASE WHEN x.enterprise_id IS NOT NULL THEN p.enterprise_id END",
        "calling_number": "CASE WHEN length(x.calling_number) > 0 THEN p.calling ELSE x.calling_number END",
        "contact_number": "CASE WHEN length(x.contact_number) > 0 THEN p.contact ELSE x.contact_number END",
        "form_id": "NULL",
    },
    "call": {
        "id": "x.id || '-' || c.dst",
        "linkedid": "x.linkedid || '-' || c.dst",
        "caller_id": "CASE WHEN x.caller_id IS NOT NULL THEN p.caller_id END",
        "number": "p.call",
        "line": f"CASE WHEN c.dst % {SMALL_LINE_EVERY} = 0 THEN '{SMALL_LINE}' ELSE x.line END",
    },
    "call_leg": {"uniqueid": "x.uniqueid || '-' || c.dst"},
    "recording": {"name": "x.name || '-' || c.dst"},
}


def take_templates(connection: Connection) -> None:
    """What is there now can be copied from here on."""
    for name in ("ticket", *OF_TICKET):
        key = "id" if name == "ticket" else "ticket_id"
        connection.execute(text(f"CREATE TABLE src_{name} AS SELECT x.{key} AS src, x.* FROM {name} x"))
    connection.execute(
        text(
            "CREATE TABLE src_unit_request AS SELECT o.ticket_id AS src, x.*"
            " FROM unit_request x JOIN sub_order o ON o.id = x.order_id"
        )
    )
    for name in OF_CALL:
        key = "id" if name == "call" else "call_id"
        connection.execute(
            text(
                f"CREATE TABLE src_{name} AS SELECT l.ticket_id AS src, x.*"
                f" FROM {name} x JOIN ticket_call l ON l.call_id = x.{key}"
            )
        )
    ids = ", ".join(f"a{n} bigint, m{n} bigint" for n in range(_IDS))
    connection.execute(
        text(
            "CREATE TABLE src_journal (src bigint, seq bigint, at timestamptz, actor_id bigint, act text,"
            f" rule text, address text, session_id bigint, told text, {ids});"
            "CREATE TABLE src_outbox (src bigint, seq bigint, kind text, due_at timestamptz,"
            f" created_at timestamptz, told text, {ids})"
        )
    )
    _take(
        connection,
        "journal",
        "SELECT subject_id::bigint AS src, id AS seq, at, actor_id, act, rule, address, session_id,"
        " detail AS told FROM journal WHERE subject_kind = 'ticket'",
    )
    _take(
        connection,
        "outbox",
        "SELECT (payload->>'ticket_id')::bigint AS src, id AS seq, kind, due_at, created_at,"
        " payload AS told FROM outbox WHERE payload ? 'ticket_id'",
    )


def _take(connection: Connection, name: str, query: str) -> None:
    rows = []
    for row in connection.execute(text(query)).mappings():
        told, ids = _form(row["told"])
        numbered: dict[str, int | None] = {f"{letter}{n}": None for n in range(_IDS) for letter in "am"}
        for n, (key, step) in enumerate(ids):
            numbered |= {f"a{n}": key, f"m{n}": step}
        rows.append({**row, **numbered, "told": told})
    columns = list(rows[0])
    values = ", ".join(f":{column}" for column in columns)
    connection.execute(text(f"INSERT INTO src_{name} ({', '.join(columns)}) VALUES ({values})"), rows)


_IDS = 6  # that a line names at most


def _form(told: dict[str, Any]) -> tuple[str, list[tuple[int, int]]]:
    """A detail as PostgreSQL's format() takes it, and the ids to put in it with the step between copies."""
    ids: list[tuple[int, int]] = []

    def mark(key: int, step: int) -> str:
        ids.append((key, step))
        return f"@{len(ids)}@"

    def of(name: str, value: Any) -> Any:
        plain = name.removesuffix("_id")
        if plain == "ticket":
            return mark(0, 1)
        if name == "orders":
            return [mark(each, RANDOM) for each in value]
        if plain in NAMES and isinstance(value, int):
            return mark(value, _step(NAMES[plain]))
        return value

    said = json.dumps({name: of(name, value) for name, value in told.items()}, ensure_ascii=False)
    said = said.replace("%", "%%")
    for n in range(len(ids)):
        said = said.replace(f'"@{n + 1}@"', f"%{n + 1}$s")
    return said, ids


def _step(table: str) -> int:
    return RANDOM if table in SCATTERED else COUNTED


# -- copying ----------------------------------------------------------------------------------------


def copy(
    connection: Connection,
    templates: Sequence[int],
    times: int,
    until: datetime | None,
    parties: int,
    *,
    still: bool = False,
) -> None:
    """`times` copies of these in turn. `until`: when the last one was closed, A_DAY before it each day; None:
    within three hours before their templates, due as much earlier or not (`still`)."""
    _plan(connection, templates, times, until, parties, still)
    for statement in _statements():
        connection.execute(text(statement))
    for start in range(0, times, CHUNK):
        for statement in _in_order():
            connection.execute(text(statement), {"first": start, "last": start + CHUNK})
    connection.execute(text("DROP TABLE copied"))


def _plan(
    connection: Connection,
    templates: Sequence[int],
    times: int,
    until: datetime | None,
    parties: int,
    still: bool,
) -> None:
    connection.execute(
        text(
            "CREATE TABLE copied AS SELECT n - 1 AS n, (SELECT max(id) FROM ticket) + n AS dst, s.src,"
            " n * 7919 % :parties AS party, CASE WHEN CAST(:until AS timestamptz) IS NULL"
            " THEN -interval '1 second' * (n / :many % 10800)"
            " ELSE :until - (:times - n) * interval '1 day' / :a_day - t.closed_at END AS shift"
            " FROM generate_series(CAST(1 AS bigint), :times) AS n"
            " JOIN unnest(CAST(:templates AS bigint[])) WITH ORDINALITY AS s(src, place)"
            " ON s.place = 1 + (n * 7919) % :many JOIN ticket t ON t.id = s.src ORDER BY n"
        ),
        {
            "until": until,
            "times": times,
            "templates": list(templates),
            "many": len(templates),
            "a_day": A_DAY,
            "parties": parties,
        },
    )
    connection.execute(text("ALTER TABLE copied ADD number text, ADD later interval"))
    connection.execute(
        text("UPDATE copied SET later = CASE WHEN :still THEN '0' ELSE shift END"), {"still": still}
    )
    # One row in a million for each: no two have one number, whatever their day.
    connection.execute(
        text(
            "UPDATE copied c SET number = to_char(t.created_at + c.shift, 'YYMMDD')"
            " || lpad((c.dst * 611953 % 1000000)::text, 6, '0') FROM ticket t WHERE t.id = c.src"
        )
    )
    connection.execute(
        text(
            "UPDATE copied c SET number = left(number, 6) || lpad(((right(number, 6)::int + 500001)"
            " % 1000000)::text, 6, '0')"
            " WHERE EXISTS (SELECT 1 FROM ticket_number t WHERE t.number = c.number)"
        )
    )
    connection.execute(text("CREATE INDEX ON copied (n)"))
    connection.execute(text("ANALYZE copied"))


def _statements() -> Iterator[str]:
    party = " JOIN party p ON p.n = c.party"
    for name in OF_CALL:
        yield _insert(name, party if name == "call" else "")
    yield _insert("ticket", party)
    yield "INSERT INTO ticket_number (number, ticket_id) SELECT number, dst FROM copied"
    yield (
        "INSERT INTO ticket_call (ticket_id, call_id)"
        " SELECT c.dst, x.id || '-' || c.dst FROM copied c JOIN src_call x USING (src)"
    )
    for name in (*OF_TICKET, "unit_request"):
        yield _insert(name)


def _insert(name: str, more: str = "") -> str:
    table = Base.metadata.tables[name]
    columns = {f'"{column.name}"': _copied(table, column) for column in table.columns}
    return (
        f"INSERT INTO {name} ({', '.join(columns)}) OVERRIDING SYSTEM VALUE SELECT"
        f" {', '.join(columns.values())} FROM copied c JOIN src_{name} x USING (src){more}"
    )


def _copied(table: Table, column: Any) -> str:
    """A column of a copy, as SQL over the template's row x and the copy c."""
    own = OWN.get(table.name, {})
    if column.name in own:
        return own[column.name]
    if isinstance(column.type, DateTime):
        return f"x.{column.name} + c.{'later' if column.name in DUE else 'shift'}"
    if column.name == "due_rule":
        return _RULE
    target = next((key.column.table.name for key in column.foreign_keys), "")
    if target == "ticket":
        return f"CASE WHEN x.{column.name} IS NOT NULL THEN c.dst END"
    if target == "call":
        return f"x.{column.name} || '-' || c.dst"
    if target in (*OF_TICKET, "unit_request"):
        return _shifted(f"x.{column.name}", _step(target))
    if column.primary_key:
        return _shifted(f"x.{column.name}", _step(table.name))
    if table.name == "rung" and column.name == "subject_id":
        order = _shifted("x.subject_id", RANDOM)
        counted = _shifted("x.subject_id", COUNTED)
        return (
            f"CASE x.subject_kind WHEN 'order' THEN {order} WHEN 'instruction' THEN {order}"
            f" WHEN 'supervision' THEN {counted} ELSE c.dst END"
        )
    return f'x."{column.name}"'


# A rule says since when: routing/rule.py.
_RULE = (
    "coalesce(regexp_replace(x.due_rule, ' since \\S+',"
    " to_char((substring(x.due_rule from ' since (\\S+)')::timestamptz + c.shift) AT TIME ZONE 'UTC',"
    ' \'" since "YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"\')), x.due_rule)'
)


def _shifted(key: str, step: int | str) -> str:
    return f"({key} + c.dst * {step}) % {SPAN}"


def _in_order() -> Iterator[str]:
    """The lines of journal and outbox, of some copies, as they would have been written."""
    ids = ", ".join(_shifted(f"a{n}", f"m{n}") for n in range(_IDS))
    some = "FROM copied c JOIN src_{} x USING (src) WHERE c.n >= :first AND c.n < :last ORDER BY at, x.seq"
    yield (
        "INSERT INTO journal (at, actor_id, act, subject_kind, subject_id, rule, address, session_id, detail)"
        " SELECT x.at + c.shift AS at, actor_id, act, 'ticket', c.dst::text, rule, address, session_id,"
        f" format(told, {ids})::jsonb {some.format('journal')}"
    )
    yield (
        "INSERT INTO outbox (kind, payload, due_at, created_at, claimed_at, done_at)"
        f" SELECT kind, format(told, {ids})::jsonb, x.due_at + c.shift AS at, x.created_at + c.shift,"
        f" x.due_at + c.shift, x.due_at + c.shift {some.format('outbox')}"
    )


# -- callers and enterprises ------------------------------------------------------------------------


def make_parties(connection: Connection, many: int) -> None:
    """`many` callers with a number each, a third as many enterprises; table party has them by n from 0 on."""
    sealing = {
        "call": Call.__table__.c.number.type,
        "calling": Ticket.__table__.c.calling_number.type,
        "contact": Ticket.__table__.c.contact_number.type,
        "own": CallerNumber.__table__.c.number.type,
    }
    name = _sealed(Caller.__table__.c.name.type, "王敏")
    connection.execute(
        text(
            "CREATE TABLE party (n bigint PRIMARY KEY, caller_id bigint, enterprise_id bigint,"
            " call bytea, calling bytea, contact bytea, own bytea)"
        )
    )
    raw = connection.connection.cursor()
    with raw.copy("COPY party FROM STDIN") as rows:
        for n in range(many):
            number = f"+86139{n:08}"
            sealed = [_sealed(each, number) for each in sealing.values()]
            rows.write_row((n, 10**15 + n, 10**15 + n // 3, *sealed))
    company = _sealed(Enterprise.__table__.c.name.type, "绵阳市涪城区某某精密机械制造有限公司")
    connection.execute(
        text(
            "INSERT INTO enterprise (id, name) SELECT DISTINCT enterprise_id, CAST(:company AS bytea)"
            " FROM party"
        ),
        {"company": company},
    )
    connection.execute(
        text(
            "INSERT INTO caller (id, name, enterprise_id) SELECT caller_id, :name, enterprise_id FROM party"
        ),
        {"name": name},
    )
    connection.execute(text("INSERT INTO caller_number (number, caller_id) SELECT own, caller_id FROM party"))


def _sealed(kind: Any, value: str) -> bytes:
    assert isinstance(kind, Secret)
    return kind.process_bind_param(value, None) or b""  # type: ignore[arg-type]


# -- indexes ----------------------------------------------------------------------------------------


def drop_indexes(connection: Connection) -> list[str]:
    """Those that no constraint needs; how to make them again."""
    found = connection.execute(
        text(
            "SELECT c.relname, pg_get_indexdef(i.indexrelid) FROM pg_index i"
            " JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid"
            " JOIN pg_namespace s ON s.oid = t.relnamespace WHERE s.nspname = 'public' AND NOT i.indisprimary"
            " AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid)"
        )
    ).all()
    for name, _ in found:
        connection.execute(text(f'DROP INDEX "{name}"'))
    return [made for _, made in found]
