"""A database of the release before, whose words stood in clear, is sealed where it stands."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from alembic import command
from sqlalchemy import create_engine, make_url, select

from storage import migrate
from storage.database import Database
from storage.parties import Caller, CallerNumber
from storage.server import EmbeddedServer
from storage.tables import Call, CallStep, Draft, Ticket

ROWS = 1203  # more than one batch, and a part of one
AT = datetime(2026, 9, 18, tzinfo=UTC)
CLEAR = [
    b"Hidden Name",
    b"+8613812345678",
    b"Sealed Works Ltd",
    b"secret matter",
    b"typed so far",
    b"12345678901",
]


@pytest.fixture
def older(short_folder: Path) -> Iterator[EmbeddedServer]:
    """A server whose database has the shape before, and rows in clear."""
    short_folder.chmod(0o711)
    server = EmbeddedServer(
        short_folder / "postgres" / "data",
        short_folder / "run",
        run_as="nobody" if os.geteuid() == 0 else None,
        durable=False,
    )
    server.start()
    engine = create_engine(server.owner_url)
    config = migrate._config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0007")
    engine.dispose()
    _fill(server.owner_url)
    yield server
    server.stop()


def _fill(url: str) -> None:
    where = make_url(url)
    with psycopg.connect(
        host=str(where.query["host"]), user=where.username, dbname=where.database
    ) as connection:
        cursor = connection.cursor()
        cursor.execute("INSERT INTO person (login, name, role, password_hash) VALUES ('a', 'A', 'agent', '')")
        cursor.execute("INSERT INTO caller (name, company) VALUES ('Hidden Name', 'Sealed Works Ltd')")
        cursor.execute("INSERT INTO caller_number SELECT '+8613812345678', id FROM caller")
        cursor.execute(
            "INSERT INTO call (id, linkedid, offer_token, line, number_raw, number, number_kind, began_at) "
            "SELECT 'c' || n, 'c' || n, '', '962299', '13812345678', "
            "CASE WHEN n %% 3 = 0 THEN NULL ELSE '+8613812345678' END, 'mobile', %s "
            "FROM generate_series(1, %s) n",
            [AT, ROWS],
        )
        cursor.execute(
            "INSERT INTO ticket (number, state, channel, kind, title, content, contact_number) "
            "VALUES ('1', 'accepted', 'phone', 'help', 'secret matter', 'secret matter', '+8613812345678')"
        )
        cursor.execute(
            "INSERT INTO draft (person_id, call_id, body, revision) "
            """SELECT id, 'c1', '{"content": "typed so far"}', 1 FROM person"""
        )
        cursor.execute(
            "INSERT INTO call_step (call_id, at, step, detail) VALUES "
            """('c1', %s, 'transfer', '{"kind": "blind", "to": "12345678901"}'), ('c1', %s, 'menu', '{}')""",
            [AT, AT],
        )


def test_every_value_is_there_and_found_and_none_is_left_in_clear(older: EmbeddedServer) -> None:
    migrate.upgrade(older.owner_url)
    database = Database(older.url)
    with database.session() as session:
        (caller,) = session.scalars(select(Caller))
        assert (caller.name, caller.company, caller.note) == ("Hidden Name", "Sealed Works Ltd", "")
        (number,) = session.scalars(select(CallerNumber).where(CallerNumber.number == "+8613812345678"))
        assert number.caller_id == caller.id
        found = session.scalars(select(Call).where(Call.number == "+8613812345678")).all()
        assert len(found) == ROWS - ROWS // 3
        assert {(call.number, call.number_raw) for call in found} == {("+8613812345678", "13812345678")}
        (ticket,) = session.scalars(select(Ticket).where(Ticket.contact_number == "+8613812345678"))
        assert (ticket.title, ticket.answer) == ("secret matter", "")
        assert session.scalars(select(Draft.body)).one() == {"content": "typed so far"}
        steps = {step.step: (step.detail, step.number) for step in session.scalars(select(CallStep))}
        assert steps == {"transfer": ({"kind": "blind"}, "12345678901"), "menu": ({}, "")}
    database.close()
    with psycopg.connect(
        host=str(older.socket_folder), user="hotline", dbname="hotline", autocommit=True
    ) as admin:
        admin.execute("CHECKPOINT")
        files = admin.execute(
            "SELECT pg_relation_filepath(oid) FROM pg_class WHERE relkind IN ('r', 't', 'i') "
            "AND relfilenode > 0 AND pg_relation_filepath(oid) LIKE 'base/%'"
        ).fetchall()
    stored = b"".join((older.folder / file).read_bytes() for (file,) in files)
    assert not [word for word in CLEAR if word in stored]
