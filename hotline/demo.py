"""A small believable city to look at: staff, callers, ten days of calls and tickets (demo.toml).

Made through the same acts as the real thing. Of an answered call its two legs are left for the recording
ledger (demo_recordings.py), which keeps them as it keeps any call's.
"""

import random
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from cases import units
from cases.calls import (
    Arrival,
    Step,
    close_call,
    end_call,
    mark_answered,
    note_steps,
    open_call,
    route_call,
)
from cases.deadlines import seed_calendar
from cases.logins import hash_password, verifies
from cases.people import create_person
from cases.states import Event
from cases.ticket_form import TicketForm
from cases.tickets import move_ticket, save_ticket
from routing.policy import Policy
from storage.database import Database
from storage.staff import Person, Unit
from storage.tables import Outbox, Ticket
from storage.viewer import Role, Viewer

if TYPE_CHECKING:
    from hotline.demo_recordings import DemoRecording

DEMO_PASSWORD = "hotline-demo"  # noqa: S105 - printed at the start; the demo's people only
ABANDONED = 9
LIMIT_SECONDS = 60.0

_LOCK = 962299_002
_DISTRICTS = {
    "0816": ["涪城区", "游仙区", "安州区", "江油市", "三台县", "高新区", "经开区"],
    "0771": ["青秀区", "兴宁区", "江南区", "西乡塘区", "良庆区", "高新区", "经开区"],
}


@dataclass(frozen=True, slots=True)
class Login:
    """One demo log-in, for printing."""

    user: str
    password: str
    name: str
    role: Role
    place: str = ""  # her unit, or the published numbers that she leads


def lay_out(database: Database, policy: Policy, incoming: Path) -> bool:
    """Lay out the city if nobody is there yet, all or nothing. True when it was laid out.

    `incoming`: the folder where the ledger finds what was recorded. Raises OSError, DatabaseAway.
    """
    with database.session(LIMIT_SECONDS) as session:
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        if session.scalar(select(Person.id).limit(1)) is not None:
            return False
        seed_calendar(session)
        units.sync(session, policy.units)
        _City(session, policy, datetime.now(UTC), incoming).build()
        return True


def logins(database: Database) -> list[Login]:
    """The demo's people who still have the demo's password."""
    told = []
    with database.session(LIMIT_SECONDS) as session:
        listed = [each["login"] for each in _plan()["people"]]
        staff = select(Person).where(Person.login.in_(listed), Person.active).order_by(Person.id)
        right: dict[str, bool] = {}  # by hash: a password takes its time, and most have the same one
        for person in session.scalars(staff):
            kept = person.password_hash
            if kept not in right:
                right[kept] = verifies(person, DEMO_PASSWORD)
            if right[kept]:
                unit = session.get(Unit, person.unit_id) if person.unit_id else None
                place = unit.name if unit else " ".join(person.lines)
                told.append(Login(person.login, DEMO_PASSWORD, person.name, Role(person.role), place))
    return told


def say(login: Login) -> str:
    """One line for the operator."""
    place = f" of {login.place}" if login.place else ""
    return f"{login.user:10} {login.password:14} {login.name}, {login.role}{place}"


def _plan() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def _recordings() -> "dict[str, DemoRecording]":
    """Read only where a city is laid out: every command knows of the demo, few need its sounds."""
    from hotline import demo_recordings

    return demo_recordings.load()


