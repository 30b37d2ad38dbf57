"""`hotline people add`: a unit or published numbers come with the role; each slip has its remedy."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import select
from typer.testing import CliRunner

from cases import units
from hotline.cli import app
from routing.policy import load
from storage.database import Database
from storage.staff import Person, Unit

POLICY = Path(__file__).resolve().parents[2] / "policies" / "mianyang-962299.toml"
Run = Callable[..., Result]


@pytest.fixture
def run(database: Database, database_url: str, short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`hotline people` on a database that knows the policy's units."""
    for name in [name for name in os.environ if name.startswith("HOTLINE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOTLINE_HOME", str(short_folder / "home"))
    monkeypatch.setenv("HOTLINE_DATABASE_URL", database_url)
    with database.session() as session:
        units.sync(session, load(POLICY).units)

    def words(*words: str) -> Result:
        return CliRunner().invoke(app, ["people", *words], input="a long night\n")

    return words


def test_a_clerk_comes_with_her_unit_and_a_leader_with_his_lines(run: Run, database: Database) -> None:
    for words in (
        ("add", "xu", "--name", "许文博", "--role", "unit_clerk", "--unit", "fucheng_tax"),
        ("add", "fang", "--name", "方正国", "--role", "leader", "--line", "962299"),
    ):
        added = run(*words)
        assert added.exit_code == 0, added.stderr
    with database.session() as session:
        placed = select(Person.login, Unit.code, Person.lines).outerjoin(Unit, Unit.id == Person.unit_id)
        assert {tuple(map(str, row)) for row in session.execute(placed)} == {
            ("xu", "fucheng_tax", "[]"),
            ("fang", "None", "['962299']"),
        }
    listed = run("list").stdout
    assert "fucheng_tax" in listed
    assert "962299" in listed


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--role", "unit_clerk"), "unit: a clerk sees what is sent to her unit: name it with --unit"),
        (("--role", "unit_clerk", "--unit", "nowhere"), "unit: write a code"),
        (("--role", "leader"), "lines: a leader sees the calls to her numbers"),
        (("--role", "leader", "--line", "962298"), "lines: write published numbers"),
        (("--role", "auditor", "--line", "962299"), "lines: only leaders"),
        (("--role", "auditor", "--extension", "8050"), "phone: this role takes no calls"),
        (("--role", "caller"), "role: a caller is no member of staff"),
    ],
)
def test_a_place_that_does_not_fit_is_told_with_its_remedy(
    run: Run, database: Database, words: tuple[str, ...], told: str
) -> None:
    slip = run("add", "new", "--name", "新", *words)
    assert (slip.exit_code, told in " ".join(slip.stderr.split())) == (1, True), slip.stderr
    with database.session() as session:
        assert session.scalars(select(Person)).all() == []


def test_somebody_is_placed_anew(run: Run, database: Database) -> None:
    run("add", "xu", "--name", "许文博", "--role", "unit_clerk", "--unit", "fucheng_tax")
    assert "sees by power" in run("place", "xu", "--unit", "power").stderr
    assert "unit: a clerk sees" in " ".join(run("place", "xu").stderr.split())
    with database.session() as session:
        place = select(Unit.code).join(Person, Person.unit_id == Unit.id)
        assert session.scalars(place.where(Person.login == "xu")).one() == "power"


def test_the_units_are_listed_by_their_codes(run: Run) -> None:
    listed = run("units").stdout
    assert "fucheng_market_supervision" in listed
    assert "涪城区市场监管局" in listed
