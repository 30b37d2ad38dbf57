"""Sealed matters with unmistakable words, planted by the acts that make one; and all who must not know."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from agents.room import room
from cases import people, recusals, units, unsealing
from cases.drafts import keep_draft
from cases.ticket_form import TicketForm
from cases.ticket_numbers import called
from cases.tickets import change_ticket, save_ticket
from doors.limits import Limits
from doors.relay import Door
from doors.room import room as doors
from reports.room import room as reports
from routing.policy import Policy
from storage.database import Database
from storage.notices import Notice, Receipt
from storage.notify import Note, listen, notify
from storage.staff import Person, Unit
from storage.tables import Attachment, Recusal, Ticket
from storage.viewer import Role, Viewer
from storage.work import Instruction, SubOrder, Supervision, TicketNote
from tests.web.site import NO_TLS, PASSWORD, record, ring, served
from web.app import create_app
from web.services import Operations, Services

WORDS = ("钱某某索贿举报材料", "举报人欧阳晓", "鑫鑫建材经营部", "理由是线索已移送")
CALLING, CONTACT = "13955557777", "13855556666"
CODE = "91510700MA6DEMAA5X"
ACCUSED, BELOW_ACCUSED, OTHER_UNIT, NOBODYS_UNIT = "fucheng", "fucheng_tax", "power", "housing"
LINE = "962299"

REPORT = TicketForm(
    kind="report",
    title=WORDS[0],
    content=WORDS[0],
    caller_name=WORDS[1],
    company=WORDS[2],
    uscc=CODE,
    contact_number=CONTACT,
    accused_unit=ACCUSED,
)


@dataclass(frozen=True)
class Ids:
    """Addresses of one matter, by the names that routes have for them."""

    call_id: str
    number: str
    recording_id: str
    attachment_id: str
    recusal_id: str
    order_id: str
    instruction_id: str
    notice_id: str
    caller_id: str
    enterprise_id: str

    def all(self) -> list[str]:
        """Longest first, so that one is never taken for a part of another."""
        return sorted((getattr(self, each.name) for each in fields(self)), key=len, reverse=True)

    def never(self) -> "Ids":
        """Ids of the same look and length that nothing ever had."""
        return Ids(*(re.sub(r"\d{4}$", "9999", _turned(getattr(self, each.name))) for each in fields(self)))


def _turned(text: str) -> str:
    """Its digits in another order."""
    return text[:6] + text[6:][::-1] if text[6:].isdecimal() else text


@dataclass(frozen=True)
class Ground:
    """What was planted. `sealed_later` has the number that its ticket had before."""

    sealed: Ids
    sealed_later: Ids
    traces: tuple[str, ...]


def plant(session: Session, folder: Path, policy: Policy, ids: dict[str, int], now: datetime) -> Ground:
    """Two sealed matters: one from its first key press, one that was an ordinary ticket before."""
    liu = Viewer(ids["liu"], Role.AGENT, "刘晓燕", "127.0.0.1")
    sun = Viewer(ids["sun"], Role.DISCIPLINE, "孙立", "127.0.0.1")
    zhang = Viewer(ids["zhang"], Role.AGENT, "张伟", "127.0.0.1")
    for hours in (30, 2):  # her other calls, which all may see: what was between them must not show
        at = now - timedelta(hours=hours)
        call_id = ring(session, policy, CALLING, "inquiry", at, ids["zhang"])
        save_ticket(session, zhang, TicketForm(kind="inquiry", content="问办事时间"), call_id, policy, at)
    at = now - timedelta(hours=7)
    sealed = matter(session, folder, policy, liu, sun, at, "complaint")
    keep_draft(session, liu, sealed.call_id, {"content": WORDS[0]}, 1)
    unsealing.ask(session, sun, sealed.number, WORDS[3], now)
    at = now - timedelta(hours=9)
    later = matter(
        session, folder, policy, liu, sun, at, "inquiry", before=TicketForm(kind="help", content="停电")
    )
    words = (*WORDS, CODE, CONTACT, f"+86{CONTACT}", *sealed.all(), *later.all())
    return Ground(sealed, later, words)


def matter(
    session: Session,
    folder: Path,
    policy: Policy,
    agent: Viewer,
    reader: Viewer,
    at: datetime,
    pressed: str,
    before: TicketForm | None = None,
) -> Ids:
    """A call with recording, ticket, attachment, recusal; `before`: its ticket before it was sealed."""
    call_id = ring(session, policy, CALLING, pressed, at, agent.person_id)
    recording_id = record(session, folder, call_id, at)
    ticket = save_ticket(session, agent, before or REPORT, call_id, policy, at)
    number = ticket.number  # of a ticket that is sealed later: the old one, which others may know
    if before is not None:
        change_ticket(session, agent, number, REPORT, ticket.version, policy)
    attachment = Attachment(
        ticket_id=ticket.id,
        name=f"{WORDS[0]}.pdf",
        media_type="application/pdf",
        size_bytes=3,
        sha256="0" * 64,
        path=f"sealed/{call_id}",
        key_id="",
        by_id=agent.person_id,
    )
    session.add(attachment)
    chief = session.scalars(select(Person.id).where(Person.login == "chief")).one()
    # Reported before it was sealed, say: the row alone lets nobody see it.
    word = Instruction(ticket_id=ticket.id, leader_id=chief, report=WORDS[3], words=WORDS[0], given_at=at)
    watched = Supervision(ticket_id=ticket.id, ground="late", demand=WORDS[3], due_at=at)
    session.add_all([word, watched, TicketNote(ticket_id=ticket.id, kind="urging", text=WORDS[3])])
    zhao = session.scalars(select(Person.id).where(Person.login == "zhao")).one()
    recusals.recuse(session, reader, "ticket", number, zhao, "kin")
    session.flush()
    recusal = session.scalars(select(Recusal.id).where(Recusal.ticket_id == ticket.id)).one()
    share = SubOrder(ticket_id=ticket.id, unit_id=by_code(session, NOBODYS_UNIT), note=WORDS[0])
    session.add(share)
    session.flush()
    notice_id = _told(session, ticket, reader)
    records = _forgotten(session, policy, agent, at)
    ids = (recording_id, attachment.id, recusal, share.id, word.id, notice_id, *records)
    return Ids(call_id, number, *map(str, ids))


def _forgotten(session: Session, policy: Policy, agent: Viewer, at: datetime) -> tuple[int, int]:
    """Records of a caller and an enterprise that a letter had made, before it was sealed."""
    letter = replace(REPORT, kind="help", channel="letter", accused_unit="")
    ticket = save_ticket(session, agent, letter, None, policy, at)
    ids = (ticket.caller_id or 0, ticket.enterprise_id or 0)
    change_ticket(session, agent, ticket.number, REPORT, ticket.version, policy)
    assert all(ids) and ticket.caller_id is None
    return ids


def _told(session: Session, ticket: Ticket, reader: Viewer) -> int:
    """Everybody was told of it, as if it had been ordinary then; the id of the reader's own notice."""
    for person_id in session.scalars(select(Person.id)).all():
        notice = Notice(person_id=person_id, kind="ticket.dissatisfied", ticket_id=ticket.id)
        session.add(notice)
        session.flush()
        owed = {"notice_id": notice.id, "ticket_id": ticket.id, "kind": notice.kind, "channel": "sms"}
        session.add(Receipt(**owed, person_id=person_id, state="unsure", due_at=ticket.created_at))
    hers = Notice.ticket_id == ticket.id, Notice.person_id == reader.person_id
    return session.scalars(select(Notice.id).where(*hers)).one()


