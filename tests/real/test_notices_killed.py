"""Three senders at once, killed at random: each notice arrives once, or a person is told that nobody knows.

A mail server, robots and a carrier that are real listen to what leaves. One ticket is sealed: nothing of it
is in any byte.
"""

import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from sqlalchemy import func, select

from cases import notices, people, units
from cases.deadlines import seed_calendar
from cases.logins import viewer_of
from cases.sending import Fate
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from cases.visible import name
from routing.policy import Policy
from storage import outbox
from storage.database import Database
from storage.notices import Notice, NoticeSetting, Receipt
from storage.staff import Person, Unit
from storage.tables import Outbox, Ticket
from storage.viewer import Role
from storage.work import SubOrder
from tests.cases.conftest import PASSWORD, policy
from tests.doors.outside import MailHouse, Post, WebHouse, mail_house, web_house
from tests.real import sender_process

__all__ = ["policy"]

TICKETS, KILLS, SENDERS = 24, 9, 3
SEALED = ("钱某某索贿", "欧阳晓", "13855556666", "鑫鑫建材")
CALLERS, CLERK = "138123456", "13900000000"
PROCESSES = get_context("forkserver")  # each begins at once, all imported
PROCESSES.set_forkserver_preload(["tests.real.sender_process"])


@pytest.fixture
def outside() -> Iterator[tuple[MailHouse, WebHouse]]:
    """Both take their time, so that senders die while they wait for them."""

    def slow(_: Post) -> tuple[int, str, dict[str, str]]:
        time.sleep(0.03)
        return 200, '{"errcode": 0}', {}

    with mail_house() as mail, web_house() as web:
        web.answer = slow
        yield mail, web


@pytest.fixture
def owed(database: Database, policy: Policy, outside: tuple[MailHouse, WebHouse]) -> list[Ticket]:
    """Orders sent to a clerk who wants to hear by mail and robot, callers to be told; the last is sealed."""
    now = datetime.now(UTC)
    with database.session(60) as session:
        seed_calendar(session)
        units.sync(session, policy.units)
        agent = people.create_person(session, "agent", "agent", Role.AGENT, PASSWORD)
        clerk = people.create_person(session, "clerk", "clerk", Role.UNIT_CLERK, PASSWORD, unit="power")
        for channel, address in (
            ("email", "clerk@example.cn"),
            ("webhook", f"{outside[1].url}/robot?key=1"),
            ("sms", f"+86{CLERK}"),
        ):
            setting = NoticeSetting(person_id=clerk.id, channel=channel, address=address, secret="SEC1")
            session.add(setting)
        unit_id = session.scalars(select(Unit.id).where(Unit.code == "power")).one()
        tickets = []
        for index in range(TICKETS):
            sealed = index == TICKETS - 1
            title, who, number, company = (
                SEALED if sealed else ("停电", "王芳", f"{CALLERS}{index:02}", "某公司")
            )
            form = TicketForm(
                kind="help",
                title=title,
                content=title,
                caller_name=who,
                contact_number=number,
                company=company,
            )
            ticket = save_ticket(session, viewer_of(session, agent), form, None, policy, now)
            ticket.sealed = sealed
            order = SubOrder(ticket_id=ticket.id, unit_id=unit_id, due_at=now + timedelta(days=1))
            session.add(order)
            session.flush()
            if sealed:
                name(session, clerk.id, "charged", ticket_id=ticket.id)
            session.query(Outbox).filter(Outbox.kind == "ticket.accepted", Outbox.done_at.is_(None)).delete()
            outbox.put(session, "order.sent", {"ticket_id": ticket.id, "order_id": order.id}, now)
            tickets.append(ticket)
        for ticket in tickets:
            outbox.put(session, "ticket.accepted", {"ticket_id": ticket.id}, now)
    return tickets


class Senders:
    """Processes that send; one that is killed is followed by another."""

    def __init__(self, *arguments: str | int) -> None:
        self._arguments = arguments
        self._running = [self._begin() for _ in range(SENDERS)]

    def _begin(self) -> ForkServerProcess:
        process = PROCESSES.Process(target=sender_process.send, args=self._arguments, daemon=True)
        process.start()
        return process

    def kill_one(self, chance: random.Random) -> None:
        """At a moment that nobody foresees."""
        time.sleep(chance.uniform(0.1, 0.8))
        victim = self._running.pop(chance.randrange(len(self._running)))
        victim.kill()
        victim.join(20)
        self._running.append(self._begin())

    def end(self) -> None:
        for process in self._running:
            process.kill()
            process.join(20)


