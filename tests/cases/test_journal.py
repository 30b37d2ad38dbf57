"""The journal: every act is told with its rule and log-in, and nothing in it tells of a sealed matter."""

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from cases import journal, offers
from cases.errors import NotAllowed
from cases.history import ACTS, Cursor, JournalSearch, Line, read_journal, record_history
from cases.journal import SUBJECTS
from cases.recordings import played
from cases.recusals import recuse
from cases.ticket_form import TicketForm
from cases.tickets import open_ticket, save_ticket
from routing.policy import Policy
from storage.database import Database
from storage.tables import Journal, Recording
from storage.viewer import Role, Viewer
from tests.cases.conftest import NOW, NewCall, Staff
from web.messages import Catalogue

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("hotline", "ivr", "agents", "doors", "web", "telephony", "cases", "storage")
AUDITOR = Viewer(0, Role.AUDITOR, "auditor", "192.0.2.9", session=7)


@pytest.fixture
def auditor(staff: Staff, database: Database) -> Viewer:
    """Somebody who is there: the journal names who reads it."""
    return replace(AUDITOR, person_id=staff.administrator.person_id)


def lines(database: Database, viewer: Viewer, **asked: object) -> list[Line]:
    with database.session() as session:
        return read_journal(session, viewer, JournalSearch(**asked))[0]  # type: ignore[arg-type]


def calls_of_append() -> Iterator[tuple[str, ast.Call]]:
    for room in ROOMS:
        for file in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                    "journal.append",
                    "journal.append_once",
                ):
                    yield str(file.relative_to(ROOT)), node


def test_every_act_has_a_word_and_a_known_kind_of_subject() -> None:
    """What the page does not know it would not show, or show in code."""
    found = 0
    for file, call in calls_of_append():
        act, kind = call.args[2], call.args[3]
        found += 1
        if isinstance(act, ast.Constant):
            assert act.value in ACTS, f"{file}: {act.value}"
        if isinstance(kind, ast.Constant):
            assert kind.value in SUBJECTS, f"{file}: {kind.value}"
    assert found > 20
    for language in ("zh", "en"):
        t = Catalogue(language, [ROOT / "agents/messages"])
        assert not [act for act in ACTS if not t.has(f"journal.act.{act}")]
        assert not [kind for kind in SUBJECTS if not t.has(f"journal.kinds.{kind}")]
        named = {keyword.arg for _, call in calls_of_append() for keyword in call.keywords} - {"rule", None}
        assert not [name for name in named if not t.has(f"journal.word.{name}")]


def test_a_matter_is_named_in_a_detail_by_the_one_word_that_hides_it() -> None:
    for file, call in calls_of_append():
        names = {keyword.arg for keyword in call.keywords}
        assert not names & {"call_id", "ticket_id", "number", "name", "caller"}, file


OWN_ACCOUNT = ("cases/logins.py", "cases/totp.py", "cases/notice_settings.py")


def test_who_acts_notes_the_rule_but_for_her_own_account() -> None:
    for file, call in calls_of_append():
        if file in OWN_ACCOUNT or ast.unparse(call.args[1]) == "None":
            continue
        assert "rule" in {keyword.arg for keyword in call.keywords}, f"{file}: {ast.unparse(call.args[2])}"


