"""The one way to the database: short transactions with a limit, and one error for "not there".

A server that says no costs nobody any time. One that is mute (stopped process, hung disk) costs those who
ask first their limit; from then on nobody waits, until it is heard again.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

import psycopg
from prometheus_client import Counter
from psycopg import errors
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolEmpty
from sqlalchemy.orm import Session

from storage.watchdog import Watch, Watchdog

_watchdog = Watchdog()  # one thread serves every Database of the process

CONNECT_SECONDS = 2  # libpq's least
GRACE_SECONDS = 0.1  # beyond the server's own limit, before we stop believing in the server
PROBE_SECONDS = 0.5  # between two tries whether a mute server speaks again

_patience: ContextVar[float] = ContextVar("patience", default=CONNECT_SECONDS)


AWAY = Counter("hotline_database_away", "How often the database could not be had")


class DatabaseAway(RuntimeError):
    """The database cannot be reached, or did not answer within the limit; nothing was stored."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        AWAY.inc()


class Database:
    """A pool of connections to one PostgreSQL; safe to share between threads."""

    def __init__(self, url: str, pool_size: int = 10, overflow: int = 30) -> None:
        self.url = url
        self.engine: Engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=overflow,
            pool_timeout=CONNECT_SECONDS,
            pool_use_lifo=True,  # the connection that has its statements prepared, not the one longest idle
            hide_parameters=True,  # an error in a log must not tell who called
            connect_args={"connect_timeout": CONNECT_SECONDS, "application_name": "hotline"},
        )
        event.listen(self.engine, "do_connect", _connect)
        self._closed = threading.Event()
        self._mute = threading.Event()

    @contextmanager
    def session(self, limit_seconds: float = 5.0) -> Iterator[Session]:
        """One transaction: committed at the end of the block, rolled back on any exception.

        No statement or wait for a lock, and not the whole block, may pass `limit_seconds`.
        Raises DatabaseAway; at once while the server is known to be mute.
        """
        if self._mute.is_set():
            raise DatabaseAway(_NO_ANSWER)
        watch = Watch(0.0)
        try:
            with ExitStack() as opened:
                session, watch = self._begin(opened, limit_seconds)
                yield session
                session.commit()
        except PoolEmpty as error:
            raise DatabaseAway("every connection to the database is in use") from error
        except (OperationalError, InterfaceError) as error:
            if isinstance(error.orig, (errors.DeadlockDetected, errors.SerializationFailure)):
                raise
            if watch.cut or isinstance(error.orig, errors.ConnectionTimeout):
                self._listen_for_it()
                raise DatabaseAway(_NO_ANSWER) from error
            raise DatabaseAway(str(error.orig).strip()) from error

    def _begin(self, opened: ExitStack, limit_seconds: float) -> tuple[Session, Watch]:
        """A session whose limits are set. A pooled connection that died since is replaced once."""
        ms = {"ms": str(int(limit_seconds * 1000))}
        for last in (False, True):
            with ExitStack() as attempt:
                session = Session(self.engine, expire_on_commit=False)
                wire: Any = self._connected(session, limit_seconds).driver_connection
                # Entered first, so left last: the closing rollback is watched as well.
                watch = attempt.enter_context(
                    _watchdog.watching(wire.fileno(), limit_seconds + GRACE_SECONDS)
                )
                attempt.enter_context(session)
                try:
                    session.execute(_LIMITS, ms)
                except DBAPIError as error:
                    if watch.cut:
                        self._listen_for_it()
                        raise DatabaseAway(_NO_ANSWER) from error
                    if last or not error.connection_invalidated:
                        raise
                    self.engine.dispose()
                else:
                    opened.enter_context(attempt.pop_all())
                    return session, watch
        raise AssertionError("the last attempt returns or raises")

    def _connected(self, session: Session, limit_seconds: float) -> Any:
        """The session's connection from the pool; a new one may take as long as the session may."""
        before = _patience.set(min(limit_seconds, CONNECT_SECONDS))
        try:
            return session.connection().connection
        finally:
            _patience.reset(before)

    def _listen_for_it(self) -> None:
        """The server is mute: from now on one thread asks, instead of everybody."""
        if not self._mute.is_set():
            self._mute.set()
            threading.Thread(target=self._probe, name="database-probe", daemon=True).start()

    def _probe(self) -> None:
        conninfo = self.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        while not self._closed.is_set():
            try:
                psycopg.connect(conninfo, connect_timeout=CONNECT_SECONDS).close()
            except errors.ConnectionTimeout:
                self._closed.wait(PROBE_SECONDS)
            except psycopg.Error:
                break  # it says no, which takes nobody's time
            else:
                break
        self._mute.clear()

    def close(self) -> None:
        """Give all connections back."""
        self._closed.set()
        self.engine.dispose()


_NO_ANSWER = "timeout: the database does not answer"
_LIMITS = text("SELECT set_config('statement_timeout', :ms, true), set_config('lock_timeout', :ms, true)")


def _connect(dialect: Any, _record: Any, args: Any, named: Any) -> Any:
    """A new connection, or ConnectionTimeout sooner than libpq knows: a frozen server lets in and is mute."""
    made: Future[Any] = Future()

    def connect() -> None:
        try:
            made.set_result(dialect.connect(*args, **named))
        except BaseException as error:
            made.set_exception(error)

    threading.Thread(target=connect, name="database-connect", daemon=True).start()
    try:
        return made.result(_patience.get())
    except TimeoutError:
        made.add_done_callback(_close_late)
        raise errors.ConnectionTimeout("connection timeout expired") from None


def _close_late(made: "Future[Any]") -> None:
    if made.exception() is None:
        made.result().close()
