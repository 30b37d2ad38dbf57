"""A sealed matter does not exist for anybody who is not named for it: hunted through every query."""

import ast
import json
from collections.abc import Callable
from dataclasses import asdict, is_dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from cases.answering import answer_directly
from cases.calls import Arrival, CallSearch, close_call, list_calls, mark_answered, open_call
from cases.errors import NotAllowed, NotVisible
from cases.export import export_calls, export_tickets
from cases.history import record_history
from cases.offers import offered, read_call
from cases.permissions import PERMISSIONS, Action, may
from cases.recordings import RecordingSearch, find_recordings, played, recording_of
from cases.ticket_form import TicketForm
from cases.tickets import TicketSearch, change_ticket, list_tickets, open_ticket, save_ticket
from cases.visible import visible_calls, visible_recordings, visible_tickets
from routing.policy import Policy
from storage.base import Base
from storage.database import Database
from storage.parties import Caller
from storage.tables import Call, Journal, Outbox, Recording, Ticket
from storage.viewer import COMMAND_LINE, Role, Viewer
from tests.cases.conftest import NOW, NewCall, Staff

SECRET = "机密举报内容"
REPORTER = "举报人甲"
REPORT = TicketForm(
    kind="report",
    content=SECRET,
    title=SECRET,
    caller_name=REPORTER,
    company=REPORTER + "公司",
    contact_number="13900000001",
    accused="某局某某",
)


class Sealed:
    """A sealed call with its recording and ticket, and what would betray them."""

    def __init__(self, call_id: str, ticket: Ticket, recording_id: int) -> None:
        self.call_id = call_id
        self.ticket = ticket
        self.recording_id = recording_id
        self.traces = [call_id, ticket.number, SECRET, REPORTER, "+8613900000001"]


@pytest.fixture
def sealed(database: Database, policy: Policy, staff: Staff, new_call: NewCall) -> Sealed:
    call_id = new_call(kind="complaint")
    with database.session() as session:
        ticket = save_ticket(session, staff.agent, REPORT, call_id, policy, NOW)
        recording_id = session.scalar(select(Recording.id).where(Recording.call_id == call_id))
        assert recording_id is not None
        return Sealed(call_id, ticket, recording_id)


def _told(answer: Any) -> str:
    """All that an answer says, rows and lists unfolded."""
    if isinstance(answer, Base):
        return str({column.key: getattr(answer, column.key) for column in answer.__table__.columns})
    if isinstance(answer, (list, tuple)):
        return " ".join(map(_told, answer))
    if is_dataclass(answer) and not isinstance(answer, type):
        return " ".join(_told(getattr(answer, name)) for name in answer.__dataclass_fields__)
    return str(answer)


def _everything_listed(database: Database, policy: Policy, viewer: Viewer, also_call: str) -> str:
    """What each listing, searching and exporting query tells this viewer."""
    with database.session() as session:
        told = [
            list_calls(session, viewer, CallSearch()),
            list_calls(session, viewer, CallSearch(number="+8613812345678")),
            list_calls(session, viewer, CallSearch(unsettled=True)),
            list_tickets(session, viewer, TicketSearch()),
            list_tickets(session, viewer, TicketSearch(number="+8613900000001")),
            list_tickets(session, viewer, TicketSearch(state="open", kind="report")),
            find_recordings(session, viewer, RecordingSearch()),
            find_recordings(session, viewer, RecordingSearch(number="+8613812345678")),
        ]
        if may(viewer, Action.SEE_CALLS):
            told.append(read_call(session, viewer, also_call))  # same number: earlier calls, open tickets
        if may(viewer, Action.EXPORT):
            told += [list(export_calls(session, viewer)), list(export_tickets(session, viewer))]
        return _told(told)


def test_no_list_search_export_or_history_betrays_a_sealed_matter(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall, sealed: Sealed
) -> None:
    plain = new_call(at=NOW + timedelta(hours=1))
    for viewer in [*staff.outsiders(), COMMAND_LINE]:
        told = _everything_listed(database, policy, viewer, plain)
        assert [trace for trace in sealed.traces if trace in told] == [], viewer
        if may(viewer, Action.SEE_CALLS):
            assert plain in told  # the hunt looks where calls are told


def test_those_named_find_it_in_the_same_places(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall, sealed: Sealed
) -> None:
    plain = new_call(at=NOW + timedelta(hours=1))
    for viewer in (staff.agent, staff.discipline):
        told = _everything_listed(database, policy, viewer, plain)
        assert [trace for trace in sealed.traces if trace not in told] == [], viewer


