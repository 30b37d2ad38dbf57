"""The one way to the database: short transactions with a limit, and one error for "not there"."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from psycopg import errors
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolEmpty
from sqlalchemy.orm import Session

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
            connect_args={"connect_timeout": CONNECT_SECONDS, "application_name": "hotline"},
        )

    @contextmanager
    def session(self, limit_seconds: float = 5.0) -> Iterator[Session]:
        """One transaction: committed at the end of the block, rolled back on any exception.

        No statement or wait for a lock, and not the whole block, may pass `limit_seconds`.
        Raises DatabaseAway.
        """
        try:
            with self._begun(limit_seconds) as session:
                yield session
                session.commit()
        except PoolEmpty as error:
            raise DatabaseAway("every connection to the database is in use") from error
        except (OperationalError, InterfaceError) as error:
            if isinstance(error.orig, (errors.DeadlockDetected, errors.SerializationFailure)):
                raise
            raise DatabaseAway(str(error.orig).strip()) from error

    @contextmanager
    def _begun(self, limit_seconds: float) -> Iterator[Session]:
        """A session whose limits are set. A pooled connection that died since is replaced once."""
        for last in (False, True):
            session = Session(self.engine, expire_on_commit=False)
            try:
                watchdog = _Watchdog(session, limit_seconds + GRACE_SECONDS)
                session.execute(_LIMITS, {"ms": str(int(limit_seconds * 1000))})
                break
            except DBAPIError as error:
                session.close()
                if last or not error.connection_invalidated:
                    raise
                self.engine.dispose()
        with watchdog, session:  # the closing rollback is watched as well
            yield session

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


_LIMITS = text("SELECT set_config('statement_timeout', :ms, true), set_config('lock_timeout', :ms, true)")


class _Watchdog:
    """Cuts the connection when the server has stopped answering even its own time-outs.

    A frozen server (stopped process, hung disk) honours no statement_timeout, and a read from a
    Unix socket has no time-out of its own: a caller would wait for ever.
    """

    def __init__(self, session: Session, seconds: float) -> None:
        descriptor: int = session.connection().connection.driver_connection.fileno()  # type: ignore[union-attr]
        self._wire = socket.socket(fileno=os.dup(descriptor))
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def __enter__(self) -> None:
        """It watches since it was made."""

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._wire.close()

    def _cut(self) -> None:
        with suppress(OSError):
            self._wire.shutdown(socket.SHUT_RDWR)
