"""A city's staff and its first cases, each brought by the acts themselves to where it stands: what
bench/cases_copies.py multiplies. Of a hundred matters forty-six are answered at once, the rest handled."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

from cases import (
    calls,
    closing,
    deadlines,
    dispatch,
    logins,
    orders,
    people,
    recordings,
    units,
    visits,
)
from cases.dispatch import Share
from cases.order_reply import Reply
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from cases.visits import VisitForm
from routing.policy import Policy
from storage.database import Database
from storage.staff import Person
from storage.tables import Journal, Outbox, Ticket
from storage.viewer import Role, Viewer
from storage.work import SubOrder

PASSWORD = "correct horse"
SMALL_LINE = "direct"  # a published number that hardly anybody calls
AGENTS = 10
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CONTENT = "高新区厂区本月第三次夜间停电，每次两到四小时，影响出口订单交付，请协调供电部门。" * 4
REPLY = Reply(
    account="已派员现场核实，线路老化，已列入本周更换计划，费用由我方承担。" * 3,
    public_reply="您反映的问题已核实，线路已更换，供电恢复正常。如再有问题请随时来电。" * 2,
    finding="true",
    solved="yes",
    contacted_how="none",
)
PLEASED = VisitForm(reached="yes", true="yes", contacted="yes", solved="yes", satisfied="satisfied")
ANGRY = VisitForm(
    reached="yes", true="yes", contacted="yes", solved="no", satisfied="dissatisfied", words="又停电了。"
)
NOBODY = VisitForm(reached="no")
MATTERS = (  # kind, category
    ("help", "power_supply"),
    ("help", "land"),
    ("help", "permits"),
    ("help", "labour"),
    ("inquiry", "taxes"),
    ("help", "charges"),
    ("suggestion", "economy"),
    ("inquiry", "funds"),
)


@dataclass
class City:
    """Who works here; `clerks` by their unit's code."""

    policy: Policy
    agents: list[Viewer] = field(default_factory=list)
    staff: dict[Role, Viewer] = field(default_factory=dict)
    clerks: dict[str, Viewer] = field(default_factory=dict)


def settle(owner: Database, policy: Policy) -> City:
    """The calendar, the units with a clerk each, and one or more people of every role."""
    city, hashed = City(policy), logins.hash_password(PASSWORD)
    with owner.session(60) as session:
        deadlines.seed_calendar(session)
        units.sync(session, policy.units)

        def hire(login: str, role: Role, **more: Any) -> Viewer:
            person = people.create_person(session, login, login, role, PASSWORD, password_hash=hashed, **more)
            return logins.viewer_of(session, person, "192.0.2.1")

        city.agents = [hire(f"agent{n}", Role.AGENT, extension=str(8001 + n)) for n in range(AGENTS)]
        for role in (
            *(Role.DISPATCHER, Role.REVIEWER, Role.VISITOR, Role.SUPERVISOR),
            *(Role.DISCIPLINE, Role.ADMINISTRATOR),
        ):
            city.staff[role] = hire(role.value, role)
        city.staff[Role.LEADER] = hire("leader", Role.LEADER, lines=[policy.lines[0].number])
        small = hire("secretary", Role.SECRETARY, lines=[policy.lines[0].number])
        session.get_one(Person, small.person_id).lines = [SMALL_LINE]
        city.staff[Role.SECRETARY] = replace(small, lines=(SMALL_LINE,))
        for unit in policy.units:
            city.clerks[unit.code] = hire(f"clerk-{unit.code}", Role.UNIT_CLERK, unit=unit.code)
    return city