def test_nobody_else_opens_plays_changes_or_closes_it(
    database: Database, policy: Policy, staff: Staff, sealed: Sealed
) -> None:
    number, call_id = sealed.ticket.number, sealed.call_id
    acts: list[Callable[[Any, Viewer], object]] = [
        lambda session, who: offered(session, who, call_id),
        lambda session, who: offered(session, who, call_id, "a wrong token"),
        lambda session, who: read_call(session, who, call_id),
        lambda session, who: open_ticket(session, who, number),
        lambda session, who: change_ticket(session, who, number, REPORT, 1, policy),
        lambda session, who: answer_directly(session, who, number, "已答复。", NOW),
        lambda session, who: save_ticket(session, who, REPORT, call_id, policy, NOW),
        lambda session, who: close_call(session, who, call_id, "silent", "", policy),
        lambda session, who: recording_of(session, who, sealed.recording_id),
        lambda session, who: played(session, who, sealed.recording_id),
        lambda session, who: record_history(session, who, "call", call_id),
        lambda session, who: record_history(session, who, "ticket", sealed.ticket.id),
        lambda session, who: record_history(session, who, "recording", sealed.recording_id),
    ]
    for viewer in staff.outsiders():
        for act in acts:
            with pytest.raises((NotVisible, NotAllowed)) as caught, database.session() as session:
                act(session, viewer)
            assert not [trace for trace in (SECRET, REPORTER) if trace in str(caught.value)]


def test_counts_leave_it_out(database: Database, staff: Staff, new_call: NewCall, sealed: Sealed) -> None:
    new_call()
    for viewer, calls, tickets, recordings in (
        (staff.supervisor, 1, 0, 1),
        (staff.discipline, 2, 1, 1),
        (staff.administrator, 0, 0, 0),
    ):
        with database.session() as session:
            counted = tuple(
                session.scalar(select(func.count()).select_from(query(viewer).subquery()))
                for query in (visible_calls, visible_tickets, visible_recordings)
            )
            assert counted == (calls, tickets, recordings), viewer


