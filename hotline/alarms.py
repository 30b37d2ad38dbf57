"""Alarms: a table of rules, judged once a minute by the clock; raised once and cleared once.

What is raised is kept (cases/alarms.py), logged, shown at the desk (web/banner.py), counted in the figures
and told by `hotline check`. The words are the messages `alarm.<name>`, of web/messages.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog
from prometheus_client import Gauge
from sqlalchemy.orm import Session

from cases import alarms, chain, figures, notices, receipts
from cases.alarms import Figure, Raised
from cases.deadlines import load_calendar
from cases.duty import Shown, duties
from hotline.figures import ROLES, certificate_days_left, read, starts
from hotline.ground import COMFORTABLE_FREE_MIB, free_mib
from hotline.home import Home
from ivr.spool import Spool
from routing.hours import is_open
from routing.policy import Policy
from storage.database import Database, DatabaseAway
from telephony.ami import AmiError, AmiLink

EVERY_SECONDS = 60
GAPS_WITHIN = timedelta(hours=24)
STARTS_WITHIN_SECONDS = 900.0
AT_WORK = frozenset({Shown.READY, Shown.JOINING, Shown.RINGING, Shown.TALKING, Shown.WRAPUP})

RAISED = Gauge("hotline_alarm", "Is this alarm raised (1) or not (0)", ["name"])
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules look at. None: not known now, and what was said before holds."""

    free_mib: float | None = None
    certificate_days: float | None = None
    lines_unattended: float | None = None  # published lines that are open while no agent is at work
    gaps: float | None = None  # answered calls of the last day without recording
    spool: float | None = None
    silent_roles: float | None = None
    restarts: float | None = None  # of the role that was started most often
    lag_seconds: float | None = None  # of the clock's latest sweep
    trunk_away: float | None = None  # 1: the carrier has not registered us
    database_away: float | None = None
    journal_findings: float | None = None  # of its last verification
    outbox_unclaimed: float | None = None  # messages of kinds that nobody knows, or long overdue
    notices_lost: float | None = None  # failed or perhaps not arrived, and nobody has seen to them


@dataclass(frozen=True, slots=True)
class Rule:
    """Raised when the figure has reached `raise_at` for so many `rounds`; cleared when it reaches `clear_at`.

    Which of them is higher says which side is bad. `fault`: the installation is at fault, not the day.
    """

    name: str
    figure: Callable[[Facts], float | None]
    raise_at: float
    clear_at: float
    rounds: int = 1
    fault: bool = True

    def is_bad(self, figure: float) -> bool:
        return figure >= self.raise_at if self.raise_at > self.clear_at else figure <= self.raise_at

    def is_good(self, figure: float) -> bool:
        return figure <= self.clear_at if self.raise_at > self.clear_at else figure >= self.clear_at


RULES = (
    Rule("disk", lambda f: f.free_mib, raise_at=COMFORTABLE_FREE_MIB, clear_at=COMFORTABLE_FREE_MIB * 1.2),
    Rule("certificate", lambda f: f.certificate_days, raise_at=14, clear_at=15),
    Rule("nobody", lambda f: f.lines_unattended, raise_at=1, clear_at=0, rounds=3, fault=False),
    Rule("gaps", lambda f: f.gaps, raise_at=1, clear_at=0),
    Rule("spool", lambda f: f.spool, raise_at=1, clear_at=0, rounds=3),
    Rule("role_silent", lambda f: f.silent_roles, raise_at=1, clear_at=0, rounds=2),
    Rule("role_restarts", lambda f: f.restarts, raise_at=3, clear_at=1),
    Rule("clock_late", lambda f: f.lag_seconds, raise_at=60, clear_at=10, rounds=2),
    Rule("trunk", lambda f: f.trunk_away, raise_at=1, clear_at=0, rounds=2),
    Rule("journal", lambda f: f.journal_findings, raise_at=1, clear_at=0),
    Rule("outbox", lambda f: f.outbox_unclaimed, raise_at=1, clear_at=0),
    Rule("notices", lambda f: f.notices_lost, raise_at=1, clear_at=0),
    Rule("database", lambda f: f.database_away, raise_at=1, clear_at=0),
)
BY_NAME = {rule.name: rule for rule in RULES}


