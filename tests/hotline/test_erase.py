"""`hotline erase` and `hotline retention` as they are typed."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cases.calls import Arrival, end_call, open_call
from hotline.cli import app
from hotline.settings import CHECKOUT
from routing.policy import load
from storage import vault
from storage.database import Database
from storage.tables import Call

POLICY = CHECKOUT / "policies/mianyang-962299.toml"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str) -> None:
    monkeypatch.setenv("HOTLINE_HOME", str(tmp_path))
    monkeypatch.setenv("HOTLINE_KEYS", str(vault.installed().folder))
    monkeypatch.setenv("HOTLINE_DATABASE_URL", database_url.replace("+psycopg", ""))
    (tmp_path / "recordings" / "incoming").mkdir(parents=True)


def typed(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def a_call(database: Database, days: int) -> None:
    at = datetime.now(UTC) - timedelta(days=days)
    with database.session() as session:
        open_call(session, Arrival(f"c{days}", f"c{days}", "962299", "13812345678", False, at), load(POLICY))
        end_call(session, f"c{days}", at)


def test_a_caller_is_erased_by_any_way_of_writing_her_number(database: Database) -> None:
    a_call(database, 1)
    assert "would be erased: 1 calls" in typed("erase", "caller", "+86 138-1234-5678", "--dry-run").stderr
    with database.session() as session:
        assert session.get_one(Call, "c1").number == "+8613812345678"
    assert typed("erase", "caller", "13812345678").exit_code == 0
    with database.session() as session:
        assert session.get_one(Call, "c1").number is None
    again = typed("erase", "caller", "13812345678")
    assert (again.exit_code, "nothing is on record" in again.stderr) == (1, True)


def test_what_is_over_is_told_and_then_deleted(database: Database) -> None:
    a_call(database, 731)
    a_call(database, 729)
    told = json.loads(typed("retention", "--dry-run", "--json").stdout)
    assert told["calls"] == {"days": 730, "over": 1}
    assert json.loads(typed("retention", "--json").stdout)["calls"] == {"days": 730, "removed": 1}
    assert "730" in typed("retention", "--dry-run").stdout
    with database.session() as session:
        assert (session.get(Call, "c731"), session.get(Call, "c729") is not None) == (None, True)