def test_the_phone_that_rings_may_see_it_and_only_with_the_token(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    call_id = new_call(kind="complaint", answered_by=None)
    with database.session() as session:
        assert offered(session, staff.other, call_id, f"token-{call_id}").call.id == call_id
    with database.session() as session:
        assert read_call(session, staff.other, call_id).call.id == call_id
        with pytest.raises(NotVisible):
            read_call(session, staff.agent, call_id)


def test_the_token_of_one_call_opens_no_other(
    database: Database, staff: Staff, new_call: NewCall, sealed: Sealed
) -> None:
    plain = new_call()
    with database.session() as session, pytest.raises(NotVisible):
        offered(session, staff.other, sealed.call_id, f"token-{plain}")


def test_each_reading_is_journalled(database: Database, staff: Staff, sealed: Sealed) -> None:
    with database.session() as session:
        read_call(session, staff.discipline, sealed.call_id)
        open_ticket(session, staff.discipline, sealed.ticket.number)
        open_ticket(session, staff.discipline, sealed.ticket.number)
        played(session, staff.discipline, sealed.recording_id)
    with database.session() as session:
        acts = session.scalars(
            select(Journal.act).where(Journal.actor_id == staff.discipline.person_id).order_by(Journal.id)
        ).all()
        assert acts == ["call.read", "ticket.read", "ticket.read", "recording.played"]


def test_the_reporter_is_not_remembered_as_a_caller_and_is_owed_no_message(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall, sealed: Sealed
) -> None:
    with database.session() as session:
        assert session.scalar(select(func.count()).select_from(Caller)) == 0
        assert session.scalar(select(func.count()).select_from(Outbox)) == 0
        again = Arrival("next", "next", "962299", "13812345678", False, NOW + timedelta(hours=1))
        assert open_call(session, again, policy).known_name == ""


def test_a_kind_chosen_by_the_agent_seals_the_call_its_recording_and_its_other_tickets(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    call_id = new_call(kind="inquiry")
    with database.session() as session:
        first = save_ticket(
            session, staff.agent, TicketForm(kind="inquiry", content="问"), call_id, policy, NOW
        )
    with database.session() as session:
        assert session.scalar(visible_tickets(staff.leader).where(Ticket.id == first.id))
        save_ticket(session, staff.agent, REPORT, call_id, policy, NOW)
    with database.session() as session:
        for viewer in staff.outsiders():
            assert session.scalars(visible_calls(viewer)).all() == []
            assert session.scalars(visible_tickets(viewer)).all() == []
            assert session.scalars(visible_recordings(viewer)).all() == []
        for viewer in (staff.agent, staff.discipline):
            assert len(session.scalars(visible_tickets(viewer)).all()) == 2


def test_changing_the_kind_seals_and_changing_it_back_does_not_unseal(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    call_id, plain = new_call(), TicketForm(kind="help", content=SECRET)
    with database.session() as session:
        number = save_ticket(session, staff.agent, plain, call_id, policy, NOW).number
        change_ticket(session, staff.agent, number, replace(plain, kind="report"), 1, policy)
        change_ticket(session, staff.agent, number, plain, 2, policy)
    with database.session() as session:
        assert open_ticket(session, staff.discipline, number).ticket.sealed
        with pytest.raises(NotVisible):
            open_ticket(session, staff.leader, number)


def test_a_caller_may_ask_for_secrecy_of_any_kind(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    with database.session() as session:
        form = TicketForm(kind="help", content=SECRET, sealed=True)
        number = save_ticket(session, staff.agent, form, new_call(), policy, NOW).number
    with database.session() as session, pytest.raises(NotVisible):
        open_ticket(session, staff.leader, number)


def test_the_second_agent_of_a_transfer_is_named(database: Database, staff: Staff, sealed: Sealed) -> None:
    with database.session() as session:
        mark_answered(session, sealed.call_id, staff.other.person_id, NOW + timedelta(minutes=1))
    with database.session() as session:
        assert read_call(session, staff.other, sealed.call_id).tickets == []  # the ticket is another's
        assert session.get_one(Call, sealed.call_id).agent_id == staff.other.person_id


def test_agents_hear_their_own_calls_and_supervisors_all(
    database: Database, staff: Staff, new_call: NewCall
) -> None:
    mine, others = new_call(), new_call(answered_by=staff.other)
    heard = {
        staff.agent: [mine],
        staff.other: [others],
        staff.leader: [mine, others],
        staff.supervisor: [mine, others],
        staff.discipline: [],
        staff.administrator: [],
    }
    with database.session() as session:
        for viewer, expected in heard.items():
            found = session.scalars(visible_recordings(viewer).order_by(Recording.call_id)).all()
            assert [recording.call_id for recording in found] == expected


def test_what_is_exported_is_plain_and_names_no_token(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    call_id = new_call()
    with database.session() as session:
        ticket = save_ticket(session, staff.agent, TicketForm(kind="help", content="x"), call_id, policy, NOW)
    with database.session() as session:
        (call,) = export_calls(session, COMMAND_LINE, NOW, NOW + timedelta(days=1))
        (told,) = export_tickets(session, COMMAND_LINE, NOW, NOW + timedelta(days=1))
        assert list(export_calls(session, COMMAND_LINE, NOW + timedelta(days=1))) == []
    assert json.loads(json.dumps([call, told]))[0]["began_at"] == "2026-09-18T02:00:00+00:00"
    assert (call["tickets"], told["calls"]) == ([ticket.number], [call_id])
    assert not {"offer_token", "linkedid"} & set(call)
    with pytest.raises(NotAllowed), database.session() as session:
        list(export_calls(session, staff.agent))


def test_every_role_has_its_line_in_the_table() -> None:
    assert set(PERMISSIONS) == set(Role)


def test_the_unfolding_used_here_sees_into_rows() -> None:
    row = Caller(name=REPORTER)
    assert REPORTER in _told([{"x": 1}, (row,), asdict(REPORT)])


def _asks_for(node: ast.AST) -> set[str]:
    """The tables that a select(...) names in its columns; none for any other node."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "select"):
        return set()
    return {name.id for argument in node.args for name in ast.walk(argument) if isinstance(name, ast.Name)}


@pytest.mark.parametrize("room", ["web", "agents"])
def test_no_page_asks_the_tables_past_the_visible(room: str) -> None:
    guarded = {"Call", "Ticket", "Recording"}
    for path in (Path(__file__).resolve().parents[2] / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            past = _asks_for(node) & guarded
            assert not past, (
                f"{path.name}:{getattr(node, 'lineno', 0)} selects {past}: start from cases/visible.py"
            )
