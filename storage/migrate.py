"""Bring a database to the newest shape; safe to run by several processes at once."""

from collections.abc import Iterator
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError

from storage.base import Base
from storage.database import DatabaseAway
from storage.server import APPLICATION
from storage.tables import APPEND_ONLY

_FOLDER = Path(__file__).resolve().parent / "migrations"
_LOCK = 962299_001  # advisory lock: one migration at a time


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    return config


def upgrade(url: str, application: str = APPLICATION) -> None:
    """Run every migration that the database has not seen, as the owner of the tables.

    The role `application`, if it is there and is not the owner itself, may then do what the hotline does,
    and no more. Raises DatabaseAway.
    """
    engine = create_engine(url)
    config = _config()
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            _admit(connection, application)
    except OperationalError as error:
        raise DatabaseAway(str(error.orig).strip()) from error
    finally:
        engine.dispose()


def _admit(connection: Connection, role: str) -> None:
    known = "SELECT 1 FROM pg_roles WHERE rolname = :role AND rolname <> current_user"
    if connection.scalar(text(known), {"role": role}) is None:
        return
    who = connection.dialect.identifier_preparer.quote(role)
    for right in _rights():
        connection.execute(text(right.format(who=who)))


def _rights() -> Iterator[str]:
    tables = [table for table in Base.metadata.sorted_tables if table.name not in APPEND_ONLY]
    yield "GRANT USAGE ON SCHEMA public TO {who}"
    yield "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {who}"
    yield "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {who}"
    yield f"GRANT INSERT, UPDATE, DELETE ON {', '.join(table.name for table in tables)} TO {{who}}"
    for name, columns in APPEND_ONLY.items():
        yield f"REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {name} FROM {{who}}"
        yield f"GRANT INSERT ({', '.join(columns)}) ON {name} TO {{who}}"


_EXCESS = text("""
    SELECT r.rolname AS role, r.rolsuper AS superuser,
        pg_has_role(j.relowner, 'MEMBER') AS owner,
        has_table_privilege(j.oid, 'UPDATE, DELETE, TRUNCATE') AS rewriter,
        has_schema_privilege('public', 'CREATE') AS builder
    FROM pg_roles r, pg_class j WHERE r.rolname = current_user AND j.oid = 'journal'::regclass
""")


def excess(url: str) -> str:
    """What the role of this URL may do that the application's must not, in words; '' when nothing.

    Raises DatabaseAway.
    """
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            may = connection.execute(_EXCESS).one()
    except OperationalError as error:
        raise DatabaseAway(str(error.orig).strip()) from error
    finally:
        engine.dispose()
    if may.superuser:
        return f"{may.role} is a superuser"
    if may.owner:
        return f"{may.role} owns the journal"
    if may.rewriter:
        return f"{may.role} may change the journal"
    return f"{may.role} may make tables" if may.builder else ""


def newest() -> str:
    """The revision that `upgrade` ends at."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def current(url: str) -> str | None:
    """The revision a database is at; None when it is empty. Raises DatabaseAway."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
                return None
            version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
            return version
    except OperationalError as error:
        raise DatabaseAway(str(error.orig).strip()) from error
    finally:
        engine.dispose()
