"""`hotline retention`: what was put aside goes too, a dry run changes nothing, a held call's legs stay."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cases import people
from cases.calls import Arrival, end_call, open_call
from cases.holds import place
from hotline import retention
from hotline.home import Home
from hotline.settings import CHECKOUT
from routing.policy import Policy, load
from storage.database import Database
from storage.viewer import Role, Viewer

NOW = datetime(2026, 9, 18, 2, 0, tzinfo=UTC)
OLD = NOW - timedelta(days=91)


@pytest.fixture
def policy() -> Policy:
    return load(CHECKOUT / "policies/mianyang-962299.toml")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    for folder in (made.spool, made.cel.parent, made.recordings_incoming / "unreadable"):
        folder.mkdir(parents=True)
    return made


def put_aside(home: Home, at: datetime) -> list[Path]:
    unreadable = home.recordings_incoming / "unreadable"
    files = [
        home.spool / "c1.refused",
        home.cel.parent / "cel.csv.1",
        unreadable / "c1.caller.wav",
        unreadable / "c1-consult-1.2.agent.wav",
    ]
    for file in files:
        file.write_bytes(b"x")
        os.utime(file, (at.timestamp(), at.timestamp()))
    (home.spool / "c2.json").write_bytes(b"waits")
    home.cel.write_bytes(b"is written")
    for file in (home.spool / "c2.json", home.cel):
        os.utime(file, (at.timestamp(), at.timestamp()))
    return files


def test_what_was_put_aside_goes_when_somebody_could_have_looked_at_it(
    database: Database, home: Home, policy: Policy
) -> None:
    files = put_aside(home, OLD)
    assert retention.over(database, home, policy, NOW) == {"put_aside": 4}
    assert all(file.exists() for file in files)
    assert retention.remove(database, home, policy, NOW) == {"put_aside": 4}
    assert not any(file.exists() for file in files)
    assert home.cel.exists() and (home.spool / "c2.json").exists()


def test_what_was_put_aside_lately_stays(database: Database, home: Home, policy: Policy) -> None:
    files = put_aside(home, NOW - timedelta(days=89))
    assert retention.remove(database, home, policy, NOW) == {}
    assert all(file.exists() for file in files)


def test_the_legs_of_a_held_call_stay(database: Database, home: Home, policy: Policy) -> None:
    files = put_aside(home, OLD)
    with database.session() as session:
        open_call(session, Arrival("c1", "c1", "962299", "13812345678", False, OLD), policy)
        end_call(session, "c1", OLD)
        person = people.create_person(session, "zhao", "赵敏", Role.SUPERVISOR, "correct horse")
        place(session, Viewer(person.id, Role.SUPERVISOR), "call", "c1", "诉讼")
    assert retention.remove(database, home, policy, NOW) == {"put_aside": 1}
    assert [file.name for file in files if file.exists()] == [
        "c1.refused",
        "c1.caller.wav",
        "c1-consult-1.2.agent.wav",
    ]


def test_programs_are_told_days_and_counts(
    database: Database, home: Home, policy: Policy, capsys: pytest.CaptureFixture[str]
) -> None:
    put_aside(home, OLD)
    retention.show(policy, retention.over(database, home, policy, NOW), went=False, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["put_aside"] == {"days": 90, "over": 4}
    assert told["recordings"] == {"days": 365, "over": 0}
    assert told["journal"] == {"days": 1825, "over": 0}


def test_a_round_takes_a_batch_and_the_command_goes_on_to_the_end(
    database: Database, home: Home, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    put_aside(home, OLD)
    assert retention.round_(database, home, policy, NOW) == {"put_aside": 3}
    assert retention.remove(database, home, policy, NOW) == {"put_aside": 1}
