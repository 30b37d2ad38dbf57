"""(h) What sealing and visibility cost on a list of tickets and on opening one: each query beside the same
without. `plain`: the same rows in a table of plain text, seen by anybody; `sealed`: our table, seen by
anybody; `ours`: our table, as far as an agent may see. One connection, the three in turn."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median, quantiles
from typing import Any

from sqlalchemy import (
    Column,
    Engine,
    Index,
    MetaData,
    Select,
    String,
    Table,
    create_engine,
    insert,
    or_,
    select,
    text,
)
from sqlalchemy.orm import Session, defer, registry

from bench.journal import server
from cases.visible import visible_tickets
from storage.database import Database
from storage.secret import Secret
from storage.staff import Person, Unit
from storage.tables import Named, Recusal, Ticket
from storage.viewer import Role, Viewer
from storage.work import SubOrder

PAGE = 51  # rows, as the lists ask for them
BATCH = 1000
SEALED_EVERY, SENT_EVERY, RECUSED_EVERY = 20, 3, 500  # tickets
NUMBERS = 5000  # callers; a number has some 20 tickets of 100,000
SETTING_UP_SECONDS = 3600.0
UNLISTED = ("content", "answer", "accused", "place", "calling_number", "contact_number")
TABLES = ("plain", "sealed", "ours")


class Plain:
    """A ticket in the table of plain text."""

    created_at: Any
    id: Any
    number: Any
    calling_number: Any
    contact_number: Any


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of one query, by table of `TABLES`: median and 95th percentile."""

    p50: dict[str, float]
    p95: dict[str, float]


def measure(tickets: int, rounds: int) -> dict[str, Cost]:
    """By query: the newest page of the list, the tickets of one number, and one ticket opened."""
    with server() as (url, owner_url), closing(Database(url, pool_size=1)) as database:
        owner = create_engine(owner_url)
        viewer = _fill(database, owner, tickets)
        owner.dispose()
        chance = random.Random(962299)
        queries = {
            "list": lambda which: _list(which, viewer),
            "by number": lambda which: _of_number(which, viewer, _number(chance.randrange(NUMBERS))),
            "open": lambda which: _one(which, viewer, str(chance.randrange(tickets))),
        }
        return {name: _cost(database, query, rounds) for name, query in queries.items()}


def _cost(database: Database, query: Callable[[str], Select[Any]], rounds: int) -> Cost:
    took: dict[str, list[float]] = {which: [] for which in TABLES}
    for turn in range(rounds + 20):
        for which in TABLES:
            with database.session() as session:
                asked = query(which)
                began = time.perf_counter()
                session.scalars(asked).all()
                if turn >= 20:  # the first statements of a connection are its slowest
                    took[which].append((time.perf_counter() - began) * 1000)
    return Cost(
        {which: median(each) for which, each in took.items()},
        {which: quantiles(each, n=20)[-1] for which, each in took.items()},
    )


def _from(which: str, viewer: Viewer) -> tuple[Select[Any], Any]:
    if which == "ours":
        return visible_tickets(viewer), Ticket
    return (select(Plain), Plain) if which == "plain" else (select(Ticket), Ticket)


def _list(which: str, viewer: Viewer) -> Select[Any]:
    query, row = _from(which, viewer)
    unlisted = (defer(getattr(row, each)) for each in UNLISTED)
    return query.options(*unlisted).order_by(row.created_at.desc(), row.id.desc()).limit(PAGE)


def _of_number(which: str, viewer: Viewer, number: str) -> Select[Any]:
    query, row = _from(which, viewer)
    query = query.where(or_(row.calling_number == number, row.contact_number == number))
    unlisted = (defer(getattr(row, each)) for each in UNLISTED)
    return query.options(*unlisted).order_by(row.created_at.desc(), row.id.desc()).limit(PAGE)


def _one(which: str, viewer: Viewer, number: str) -> Select[Any]:
    query, row = _from(which, viewer)
    return query.where(row.number == number)


# -- the tickets ------------------------------------------------------------------------------------


def _fill(database: Database, owner: Engine, tickets: int) -> Viewer:
    plain = _plain_table()
    plain.create(owner)
    with owner.begin() as connection:
        connection.execute(text("GRANT ALL ON plain_ticket TO PUBLIC"))
    with database.session(SETTING_UP_SECONDS) as session:
        agent = _people(session)
        for rows in _rows(tickets, agent):
            ids = session.scalars(
                insert(Ticket).returning(Ticket.id, sort_by_parameter_order=True), rows
            ).all()
            session.execute(insert(plain), [{**row, "id": key} for row, key in zip(rows, ids, strict=True)])
            sealed = [{"person_id": agent, "ticket_id": key, "why": "saved"} for key in ids[::SEALED_EVERY]]
            session.execute(insert(Named), sealed)
            unit = session.scalars(select(Unit.id)).one()
            session.execute(insert(SubOrder), [{"ticket_id": k, "unit_id": unit} for k in ids[::SENT_EVERY]])
            recused = [{"person_id": agent, "ticket_id": key, "why": "kin"} for key in ids[::RECUSED_EVERY]]
            session.execute(insert(Recusal), recused)
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    return Viewer(agent, Role.AGENT, "bench", "192.0.2.1")


def _people(session: Session) -> int:
    session.add(Unit(code="U", name="市经信局"))
    agent = Person(login="bench", name="bench", role=Role.AGENT.value, password_hash="")
    session.add(agent)
    session.flush()
    return agent.id


def _rows(tickets: int, agent: int) -> Iterator[list[dict[str, Any]]]:
    """As the desk saves them, one every five minutes."""
    began = datetime.now(UTC) - timedelta(minutes=5 * tickets)
    for start in range(0, tickets, BATCH):
        yield [
            {
                "number": str(n),
                "state": "accepted" if n % 4 else "done",
                "channel": "phone",
                "kind": "help",
                "sealed": (n - start) % SEALED_EVERY == 0,
                "caller_name": "王敏",
                "calling_number": _number(n % NUMBERS),
                "contact_number": _number(n * 7 % NUMBERS),
                "company": "绵阳市涪城区某某精密机械制造有限公司",
                "place": "涪城区临园路东段72号",
                "title": "厂区夜间频繁停电，影响出口订单",
                "content": "高新区厂区本月第三次夜间停电，每次两到四小时，影响出口订单交付，请协调供电部门。"
                * 4,
                "answer": "已告知将在三个工作日内答复。",
                "created_by": agent,
                "created_at": began + timedelta(minutes=5 * n),
            }
            for n in range(start, min(start + BATCH, tickets))
        ]


def _number(n: int) -> str:
    return f"+86138{n:08}"


def _plain_table() -> Table:
    table = Table(
        "plain_ticket",
        MetaData(),
        *(
            Column(
                each.name,
                String() if isinstance(each.type, Secret) else each.type,
                primary_key=each.primary_key,
            )
            for each in Ticket.__table__.columns
        ),
    )
    for name in ("number", "calling_number", "contact_number", "created_at"):
        Index(f"ix_plain_ticket_{name}", table.c[name])
    registry().map_imperatively(Plain, table)
    return table
