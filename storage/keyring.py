"""The keys that a database needs, and the change from one to the next while the hotline runs."""

from datetime import datetime

from sqlalchemy import (
    create_engine,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from storage.database import DatabaseAway
from storage.tables import VaultKey
from storage.vault import VaultError, installed

_PROOF = "vault_key.proof"


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
            "put the key files back from a backup; without them nothing personal can be read"
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
