"""What `hotline up` prints once all is up."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from hotline.home import Home
from hotline.settings import CHECKOUT, Settings
from hotline.up import Up
from routing.policy import load


@pytest.mark.parametrize(
    ("city", "more"),
    [
        ("mianyang-962299", []),
        ("nanning-direct-line", ["and 45 more numbers, the last one 07715500146"]),
    ],
)
def test_a_citys_numbers_are_announced_in_two_lines_however_many(
    tmp_path: Path, city: str, more: list[str]
) -> None:
    policy, printed = load(CHECKOUT / f"policies/{city}.toml"), StringIO()
    up = Up(Settings(home=tmp_path), Home(tmp_path), Console(file=printed, width=200))
    up._announce(policy, [], "")
    lines = [line.strip() for line in printed.getvalue().splitlines()]
    first = policy.lines[0]
    assert [line for line in lines if "sip:" in line or "more numbers" in line] == [
        f"trunk  sip:{first.number}@127.0.0.1:5060  ({first.name})",
        *more,
    ]