def by_code(session: Session, code: str) -> int:
    return session.scalars(select(Unit.id).where(Unit.code == code)).one()


STAFF = (
    ("dispatcher", Role.DISPATCHER, "", ()),
    ("clerk_accused", Role.UNIT_CLERK, ACCUSED, ()),
    ("clerk_below", Role.UNIT_CLERK, BELOW_ACCUSED, ()),
    ("clerk_other", Role.UNIT_CLERK, OTHER_UNIT, ()),
    ("reviewer", Role.REVIEWER, "", ()),
    ("visitor", Role.VISITOR, "", ()),
    ("chief", Role.LEADER, "", (LINE,)),
    ("secretary", Role.SECRETARY, "", (LINE,)),
    ("editor", Role.EDITOR, "", ()),
    ("auditor", Role.AUDITOR, "", ()),
    ("discipline_accused", Role.DISCIPLINE, ACCUSED, ()),
)
HUNTERS = ("zhang", "chen", "zhao", "admin", *(login for login, *_ in STAFF), "outsider")
"""One of each role, and those who stand near: clerks and a discipline officer of the accused unit."""


def hire(session: Session, policy: Policy) -> None:
    """Who is not on the site's own staff."""
    units.sync(session, policy.units)
    for login, role, unit, lines in STAFF:
        people.create_person(session, login, login, role, PASSWORD, unit=unit, lines=lines)


@dataclass
class House:
    """The whole application over a database, and how often it asked the database."""

    url: str
    statements: list[str] = field(default_factory=list)

    def client(self, login: str | None) -> httpx.Client:
        """A browser of somebody's, or of nobody's."""
        headers = {"Origin": self.url}
        client = httpx.Client(base_url=self.url, headers=headers, timeout=30, verify=NO_TLS)
        if login is not None:
            assert client.post("/login", data={"name": login, "password": PASSWORD}).status_code == 303, login
        return client


@contextmanager
def house(database: Database, policy: Policy, folder: Path, operations: Operations) -> Iterator[House]:
    """Every room that there is, until the block ends."""
    services = Services(database, policy, folder, attachments=folder / "attachments", operations=operations)
    door = Door("ws://127.0.0.1:1/ws", "secret", (), dict, Limits())

    def count(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        found.statements.append(statement)

    with served(create_app(services, [room(), reports(), doors(door)])) as url:
        found = House(url)
        event.listen(database.engine, "before_cursor_execute", count)
        yield found
        event.remove(database.engine, "before_cursor_execute", count)


@contextmanager
def notes_of(url: str) -> Iterator[list[Note]]:
    """Every note that is sent meanwhile; whole once the block is left."""
    heard: list[Note] = []
    stop, ready = threading.Event(), threading.Event()

    def hear() -> None:
        for note in listen(url, stop):
            heard.append(note)
            ready.set()

    thread = threading.Thread(target=hear, daemon=True)
    thread.start()
    assert ready.wait(20)  # the first is RESYNC: it listens now
    yield heard
    with_end = Database(url, pool_size=1)
    with with_end.session() as session:
        notify(session, "end", "of_hunt")
    for _ in range(200):
        if any(note.topic == "end" for note in heard):
            break
        threading.Event().wait(0.05)
    with_end.close()
    stop.set()
    thread.join(10)
    assert any(note.topic == "end" for note in heard)


def row_ids(session: Session, ground: Ground) -> list[int]:
    """The sealed tickets' ids in the database, which no page has and notes must not have either."""
    numbers = (ground.sealed.number, ground.sealed_later.number)
    return [session.scalars(select(Ticket.id).where(called(number))).one() for number in numbers]


NOW = datetime.now(UTC)
