"""A small believable city to look at: staff, callers and their calls (demo.toml), cases (demo_stories.toml).

Made through the same acts as the real thing. Of an answered call its two legs are left for the recording
ledger (demo_recordings.py), which keeps them as it keeps any call's.
"""

import random
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from cases import units
from cases.calls import (
    Arrival,
    Progress,
    Step,
    advance,
    close_call,
    end_call,
    note_steps,
    open_call,
    route_call,
)
from cases.deadlines import seed_calendar
from cases.logins import hash_password, verifies
from cases.people import create_person
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from hotline import demo_knowledge
from hotline.demo_past import Deed, Past, When
from hotline.demo_stories import Acts, Story
from routing.policy import Line, Policy
from routing.uscc import check_character
from storage.database import Database
from storage.notices import Notice
from storage.staff import Person, Unit
from storage.tables import Outbox
from storage.viewer import Role, Viewer

if TYPE_CHECKING:
    from hotline.demo_recordings import DemoRecording

DEMO_PASSWORD = "hotline-demo"  # noqa: S105 - printed at the start; the demo's people only
ABANDONED = 9
WAITS = (4, 5, 6, 7, 9, 11, 14, 23, 48)  # seconds in the queue, until somebody answers
LOST_PATIENCE = (7, 19, 34, 52, 81)  # until the caller hangs up
LEADERS = 5  # so many of the published numbers are called
WRITTEN_AFTER = timedelta(minutes=5)  # of a call's beginning
READ_AFTER = timedelta(hours=3)
LIMIT_SECONDS = 60.0
LAYING_OUT_SECONDS = 900.0  # at most, on a machine that has much else to do

_LOCK = 962299_002
_TYPED = ("channel", "title", "content", "urgency", "accused", "answer", "done", "reply_wanted")
_DISTRICTS = {
    "0816": ["涪城区", "游仙区", "安州区", "江油市", "三台县", "高新区", "经开区"],
    "0771": ["青秀区", "兴宁区", "江南区", "西乡塘区", "良庆区", "高新区", "经开区"],
}
_REGIONS = {"0816": "510700", "0771": "450100"}  # GB/T 2260


@dataclass(frozen=True, slots=True)
class Login:
    """One demo log-in, for printing."""

    user: str
    password: str
    name: str
    role: Role
    place: str = ""  # her unit, or the published numbers that she leads


def lay_out(database: Database, policy: Policy, incoming: Path, now: datetime | None = None) -> bool:
    """Lay out the city if nobody is there yet, all or nothing. True when it was laid out.

    `incoming`: the folder where the ledger finds what was recorded. `database`: as the tables' owner, who
    alone can date the journal's lines; by another all of them say the moment of laying out.
    Raises OSError, DatabaseAway.
    """
    with database.session(LAYING_OUT_SECONDS) as session:
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        if session.scalar(select(Person.id).limit(1)) is not None:
            return False
        seed_calendar(session)
        units.sync(session, policy.units)
        _City(session, policy, now or datetime.now(UTC), incoming).build()
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
    return f"{login.user:11} {login.password:14} {login.name}, {login.role}{place}"


