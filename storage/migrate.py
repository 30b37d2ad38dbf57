"""Bring a database to the newest shape; safe to run by several processes at once."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from storage.database import DatabaseAway

_FOLDER = Path(__file__).resolve().parent / "migrations"
_LOCK = 962299_001  # advisory lock: one migration at a time


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    return config


def upgrade(url: str) -> None:
    """Run every migration that the database has not seen. Raises DatabaseAway."""
    engine = create_engine(url)
    config = _config()
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except OperationalError as error:
        raise DatabaseAway(str(error.orig).strip()) from error
    finally:
        engine.dispose()


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
