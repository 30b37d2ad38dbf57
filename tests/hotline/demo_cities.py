"""The demo of each city, laid out once in a process for all tests that look at it; it takes seconds."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from hotline import demo
from routing.policy import Policy
from tests.pool import Pool

AFTERNOON = datetime(2026, 4, 16, 7, 10, tzinfo=UTC)  # a Thursday, 15:10 in both cities


@dataclass(frozen=True)
class Laid:
    """`incoming`: the folder of what was recorded; `stopped`: what was logged of stories that stopped."""

    incoming: Path
    stopped: list[Any]


def laid(pool: Pool, policy: Policy) -> Laid:
    """The demo as the tables' owner lays it out on that afternoon, in the database of `pool`."""

    def lay_out() -> Laid:
        incoming = pool.files / f"demo-{policy.lines[0].number}"
        incoming.mkdir()
        with capture_logs() as logs:
            assert demo.lay_out(pool.owner, policy, incoming, AFTERNOON)
        return Laid(incoming, stories_stopped(logs))

    return pool.begun(f"demo {policy.lines[0].number}", lay_out)


def stories_stopped(logs: list[Any]) -> list[Any]:
    return [each for each in logs if each["event"] == "demo_story_stopped"]