def test_an_act_notes_its_rule_its_address_and_its_log_in(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    agent = replace(staff.agent, session=77)
    call_id = new_call()
    with database.session() as session:
        offers.offered(session, agent, call_id, f"token-{call_id}")
        form = TicketForm(kind="help", content="停电", title="停电")
        number = save_ticket(session, agent, form, call_id, policy, NOW).number
        open_ticket(session, agent, number)
    with database.session() as session:
        mine = session.scalars(
            select(Journal).where(Journal.actor_id == agent.person_id).order_by(Journal.id)
        ).all()
    assert [(line.act, line.rule) for line in mine] == [
        ("call.offered", "agent/take_calls/all"),
        ("ticket.created", "agent/write_tickets/all"),
        ("ticket.read", "agent/see_tickets/all"),
    ]
    assert {(line.address, line.session_id) for line in mine} == {("192.0.2.1", 77)}


def test_only_who_may_read_the_journal_reads_it_and_that_is_on_record(
    database: Database, staff: Staff, auditor: Viewer
) -> None:
    for viewer in (staff.agent, staff.supervisor, staff.administrator, staff.discipline):
        with pytest.raises(NotAllowed):
            lines(database, viewer)
    lines(database, auditor, act="person.created", address="192.0.2.1")
    newest = lines(database, auditor)[0]
    assert (newest.act, newest.rule) == ("journal.read", "auditor/read_journal/all")
    assert newest.detail == {"rows": 0, "of_act": "person.created", "of_address": "192.0.2.1"}
    assert newest.session == 7


def test_what_concerns_a_sealed_matter_is_not_in_it(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall, auditor: Viewer
) -> None:
    def tracks(sealed: bool) -> tuple[list[tuple[str, str]], str, str]:
        before = len(told())
        call_id = new_call("complaint" if sealed else "")
        with database.session() as session:
            offers.read_call(session, staff.agent, call_id)
            form = TicketForm(kind="complaint" if sealed else "help", content="刁难", title="刁难")
            ticket = save_ticket(session, staff.agent, form, call_id, policy, NOW)
            open_ticket(session, staff.discipline, ticket.number)
            recuse(session, staff.discipline, "ticket", ticket.number, staff.other.person_id, "kin")
            played(session, staff.discipline if sealed else staff.leader, _recording(session, call_id))
            journal.append(session, None, "offer.unanswered", "person", staff.other.person_id, call=call_id)
        return told()[before:], call_id, ticket.number

    def told() -> list[tuple[str, str]]:
        found = lines(database, auditor, limit=500)
        return [(line.act, line.subject) for line in reversed(found) if line.act != "journal.read"]

    ordinary, call_id, number = tracks(sealed=False)
    assert ("call.read", call_id) in ordinary
    assert ("ticket.created", number) in ordinary
    assert {act for act, _ in ordinary} >= {"ticket.recused", "recording.played", "offer.unanswered"}
    hidden, call_id, number = tracks(sealed=True)
    assert hidden == []
    everything = repr(lines(database, auditor, limit=500))
    assert call_id not in everything
    assert number not in everything
    before = told()
    with database.session() as session:  # what is not there any more is nobody's to know of
        journal.append(session, None, "ticket.created", "ticket", 2**40)
        journal.append(session, None, "ticket.created", "ticket", "no number")
        journal.append(session, None, "ticket.created", "mystery", 1)
    assert told() == before


def _recording(session: Session, call_id: str) -> int:
    return session.scalars(select(Recording.id).where(Recording.call_id == call_id)).one()


def test_its_filters_narrow_by_person_act_kind_and_address(
    database: Database, staff: Staff, auditor: Viewer
) -> None:
    with database.session() as session:
        journal.append(session, staff.agent, "duty.ready", "person", staff.agent.person_id)
        elsewhere = replace(staff.other, address="198.51.100.7")
        journal.append(session, elsewhere, "journal.verified", "journal", 1)
    acts = {"duty.ready", "journal.verified"}

    def found(**asked: object) -> set[str]:
        return {line.act for line in lines(database, auditor, **asked)} & acts

    assert found(actor_id=staff.agent.person_id) == {"duty.ready"}
    assert found(act="duty.ready") == {"duty.ready"}
    assert found(kind="journal") == {"journal.verified"}
    assert found(address="198.51.100.7") == {"journal.verified"}
    assert found(actor_id=0) == set()
    assert found(since=NOW, until=NOW) == set()


def test_pages_follow_each_other_without_loss_or_repeat(
    database: Database, staff: Staff, auditor: Viewer
) -> None:
    for _ in range(3):
        with database.session() as session:  # lines of one transaction have one time
            for index in range(7):
                journal.append(session, staff.agent, "duty.ready", "person", staff.agent.person_id, n=index)
    seen: list[tuple[object, object]] = []
    before: Cursor | None = None
    while True:
        with database.session() as session:
            search = JournalSearch(act="duty.ready", before=before, limit=4)
            page, cursor = read_journal(session, auditor, search)
        seen += [(line.at, line.detail["n"]) for line in page]
        if cursor is None:
            break
        before = Cursor.read(str(cursor))
    assert len(seen) == len(set(seen)) == 21
    assert [at for at, _ in seen] == sorted((at for at, _ in seen), reverse=True)


@pytest.mark.parametrize("typed", ["", "x", "20261122T000000.000000-", "2026-1", "20261122T000000.0-999999"])
def test_a_cursor_that_is_none_is_refused(typed: str) -> None:
    with pytest.raises(ValueError):
        Cursor.read(typed)


def test_that_an_ordinary_ticket_was_read_is_no_part_of_its_story(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    stories = {}
    for kind, viewer in (("help", staff.agent), ("complaint", staff.discipline)):
        with database.session() as session:
            form = TicketForm(kind=kind, content="停电", title="停电")
            ticket = save_ticket(session, staff.agent, form, None, policy, NOW)
            open_ticket(session, viewer, ticket.number)
            session.flush()
            stories[kind] = [each.act for each in record_history(session, viewer, "ticket", ticket.id)]
    assert stories == {"help": ["ticket.created"], "complaint": ["ticket.created", "ticket.read"]}
