"""`hotline export`: the form is asked for, and a spreadsheet gets its mark, its headings and no formula."""

import csv
import io
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from cases import people
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from hotline.cli import app
from routing.policy import load
from storage.database import Database
from storage.viewer import Role, Viewer
from tests.web.site import PASSWORD, POLICY


@pytest.fixture
def exporting(database_url: str, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    for name in [name for name in os.environ if name.startswith("HOTLINE_")]:
        monkeypatch.delenv(name)
    for name, value in (("HOME", tmp_path), ("DATABASE_URL", database_url), ("KEYS", keys)):
        monkeypatch.setenv(f"HOTLINE_{name}", str(value))
    return CliRunner()


def test_a_spreadsheet_gets_its_mark_headings_and_no_formula(
    exporting: CliRunner, database: Database
) -> None:
    with database.session() as session:
        agent = people.create_person(session, "liu", "刘晓燕", Role.AGENT, PASSWORD)
        viewer = Viewer(agent.id, Role.AGENT)
        form = TicketForm(kind="help", title='=HYPERLINK("http://evil")', content="+1, 停电\n第二行")
        number = save_ticket(session, viewer, form, None, load(POLICY), datetime.now(UTC)).number
    told = exporting.invoke(app, ["export", "tickets", "--csv"])
    assert told.exit_code == 0, told.output
    text = told.stdout_bytes.decode()
    assert text.startswith("\ufeff")
    row = next(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    assert row["工单号"] == number
    assert row["标题"].startswith("'=")
    assert row["内容"].startswith("'+1, 停电")
    english = exporting.invoke(app, ["export", "calls", "--csv", "--language", "en"])
    assert "Caller's number" in english.stdout


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("what", ["calls", "tickets"])
def test_every_column_has_its_heading(exporting: CliRunner, what: str, language: str) -> None:
    told = exporting.invoke(app, ["export", what, "--csv", "--language", language])
    (headings,) = csv.reader(io.StringIO(told.stdout.removeprefix("\ufeff")))
    assert len(headings) == len(set(headings))
    assert not [heading for heading in headings if heading.startswith("export.") or "_" in heading]


def test_what_a_command_logs_is_not_in_its_answer(
    exporting: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def logging(*_: object, **__: object) -> Iterator[dict[str, Any]]:
        structlog.get_logger().warning("told aside", number="13812345678")
        return iter(())

    monkeypatch.setattr("cases.export.export_calls", logging)
    told = exporting.invoke(app, ["export", "calls", "--json"])
    assert told.stdout == "[]\n"
    assert "warning told aside number=…" in told.stderr


@pytest.mark.parametrize("forms", [[], ["--json", "--csv"]])
def test_one_form_is_asked_for(exporting: CliRunner, forms: list[str]) -> None:
    assert exporting.invoke(app, ["export", "calls", *forms]).exit_code == 2
