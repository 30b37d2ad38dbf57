"""The clock's care for the journal, and `hotline journal verify` on a real database."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import Result
from sqlalchemy import select, text
from structlog.testing import capture_logs
from typer.testing import CliRunner

from cases import chain, journal
from hotline.chain import Keeper, Witness
from hotline.cli import app
from storage.database import Database
from storage.tables import Journal, JournalSeal

ZONE = ZoneInfo("Asia/Shanghai")
Run = Callable[..., Result]


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return Witness(tmp_path / "journal.head")


@pytest.fixture
def keeper(database: Database, witness: Witness, monkeypatch: pytest.MonkeyPatch) -> Keeper:
    """It takes what was noted for settled at once."""
    monkeypatch.setattr(chain, "SETTLE_SECONDS", 0.0)
    return Keeper(database, witness, ZONE)


def write(database: Database, times: int = 3) -> None:
    with database.session() as session:
        for index in range(times):
            journal.append(session, None, "call.closed", "call", f"call-{index}")


def sealed(keeper: Keeper) -> None:
    for _ in range(2):
        keeper.seal()


def cut(owner: Database) -> None:
    with owner.session() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("DELETE FROM journal_seal WHERE id = (SELECT max(id) FROM journal_seal)"))


def verdicts(database: Database) -> list[int]:
    """Findings of the verifications that the journal knows of."""
    with database.session() as session:
        rows = session.scalars(
            select(Journal.detail).where(Journal.act == chain.VERIFIED).order_by(Journal.id)
        )
        return [detail["findings"] for detail in rows]


def seals(database: Database) -> list[bytes]:
    with database.session() as session:
        return list(session.scalars(select(JournalSeal.hash).order_by(JournalSeal.id)))


def test_the_newest_seal_is_noted_outside_the_database(
    database: Database, keeper: Keeper, witness: Witness
) -> None:
    write(database)
    sealed(keeper)
    assert witness.known() == seals(database)
    write(database)
    sealed(keeper)
    assert witness.known() == seals(database)[1:]


def test_a_chain_that_lost_its_end_is_told_and_not_gone_on_with(
    database: Database, owner: Database, keeper: Keeper
) -> None:
    """Sealed anew, lines that were changed meanwhile would look sound."""
    for _ in range(2):
        write(database)
        sealed(keeper)
    cut(owner)
    with capture_logs() as logs:
        sealed(keeper)
    assert [entry["what"] for entry in logs if entry["event"] == "journal_finding"] == ["cut"]
    assert verdicts(database) == [1]
    assert len(seals(database)) == 1


def test_the_clock_verifies_once_after_three_at_night(database: Database, keeper: Keeper) -> None:
    write(database)
    sealed(keeper)
    now = datetime.now(UTC)
    keeper.verify_at_night(now)
    keeper.verify_at_night(now)
    assert verdicts(database) == [0]
    keeper.verify_at_night(now + timedelta(days=1, minutes=1))
    assert verdicts(database) == [0, 0]


@pytest.fixture
def run(database_url: str, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`hotline journal` on the test's database."""
    for name in [name for name in os.environ if name.startswith("HOTLINE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOTLINE_HOME", str(tmp_path))
    monkeypatch.setenv("HOTLINE_DATABASE_URL", database_url)
    monkeypatch.setenv("HOTLINE_KEYS", str(keys))

    def verify(*words: str) -> Result:
        return CliRunner().invoke(app, ["journal", "verify", *words])

    return verify


def test_a_sound_journal_is_told_with_what_is_not_sealed_yet(
    run: Run, database: Database, keeper: Keeper
) -> None:
    write(database)
    sealed(keeper)
    write(database, 2)
    told = run()
    assert told.exit_code == 0, told.output
    assert "3 lines under 1 seals, 2 not sealed yet" in told.stdout
    document = json.loads(run("--json").stdout)
    assert (document["ok"], document["lines"], document["findings"]) == (True, 3, [])


def test_what_was_changed_is_named_and_fails(
    run: Run, database: Database, owner: Database, keeper: Keeper
) -> None:
    write(database)
    sealed(keeper)
    with owner.session() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        second = session.scalars(text("SELECT min(id) + 1 FROM journal")).one()
        session.execute(text(f"UPDATE journal SET act = 'nothing' WHERE id = {second}"))
    told = run()
    assert told.exit_code == 1
    assert f"line {second} was changed" in told.stdout
    document = json.loads(run("--json").stdout)
    assert document["findings"] == [{"what": "line_changed", "first": second, "last": second}]
    # The alarm knows of what was found by hand as well.
    with database.session() as session:
        assert chain.state(session).findings == 1


def test_a_head_that_was_printed_is_found_again_and_a_cut_chain_is_not(
    run: Run, database: Database, owner: Database, keeper: Keeper
) -> None:
    write(database)
    sealed(keeper)
    head = json.loads(run("--head", "--json").stdout)
    assert head["hash"] in run("--head").stdout
    write(database)
    sealed(keeper)
    assert run("--expect", head["hash"]).exit_code == 0
    later = json.loads(run("--head", "--json").stdout)["hash"]
    cut(owner)
    told = run("--expect", later)
    assert told.exit_code == 1
    assert "its end was cut off" in told.stdout
    assert run("--expect", "nonsense").exit_code == 2


def test_a_missing_key_is_named(run: Run, database: Database, keeper: Keeper, tmp_path: Path) -> None:
    write(database)
    sealed(keeper)
    (tmp_path / "none").mkdir(mode=0o700)
    told = CliRunner().invoke(app, ["journal", "verify"], env={"HOTLINE_KEYS": str(tmp_path / "none")})
    assert told.exit_code == 1
    assert "key of seal 1 is missing" in told.stdout
