"""The keys that a database needs, and the change from one to the next while the hotline runs."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    LargeBinary,
    Row,
    Table,
    create_engine,
    delete,
    func,
    literal,
    select,
    text,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from storage.base import Base
from storage.database import Database, DatabaseAway
from storage.secret import Secret
from storage.tables import Attachment, Recording, VaultKey
from storage.vault import ID_BYTES, VaultError, installed, key_id_of

_PROOF = "vault_key.proof"
BATCH_ROWS = 200
BATCH_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Of sealing anew: `rows` looked at, of about `of`; `changed`: values that had an older key."""

    rows: int
    of: int
    changed: int


def begin(url: str, now: datetime) -> None:
    """Make the first key, unless the database needs one that is lost. Raises VaultError, DatabaseAway."""
    vault = installed()
    if vault.ring():
        return
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            known = connection.scalar(text("SELECT to_regclass('vault_key')")) is not None
            needed = connection.scalars(select(VaultKey.id)).all() if known else []
    except OperationalError as error:
        raise DatabaseAway(str(error.orig).strip()) from error
    finally:
        engine.dispose()
    if needed:
        raise VaultError(
            f"the database needs key {', '.join(needed)}, and {vault.folder} is empty: "
            "put the key files back from a backup, without them nothing personal can be read"
        )
    vault.make(now, first=True)


def register(session: Session) -> None:
    """Note which keys this database's values may be sealed with from now on."""
    vault = installed()
    known = set(session.scalars(select(VaultKey.id)))
    for key in vault.ring():
        if key.id not in known and not key.retired:
            proof = vault.seal("fields", _PROOF, key.id.encode(), key_id=key.id)
            row = insert(VaultKey).values(id=key.id, proof=proof, made_at=key.made)
            session.execute(row.on_conflict_do_nothing())


def prove(session: Session) -> None:
    """Every key that the database needs is here, and is the right one. Raises VaultError."""
    vault = installed()
    for key in session.scalars(select(VaultKey).where(VaultKey.retired_at.is_(None)).order_by(VaultKey.id)):
        vault.open("fields", _PROOF, key.proof)


# -- from one key to the next -----------------------------------------------------------------------


def values(session: Session) -> Counter[str]:
    """Key id → how many values are sealed with it; reads every table through."""
    found: Counter[str] = Counter()
    for _table, columns in _sealed_tables():
        for column in columns:
            key = func.encode(func.substr(_raw(column), 2, ID_BYTES), "hex")
            counted = select(key, func.count()).where(func.length(_raw(column)) > 0).group_by(key)
            found.update(dict(session.execute(counted).all()))
    return found


def files(session: Session) -> Counter[str]:
    """Key id → how many files are sealed with it."""
    found: Counter[str] = Counter()
    for row in (Recording, Attachment):
        counted = select(row.key_id, func.count()).where(row.key_id != "").group_by(row.key_id)
        found.update(dict(session.execute(counted).all()))
    return found


def seal_anew(database: Database) -> Iterator[Progress]:
    """Seal what has an older key with today's, some rows a transaction; whoever asks may rest in between.

    It may be broken off at any time and begun again. Files are the clock's (telephony/ledger.py).
    """
    with database.session(BATCH_SECONDS) as session:
        about = sum(session.scalar(select(func.count()).select_from(t)) or 0 for t, _ in _sealed_tables())
    rows = changed = 0
    for table, columns in _sealed_tables():
        last: Sequence[Any] | None = None
        while True:
            with database.session(BATCH_SECONDS) as session:
                batch = _batch(session, table, columns, last)
                changed += sum(_seal_row(session, table, columns, row) for row in batch)
            rows += len(batch)
            yield Progress(rows, about, changed)
            if len(batch) < BATCH_ROWS:
                break
            last = batch[-1][: len(table.primary_key)]


def retire(session: Session, key_id: str, now: datetime) -> None:
    """Nothing needs this key any more; its file is Vault.retire's. Raises VaultError when something does."""
    if key_id == installed().current:
        raise VaultError(f"key {key_id} is in use: make another first with hotline keys rotate")
    if stored := values(session)[key_id]:
        raise VaultError(f"{stored} values still have key {key_id}: run hotline keys rotate to its end")
    if stored := files(session)[key_id]:
        raise VaultError(f"{stored} files still have key {key_id}: the clock seals them anew, wait for it")
    session.execute(update(VaultKey).where(VaultKey.id == key_id).values(retired_at=now))


def _sealed_tables() -> list[tuple[Table, list[Column[Any]]]]:
    found = []
    for table in Base.metadata.sorted_tables:
        columns = [column for column in table.columns if isinstance(column.type, Secret)]
        if columns:
            found.append((table, columns))
    return found


def _raw(column: Column[Any]) -> Any:
    return type_coerce(column, LargeBinary)


def _batch(
    session: Session, table: Table, columns: list[Column[Any]], last: Sequence[Any] | None
) -> Sequence[Row[Any]]:
    key = list(table.primary_key)
    query = select(*key, *map(_raw, columns)).order_by(*key).limit(BATCH_ROWS)
    if last is not None:
        query = query.where(tuple_(*key) > tuple_(*map(literal, last)))
    return session.execute(query).all()


def _seal_row(session: Session, table: Table, columns: list[Column[Any]], row: Row[Any]) -> int:
    """How many of a row's values were sealed anew; one that is changed meanwhile has the new key already."""
    key = list(table.primary_key)
    this = [column == value for column, value in zip(key, row, strict=False)]
    current, changed = installed().current, 0
    for column, value in zip(columns, row[len(key) :], strict=True):
        if not value or key_id_of(value) == current:
            continue
        kind = column.type
        assert isinstance(kind, Secret)
        anew = literal(kind.seal_anew(value), LargeBinary)
        unchanged = _raw(column) == literal(value, LargeBinary)
        try:
            with session.begin_nested():
                session.execute(update(table).where(*this, unchanged).values({column: anew}))
        except (
            IntegrityError
        ):  # a number that somebody stored anew under the new key: theirs is the later word
            session.execute(delete(table).where(*this, unchanged))
        changed += 1
    return changed
