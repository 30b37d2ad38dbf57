"""A call's record from ring to end, the pop, and the closing."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from cases.calls import (
    Arrival,
    CallSearch,
    Leg,
    Step,
    apply_legs,
    close_call,
    end_call,
    list_calls,
    mark_answered,
    note_steps,
    open_call,
    route_call,
)
from cases.drafts import draft, keep_draft
from cases.duty import set_wanted
from cases.errors import NotAllowed, NotVisible, Refused
from cases.history import record_history
from cases.offers import offered
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from routing.policy import Policy
from storage.database import Database
from storage.tables import Call, CallLeg, CallStep, Journal
from tests.cases.conftest import NOW, NewCall, Staff

ARRIVAL = Arrival("c1", "l1", "962299", "013812345678", False, NOW)


def test_opening_a_call_twice_keeps_the_first_and_its_token(database: Database, policy: Policy) -> None:
    with database.session() as session:
        first = open_call(session, ARRIVAL, policy)
    with database.session() as session:
        again = open_call(session, replace(ARRIVAL, at=NOW + timedelta(hours=1)), policy)
        call = session.get_one(Call, "c1")
        assert again == first and len(first.offer_token) >= 16
        assert (call.number, call.number_kind, call.number_raw) == (
            "+8613812345678",
            "mobile",
            "013812345678",
        )
        assert call.began_at == NOW


def test_a_token_minted_while_the_database_was_away_counts(database: Database, policy: Policy) -> None:
    with database.session() as session:
        open_call(session, ARRIVAL, policy)  # as the CEL reader does
        assert open_call(session, replace(ARRIVAL, offer_token="mine"), policy).offer_token == "mine"


def test_a_withheld_number_is_forgotten_even_when_told_later(database: Database, policy: Policy) -> None:
    with database.session() as session:
        open_call(session, ARRIVAL, policy)
        open_call(session, replace(ARRIVAL, withheld=True), policy)
    with database.session() as session:
        call = session.get_one(Call, "c1")
        assert (call.number_raw, call.number, call.number_kind) == ("", None, "withheld")


def test_a_guest_of_the_web_page_has_no_number_whatever_her_browser_says(
    database: Database, policy: Policy
) -> None:
    with database.session() as session:
        open_call(session, replace(ARRIVAL, origin="web"), policy)
        call = session.get_one(Call, "c1")
        assert (call.origin, call.number_raw, call.number, call.number_kind) == ("web", "", None, "web")


def test_steps_with_a_fingerprint_are_noted_once(database: Database, policy: Policy, staff: Staff) -> None:
    with database.session() as session:
        open_call(session, ARRIVAL, policy)
        for _ in range(2):
            note_steps(session, "c1", [Step(NOW, "menu"), Step(NOW, "answer", {"n": 1}, "f1")], "cel")
        assert session.scalar(select(func.count()).where(CallStep.step == "menu")) == 2
        assert session.scalar(select(func.count()).where(CallStep.step == "answer")) == 1


def test_a_leg_gathers_what_is_told_piece_by_piece(database: Database, policy: Policy, staff: Staff) -> None:
    leg = Leg("u1", "c1", "PJSIP/e1-1", "agent", NOW, person_id=staff.agent.person_id)
    with database.session() as session:
        open_call(session, ARRIVAL, policy)
        apply_legs(session, [leg])
        apply_legs(session, [replace(leg, person_id=None, answered_at=NOW + timedelta(seconds=3))])
        apply_legs(session, [replace(leg, ended_at=NOW + timedelta(seconds=9), cause=16)])
    with database.session() as session:
        row = session.get_one(CallLeg, "u1")
        assert (row.person_id, row.cause) == (staff.agent.person_id, 16)
        assert row.answered_at == NOW + timedelta(seconds=3)
        assert row.ended_at == NOW + timedelta(seconds=9)


def test_an_answered_call_stays_answered_whatever_is_said_later(
    database: Database, policy: Policy, staff: Staff
) -> None:
    with database.session() as session:
        open_call(session, ARRIVAL, policy)
        end_call(session, "c1", NOW + timedelta(seconds=5))
        assert session.get_one(Call, "c1").outcome == "abandoned"
        mark_answered(session, "c1", staff.agent.person_id, NOW + timedelta(seconds=4))
        assert session.get_one(Call, "c1").outcome == "answered"
        end_call(session, "c1", NOW + timedelta(seconds=6), "rejected")
        assert session.get_one(Call, "c1").outcome == "answered"


def test_after_a_transfer_the_first_answer_and_the_last_agent_count(
    database: Database, policy: Policy, staff: Staff
) -> None:
    with database.session() as session:
        open_call(session, ARRIVAL, policy)
        mark_answered(session, "c1", staff.agent.person_id, NOW + timedelta(seconds=10))
        mark_answered(session, "c1", staff.other.person_id, NOW + timedelta(seconds=60))
        call = session.get_one(Call, "c1")
        assert (call.agent_id, call.answered_at) == (staff.other.person_id, NOW + timedelta(seconds=10))


def test_a_caller_who_was_cut_off_is_offered_to_the_same_agent_if_ready(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    new_call()
    back = replace(ARRIVAL, at=NOW + timedelta(minutes=5))
    with database.session() as session:
        assert open_call(session, back, policy).preferred_endpoint == ""
        set_wanted(session, staff.agent, staff.agent.person_id, "ready")
    with database.session() as session:
        assert open_call(session, back, policy).preferred_endpoint.startswith("e")
        late = replace(back, at=NOW + timedelta(hours=5))
        assert open_call(session, late, policy).preferred_endpoint == ""


def test_the_pop_tells_the_caller_her_past_and_the_draft(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    earlier = new_call(at=NOW - timedelta(days=1))
    form = TicketForm(
        kind="help", content="供电不稳", caller_name="王敏", company="绵阳某机械厂", place="涪城区"
    )
    with database.session() as session:
        ticket = save_ticket(session, staff.agent, form, earlier, policy, NOW - timedelta(days=1))
    others = [new_call(at=NOW - timedelta(hours=hour)) for hour in range(12, 0, -1)]
    call_id = new_call(kind="inquiry", answered_by=None)
    with database.session() as session:
        keep_draft(session, staff.other, call_id, {"content": "半句话"}, 3)
        pop = offered(session, staff.other, call_id, f"token-{call_id}")
        assert pop.caller is not None and (pop.caller.name, pop.caller.company) == ("王敏", "绵阳某机械厂")
        assert pop.number_display == "138 1234 5678"
        assert [call.id for call in pop.earlier_calls] == [*reversed(others)][:10]
        assert [each.number for each in pop.open_tickets] == [ticket.number]
        assert pop.draft is not None and pop.draft.body == {"content": "半句话"}
        assert pop.wait_seconds > 0


def test_callers_who_withhold_their_number_have_no_past(
    database: Database, new_call: NewCall, staff: Staff
) -> None:
    new_call(withheld=True)
    call_id = new_call(withheld=True)
    with database.session() as session:
        pop = offered(session, staff.agent, call_id)
        assert (pop.earlier_calls, pop.open_tickets, pop.number_display) == ([], [], "")


def test_an_offer_is_journalled_once_per_person(database: Database, new_call: NewCall, staff: Staff) -> None:
    call_id = new_call(answered_by=None)
    with database.session() as session:
        for _ in range(3):
            offered(session, staff.agent, call_id, f"token-{call_id}")
            session.flush()
        offered(session, staff.other, call_id, f"token-{call_id}")
    with database.session() as session:
        offers = session.scalars(select(Journal.actor_id).where(Journal.act == "call.offered")).all()
        assert sorted(offers) == [staff.agent.person_id, staff.other.person_id]


def test_a_call_is_closed_with_a_reason_and_corrected(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    call_id = new_call()
    with database.session() as session:
        keep_draft(session, staff.agent, call_id, {"content": "x"}, 1)
        close_call(session, staff.agent, call_id, "silent", "", policy)
        assert draft(session, staff.agent, call_id) is None
        close_call(session, staff.agent, call_id, "wrong_number", "找物业", policy)
    with database.session() as session:
        call = session.get_one(Call, call_id)
        assert (call.closed_reason, call.closed_by) == ("wrong_number", staff.agent.person_id)
        entries = record_history(session, staff.agent, "call", call_id)
        assert [entry.detail for entry in entries if entry.act == "call.closed"] == [
            {"reason": "silent", "was": ""},
            {"reason": "wrong_number", "was": "silent"},
        ]
        assert "找物业" not in str(entries)


@pytest.mark.parametrize(("reason", "code"), [("", "required"), ("boredom", "unknown")])
def test_a_closing_needs_a_reason_of_the_policy(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall, reason: str, code: str
) -> None:
    call_id = new_call()
    with pytest.raises(Refused) as caught, database.session() as session:
        close_call(session, staff.agent, call_id, reason, "", policy)
    assert caught.value.faults == {"reason": code}


def test_supervisors_do_not_close_calls(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    call_id = new_call()
    with pytest.raises(NotAllowed), database.session() as session:
        close_call(session, staff.supervisor, call_id, "silent", "", policy)


def test_a_call_that_is_not_there_is_said_to_be_so(database: Database, policy: Policy, staff: Staff) -> None:
    with database.session() as session:
        with pytest.raises(NotVisible):
            offered(session, staff.agent, "none", "token")
        with pytest.raises(NotVisible):
            close_call(session, staff.agent, "none", "silent", "", policy)
        with pytest.raises(NotVisible):
            route_call(session, "none", "", False, "zh", NOW, policy)


def test_unsettled_calls_wait_for_a_closing_or_a_ticket(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    closed, ticketed, left, lost = new_call(), new_call(), new_call(), new_call(answered_by=None)
    with database.session() as session:
        close_call(session, staff.agent, closed, "silent", "", policy)
        save_ticket(session, staff.agent, TicketForm(kind="help", content="x"), ticketed, policy, NOW)
        found = [call.id for call in list_calls(session, staff.agent, CallSearch(unsettled=True))]
        assert found == [left]
        everything = list_calls(session, staff.agent, CallSearch(number="+8613812345678", line="962299"))
        assert {call.id for call in everything} == {closed, ticketed, left, lost}
        by_agent = CallSearch(agent_id=staff.agent.person_id, since=NOW, until=NOW + timedelta(days=1))
        assert lost not in {call.id for call in list_calls(session, staff.agent, by_agent)}