def _open(database: Database) -> int:
    with database.session() as session:
        unplanned = session.scalar(select(func.count()).where(Outbox.done_at.is_(None))) or 0
        unsettled = Receipt.state.in_([Fate.WAITING, Fate.SENDING])
        return unplanned + (session.scalar(select(func.count()).where(unsettled)) or 0)


@pytest.mark.real
@pytest.mark.timeout(400)
def test_each_notice_arrives_once_or_is_told_as_unsure(
    database: Database, keys: Path, owed: list[Ticket], outside: tuple[MailHouse, WebHouse]
) -> None:
    mail, web = outside
    senders = Senders(database.url, str(keys), mail.port, web.host)
    try:
        chance = random.Random()
        for _ in range(KILLS):
            senders.kill_one(chance)
        until = time.monotonic() + 240
        while _open(database):
            assert time.monotonic() < until, "the senders did not finish"
            time.sleep(0.2)
    finally:
        senders.end()
    with database.session() as session:
        told = Counter(session.scalars(select(Notice.outbox_id)))
        fates = {
            (channel, ticket_id): state
            for channel, ticket_id, state in session.execute(
                select(Receipt.channel, Receipt.ticket_id, Receipt.state).where(Receipt.person_id.is_(None))
            )
        }
        states = select(Receipt.channel, Receipt.state).where(Receipt.person_id.is_not(None))
        staff = Counter((channel, Fate(state)) for channel, state in session.execute(states))
        clerk = session.scalars(select(Person.id).where(Person.login == "clerk")).one()
        hers = select(func.count()).where(Notice.person_id == clerk, Notice.kind == "order.sent")
        assert session.scalar(hers) == TICKETS
    assert set(told.values()) == {1}

    # By mail and robot: each once, a repeated message being known by its key.
    letters = {letter["Message-ID"]: letter.get_content() for letter in mail.letters}
    robots = {post.form["id"]: post.form["text"]["content"] for post in web.posts if "/robot" in post.path}
    for messages in (letters, robots):
        for ticket in owed[:-1]:
            assert sum(text.count(ticket.number) for text in messages.values()) == 1, ticket.number
    assert staff["email", Fate.SENT] == staff["webhook", Fate.SENT] == TICKETS

    # By text: never twice; what is not known to have arrived is unsure.
    texts = [post.form for post in web.posts if post.path == "/sms"]
    assert max(Counter(form["id"] for form in texts).values()) == 1
    assert staff["sms", Fate.SENT] + staff["sms", Fate.UNSURE] == TICKETS
    for ticket in owed[:-1]:
        arrived = sum(form["content"].count(ticket.number) for form in texts if form["mobile"] != CLERK)
        assert arrived == 1 or (arrived == 0 and fates["sms", ticket.id] == Fate.UNSURE), ticket.number
    assert ("sms", owed[-1].id) not in fates

    # Of the sealed one nothing left.
    left = b"\n".join(
        [
            *mail.raw,
            *(str(letter.get_content()).encode() for letter in mail.letters),
            *(post.body + post.path.encode() + json.dumps(post.headers).encode() for post in web.posts),
            *(json.dumps(post.form, ensure_ascii=False).encode() for post in web.posts),
        ]
    )
    assert [trace for trace in (*SEALED, owed[-1].number) if trace.encode() in left] == []
    assert "有一件事项等您处理".encode() in left


def test_every_message_of_a_kind_that_acts_put_is_known(policy: Policy) -> None:
    """What the acts owe, as their source says."""
    put = Path(__file__).resolve().parents[2].glob("cases/*.py")
    owed = {
        line.split('outbox.put(session, "')[1].split('"')[0]
        for file in put
        for line in file.read_text().splitlines()
        if 'outbox.put(session, "' in line
    }
    assert owed - set(notices.KINDS) - set(notices.TO_CALLERS) == set()
