"""The journal's chain: whatever is changed, removed or put in is found, and nothing that is under way."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from cases import chain, journal
from cases.chain import Finding, Head, Sealer, Verdict, Verifier
from storage.database import Database
from storage.vault import Key, VaultError
from tests.cases.conftest import NOW

LINES = 40  # under seals of 9, so that the last one is not full


def keys(key_id: str | None) -> Key:
    if key_id not in (None, "k1"):
        raise VaultError(f"key {key_id} is missing")
    return Key("k1", b"s" * 32)


def write(session: Session, times: int) -> None:
    for index in range(times):
        detail: dict[str, Any] = {"é": [index, 1.5, None], "a": {"b": True, "a": "字"}} if index % 2 else {}
        journal.append(session, None, "call.closed", "call", f"call-{index}", rule="agent/x/all", **detail)


def sealed(session: Session) -> int:
    """Seal all there is; how many seals."""
    until = session.scalars(text("SELECT max(id) FROM journal")).one()
    made = 0
    while chain.seal(session, keys, until, NOW):
        made += 1
    return made


def verified(session: Session, **told: Any) -> tuple[list[Finding], Verdict]:
    verifier = Verifier(session, keys, **told)
    return list(verifier.findings()), verifier.verdict


@pytest.fixture
def journalled(database: Database, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ids of LINES lines, all of them sealed."""
    monkeypatch.setattr(chain, "BATCH", 9)
    with database.session() as session:
        write(session, LINES)
    with database.session() as session:
        assert sealed(session) == 5
        return list(session.scalars(text("SELECT id FROM journal ORDER BY id")))


@pytest.fixture
def tampering(owner: Database, journalled: list[int]) -> Callable[..., list[Finding]]:
    """Do this as the tables' owner, past every trigger, and undo it: what is found meanwhile."""

    def tamper(*acts: str, **values: Any) -> list[Finding]:
        with owner.session() as session:
            session.execute(text("SET LOCAL session_replication_role = replica"))
            for act in acts:
                session.execute(text(act), values)
            findings, verdict = verified(session)
            assert verdict.findings == len(findings)
            session.rollback()
        return findings

    return tamper


def test_a_chain_that_nobody_touched_is_whole(database: Database, journalled: list[int]) -> None:
    with database.session() as session:
        write(session, 3)
    with database.session() as session:
        findings, verdict = verified(session)
        head = chain.newest(session)
    assert findings == []
    assert (verdict.seals, verdict.lines, verdict.unsealed) == (5, LINES, 3)
    assert verdict.head == head
    assert head is not None
    assert (head.id, head.last_id) == (5, journalled[-1])


def test_a_line_s_form_knows_neither_the_order_of_keys_nor_the_zone(database: Database) -> None:
    forms = set()
    for detail, zone in (({"b": 1, "aa": [2]}, "UTC"), ({"aa": [2], "b": 1}, "Asia/Shanghai")):
        with database.session() as session:
            session.execute(text(f"SET LOCAL TIME ZONE '{zone}'"))
            journal.append(session, None, "a", "call", "1", **detail)
            session.flush()
            (line,) = session.execute(chain._LINES)
            forms.add(chain.canonical(line).split(b",", 3)[3])
            session.rollback()
    assert len(forms) == 1
    assert chain._detail('{"n": 1.0}') != chain._detail('{"n": 1.00}')
    assert chain._detail('{"n": 1}') != chain._detail('{"n": "1"}')


def test_what_was_done_is_told_by_line(
    tampering: Callable[..., list[Finding]], journalled: list[int]
) -> None:
    second, tenth, eleventh, last = journalled[1], journalled[9], journalled[10], journalled[-1]
    assert tampering(f"DELETE FROM journal WHERE id = {tenth}") == [Finding("line_removed", tenth, tenth)]
    assert tampering(f"UPDATE journal SET id = 0 WHERE id = {second}") == [
        Finding("line_put_in", 0, 0),
        Finding("line_removed", second, second),
    ]
    swap = (
        "UPDATE journal j SET act = o.act, detail = o.detail, subject_id = o.subject_id, at = o.at "
        f"FROM journal o WHERE j.id + o.id = {tenth + eleventh} AND j.id IN ({tenth}, {eleventh})"
    )
    assert tampering(swap) == [Finding("line_changed", each, each) for each in (tenth, eleventh)]
    # A line that was rolled back left a hole: nothing may be put into it.
    hole = f"DELETE FROM journal WHERE id = {second}"
    put = "INSERT INTO journal (id, act, subject_kind, subject_id) VALUES (:id, 'a', 'call', '1')"
    assert tampering(hole, put, id=second) == [Finding("line_changed", second, second)]
    assert tampering("DELETE FROM journal") == [Finding("line_removed", each, each) for each in journalled]
    assert tampering(f"DELETE FROM journal WHERE id = {last}") == [Finding("line_removed", last, last)]


