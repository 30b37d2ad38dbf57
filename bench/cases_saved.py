"""Tickets saved a second, one transaction each: by the act, and as bare INSERTs of the rows it writes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from statistics import median
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from bench.cases_city import CONTENT, City
from bench.cases_grown import Grown
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from storage.database import Database
from storage.tables import Journal, Outbox, Ticket, TicketNumber


@dataclass(frozen=True, slots=True)
class Rates:
    """Tickets a second, the median of the rounds, by size; `bare`: the INSERTs alone."""

    ours: dict[str, float]
    bare: dict[str, float]

    def ratio(self, size: str) -> float:
        return self.ours[size] / self.bare[size]


def measure(grown: Grown, rounds: int, tickets: int) -> Rates:
    """Turns of ours and bare in both databases, one connection each. Callers are known, as most are."""
    found: dict[str, dict[str, list[float]]] = {way: {} for way in ("ours", "bare")}
    numbers = count(time.time_ns())  # never one again, where databases are kept
    databases = {size: Database(grown.urls[size], pool_size=1) for size in ("small", "large")}
    try:
        for turn in range(rounds + 1):
            for size, database in databases.items():
                row = _row(database)
                ways: dict[str, Callable[[Session], object]] = {
                    "ours": lambda session: _save(session, grown.city, next(numbers)),
                    "bare": lambda session, row=row: _insert(session, row, next(numbers)),  # type: ignore[misc]
                }
                for way, write in ways.items():
                    rate = _rate(database, write, tickets if turn else 50)
                    if turn:  # the first statements of a connection are its slowest
                        found[way].setdefault(size, []).append(rate)
    finally:
        for database in databases.values():
            database.close()
    told = {way: {size: median(each) for size, each in of.items()} for way, of in found.items()}
    return Rates(**told)


def _rate(database: Database, write: Callable[[Session], object], tickets: int) -> float:
    began = time.perf_counter()
    for _ in range(tickets):
        with database.session() as session:
            write(session)
    return tickets / (time.perf_counter() - began)


def _save(session: Session, city: City, n: int) -> None:
    form = TicketForm(
        kind="help",
        category="power_supply",
        title="厂区夜间频繁停电，影响出口订单",
        content=CONTENT,
        caller_name="王敏",
        contact_number=f"139{n % 1000:08}",
        place="涪城区临园路东段72号",
        channel="web",
    )
    save_ticket(session, city.agents[n % len(city.agents)], form, None, city.policy, datetime.now(UTC))


def _row(database: Database) -> dict[str, Any]:
    """A ticket as it lies in the table, sealed columns and all, but for what is its own."""
    own = ("id", "number", "form_id")
    with database.session() as session:
        columns = [column for column in Ticket.__table__.columns if column.name not in own]
        newest = select(*columns).where(Ticket.state == "accepted").order_by(Ticket.id.desc()).limit(1)
        return dict(session.execute(newest).mappings().one())


def _insert(session: Session, row: dict[str, Any], n: int) -> None:
    number = f"bare-{n}"
    connection = session.connection()
    connection.execute(insert(TicketNumber.__table__), {"number": number})  # type: ignore[arg-type]
    made = insert(Ticket.__table__).returning(Ticket.id)  # type: ignore[arg-type]
    key = connection.execute(made, row | {"number": number}).scalar_one()
    line = {"actor_id": row["created_by"], "act": "ticket.created", "subject_kind": "ticket"}
    connection.execute(
        insert(Journal.__table__),  # type: ignore[arg-type]
        line | {"subject_id": str(key), "rule": "agent/write_tickets/all", "detail": {"kind": "help"}},
    )
    connection.execute(
        insert(Outbox.__table__),  # type: ignore[arg-type]
        {"kind": "ticket.accepted", "payload": {"ticket_id": key}},
    )
