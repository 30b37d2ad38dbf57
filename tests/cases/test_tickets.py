"""Saving and changing a ticket: whole or not at all, nothing typed lost, numbers without twins."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select, text

from cases import answering, ticket_numbers, timeline
from cases.calls import close_call
from cases.deadlines import say_rule
from cases.drafts import draft, keep_draft
from cases.errors import Conflict, NotAllowed, Refused
from cases.history import record_history
from cases.states import State
from cases.ticket_form import TicketForm
from cases.tickets import TicketSearch, change_ticket, list_tickets, open_ticket, save_ticket
from routing.policy import Policy
from storage.database import Database, DatabaseAway
from storage.parties import Caller
from storage.tables import Call, Journal, Outbox, Ticket, TicketCall, TicketNumber
from tests.cases.conftest import NOW, NewCall, Staff

FORM = TicketForm(
    kind="help",
    content="新厂房申请用电已两个月，供电部门一再要求补材料。",
    caller_name="王敏",
    caller_sex="female",
    contact_number="0816-2223344",
    company="绵阳某机械有限公司",
    place="涪城区",
)


def test_saving_does_all_that_belongs_to_it(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    call_id = new_call()
    with database.session() as session:
        keep_draft(session, staff.agent, call_id, {"content": "x"}, 1)
        ticket = save_ticket(session, staff.agent, FORM, call_id, policy, NOW)
    with database.session() as session:
        stored = session.get_one(Ticket, ticket.id)
        assert re.fullmatch(r"260918\d{6}", stored.number)
        assert stored.due_at == datetime(2026, 9, 29, 15, 59, 59, tzinfo=UTC)
        assert not stored.due_provisional
        assert say_rule(stored.due_rule, policy) == "求助 7个工作日"
        assert say_rule(stored.due_rule, policy, "en") == "Help 7 working days"
        assert (stored.calling_number, stored.contact_number) == ("+8613812345678", "+868162223344")
        assert stored.title == "新厂房申请用电已两个月，供电部门一再要求补材料。"
        assert session.get(TicketCall, (ticket.id, call_id))
        assert draft(session, staff.agent, call_id) is None
        caller = session.get_one(Caller, stored.caller_id)
        assert (caller.name, caller.company) == ("王敏", "绵阳某机械有限公司")
        assert session.get_one(Call, call_id).caller_id == caller.id
        owed = session.scalars(select(Outbox)).one()
        assert (owed.kind, owed.payload) == ("ticket.accepted", {"ticket_id": ticket.id})
        acts = [entry.act for entry in record_history(session, staff.agent, "ticket", ticket.id)]
        assert acts == ["ticket.created"]


def test_the_journal_holds_no_personal_data(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    call_id = new_call()
    with database.session() as session:
        ticket = save_ticket(session, staff.agent, FORM, call_id, policy, NOW)
        change_ticket(session, staff.agent, ticket.number, replace(FORM, caller_name="王小敏"), 1, policy)
    with database.session() as session:
        said = str([(row.subject_id, row.detail) for row in session.scalars(select(Journal))])
        assert not [word for word in ("王", "1381234", "2223344", "机械", "用电") if word in said]
        assert "caller_name" in said


def test_a_ticket_reopens_a_closed_call_and_a_call_with_a_ticket_is_not_closed(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    call_id = new_call()
    with database.session() as session:
        close_call(session, staff.agent, call_id, "silent", "", policy)
        save_ticket(session, staff.agent, FORM, call_id, policy, NOW)
        assert session.get_one(Call, call_id).closed_reason == ""
        acts = [entry.act for entry in record_history(session, staff.agent, "call", call_id)]
        assert acts[-1] == "call.reopened"
    with pytest.raises(Refused) as caught, database.session() as session:
        close_call(session, staff.agent, call_id, "silent", "", policy)
    assert caught.value.faults == {"reason": "has_ticket"}


def test_the_same_form_sent_twice_at_once_is_one_ticket(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    call_id, form = new_call(), replace(FORM, form_id="browser-1")
    gate = threading.Barrier(4)

    def save(_: int) -> str:
        gate.wait()
        with database.session() as session:
            return save_ticket(session, staff.agent, form, call_id, policy, NOW).number

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(save, range(4)))) == 1
    with database.session() as session:
        assert session.scalar(select(func.count()).select_from(Ticket)) == 1
        assert session.scalar(select(func.count()).select_from(TicketNumber)) == 1


def test_numbers_have_no_twins_under_load_even_where_few_are_left(
    database: Database, policy: Policy, staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticket_numbers, "_DIGITS", 2)

    def save(_: int) -> str:
        with database.session() as session:
            return save_ticket(session, staff.agent, FORM, None, policy, NOW).number

    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(save, range(40)))
    assert len(set(numbers)) == 40
    assert all(re.fullmatch(r"260918\d\d", number) for number in numbers)


def test_the_number_follows_the_citys_day(database: Database, policy: Policy, staff: Staff) -> None:
    with database.session() as session:
        late = datetime(2026, 9, 18, 17, 0, tzinfo=UTC)  # 01:00 on the 19th in Mianyang
        assert save_ticket(session, staff.agent, FORM, None, policy, late).number.startswith("260919")


def test_closing_and_saving_at_once_leave_one_of_both(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    for _ in range(8):
        call_id, gate = new_call(recorded=False), threading.Barrier(2)

        def close(call_id: str = call_id, gate: threading.Barrier = gate) -> None:
            gate.wait()
            try:
                with database.session() as session:
                    close_call(session, staff.agent, call_id, "silent", "", policy)
            except Refused:
                pass

        def save(call_id: str = call_id, gate: threading.Barrier = gate) -> None:
            gate.wait()
            with database.session() as session:
                save_ticket(session, staff.agent, FORM, call_id, policy, NOW)

        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(close), pool.submit(save)]:
                done.result()
        with database.session() as session:
            assert session.get_one(Call, call_id).closed_reason == ""
            assert session.scalar(select(func.count()).where(TicketCall.call_id == call_id)) == 1


def test_a_killed_transaction_leaves_nothing_half_done(
    database: Database, database_url: str, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    call_id = new_call()
    with database.session() as session:
        close_call(session, staff.agent, call_id, "silent", "", policy)
        keep_draft(session, staff.agent, call_id, {"content": "typed"}, 1)
    with pytest.raises(DatabaseAway), database.session() as session:
        save_ticket(session, staff.agent, FORM, call_id, policy, NOW)
        session.flush()
        backend = session.scalar(text("SELECT pg_backend_pid()"))
        with psycopg.connect(database_url.replace("+psycopg", "")) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])
        session.execute(text("SELECT 1"))
    with database.session() as session:
        for table in (Ticket, TicketCall, TicketNumber, Outbox, Caller):
            assert session.scalar(select(func.count()).select_from(table)) == 0
        assert session.scalar(select(func.count()).where(Journal.act == "ticket.created")) == 0
        assert session.get_one(Call, call_id).closed_reason == "silent"
        kept = draft(session, staff.agent, call_id)
        assert kept is not None and kept.body == {"content": "typed"}


def test_who_comes_second_loses_nothing(database: Database, policy: Policy, staff: Staff) -> None:
    with database.session() as session:
        number = save_ticket(session, staff.agent, FORM, None, policy, NOW).number
    with database.session() as session:
        change_ticket(session, staff.other, number, replace(FORM, content="她的话"), 1, policy)
    mine = replace(FORM, content="我的话")
    with pytest.raises(Conflict) as caught, database.session() as session:
        change_ticket(session, staff.agent, number, mine, 1, policy)
    assert caught.value.theirs.content == "她的话"
    assert caught.value.yours is mine
    with database.session() as session:
        assert change_ticket(session, staff.agent, number, mine, 2, policy).version == 3


def test_a_new_limit_counts_from_the_beginning(database: Database, policy: Policy, staff: Staff) -> None:
    with database.session() as session:
        number = save_ticket(session, staff.agent, FORM, None, policy, NOW).number
        changed = change_ticket(session, staff.agent, number, replace(FORM, choice="complex"), 1, policy)
        assert changed.due_at == datetime(2026, 10, 19, 15, 59, 59, tzinfo=UTC)  # the 18th is a Sunday
        urgent = change_ticket(session, staff.agent, number, replace(FORM, urgency="critical"), 2, policy)
        assert urgent.due_at == NOW + timedelta(hours=2)
        assert say_rule(urgent.due_rule, policy) == "求助 · 特急 2小时"


def test_a_deadline_that_reaches_into_next_year_says_that_it_may_move(
    database: Database, policy: Policy, staff: Staff
) -> None:
    opened = datetime(2026, 12, 30, 2, 0, tzinfo=UTC)
    with database.session() as session:
        assert save_ticket(session, staff.agent, FORM, None, policy, opened).due_provisional


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        ({"content": ""}, {"content": "required"}),
        ({"kind": ""}, {"kind": "required"}),
        ({"kind": "gossip"}, {"kind": "unknown"}),
        ({"choice": "never"}, {"choice": "unknown"}),
        ({"urgency": "mad"}, {"urgency": "unknown"}),
        ({"caller_sex": "x"}, {"caller_sex": "unknown"}),
        ({"contact_number": "abc"}, {"contact_number": "number"}),
        ({"company": "x" * 201}, {"company": "too_long"}),
        ({"content": "x" * 20_001, "kind": ""}, {"content": "too_long", "kind": "required"}),
    ],
)
def test_bad_input_is_refused_field_by_field(
    database: Database, policy: Policy, staff: Staff, change: dict[str, str], faults: dict[str, str]
) -> None:
    with pytest.raises(Refused) as caught, database.session() as session:
        save_ticket(session, staff.agent, replace(FORM, **change), None, policy, NOW)
    assert caught.value.faults == faults


def test_a_form_is_read_from_what_a_browser_sends() -> None:
    form = TicketForm.read({"kind": " help ", "content": "行一\n行二", "reply_wanted": "on", "revision": "7"})
    assert (form.kind, form.content, form.reply_wanted, form.done) == ("help", "行一\n行二", True, False)
    assert not TicketForm.read({"kind": "help", "content": "x"}).reply_wanted


def test_an_inquiry_answered_at_once_is_done_and_owes_nothing(
    database: Database, policy: Policy, staff: Staff
) -> None:
    form = replace(FORM, kind="inquiry", answer="已告知办理流程。", done=True)
    with database.session() as session:
        ticket = save_ticket(session, staff.agent, form, None, policy, NOW)
        assert ticket.state == State.DONE
        assert session.scalar(select(func.count()).select_from(Outbox)) == 0
        ended = answering.current(session, ticket)
        assert ended is not None
        assert (ended.kind, ended.words, ended.at) == ("answered", form.answer, NOW)
        told = timeline.story(session, staff.leader, open_ticket(session, staff.leader, ticket.number))
        assert form.answer in [word.text for moment in told for word in moment.words]


@pytest.mark.parametrize("form", [{"kind": "report"}, {"kind": "help", "sealed": True}])
def test_what_is_sealed_is_not_done_at_once_by_who_took_it(
    database: Database, policy: Policy, staff: Staff, form: dict[str, Any]
) -> None:
    with database.session() as session:
        with pytest.raises(Refused) as refused:
            typed = replace(FORM, done=True, **form)
            save_ticket(session, staff.agent, typed, None, policy, NOW)
        assert refused.value.faults == {"done": "sealed_goes_on"}
        assert save_ticket(session, staff.agent, replace(FORM, **form), None, policy, NOW).sealed


def test_lists_find_by_state_number_lateness_and_day(
    database: Database, policy: Policy, staff: Staff
) -> None:
    with database.session() as session:
        old = save_ticket(session, staff.agent, FORM, None, policy, NOW - timedelta(days=30)).number
        new = save_ticket(
            session, staff.other, replace(FORM, kind="inquiry", done=True), None, policy, NOW
        ).number

    def found(search: TicketSearch) -> list[str]:
        with database.session() as session:
            return [ticket.number for ticket in list_tickets(session, staff.leader, search)]

    assert found(TicketSearch()) == [new, old]
    assert found(TicketSearch(state="open")) == found(TicketSearch(late_at=NOW)) == [old]
    assert found(TicketSearch(state="done")) == found(TicketSearch(kind="inquiry")) == [new]
    assert found(TicketSearch(number="+868162223344")) == [new, old]
    assert found(TicketSearch(created_by=staff.other.person_id)) == [new]
    assert found(TicketSearch(since=NOW, until=NOW + timedelta(days=1))) == [new]
    assert found(TicketSearch(limit=1, offset=1)) == [old]


def test_supervisors_read_and_do_not_write(database: Database, policy: Policy, staff: Staff) -> None:
    with pytest.raises(NotAllowed), database.session() as session:
        save_ticket(session, staff.supervisor, FORM, None, policy, NOW)
    with database.session() as session:
        number = save_ticket(session, staff.agent, FORM, None, policy, NOW).number
        assert open_ticket(session, staff.supervisor, number).ticket.content == FORM.content