@dataclass(slots=True)
class Judge:
    """Applies the rules, round after round. Pure but for its log."""

    raised: dict[str, Raised] = field(default_factory=dict)
    _bad_rounds: dict[str, int] = field(default_factory=dict)

    def judge(self, facts: Facts, now: datetime) -> None:
        """One round."""
        for rule in RULES:
            figure = rule.figure(facts)
            if figure is not None:
                self._apply(rule, figure, now)
            RAISED.labels(rule.name).set(rule.name in self.raised)

    def _apply(self, rule: Rule, figure: float, now: datetime) -> None:
        before = self.raised.get(rule.name)
        detail: dict[str, Figure] = {"figure": round(figure)}
        if before is not None:
            if rule.is_good(figure):
                del self.raised[rule.name]
                log.info("alarm_cleared", alarm=rule.name, **detail)
            else:
                self.raised[rule.name] = Raised(rule.name, before.at, detail)
            return
        bad = self._bad_rounds.get(rule.name, 0) + 1 if rule.is_bad(figure) else 0
        self._bad_rounds[rule.name] = bad
        if bad >= rule.rounds:
            self._bad_rounds[rule.name] = 0
            self.raised[rule.name] = Raised(rule.name, now, detail)
            log.warning("alarm_raised", alarm=rule.name, **detail)


class Alarms:
    """The clock's minute: gather, judge, keep. `late_seconds` tells how late the clock's other work is."""

    def __init__(
        self,
        home: Home,
        policy: Policy,
        database: Database,
        link: AmiLink,
        *,
        registers: bool,
        late_seconds: Callable[[], float],
    ) -> None:
        self._home = home
        self._policy = policy
        self._database = database
        self._link = link
        self._registers = registers
        self._late_seconds = late_seconds
        self._judge: Judge | None = None
        for rule in RULES:
            RAISED.labels(rule.name)

    def round(self) -> None:
        """Raises DatabaseAway, after the alarm that tells it."""
        now = datetime.now(UTC)
        ground = self._ground(now)
        try:
            with self._database.session() as session:
                if self._judge is None:  # what was raised before a restart stays raised
                    before = {each.name: each for each in alarms.raised(session) if each.name in BY_NAME}
                    self._judge = Judge(before)
                known = self._from_database(session, now)
        except DatabaseAway:
            if self._judge is not None:
                self._judge.judge(Facts(**ground, database_away=1), now)
            raise
        self._judge.judge(Facts(**ground, **known, database_away=0), now)
        with self._database.session() as session:
            alarms.settle(session, self._judge.raised, now)

    def _ground(self, now: datetime) -> dict[str, float | None]:
        began = [starts(self._home, role, time.time() - STARTS_WITHIN_SECONDS) for role in ROLES]
        return {
            "free_mib": free_mib(self._home.path),
            "certificate_days": certificate_days_left(self._home, now),
            "spool": Spool(self._home.spool).owed(),
            "silent_roles": sum(read(self._home, role) is None for role in ROLES),
            "restarts": max(0, max(began) - 1),
            "lag_seconds": self._late_seconds(),
            "trunk_away": self._trunk_away(),
        }

    def _trunk_away(self) -> float | None:
        if not self._registers:
            return None
        try:
            told = self._link.action("PJSIPShowRegistrationsOutbound")
        except AmiError:
            return None
        return float(not any(str(each.get("Status")) == "Registered" for each in told))

    def _from_database(self, session: Session, now: datetime) -> dict[str, float | None]:
        calendar = load_calendar(session)
        policy = self._policy
        open_lines = sum(
            is_open(policy.hours[line.hours], now, calendar, policy.zone) for line in policy.lines
        )
        at_work = any(duty.shown in AT_WORK for duty in duties(session))
        return {
            "lines_unattended": 0 if at_work else open_lines,
            "gaps": figures.gaps(session, now - GAPS_WITHIN),
            "journal_findings": chain.state(session).findings,
            "outbox_unclaimed": notices.unclaimed(session, now),
            "notices_lost": receipts.count_lost(session),
        }