class Stage:
    """Plays cases. What is written is dated as it is played; each case is a transaction."""

    def __init__(self, owner: Database, city: City) -> None:
        self.owner, self.city, self.policy = owner, city, city.policy
        self.chance = Random(962299)
        self.session: Session = None  # type: ignore[assignment] # while a case is played
        self.at = datetime.min.replace(tzinfo=UTC)
        self.made: list[int] = []  # ids of tickets
        self._numbers = count(1)
        shares = [each.code for each in self.policy.units if each.level != "third"]
        self._busy = [code for place, code in enumerate(shares) for _ in range(1 + 60 // (place + 1))]

    @contextmanager
    def case(self, at: datetime) -> Iterator[None]:
        with self.owner.session(60) as session:
            event.listen(session, "before_flush", self._date)
            self.session, self.at = session, at
            yield

    def _date(self, session: Session, _context: object, _instances: object) -> None:
        for row in session.new:
            if isinstance(row, Journal):
                row.at = self.at
            elif isinstance(row, Outbox):
                row.created_at, row.due_at = self.at, row.due_at or self.at

    def later(self, least: float, most: float) -> datetime:
        """Some hours after the last act."""
        self.at += timedelta(hours=self.chance.uniform(least, most))
        return self.at

    def who(self, role: Role) -> Viewer:
        return self.city.staff[role]

    def unit(self) -> str:
        """Few units have most of the work."""
        return self.chance.choice(self._busy)

    # -- acts

    def saved(self, **more: Any) -> Ticket:
        n, agent = next(self._numbers), self.chance.choice(self.city.agents)
        number, call_id = f"138{n:08}", f"call-{n}"
        kind, category = MATTERS[n % len(MATTERS)]
        line = self.policy.lines[0].number
        calls.open_call(
            self.session, calls.Arrival(call_id, call_id, line, number, False, self.at), self.policy
        )
        calls.route_call(self.session, call_id, "", False, "zh", self.at, self.policy)
        answered = self.at + timedelta(seconds=12)
        leg = calls.Leg(
            f"{call_id}-a", call_id, "PJSIP/e", "agent", self.at, agent.person_id, answered, None, None
        )
        calls.apply_legs(self.session, [leg])
        calls.mark_answered(self.session, call_id, agent.person_id, answered)
        calls.end_call(self.session, call_id, self.at + timedelta(minutes=4))
        recordings.register(self.session, call_id, call_id, "call", self.at)
        recordings.keep(
            self.session,
            call_id,
            path=f"{call_id}.wav",
            sha256="0" * 64,
            duration_seconds=228.0,
            size_bytes=3_650_000,
            peaks={"caller": [0.1, 0.5] * 10, "agent": [0.2, 0.4] * 10},
        )
        form = TicketForm(
            **{
                "kind": kind,
                "category": category,
                "title": "厂区夜间频繁停电，影响出口订单",
                "content": CONTENT,
                "caller_name": "王敏",
                "caller_sex": "female",
                "company": f"绵阳市涪城区第{n}精密机械制造有限公司",
                "place": "涪城区临园路东段72号",
                "answer": "已告知将按时限答复。",
                "contact_number": number,
                **more,
            }
        )
        writer = self.who(Role.DISCIPLINE) if form.sealed else agent
        ticket = save_ticket(self.session, writer, form, call_id, self.policy, self.at)
        self.made.append(ticket.id)
        return ticket

    def sent(
        self, ticket: Ticket, *codes: str, hours: tuple[float, float] = (0.1, 3), **more: Any
    ) -> list[SubOrder]:
        by = self.who(Role.DISCIPLINE if ticket.sealed else Role.DISPATCHER)
        shares = [
            Share(code, "assist" if place else "lead", "请按时办理。") for place, code in enumerate(codes)
        ]
        return dispatch.send(self.session, by, ticket.number, shares, self.policy, self.later(*hours), **more)

    def clerk(self, order: SubOrder) -> Viewer:
        return next(
            each for each in self.city.clerks.values() if set(each.kin) & set(each.units) == {order.unit_id}
        )

    def taken(self, order: SubOrder, hours: tuple[float, float] = (0.5, 6)) -> None:
        orders.take(self.session, self.clerk(order), order.id, self.later(*hours))

    def replied(self, order: SubOrder, hours: tuple[float, float] = (5, 40)) -> None:
        at = self.later(*hours)
        orders.reply(self.session, self.clerk(order), order.id, REPLY, self.policy, at)

    def closed(self, ticket: Ticket, order: SubOrder) -> None:
        at = self.later(0.2, 8)
        closing.submit(self.session, self.clerk(order), ticket.number, REPLY, self.policy, at)

    def audited(self, ticket: Ticket, verdict: str = "approve") -> None:
        by, remark = self.who(Role.DISCIPLINE if ticket.sealed else Role.REVIEWER), "请补充办理依据。"
        at = self.later(0.2, 10)
        closing.audit(self.session, by, ticket.number, verdict, remark, self.policy, at)

    def visited(self, ticket: Ticket, form: VisitForm = PLEASED) -> None:
        by = self.who(Role.DISCIPLINE if ticket.sealed else Role.VISITOR)
        visits.record(self.session, by, ticket.number, form, self.policy, self.later(2, 20))

    def handled(self, *codes: str, **more: Any) -> tuple[Ticket, list[SubOrder]]:
        """Up to the units' replies."""
        ticket = self.saved(**more)
        shares = self.sent(ticket, *(codes or (self.unit(),)))
        for share in shares:
            self.taken(share)
        for share in reversed(shares):
            self.replied(share)
        return ticket, shares
