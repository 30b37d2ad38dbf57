"""The demo city is laid out once, believable, and reaches nobody."""

from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import func, select, update

from cases import people
from cases.tickets import TicketSearch, list_tickets
from cases.visible import visible_calls
from hotline import demo
from routing.policy import load
from storage.database import Database
from storage.tables import Call, Outbox, Person, Ticket
from storage.viewer import COMMAND_LINE, Role

POLICIES = Path(__file__).resolve().parents[2] / "policies"


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "_hasher", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


@pytest.mark.parametrize("name", ["mianyang-962299.toml", "nanning-direct-line.toml"])
def test_a_city_is_laid_out_once_and_every_login_works(database: Database, name: str) -> None:
    policy = load(POLICIES / name)
    assert demo.lay_out(database, policy)
    assert not demo.lay_out(database, policy)
    logins = demo.logins(database)
    assert {login.role for login in logins} == set(Role)
    with database.session() as session:
        calls = session.scalar(select(func.count()).select_from(Call)) or 0
        assert 50 <= calls <= 70
        states = dict(session.execute(select(Ticket.state, func.count()).group_by(Ticket.state)).all())
        assert states["accepted"] > states["done"] > 3
        assert session.scalar(
            select(func.count()).where(Ticket.due_at < func.now(), Ticket.state == "accepted")
        )
        assert session.scalar(select(func.count()).where(Outbox.done_at.is_(None))) == 0


def test_the_demos_sealed_matters_show_to_the_discipline_officer_only(database: Database) -> None:
    demo.lay_out(database, load(POLICIES / "mianyang-962299.toml"))
    with database.session() as session:
        seen = list_tickets(session, COMMAND_LINE, TicketSearch(limit=500))
        assert seen and not any(ticket.sealed for ticket in seen)
        assert not any(call.sealed for call in session.scalars(visible_calls(COMMAND_LINE)))
        assert session.scalar(select(func.count()).where(Ticket.sealed)) == 5


def test_a_changed_password_is_no_demo_login(database: Database) -> None:
    demo.lay_out(database, load(POLICIES / "mianyang-962299.toml"))
    with database.session() as session:
        session.execute(update(Person).where(Person.login == "admin").values(password_hash=people._decoy()))
    assert "admin" not in {login.user for login in demo.logins(database)}
