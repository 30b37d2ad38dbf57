"""`hotline policy`: what a file says, what is wrong with it, and what it makes due when."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hotline.cli import app

HERE = Path(__file__).resolve().parents[2]
MIANYANG, NANNING, THIRD = (
    HERE / name
    for name in (
        "policies/mianyang-962299.toml",
        "policies/nanning-direct-line.toml",
        "tests/third_city.toml",
    )
)
Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`hotline policy …` in a home of its own, where no database runs."""
    monkeypatch.setenv("HOTLINE_HOME", str(tmp_path))
    return lambda *words: CliRunner().invoke(app, ["policy", *map(str, words)])


def due(run: Run, *words: object) -> dict[str, Any]:
    done = run("deadline", *words, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("file", "options", "at", "provisional", "why"),
    [
        (
            MIANYANG,
            "--kind inquiry --opened 2026-02-13T10:00",
            "2026-02-25T23:59:59+08:00",
            False,
            "咨询 3个工作日",
        ),
        (
            MIANYANG,
            "--kind help --category transport --opened 2026-09-18T10:00",
            "2026-09-29T23:59:59+08:00",
            False,
            "求助 · 交通物流 7个工作日",
        ),
        (
            MIANYANG,
            "--kind help --category land --opened 2026-12-11T10:00",
            "2027-01-01T23:59:59+08:00",
            True,
            "求助 · 用地与规划 15个工作日",
        ),
        (
            NANNING,
            "--kind inquiry --opened 2026-09-18T21:30",
            "2026-09-20T11:30:00+08:00",
            False,
            "咨询 4个工作小时",
        ),
        (
            THIRD,
            "--kind demand --choice winter --urgency critical --opened 2026-09-18T06:30:00+00:00",
            "2026-09-19T18:30:00+06:00",
            False,
            "诉求 · 特急 30小时",
        ),
    ],
)
def test_it_says_what_is_due_when_and_why(
    run: Run, file: Path, options: str, at: str, provisional: bool, why: str
) -> None:
    found = due(run, file, *options.split())
    assert (found["due"], found["provisional"], found["calendar"]) == (at, provisional, "published")
    assert found["why"]["zh"] == why


def test_what_else_becomes_due_is_told_in_its_order(run: Run) -> None:
    found = due(run, NANNING, "--kind", "help", "--urgency", "critical", "--opened", "2026-09-18T10:00")
    beside = {each["what"]: each["due"] for each in found["then"]}
    assert beside == {
        "acknowledge": "2026-09-18T12:00:00+08:00",
        "objection_window": "2026-09-18T14:00:00+08:00",
        "progress": "2026-09-18T12:00:00+08:00",
    }
    levels = [(each["code"], each["at"]) for each in found["levels"]]
    assert levels == [  # none before the beginning
        ("urged", "2026-09-18T12:00:00+08:00"),
        ("supervised", "2026-09-18T16:00:00+08:00"),
        ("reported", "2026-09-20T09:00:00+08:00"),
    ]


def test_people_read_the_same(run: Run) -> None:
    done = run("deadline", MIANYANG, "--kind", "help", "--category", "land", "--opened", "2026-12-11T10:00")
    assert done.stdout.startswith("2027-01-01 23:59  求助 · 用地与规划 15个工作日  provisional\n")
    assert "逾期催办 → unit_clerk" in done.stdout


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--kind gossip", "inquiry, help"),
        ("--kind help --category manner", "operating"),
        ("--kind help --choice later", "complex, legacy"),
        ("--kind help --urgency now", "urgent"),
        ("--kind help --opened noon", "2026-02-13T10:00"),
    ],
)
def test_a_word_that_it_does_not_know_is_wrong_usage(run: Run, options: str, told: str) -> None:
    done = run("deadline", MIANYANG, *options.split())
    assert done.exit_code == 2 and told in done.output


def test_without_a_file_it_is_the_running_citys(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTLINE_POLICY", str(NANNING))
    assert "南宁市" in run("check").stdout
    done = run("deadline", "--kind", "inquiry", "--opened", "2026-09-18T21:30")
    assert done.exit_code == 0 and done.stdout.startswith("2026-09-20 11:30")
    assert "by the published calendar" in done.stderr


def test_check_tells_each_fault_in_a_line_and_ends_with_1(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    text = MIANYANG.read_text(encoding="utf-8")
    text = text.replace('unit = "natural_resources"', 'unit = "natural_resource"')
    file.write_text(text.replace('extension = "reviewer"', 'extension = "shift_leader"'), encoding="utf-8")
    done = run("check", file)
    assert done.exit_code == 1
    category, decision = done.stdout.splitlines()
    assert category.startswith('categories.2.unit: "natural_resource" is not defined; use one of: fucheng')
    assert decision == (
        'decisions.extension: "shift_leader" may not rule on it; name one of: dispatcher, reviewer'
    )
    told = json.loads(run("check", file, "--json").stdout)
    assert not told["ok"] and [fault["key"] for fault in told["faults"]] == [
        "categories.2.unit",
        "decisions.extension",
    ]


def test_check_of_a_good_file_ends_with_0(run: Run) -> None:
    for file in (MIANYANG, NANNING, THIRD):
        assert run("check", file).exit_code == 0
    assert json.loads(run("check", NANNING, "--json").stdout)["assumed"]


def test_show_says_what_is_in_it(run: Run) -> None:
    told = run("show", MIANYANG).stdout
    for words in ("962299", "情况复杂", "complex: 30日", "乱收费", "15个工作日", "逾期报批", "[retention]"):
        assert words in told
    assert "kept, at least 3个工作日" in told
    assert "Arbitrary charges" in run("show", MIANYANG, "--en").stdout
    data = json.loads(run("show", THIRD, "--json").stdout)
    assert data["handling"]["many_units"] == 2 and data["ladders"]["order"][1]["code"] == "horn"
