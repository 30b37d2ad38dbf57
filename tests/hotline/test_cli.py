"""The command line's manners: exit codes, and faults without tracebacks."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hotline.cli import app


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CliRunner:
    monkeypatch.setenv("HOTLINE_HOME", str(tmp_path))
    return CliRunner()


@pytest.mark.parametrize(
    "words", [["nonsense"], ["export", "people", "--json"], ["export", "calls"], ["up", "--fast"]]
)
def test_wrong_usage_is_exit_2(runner: CliRunner, words: list[str]) -> None:
    assert runner.invoke(app, words).exit_code == 2


@pytest.mark.parametrize("words", [["up"], ["ivr"], ["config"], ["migrate"], ["demo"], ["prompts"]])
def test_a_bad_setting_is_exit_1_and_one_line(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setenv("HOTLINE_SIP_PORT", "x")
    result = runner.invoke(app, words)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("fault: HOTLINE_SIP_PORT=x: ")


def test_check_with_a_bad_setting_is_still_one_json_document(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOTLINE_SIP_PORT", "x")
    result = runner.invoke(app, ["check", "--json"])
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert [one["subject"] for one in told["findings"]] == ["settings"]
    assert told["findings"][0]["remedy"].startswith("correct it in the environment or in ")


def test_every_command_of_the_contract_is_there(runner: CliRunner) -> None:
    told = runner.invoke(app, ["--help"]).stdout
    roles = ("up", "ivr", "desk", "clock")
    others = ("config", "check", "migrate", "demo", "cert", "lab", "prompts", "export", "people")
    running = ("units", "serve", "drain")
    for name in roles + others + running:
        assert f" {name} " in told
