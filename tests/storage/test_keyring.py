"""The keys a database needs, and the change from one to the next while others write."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from storage import keyring, vault
from storage.database import Database
from storage.parties import Caller, CallerNumber
from storage.server import EmbeddedServer
from storage.tables import Call, Ticket, VaultKey
from storage.vault import NOTICE, VaultError, installed
from tests.storage.test_secret import HERS, OTHERS, a_call, a_ticket

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def ring(keys: Path, tmp_path: Path) -> Iterator[Path]:
    """A ring of this test's own, with one key."""
    vault.install(tmp_path / "ring")
    installed().make(LONG_AGO, first=True)
    yield tmp_path / "ring"
    vault.install(keys)


def next_key() -> str:
    """As if its notice were over."""
    installed().make(datetime.now(UTC) - 2 * NOTICE)
    return installed().current


def a_city(database: Database, calls: int = 30) -> None:
    with database.session() as session:
        keyring.register(session)
        session.add_all(a_call(f"c{n:03}", HERS if n % 2 else OTHERS) for n in range(calls))
        session.add(a_ticket("1", contact_number=HERS, caller_name="王敏", content="拖欠"))
        caller = Caller(name="王敏")
        session.add(caller)
        session.flush()
        session.add(CallerNumber(number=HERS, caller_id=caller.id))


def found(database: Database) -> tuple[int, int, int]:
    """Calls, tickets and callers of her number."""
    with database.session() as session:
        return (
            len(session.scalars(select(Call).where(Call.number == HERS)).all()),
            len(session.scalars(select(Ticket).where(Ticket.contact_number == HERS)).all()),
            len(session.scalars(select(CallerNumber).where(CallerNumber.number == HERS)).all()),
        )


def test_while_keys_change_everything_is_found_and_in_the_end_nothing_has_the_old_one(
    database: Database, ring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "BATCH_ROWS", 7)
    a_city(database)
    old, new = installed().current, next_key()
    with database.session() as session:
        keyring.register(session)
        session.add(a_call("new", HERS))
    steps = 0
    for _ in keyring.seal_anew(database):
        assert found(database) == (16, 1, 1)
        steps += 1
    assert steps > 5
    with database.session() as session:
        left = keyring.values(session)
        assert left[old] == 0 and left[new] > 60
        assert session.scalars(select(Ticket.caller_name)).one() == "王敏"
        keyring.retire(session, old, datetime.now(UTC))
    installed().retire(old, datetime.now(UTC))
    assert found(database) == (16, 1, 1)
    with database.session() as session:
        keyring.prove(session)


def test_sealing_anew_broken_off_goes_on_where_something_is_left(
    database: Database, ring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "BATCH_ROWS", 5)
    a_city(database)
    old = installed().current
    next_key()
    for _, _step in zip(range(3), keyring.seal_anew(database), strict=False):
        pass
    with database.session() as session:
        assert keyring.values(session)[old] > 0
        with pytest.raises(VaultError, match=f"values still have key {old}"):
            keyring.retire(session, old, datetime.now(UTC))
    for _ in keyring.seal_anew(database):
        pass
    with database.session() as session:
        assert keyring.values(session)[old] == 0


def test_a_value_changed_while_it_is_sealed_anew_keeps_the_later_word(
    database: Database, ring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_city(database)
    next_key()
    seal_row = keyring._seal_row

    def late(session: object, table: object, columns: object, row: object) -> int:
        if getattr(table, "name", "") == "ticket":
            with database.session() as other:
                other.execute(update(Ticket).values(caller_name="赵新"))
        return seal_row(session, table, columns, row)  # type: ignore[arg-type]

    monkeypatch.setattr(keyring, "_seal_row", late)
    for _ in keyring.seal_anew(database):
        pass
    with database.session() as session:
        assert session.scalars(select(Ticket.caller_name)).one() == "赵新"


def test_a_number_stored_anew_under_the_new_key_stays_and_its_older_row_goes(
    database: Database, ring: Path
) -> None:
    a_city(database)
    next_key()
    with database.session() as session:
        caller = Caller(name="王敏")
        session.add(caller)
        session.flush()
        later = caller.id
        session.add(CallerNumber(number=HERS, caller_id=later))
    for _ in keyring.seal_anew(database):
        pass
    with database.session() as session:
        (row,) = session.scalars(select(CallerNumber).where(CallerNumber.number == HERS))
        assert row.caller_id == later


def test_calls_that_come_in_while_keys_change_are_all_kept_and_found(
    database: Database, ring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "BATCH_ROWS", 3)
    a_city(database)
    before = found(database)[0]
    installed().make(datetime.now(UTC) - NOTICE + timedelta(seconds=1))  # begins under way
    made, over = [], threading.Event()

    def ring_in() -> None:
        while not over.is_set() or len(made) < 40:
            with database.session() as session:
                session.add(a_call(f"in{len(made):04}", HERS))
            made.append(1)
            over.wait(0.02)

    caller = threading.Thread(target=ring_in)
    caller.start()
    while installed().current != installed().ring()[-1].id:
        assert found(database)[0] >= before
    for _ in keyring.seal_anew(database):
        assert found(database)[0] >= before
    over.set()
    caller.join()
    assert found(database)[0] == before + len(made)
    with database.session() as session:
        assert set(keyring.values(session)) == {installed().current}


def test_the_key_in_use_is_not_retired(database: Database, ring: Path) -> None:
    a_city(database)
    with database.session() as session, pytest.raises(VaultError, match="is in use"):
        keyring.retire(session, installed().current, datetime.now(UTC))


def test_a_database_whose_key_is_lost_makes_no_new_one(
    database: Database, ring: Path, server: EmbeddedServer, tmp_path: Path
) -> None:
    a_city(database)
    lost = installed().current
    vault.install(tmp_path / "empty")
    with pytest.raises(VaultError, match=f"needs key {lost}, and .*empty is empty"):
        keyring.begin(database.url, LONG_AGO)
    assert not (tmp_path / "empty").exists() or not list((tmp_path / "empty").iterdir())


def test_a_key_that_is_missing_or_wrong_is_told_at_the_start(
    database: Database, ring: Path, tmp_path: Path
) -> None:
    a_city(database)
    needed = installed().current
    vault.install(tmp_path / "other")
    installed().make(LONG_AGO, first=True)
    with database.session() as session, pytest.raises(VaultError, match=f"key {needed} is missing"):
        keyring.prove(session)
    (file,) = (tmp_path / "other").iterdir()
    file.with_name(f"{needed}.json").write_text(file.read_text().replace(file.stem, needed))
    file.with_name(f"{needed}.json").chmod(0o600)
    with database.session() as session, pytest.raises(VaultError, match="is not the key that sealed it"):
        keyring.prove(session)


def test_an_empty_database_gets_its_first_key_and_a_key_once_noted_is_not_noted_again(
    database: Database, keys: Path, tmp_path: Path
) -> None:
    vault.install(tmp_path / "fresh")
    try:
        keyring.begin(database.url, LONG_AGO)
        keyring.begin(database.url, LONG_AGO)
        for _ in range(2):
            with database.session() as session:
                keyring.register(session)
        with database.session() as session:
            assert session.scalars(select(VaultKey.id)).all() == [installed().current]
            session.execute(text("DELETE FROM vault_key"))
    finally:
        vault.install(keys)
