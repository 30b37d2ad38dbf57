"""The one way to the database: short transactions with a limit, and one error for "not there"."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from psycopg import errors
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolEmpty
from sqlalchemy.orm import Session

from storage.watchdog import Watchdog

_watchdog = Watchdog()  # one thread serves every Database of the process

CONNECT_SECONDS = 2  # libpq's least
GRACE_SECONDS = 1.0  # beyond the server's own limit, before we stop believing in the server


class DatabaseAway(RuntimeError):
    """The database cannot be reached, or did not answer within the limit; nothing was stored."""


class Database:
    """A pool of connections to one PostgreSQL; safe to share between threads."""

    def __init__(self, url: str, pool_size: int = 10, overflow: int = 30) -> None:
        self.url = url
        self.engine: Engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=overflow,
            pool_timeout=CONNECT_SECONDS,
            hide_parameters=True,  # an error in a log must not tell who called
            connect_args={"connect_timeout": CONNECT_SECONDS, "application_name": "hotline"},
        )

    @contextmanager
    def session(self, limit_seconds: float = 5.0) -> Iterator[Session]:
        """One transaction: committed at the end of the block, rolled back on any exception.

        No statement or wait for a lock, and not the whole block, may pass `limit_seconds`.
        Raises DatabaseAway.
        """
        try:
            with ExitStack() as opened:
                session = self._begin(opened, limit_seconds)
                yield session
                session.commit()
        except PoolEmpty as error:
            raise DatabaseAway("every connection to the database is in use") from error
        except (OperationalError, InterfaceError) as error:
            if isinstance(error.orig, (errors.DeadlockDetected, errors.SerializationFailure)):
                raise
            raise DatabaseAway(str(error.orig).strip()) from error

    def _begin(self, opened: ExitStack, limit_seconds: float) -> Session:
        """A session whose limits are set. A pooled connection that died since is replaced once."""
        ms = {"ms": str(int(limit_seconds * 1000))}
        for last in (False, True):
            with ExitStack() as attempt:
                session = Session(self.engine, expire_on_commit=False)
                wire: Any = session.connection().connection.driver_connection
                # Entered first, so left last: the closing rollback is watched as well.
                attempt.enter_context(_watchdog.watching(wire.fileno(), limit_seconds + GRACE_SECONDS))
                attempt.enter_context(session)
                try:
                    session.execute(_LIMITS, ms)
                except DBAPIError as error:
                    if last or not error.connection_invalidated:
                        raise
                    self.engine.dispose()
                else:
                    opened.enter_context(attempt.pop_all())
                    return session
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


_LIMITS = text("SELECT set_config('statement_timeout', :ms, true), set_config('lock_timeout', :ms, true)")