def test_what_was_done_to_seals_is_told(tampering: Callable[..., list[Finding]]) -> None:
    assert tampering("DELETE FROM journal_seal WHERE id IN (2, 3)") == [Finding("seal_removed", 2, 3)]
    assert tampering("DELETE FROM journal_seal WHERE id = 1") == [Finding("seal_removed", 1, 1)]
    assert tampering("UPDATE journal_seal SET lines = 8 WHERE id = 2") == [Finding("seal_changed", 2, 2)]
    assert tampering("UPDATE journal_seal SET key_id = 'k9' WHERE id = 2") == [Finding("key_missing", 2, 2)]
    stray = (
        "INSERT INTO journal_seal SELECT 0, 0, 0, 0, marks, previous, hash, key_id, form, at "
        "FROM journal_seal WHERE id = 1"
    )
    assert Finding("seal_changed", 0, 0) in tampering(stray)


def test_a_cut_tail_is_seen_by_who_knows_an_earlier_head(owner: Database, journalled: list[int]) -> None:
    with owner.session() as session:
        known = chain.newest(session)
        assert known is not None
        assert verified(session, known=[known.hash])[0] == []
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text(f"DELETE FROM journal WHERE id > {journalled[35]}"))
        session.execute(text("DELETE FROM journal_seal WHERE id = 5"))
        assert verified(session)[0] == []  # the rest is sound by itself
        assert verified(session, known=[known.hash])[0] == [Finding("cut", 4, 4)]
        session.rollback()


def test_from_a_day_on_only_what_was_sealed_since_is_read(database: Database, journalled: list[int]) -> None:
    with database.session() as session:
        write(session, 4)
    with database.session() as session:
        chain.seal(session, keys, 2**62, datetime.now(UTC))
        findings, verdict = verified(session, since=datetime.now(UTC).replace(hour=0, minute=0))
    assert findings == []
    assert (verdict.seals, verdict.lines) == (1, 4)


COLUMNS = {
    "id": "int",
    "at": "time",
    "actor_id": "int",
    "act": "text",
    "subject_kind": "text",
    "subject_id": "text",
    "rule": "text",
    "detail": "json",
    "address": "text",
    "session_id": "int",
}
SEAL_COLUMNS = {
    **dict.fromkeys(("id", "first_id", "last_id", "lines", "form"), "int"),
    **dict.fromkeys(("marks", "previous", "hash"), "bytes"),
    "key_id": "text",
    "at": "time",
}


def flipped(raw: bytes, at: int, by: int) -> bytes:
    changed = bytearray(raw)
    changed[at % len(raw)] ^= by
    return bytes(changed)


def other(kind: str, value: Any, at: int, by: int) -> Any:
    """The value with one byte of it flipped, as SQL takes it; what cannot be stored is passed over."""
    if kind == "int":
        assume(value is not None)
        return int.from_bytes(flipped(value.to_bytes(8, "big", signed=True), at, by), "big", signed=True)
    if kind == "time":  # microseconds
        return int.from_bytes(flipped(value.to_bytes(8, "big", signed=True), at, by), "big", signed=True)
    assume(value)
    raw = flipped(value if kind == "bytes" else value.encode(), at, by)
    if kind == "bytes":
        return raw
    try:
        said = raw.decode()
        assume("\0" not in said)
        if kind == "json":
            assume(json.loads(said) != json.loads(value) and isinstance(json.loads(said), dict))
    except ValueError:
        assume(False)
    return said