def _plan() -> dict[str, Any]:
    return _read("demo.toml")


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))


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
        self._keepers: dict[str, Viewer] = {}  # of the directory and the knowledge base, by role
        self._plan = _plan()
        self._chance = random.Random(962299)  # noqa: S311 - a city, not a secret
        self._made = 0
        self._when = When(session, policy, now)

    def build(self) -> None:
        past = Past(self._session, self._policy, self._when)
        self._staff()
        editor, keeper = (self._keepers[role] for role in (Role.EDITOR, Role.ADMINISTRATOR))
        demo_knowledge.lay_out(self._session, self._policy, editor, keeper, self._now)
        callers = [self._local(each) for each in self._plan["callers"]]
        deeds = [*self._stories(callers), *self._other_calls(callers)]
        past.play(deeds)
        # Nothing of the demo is ever sent, and what people were told this morning they have read.
        self._session.execute(update(Outbox).values(done_at=func.now()))
        read = update(Notice).where(Notice.at < self._now - READ_AFTER)
        self._session.execute(read.values(seen_at=Notice.at + READ_AFTER))

    def _stories(self, callers: list[dict[str, str]]) -> Iterator[Deed]:
        """What each comes to: its call, its ticket, and every step."""
        plan = _read("demo_stories.toml")["stories"]
        known = {each["name"]: each for each in callers}
        named = {each.get("name", each["title"]): Story(each["title"], each["kind"]) for each in plan}
        acts = Acts(self._session, self._policy, named)
        for each, story in zip(plan, named.values(), strict=True):
            caller = known[each["caller"]]
            if "number" in each:
                caller = {**caller, "number": self._number(each)}
            at, told = self._when(each["at"]), (each, caller, story)
            yield Deed(at, 0, partial(self._begin, *told))
            yield Deed(at + WRITTEN_AFTER, 1, partial(self._write_down, *told))
            for place, step in enumerate(each.get("steps", ()), 2):
                yield Deed(self._when(step["at"]), place, partial(acts.do, story, step))

    def _other_calls(self, callers: list[dict[str, str]]) -> Iterator[Deed]:
        """Those that needed no ticket, and those that nobody answered in time."""
        strangers = [{**each, "number": self._number(each)} for each in self._plan["strangers"]]
        closings = [each for each in self._plan["closings"] for _ in range(each["times"])]
        for index, closing in enumerate(closings):
            sex = self._recordings[closing["sound"]].dialogue.sex("caller")
            among = strangers if closing.get("strange") else callers
            caller = self._chance.choice([each for each in among if each["sex"] == sex])
            line = self._line((index + index // 10) % LEADERS)
            yield Deed(
                self._some_time(index % 10, line), 0, partial(self._closed_call, closing, caller, line)
            )
        for index in range(ABANDONED):
            line = self._line(index % LEADERS)
            abandoned = partial(self._abandoned, self._chance.choice(callers), line)
            yield Deed(self._some_time(index, line), 0, abandoned)

    def _closed_call(self, closing: dict[str, Any], caller: dict[str, Any], line: Line, at: datetime) -> None:
        recording = self._recordings[closing["sound"]]
        agent = self._agent(recording)
        call_id = self._call(caller, at, "", line, agent, recording)
        close_call(self._session, agent, call_id, closing["reason"], closing["note"], self._policy)

    def _abandoned(self, caller: dict[str, str], line: Line, at: datetime) -> None:
        self._call(caller, at, "", line)

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
                lines=[self._line(place - 1).number for place in each.get("lines", ())],
                demo=True,
                password_hash=password_hash,
            )
            if person.role in (Role.EDITOR, Role.ADMINISTRATOR):
                self._keepers[person.role] = Viewer(person.id, Role(person.role), person.name)
            if person.role == Role.AGENT:
                agents.setdefault(each["sex"], []).append(Viewer(person.id, Role.AGENT, person.name))
        self._agents = {sex: cycle(viewers) for sex, viewers in agents.items()}
        for code, phone in self._plan["unit_phones"].items():
            if code in {unit.code for unit in self._policy.units}:
                keeper = self._keepers[Role.ADMINISTRATOR]
                units.set_phone(self._session, keeper, code, phone, self._policy)

    def _unit(self, each: dict[str, Any], key: str = "unit") -> str:
        """The code of the unit meant, or '' when the policy has none such."""
        codes = [unit.code for unit in self._policy.units]
        county = next((unit.code for unit in self._policy.units if unit.level == "county"), "")
        code = str(each.get(key, "")).format(county=county)
        return code if code in codes else ""

    def _line(self, place: int) -> Line:
        """One of the published numbers, the first where there are fewer."""
        return self._policy.lines[place if place < len(self._policy.lines) else 0]

    def _agent(self, recording: "DemoRecording") -> Viewer:
        """Somebody whose voice it may be."""
        return next(self._agents[recording.dialogue.sex("agent")])

    def _local(self, caller: dict[str, str]) -> dict[str, str]:
        place = self._chance.choice(_DISTRICTS.get(self._policy.area_code, [self._policy.city]))
        city = self._policy.city.removesuffix("市")
        region = _REGIONS.get(self._policy.area_code, "100000")
        filled = {
            key: value.format(city=city, district=place, area=self._policy.area_code, region=region)
            for key, value in caller.items()
        }
        if "uscc" in filled:
            filled["uscc"] += check_character(filled["uscc"])
        return {**filled, "place": place}

    def _number(self, told: dict[str, Any]) -> str:
        return str(told["number"]).format(area=self._policy.area_code)

    def _begin(self, told: dict[str, Any], caller: dict[str, str], story: Story, at: datetime) -> None:
        """The call, unless it comes by another door: by the web page where nobody takes the line's calls."""
        recording = self._recordings[told.get("sound", f"filed_{caller['sex']}")]
        story.agent = self._agent(recording)
        if told.get("channel", "phone") == "phone":
            line = self._line(told.get("line", self._made % LEADERS + 1) - 1)
            at -= timedelta(seconds=self._chance.randint(1, 50))  # nobody calls on the minute
            if self._when.rings(line, at):
                story.call_id = self._call(caller, at, told["kind"], line, story.agent, recording)

    def _write_down(self, told: dict[str, Any], caller: dict[str, str], story: Story, at: datetime) -> None:
        assert story.agent is not None, "it has begun"
        kind = told["kind"]
        typed = ({} if story.call_id else {"channel": "web"}) | {
            name: told[name] for name in _TYPED if name in told
        }
        form = TicketForm(
            **typed,
            kind=kind,
            category=self._first(told["category"], (each.code for each in self._policy.categories_of(kind))),
            choice=self._first(told.get("choice", ""), self._policy.kind(kind).longer),
            accused_unit=self._unit(told, "accused_unit"),
            caller_name=caller["name"],
            caller_sex=caller["sex"],
            company=caller["company"],
            uscc=caller.get("uscc", ""),
            place=caller["place"],
            contact_number=caller["number"],
        )
        story.number = save_ticket(self._session, story.agent, form, story.call_id, self._policy, at).number

    def _first(self, codes: str, known: Iterable[str]) -> str:
        """The first of these codes that the city has."""
        having = set(known)
        return next((code for code in codes.split() if code in having), "")

    def _call(
        self,
        caller: dict[str, Any],
        at: datetime,
        kind: str,
        dialled: Line,
        agent: Viewer | None = None,
        recording: "DemoRecording | None" = None,
    ) -> str:
        """A call of the past: with an agent answered, and recorded; without one abandoned in the queue."""
        session, policy = self._session, self._policy
        self._made += 1
        call_id = f"demo-{self._made:04d}"
        withheld = bool(caller.get("withheld"))
        open_call(session, Arrival(call_id, call_id, dialled.number, caller["number"], withheld, at), policy)
        key = next((key for key, pressed in policy.menu.keys.items() if pressed == kind and kind), "0")
        pressed = kind if dialled.menu and key != "0" else ""
        queued = at + timedelta(seconds=22 if dialled.menu else 6)
        sealed = bool(pressed) and policy.kind(pressed).sealed
        steps = [Step(at, "menu"), Step(at, "key", {"key": key})] if dialled.menu else []
        note_steps(session, call_id, [*steps, Step(queued, "queue", {"queue": dialled.queue})])
        route_call(session, call_id, pressed, sealed, "zh", queued, policy)
        if agent is None or recording is None:
            end_call(session, call_id, queued + timedelta(seconds=self._chance.choice(LOST_PATIENCE)))
            return call_id
        answered = queued + timedelta(seconds=self._chance.choice(WAITS))
        ended = answered + timedelta(seconds=recording.seconds)
        talked = Progress(answers=((answered, agent.person_id),), ended_at=ended)
        advance(session, {call_id: talked})
        recording.write_legs(self._incoming, call_id, ended)
        return call_id

    def _some_time(self, days: int, line: Line) -> datetime:
        """Some minute of the business hours so many working days ago; of today, or where the line was closed
        then, of the hours before in which it was not."""
        at = self._now
        if days:
            at = self._when(f"{days}d 08:30") + timedelta(minutes=self._chance.randint(0, 570))
            if self._when.rings(line, at):
                return at
        begins, ends = self._when.lately(line, at)
        return ends - (ends - begins) / 10 * self._chance.randint(1, 9)