class _City:
    """One laying out; the same every time but for the day it is laid out on."""

    def __init__(self, session: Session, policy: Policy, now: datetime, incoming: Path) -> None:
        self._session = session
        self._policy = policy
        self._now = now
        self._incoming = incoming
        self._recordings = _recordings()
        self._agents: dict[str, Iterator[Viewer]] = {}  # by sex, each in turn
        self._dispatcher: Viewer | None = None
        self._plan = _plan()
        self._chance = random.Random(962299)  # noqa: S311 - a city, not a secret
        self._made = 0

    def build(self) -> None:
        self._staff()
        callers = [self._local(caller) for caller in self._plan["callers"]]
        for index, matter in enumerate(self._plan["matters"]):
            self._matter(matter, callers[index % len(callers)])
        closings = [each for each in self._plan["closings"] for _ in range(each["times"])]
        for index, closing in enumerate(closings):
            recording = self._recordings[closing["sound"]]
            agent = self._agent(recording)
            her_like = [each for each in callers if each["sex"] == recording.dialogue.sex("caller")]
            caller = self._chance.choice(her_like)
            call_id = self._call(caller, self._some_time(index % 10), "", agent, recording)
            close_call(self._session, agent, call_id, closing["reason"], closing["note"], self._policy)
        for index in range(ABANDONED):
            self._call(self._chance.choice(callers), self._some_time(index), "")
        # Nothing of the demo is ever sent.
        self._session.execute(update(Outbox).values(done_at=func.now()))

    def _staff(self) -> None:
        agents: dict[str, list[Viewer]] = {}
        password_hash = hash_password(DEMO_PASSWORD)  # everybody knows it: one salt will do
        for each in self._plan["people"]:
            unit = self._unit(each)
            if "unit" in each and not unit:
                continue
            person = create_person(
                self._session,
                each["login"],
                each["name"],
                Role(each["role"]),
                DEMO_PASSWORD,
                each.get("extension"),
                each.get("phone", "browser"),
                unit=unit,
                lines=[line.number for line in self._policy.lines[: each.get("lines", 0)]],
                demo=True,
                password_hash=password_hash,
            )
            if person.role == Role.DISPATCHER:
                self._dispatcher = Viewer(person.id, Role.DISPATCHER, person.name)
            if person.role == Role.AGENT:
                agents.setdefault(each["sex"], []).append(Viewer(person.id, Role.AGENT, person.name))
        self._agents = {sex: cycle(viewers) for sex, viewers in agents.items()}

    def _unit(self, each: dict[str, Any], key: str = "unit") -> str:
        """The code of the unit meant, or '' when the policy has none such."""
        codes = [unit.code for unit in self._policy.units]
        county = next((unit.code for unit in self._policy.units if unit.level == "county"), "")
        code = str(each.get(key, "")).format(county=county)
        return code if code in codes else ""

    def _agent(self, recording: "DemoRecording") -> Viewer:
        """Somebody whose voice it may be."""
        return next(self._agents[recording.dialogue.sex("agent")])

    def _local(self, caller: dict[str, str]) -> dict[str, str]:
        place = self._chance.choice(_DISTRICTS.get(self._policy.area_code, [self._policy.city]))
        city = self._policy.city.removesuffix("市")
        filled = {
            key: value.format(city=city, district=place, area=self._policy.area_code)
            for key, value in caller.items()
        }
        return {**filled, "place": place}

    def _matter(self, matter: dict[str, Any], caller: dict[str, str]) -> None:
        at = self._some_time(matter["days"])
        recording = self._recordings[matter.get("sound", f"filed_{caller['sex']}")]
        agent = self._agent(recording)
        call_id = self._call(caller, at, matter["kind"], agent, recording)
        limits = self._policy.kind(matter["kind"]).longer
        form = TicketForm(
            kind=matter["kind"],
            category=matter["category"],
            title=matter["title"],
            content=matter["content"],
            accused=matter.get("accused", ""),
            accused_unit=self._unit(matter, "accused_unit"),
            urgency=matter.get("urgency", "normal"),
            choice=matter.get("choice", "") if matter.get("choice") in limits else "",
            caller_name=caller["name"],
            caller_sex=caller["sex"],
            company=caller["company"],
            place=caller["place"],
            contact_number=caller["number"],
            answer=matter.get("answer", ""),
            done=matter.get("done", False),
        )
        saved_at = min(at + timedelta(minutes=5), self._now)
        ticket = save_ticket(self._session, agent, form, call_id, self._policy, saved_at)
        if self._dispatcher and (unit := self._unit(matter)):
            units.charge(self._session, self._dispatcher, ticket.number, unit)
        if matter.get("state") == "done":
            move_ticket(self._session, agent, ticket.number, Event.FINISH, ticket.version)
            self._session.get_one(Ticket, ticket.id).changed_at = saved_at + timedelta(days=1)

    def _call(
        self,
        caller: dict[str, str],
        at: datetime,
        kind: str,
        agent: Viewer | None = None,
        recording: "DemoRecording | None" = None,
    ) -> str:
        """A call of the past: with an agent answered, and recorded; without one abandoned in the queue."""
        session, policy = self._session, self._policy
        self._made += 1
        call_id = f"demo-{self._made:04d}"
        line = self._chance.choice(policy.lines)
        open_call(session, Arrival(call_id, call_id, line.number, caller["number"], False, at), policy)
        key = next((key for key, pressed in policy.menu.keys.items() if pressed == kind and kind), "0")
        pressed = kind if line.menu and key != "0" else ""
        queued = at + timedelta(seconds=22 if line.menu else 6)
        sealed = bool(pressed) and policy.kind(pressed).sealed
        steps = [Step(at, "menu"), Step(at, "key", {"key": key})] if line.menu else []
        note_steps(session, call_id, [*steps, Step(queued, "queue", {"queue": line.queue})])
        route_call(session, call_id, pressed, sealed, "zh", queued, policy)
        answered = queued + timedelta(seconds=self._chance.choice([4, 5, 6, 7, 9, 11, 14, 23, 48]))
        if agent is None or recording is None:
            end_call(session, call_id, answered)
            return call_id
        mark_answered(session, call_id, agent.person_id, answered)
        ended = answered + timedelta(seconds=recording.seconds)
        end_call(session, call_id, ended)
        recording.write_legs(self._incoming, call_id, ended)
        return call_id

    def _some_time(self, days_ago: int) -> datetime:
        """Some minute of that day's business hours, and never later than now."""
        zone = self._policy.zone
        day = self._now.astimezone(zone).date() - timedelta(days=days_ago)
        at = datetime.combine(day, time(8, 30), zone) + timedelta(minutes=self._chance.randint(0, 570))
        latest = self._now - timedelta(minutes=self._chance.randint(10, 90))
        return min(at.astimezone(UTC), latest)
