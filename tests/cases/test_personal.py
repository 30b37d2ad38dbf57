"""Who is shown names and numbers in full, what the others see, and that typing over a mask loses nothing."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from cases import personal
from cases.errors import NotAllowed, NotVisible
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from routing.policy import Policy
from storage.database import Database
from storage.staff import PersonDuty
from storage.tables import Call, Journal, Ticket
from storage.viewer import Viewer
from tests.cases.conftest import NewCall, Staff

NOW = datetime(2026, 9, 18, 2, 0, tzinfo=UTC)
FORM = TicketForm(
    kind="help",
    title="王敏反映停电",
    content="王敏（138 1234 5678，座机 0816-2223344）说 2026-09-18 停电，损失 3500000 元",
    caller_name="王敏",
    contact_number="13912345678",
    company="绵阳某机械厂",
    place="涪城区临园路12号",
)


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+8613812345678", "138****5678"),
        ("013812345678", "013****5678"),
        ("+868162223344", "081****3344"),
        ("2223344", "22****44"),
        ("+493012345678", "493****5678"),
        ("12345", "12345"),
        ("962299", "962299"),
        ("8002", "8002"),
        ("", ""),
    ],
)
def test_a_number_keeps_its_ends_and_a_service_keeps_all(number: str, masked: str) -> None:
    assert personal.mask_number(number) == masked


def test_a_text_loses_its_numbers_and_its_caller_s_name_and_nothing_else() -> None:
    assert personal.mask_text(FORM.content, ["王敏"]) == (
        "王**（138****5678，座机 081****3344）说 2026-09-18 停电，损失 3500000 元"
    )
    assert personal.mask_text("身份证 51070119900101123X") == "身份证 510****1123"


@pytest.mark.parametrize(
    ("place", "masked"),
    [("涪城区临园路12号", "涪城区…"), ("游仙区", "游仙区"), ("临园路12号", "临园…"), ("", "")],
)
def test_an_address_is_shortened_to_its_district(place: str, masked: str) -> None:
    assert personal.mask_place(place) == masked


def a_ticket(database: Database, policy: Policy, who: Viewer, call_id: str, **typed: str) -> str:
    with database.session() as session:
        return save_ticket(session, who, replace(FORM, **typed), call_id, policy, NOW).number  # type: ignore[arg-type]


def sees(database: Database, viewer: Viewer, number: str, call_id: str) -> tuple[bool, bool]:
    """Ticket and call."""
    with database.session() as session:
        ticket = session.scalars(select(Ticket).where(Ticket.number == number)).one()
        call = session.get_one(Call, call_id)
        return personal.sees_ticket(session, viewer, ticket), personal.sees_call(session, viewer, call)


def test_the_agent_sees_her_own_in_full_and_her_colleagues_see_masks(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    call_id = new_call("help")
    number = a_ticket(database, policy, staff.agent, call_id)
    assert sees(database, staff.agent, number, call_id) == (True, True)
    for viewer in (staff.other, staff.supervisor, staff.discipline, staff.administrator):
        assert sees(database, viewer, number, call_id) == (False, False), viewer.role


def test_who_has_the_caller_at_her_ear_sees_this_caller_s_tickets_in_full_while_she_has(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    before = new_call("help")
    number = a_ticket(database, policy, staff.agent, before)
    live = new_call("", answered_by=None, recorded=False)
    with database.session() as session:
        session.execute(
            update(PersonDuty).where(PersonDuty.person_id == staff.other.person_id).values(live_call_id=live)
        )
    assert sees(database, staff.other, number, live) == (True, True)
    assert sees(database, staff.discipline, number, live) == (False, False)
    with database.session() as session:
        session.execute(update(Call).where(Call.id == live).values(outcome="answered"))
    assert sees(database, staff.other, number, live) == (False, False)


def test_a_sealed_matter_is_in_full_for_the_discipline_officer_who_is_named(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    call_id = new_call("complaint")
    number = a_ticket(database, policy, staff.agent, call_id, kind="complaint")
    assert sees(database, staff.discipline, number, call_id) == (True, True)
    assert sees(database, staff.other, number, call_id) == (False, False)


def test_asking_to_see_in_full_is_on_record_with_its_rule_and_only_within_scope(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    call_id = new_call("help")
    sealed_call = new_call("complaint")
    with database.session() as session:
        personal.show(session, staff.supervisor, session.get_one(Call, call_id))
        sealed = session.get_one(Call, sealed_call)
        assert not personal.may_show(session, staff.supervisor, sealed)
        with pytest.raises(NotVisible):
            personal.show(session, staff.supervisor, sealed)
        with pytest.raises(NotAllowed):
            personal.show(session, staff.administrator, session.get_one(Call, call_id))
    with database.session() as session:
        (line,) = session.scalars(select(Journal).where(Journal.act == "personal.shown"))
        assert (line.actor_id, line.subject_kind, line.subject_id, line.rule) == (
            staff.supervisor.person_id,
            "call",
            call_id,
            "supervisor/show_personal/all",
        )


def test_a_masked_row_tells_nothing_in_full_whatever_is_asked_of_it(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    number = a_ticket(database, policy, staff.agent, new_call("help"))
    with database.session() as session:
        ticket = personal.shown(
            session.scalars(select(Ticket).where(Ticket.number == number)).one(), full=False
        )
        told = {column.key: getattr(ticket, column.key) for column in Ticket.__table__.columns}
    said = str(told)
    for word in ("王敏", "13812345678", "138 1234 5678", "13912345678", "2223344", "某机械厂", "临园路"):
        assert word not in said
    assert (told["number"], told["kind"]) == (number, "help")


PERSONAL = ("caller_name", "contact_number", "company", "place", "accused", "title", "content", "answer")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["王敏", "欧阳小芳", "李", "John Smith", ""]),
    numbers=st.lists(st.from_regex(r"\A1[3-9]\d{9}\Z"), max_size=4),
    words=st.lists(st.text("停电说了 的a1，。", max_size=6), min_size=5, max_size=5),
)
def test_a_form_saved_over_masks_leaves_what_was_stored(
    database: Database, policy: Policy, staff: Staff, name: str, numbers: list[str], words: list[str]
) -> None:
    text = (
        "".join(f"{word}{name} {number} " for word, number in zip(words, [*numbers, ""], strict=False)) + "。"
    )
    with database.session() as session:
        form = replace(FORM, caller_name=name, content=text, title=f"关于{name}")
        ticket = save_ticket(session, staff.agent, form, None, policy, NOW)
        before = {field: getattr(ticket, field) for field in PERSONAL}
        masked = personal.Masked(ticket)
        typed = replace(form, **{field: getattr(masked, field) for field in PERSONAL}, urgency="urgent")
        told = personal.over_ticket(session, staff.supervisor, ticket.number, typed)
        assert {field: getattr(told, field) for field in PERSONAL} == before
        longer = replace(typed, content=f"{typed.content} 已回电。", caller_name="赵新")
        told = personal.over_ticket(session, staff.supervisor, ticket.number, longer)
        assert (told.content, told.caller_name) == (f"{before['content']} 已回电。", "赵新")
        session.rollback()
