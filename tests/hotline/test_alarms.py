"""Alarms: raised once, cleared once, and not for a passing moment."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from structlog.testing import capture_logs

from cases import alarms as kept
from cases.duty import set_live, set_wanted
from hotline import figures
from hotline.alarms import RULES, Alarms, Facts, Judge
from hotline.home import Home
from routing.policy import Policy
from storage.database import Database, DatabaseAway
from telephony.ami import AmiLink
from tests.cases.conftest import Staff, new_call, policy, staff
from web.messages import LANGUAGES, Catalogue

__all__ = ["new_call", "policy", "staff"]

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
WELL = Facts(
    free_mib=50_000,
    certificate_days=90,
    lines_unattended=0,
    gaps=0,
    spool=0,
    silent_roles=0,
    restarts=0,
    lag_seconds=0,
    trunk_away=0,
    database_away=0,
    journal_findings=0,
    outbox_unclaimed=0,
    notices_lost=0,
)
BAD = {
    "disk": replace(WELL, free_mib=4000),
    "certificate": replace(WELL, certificate_days=10),
    "nobody": replace(WELL, lines_unattended=1),
    "gaps": replace(WELL, gaps=2),
    "spool": replace(WELL, spool=3),
    "role_silent": replace(WELL, silent_roles=1),
    "role_restarts": replace(WELL, restarts=4),
    "clock_late": replace(WELL, lag_seconds=100),
    "trunk": replace(WELL, trunk_away=1),
    "journal": replace(WELL, journal_findings=2),
    "outbox": replace(WELL, outbox_unclaimed=1),
    "notices": replace(WELL, notices_lost=1),
    "database": replace(WELL, database_away=1),
}


def test_there_is_a_case_for_every_rule() -> None:
    assert list(BAD) == [rule.name for rule in RULES]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_an_alarm_is_told_once_when_it_is_raised_and_once_when_it_is_cleared(rule: object) -> None:
    assert isinstance(rule, type(RULES[0]))
    judge = Judge()
    with capture_logs() as logs:
        for _ in range(rule.rounds - 1):
            judge.judge(BAD[rule.name], NOW)
        assert judge.raised == {}
        for minute in range(3):
            judge.judge(BAD[rule.name], NOW + timedelta(minutes=minute))
        assert list(judge.raised) == [rule.name]
        assert judge.raised[rule.name].at == NOW
        for _ in range(3):
            judge.judge(WELL, NOW)
    assert judge.raised == {}
    assert [(entry["event"], entry["alarm"]) for entry in logs] == [
        ("alarm_raised", rule.name),
        ("alarm_cleared", rule.name),
    ]


def test_between_its_limits_an_alarm_stays_as_it_is() -> None:
    between = replace(WELL, free_mib=5500)
    judge = Judge()
    judge.judge(between, NOW)
    assert judge.raised == {}
    judge.judge(BAD["disk"], NOW)
    judge.judge(between, NOW)
    assert judge.raised["disk"].detail == {"figure": 5500}


def test_what_is_not_known_changes_nothing() -> None:
    judge = Judge()
    judge.judge(BAD["disk"], NOW)
    judge.judge(Facts(), NOW)
    assert list(judge.raised) == ["disk"]


def test_an_alarm_has_words_and_a_remedy_in_every_language() -> None:
    folder = Path(__file__).resolve().parents[2] / "web/messages"
    for language in LANGUAGES:
        t = Catalogue(language, [folder])
        for rule in RULES:
            assert t(f"alarm.{rule.name}.title", figure=3)
            assert t.has(f"alarm.{rule.name}.remedy")


class Watched:
    """The clock's alarms on a home of their own."""

    def __init__(self, folder: Path, database: Database, policy: Policy) -> None:
        self.home, self.database, self.policy = Home(folder), database, policy
        for each in (self.home.run, self.home.spool):
            each.mkdir(parents=True)
        for role in figures.ROLES:
            figures.file_of(self.home, role).write_text("")
        self.begin()

    def begin(self, database: Database | None = None) -> None:
        self.alarms = Alarms(
            self.home,
            self.policy,
            database or self.database,
            cast(AmiLink, None),
            registers=False,
            late_seconds=lambda: 0.0,
        )

    def raised(self) -> list[str]:
        with self.database.session() as session:
            return [each.name for each in kept.raised(session) if each.name != "disk"]


@pytest.fixture
def watched(short_folder: Path, database: Database, policy: Policy, staff: Staff) -> Watched:
    return Watched(short_folder, database, policy)


def test_nobody_at_work_while_a_line_is_open_is_raised_after_minutes_and_cleared_by_the_first(
    watched: Watched, staff: Staff
) -> None:
    for _ in range(2):
        watched.alarms.round()
    assert watched.raised() == []
    watched.alarms.round()
    assert watched.raised() == ["nobody"]
    with watched.database.session() as session:
        set_wanted(session, None, staff.agent.person_id, "ready")
        set_live(session, staff.agent.person_id, "idle")
    watched.alarms.round()
    assert watched.raised() == []


@pytest.mark.parametrize("file", ["c-1.json", "c-1.refused"])
def test_what_was_raised_stays_raised_through_a_restart_of_the_clock(watched: Watched, file: str) -> None:
    (watched.home.spool / file).write_text("{}")
    for _ in range(3):
        watched.alarms.round()
    assert "spool" in watched.raised()
    watched.begin()
    watched.alarms.round()
    assert "spool" in watched.raised()


def test_a_role_that_begins_again_and_again_is_raised(watched: Watched) -> None:
    for _ in range(4):
        figures.note_start(watched.home, "ivr")
    watched.alarms.round()
    assert "role_restarts" in watched.raised()


def test_with_the_database_away_the_alarm_is_raised_all_the_same_and_kept_when_it_is_back(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.alarms.round()
    with monkeypatch.context() as broken:
        broken.setattr(Database, "session", lambda *_: (_ for _ in ()).throw(DatabaseAway("no answer")))
        with capture_logs() as logs, pytest.raises(DatabaseAway):
            watched.alarms.round()
    assert [entry["alarm"] for entry in logs if entry["alarm"] != "disk"] == ["database"]
    watched.alarms.round()
    assert watched.raised() == []