FROM = {
    "time": "'epoch'::timestamptz + :value * interval '1 microsecond'",
    "json": "(:value)::jsonb",
}
TO = {"time": "(extract(epoch from {0}) * 1000000)::bigint", "json": "{0}::text"}


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_one_byte_flipped_anywhere_in_a_sealed_line_or_seal_is_found(
    data: st.DataObject, owner: Database, journalled: list[int]
) -> None:
    table = data.draw(st.sampled_from(["journal", "journal_seal"]))
    columns = COLUMNS if table == "journal" else SEAL_COLUMNS
    column = data.draw(st.sampled_from(sorted(columns)))
    kind = columns[column]
    line = data.draw(st.sampled_from(journalled if table == "journal" else [1, 2, 3, 4, 5]))
    at, by = data.draw(st.integers(0, 300)), data.draw(st.integers(1, 255))
    with owner.session() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        read = TO.get(kind, "{0}").format(column)
        value = session.scalars(text(f"SELECT {read} FROM {table} WHERE id = {line}")).one()
        changed = other(kind, value, at, by)
        if kind == "int":
            assume(column not in ("lines", "form") or -(2**31) <= changed < 2**31)
            if column == "id":
                assume(changed not in (journalled if table == "journal" else [1, 2, 3, 4, 5]))
        if kind == "time":  # what PostgreSQL takes for a day
            assume(-(10**17) < changed < 9 * 10**18)
        written = FROM.get(kind, ":value")
        session.execute(
            text(f"UPDATE {table} SET {column} = {written} WHERE id = {line}"), {"value": changed}
        )
        assert session.scalars(text(f"SELECT count(*) FROM {table}")).one() == (
            LINES if table == "journal" else 5
        )
        findings, _ = verified(session)
        session.rollback()
    assert findings
    if table == "journal":
        assert any(finding.first <= line <= finding.last for finding in findings)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(first=st.integers(0, LINES - 1), second=st.integers(0, LINES - 1))
def test_a_line_removed_another_put_in_and_two_swapped_are_found(
    first: int, second: int, tampering: Callable[..., list[Finding]], journalled: list[int]
) -> None:
    assume(first != second)
    one, two = journalled[first], journalled[second]
    assert tampering(f"DELETE FROM journal WHERE id = {one}") == [Finding("line_removed", one, one)]
    put = "INSERT INTO journal (id, act, subject_kind, subject_id) VALUES (:id, 'a', 'call', '1')"
    assert tampering(put, id=-first) == [Finding("line_put_in", -first, -first)]
    ids = (
        f"UPDATE journal SET id = -1000 WHERE id = {one}",
        f"UPDATE journal SET id = {one} WHERE id = {two}",
        f"UPDATE journal SET id = {two} WHERE id = -1000",
    )
    assert tampering(*ids) == [Finding("line_changed", each, each) for each in sorted((one, two))]


# -- sealing while others write ---------------------------------------------------------------------


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "SETTLE_SECONDS", 0.0)


@pytest.mark.usefixtures("at_once")
def test_what_is_under_way_is_not_sealed_over(database: Database) -> None:
    """Ids are given before their transactions end: a late one would look as if it had been put in."""
    sealer = Sealer(database, keys)
    with database.session() as late:
        write(late, 1)
        late.flush()
        with database.session() as quick:
            write(quick, 1)
        assert sealer.sweep() is None  # notes
        assert sealer.sweep() is None  # the late one is not over
        with database.session() as session:
            write(session, 1)
    made = sealer.sweep()
    with database.session() as session:
        findings, verdict = verified(session)
    assert isinstance(made, Head)
    assert findings == []
    assert (verdict.lines, verdict.unsealed) == (2, 1)


def test_nothing_is_sealed_before_a_minute_has_passed(database: Database) -> None:
    sealer = Sealer(database, keys)
    with database.session() as session:
        write(session, 1)
    assert [sealer.sweep() for _ in range(3)] == [None, None, None]


@pytest.mark.usefixtures("at_once")
def test_many_write_while_the_clock_seals_and_the_chain_is_whole(database: Database) -> None:
    sealer, done = Sealer(database, keys), threading.Event()

    def work() -> None:
        for _ in range(30):
            with database.session() as session:
                write(session, 3)

    writers = [threading.Thread(target=work) for _ in range(3)]
    for writer in writers:
        writer.start()
    seals = list(_sweeps(sealer, writers, done))
    for writer in writers:
        writer.join()
    sealer.sweep()
    sealer.sweep()
    sealer.sweep()
    with database.session() as session:
        findings, verdict = verified(session)
    assert findings == []
    assert verdict.lines == 270
    assert len(seals) > 1


def _sweeps(sealer: Sealer, writers: list[threading.Thread], done: threading.Event) -> Iterator[Head]:
    while any(writer.is_alive() for writer in writers):
        if (made := sealer.sweep()) is not None:
            yield made
        done.wait(0.01)
