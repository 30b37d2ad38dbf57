"""Records of callers and enterprises: who feeds them, who is kept apart, what merging and sealing move."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cases import correcting, merging, parties, unsealing
from cases.errors import NotAllowed, NotVisible, Refused
from cases.held import held
from cases.known import record_of
from cases.people import create_person
from cases.personal import mask_uscc
from cases.sealed import keep_readers
from cases.ticket_form import TicketForm
from cases.tickets import change_ticket, save_ticket
from routing.policy import Policy
from storage.database import Database
from storage.parties import Enterprise, MergeLog
from storage.tables import Call, Caller, CallerNumber, Journal, Ticket
from storage.viewer import Role, Viewer
from tests.cases.conftest import NOW, PASSWORD, NewCall, Staff

CODE, OTHER_CODE = "91510700MA6DEMAA5X", "91510700MA6DEMAA74"
NUMBER, OTHER = "+8613812345678", "+8613912345678"
HELP = TicketForm(kind="help", content="停电", caller_name="王敏", company="恒泰机械", place="涪城区")

Save = Callable[..., Ticket]


@pytest.fixture
def save(database: Database, staff: Staff, policy: Policy, new_call: NewCall) -> Save:
    """A ticket of a call from `number`, or of none; its row as stored."""

    def saved(form: TicketForm = HELP, number: str | None = "13812345678", **call: Any) -> Ticket:
        call_id = new_call(number=number, **call) if number is not None else None
        with database.session() as session:
            ticket = save_ticket(session, staff.agent, form, call_id, policy, NOW)
            session.expunge(ticket)
            return ticket

    return saved


@pytest.fixture
def dispatcher(database: Database, staff: Staff) -> Viewer:
    with database.session() as session:
        person = create_person(session, "song", "宋佳", Role.DISPATCHER, PASSWORD)
        return Viewer(person.id, Role.DISPATCHER, person.name, "192.0.2.9")


def count(session: Session, table: type[Any]) -> int:
    return session.scalar(select(func.count()).select_from(table)) or 0


def only(session: Session, table: type[Any]) -> Any:
    return session.scalars(select(table)).one()


# -- feeding ----------------------------------------------------------------------------------------


def test_an_ordinary_ticket_makes_a_caller_and_her_enterprise(database: Database, save: Save) -> None:
    ticket = save(replace(HELP, uscc=CODE.lower()))
    with database.session() as session:
        caller, enterprise = only(session, Caller), only(session, Enterprise)
        assert (ticket.caller_id, ticket.enterprise_id) == (caller.id, enterprise.id)
        assert (caller.name, caller.company, caller.enterprise_id) == ("王敏", "恒泰机械", enterprise.id)
        assert (enterprise.name, enterprise.uscc, ticket.uscc) == ("恒泰机械", CODE, CODE)


def test_the_same_number_is_the_same_caller_and_an_empty_field_says_nothing(
    database: Database, save: Save
) -> None:
    save()
    save(TicketForm(kind="inquiry", content="问办事时间", caller_name="王小敏"))
    with database.session() as session:
        caller = only(session, Caller)
        assert (caller.name, caller.company) == ("王小敏", "恒泰机械")


def test_an_enterprise_is_known_by_its_code_else_by_its_name_alone(database: Database, save: Save) -> None:
    first = save(replace(HELP, uscc=CODE)).enterprise_id
    assert save(replace(HELP, company="恒泰公司", uscc=CODE)).enterprise_id == first
    assert save(HELP, number="13912345678").enterprise_id == first
    assert save(replace(HELP, uscc=OTHER_CODE)).enterprise_id != first  # the same name, another code
    assert save(replace(HELP, caller_name="某人")).enterprise_id is None  # two have the name: which is open
    with database.session() as session:
        assert session.get_one(Enterprise, first).name == "恒泰机械"


def test_a_code_told_later_completes_the_enterprise_that_has_the_name(database: Database, save: Save) -> None:
    first = save().enterprise_id
    assert save(replace(HELP, uscc=CODE)).enterprise_id == first
    with database.session() as session:
        assert only(session, Enterprise).uscc == CODE


def test_a_letter_is_known_by_its_contact_number(database: Database, save: Save) -> None:
    letter = replace(HELP, channel="letter", contact_number="13812345678")
    caller_id = save(letter, number=None).caller_id
    assert caller_id is not None and save().caller_id == caller_id


def test_a_withheld_call_is_nobody_s_even_by_its_contact_number(
    database: Database, save: Save, staff: Staff, policy: Policy
) -> None:
    known = save().caller_id
    apart = save(replace(HELP, contact_number="13812345678", place="高新区"), withheld=True)
    assert apart.caller_id is None
    with database.session() as session:
        change_ticket(
            session, staff.agent, apart.number, replace(HELP, contact_number="13812345678"), 1, policy
        )
        assert session.get_one(Ticket, apart.id).caller_id is None
        record = parties.read_caller(session, staff.other, known or 0)
        assert apart.id not in [event.id for _, event in record.history.events]
        assert record.caller.place == "涪城区"


def test_a_changed_ticket_feeds_only_what_it_says_anew(
    database: Database, save: Save, staff: Staff, policy: Policy, dispatcher: Viewer
) -> None:
    ticket = save()
    with database.session() as session:
        typed = {"name": "王晓敏", "company": "恒泰机械", "place": "涪城区"}
        version = only(session, Caller).version
        correcting.correct_caller(session, dispatcher, ticket.caller_id or 0, typed, version, policy)
        change_ticket(session, staff.agent, ticket.number, replace(HELP, place="游仙区"), 1, policy)
        assert (only(session, Caller).name, only(session, Caller).place) == ("王晓敏", "游仙区")


def test_a_name_that_was_mistyped_leaves_no_enterprise_behind(
    database: Database, save: Save, staff: Staff, policy: Policy
) -> None:
    ticket = save(replace(HELP, company="横泰机械"))
    with database.session() as session:
        change_ticket(session, staff.agent, ticket.number, HELP, 1, policy)
        enterprise = only(session, Enterprise)
        assert (enterprise.name, only(session, Caller).enterprise_id) == ("恒泰机械", enterprise.id)


# -- what is sealed ---------------------------------------------------------------------------------


def test_what_is_sealed_feeds_no_record(database: Database, save: Save) -> None:
    ticket = save(replace(HELP, kind="report", uscc=CODE))
    assert (ticket.caller_id, ticket.enterprise_id, ticket.uscc) == (None, None, CODE)
    with database.session() as session:
        assert (count(session, Caller), count(session, Enterprise), count(session, CallerNumber)) == (0, 0, 0)


def test_a_record_known_from_what_is_sealed_later_alone_is_gone(
    database: Database, save: Save, staff: Staff, policy: Policy
) -> None:
    ticket = save(replace(HELP, uscc=CODE))
    report = replace(HELP, kind="report", caller_name="另一名", uscc="")
    with database.session() as session:
        change_ticket(session, staff.agent, ticket.number, report, 1, policy)
    with database.session() as session:
        assert (count(session, Caller), count(session, Enterprise)) == (0, 0)
        assert only(session, Call).caller_id is None


def test_sealing_takes_back_what_that_ticket_alone_had_said(
    database: Database, save: Save, staff: Staff, policy: Policy
) -> None:
    save(TicketForm(kind="help", content="停电", caller_name="王女士", place="涪城区"))
    ticket = save(replace(HELP, caller_name="举报人", company="某建材部", uscc=CODE))
    with database.session() as session:
        report = replace(HELP, kind="report", caller_name="举报人", company="某建材部", uscc=CODE)
        change_ticket(session, staff.agent, ticket.number, report, 1, policy)
    with database.session() as session:
        caller = only(session, Caller)
        assert (caller.name, caller.company, caller.place) == ("王女士", "", "涪城区")
        assert (caller.enterprise_id, count(session, Enterprise)) == (None, 0)


def test_sealing_takes_a_code_back_from_an_enterprise_that_others_know(
    database: Database, save: Save, staff: Staff, policy: Policy
) -> None:
    save(HELP, number="13912345678")
    ticket = save(replace(HELP, uscc=CODE))
    with database.session() as session:
        report = replace(HELP, kind="report", uscc=CODE)
        change_ticket(session, staff.agent, ticket.number, report, 1, policy)
        enterprise = only(session, Enterprise)
        assert (enterprise.name, enterprise.uscc) == ("恒泰机械", None)


def test_what_is_unsealed_feeds_as_any_other(
    database: Database, save: Save, staff: Staff, policy: Policy
) -> None:
    ticket = save(replace(HELP, kind="report", uscc=CODE), kind="complaint")
    with database.session() as session:
        person = create_person(session, "second", "周正", Role.DISCIPLINE, PASSWORD)
        second = Viewer(person.id, Role.DISCIPLINE, person.name)
        keep_readers(session, policy)
        unsealing.ask(session, staff.discipline, ticket.number, "经核不属保密", NOW)
        assert count(session, Caller) == 0
        unsealing.decide(session, second, ticket.number, True, NOW)
    with database.session() as session:
        assert (only(session, Caller).name, only(session, Enterprise).uscc) == ("王敏", CODE)
        assert session.get_one(Ticket, ticket.id).caller_id == only(session, Call).caller_id is not None


def test_a_record_never_shows_what_is_sealed_not_even_to_who_is_named(
    database: Database, save: Save, staff: Staff
) -> None:
    ordinary = save()
    sealed = save(replace(HELP, kind="report", caller_name="举报人"))
    with database.session() as session:
        record = parties.read_caller(session, staff.agent, ordinary.caller_id or 0)  # who wrote both
        assert {event.id for _, event in record.history.events if isinstance(event, Ticket)} == {ordinary.id}
        assert len([event for _, event in record.history.events if isinstance(event, Call)]) == 1
        assert [ticket.id for ticket in record.history.open] == [ordinary.id]
        (row,) = parties.find_callers(session, staff.agent, parties.PartySearch())
        assert (row.tickets, row.open, row.caller.name) == (1, 1, "王敏")
        assert parties.find_callers(session, staff.agent, parties.PartySearch(name="举报人")) == []
        sheet = held(session, staff.agent, ordinary.caller_id or 0)
        assert sealed.id not in [each.ticket.id for each in sheet.tickets]
        assert len(sheet.calls) == 1


# -- finding ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "search",
    [
        {"number": NUMBER},
        {"name": "王敏"},
        {"name": "　王敏 "},
        {"company": "恒泰机械"},
        {"uscc": CODE},
        {"number": NUMBER, "name": "王敏", "company": "恒泰机械", "uscc": CODE},
    ],
)
def test_a_caller_is_found_by_what_is_whole(
    database: Database, save: Save, staff: Staff, search: dict[str, str]
) -> None:
    caller_id = save(replace(HELP, uscc=CODE)).caller_id
    save(replace(HELP, caller_name="李强", company="别家", uscc=OTHER_CODE), number="13912345678")
    with database.session() as session:
        found = parties.find_callers(session, staff.other, parties.PartySearch(**search))
        assert [row.caller.id for row in found] == [caller_id]


@pytest.mark.parametrize(
    "search", [{"name": "王"}, {"company": "恒泰"}, {"name": "王敏", "uscc": OTHER_CODE}]
)
def test_a_part_of_a_name_finds_nobody(
    database: Database, save: Save, staff: Staff, search: dict[str, str]
) -> None:
    save(replace(HELP, uscc=CODE))
    with database.session() as session:
        assert parties.find_callers(session, staff.other, parties.PartySearch(**search)) == []


def test_names_lie_sealed_in_the_database_and_are_found_by_their_twins(
    database: Database, save: Save
) -> None:
    save(replace(HELP, uscc=CODE))
    with database.engine.connect() as connection:
        for table in ("caller", "enterprise"):
            (row,) = connection.exec_driver_sql(f"SELECT {table}::text FROM {table}").all()
            for word in ("王敏", "恒泰机械", CODE):
                assert word.encode().hex() not in row[0] and word not in row[0]


def test_records_are_shut_to_who_may_not_see_them(database: Database, save: Save, staff: Staff) -> None:
    caller_id = save().caller_id or 0
    with database.session() as session:
        for viewer in (staff.discipline, staff.administrator):
            with pytest.raises(NotAllowed):
                parties.find_callers(session, viewer, parties.PartySearch())
            with pytest.raises(NotAllowed):
                parties.read_caller(session, viewer, caller_id)
        with pytest.raises(NotVisible):
            parties.read_caller(session, staff.agent, 7)


def test_the_last_rating_and_the_open_tickets_are_told(database: Database, save: Save, staff: Staff) -> None:
    done, still = save(), save()
    with database.session() as session:
        row = session.get_one(Ticket, done.id)
        row.state, row.satisfied, row.closed_at = "done", "satisfied", NOW
        record = parties.read_caller(session, staff.other, done.caller_id or 0)
        assert record.history.rated is row
        assert [ticket.id for ticket in record.history.open] == [still.id]


# -- merging ----------------------------------------------------------------------------------------


def test_records_that_share_a_number_are_proposed_and_no_others(
    database: Database, save: Save, staff: Staff
) -> None:
    kept = save(replace(HELP, contact_number="13912345678")).caller_id or 0
    double = save(replace(HELP, caller_name="小王", company="别家"), number="13912345678").caller_id
    save(replace(HELP, caller_name="李强", company="他家"), number="13712345678")
    with database.session() as session:
        record = parties.read_caller(session, staff.other, kept)
        assert [row.caller.id for row in record.doubles] == [double]
        other_way = parties.read_caller(session, staff.other, double or 0)
        assert [row.caller.id for row in other_way.doubles] == [kept]


def test_merging_moves_all_links_and_numbers_and_is_on_record(
    database: Database, save: Save, dispatcher: Viewer
) -> None:
    kept = save(TicketForm(kind="help", content="停电", caller_name="王敏")).caller_id or 0
    gone = save(replace(HELP, caller_name="小王"), number="13912345678").caller_id or 0
    with database.session() as session:
        merging.merge(session, dispatcher, "caller", kept, gone, NOW)
    with database.session() as session:
        assert {row.caller_id for row in session.scalars(select(Call))} == {kept}
        assert {row.caller_id for row in session.scalars(select(Ticket))} == {kept}
        assert {row.caller_id for row in session.scalars(select(CallerNumber))} == {kept}
        caller = session.get_one(Caller, kept)
        assert (caller.name, caller.company) == ("王敏", "恒泰机械")  # what she did not know is filled in
        assert parties.read_caller(session, dispatcher, gone).caller.id == kept
        found = parties.find_callers(session, dispatcher, parties.PartySearch(name="小王"))
        assert [row.caller.id for row in found] == [kept]
        line = session.scalars(select(Journal).where(Journal.act == "caller.merged")).one()
        assert (line.subject_id, line.detail) == (str(gone), {"into": kept})


def test_a_merge_is_undone_within_a_day_with_what_came_since(
    database: Database, save: Save, dispatcher: Viewer
) -> None:
    kept = save(TicketForm(kind="help", content="停电", caller_name="王敏")).caller_id or 0
    gone = save(replace(HELP, caller_name="小王"), number="13912345678").caller_id or 0
    with database.session() as session:
        merging.merge(session, dispatcher, "caller", kept, gone, NOW)
    assert save(TicketForm(kind="help", content="又停电"), number="13912345678").caller_id == kept
    with database.session() as session:
        with pytest.raises(Refused, match="none"):
            merging.undo(session, dispatcher, "caller", kept, NOW + timedelta(days=1, seconds=1))
        merging.undo(session, dispatcher, "caller", kept, NOW + timedelta(hours=23))
    with database.session() as session:
        by_number = {
            number.number: (number.caller_id, session.get_one(Caller, number.caller_id).name)
            for number in session.scalars(select(CallerNumber))
        }
        assert by_number == {NUMBER: (kept, "王敏"), OTHER: (gone, "小王")}
        theirs = select(Ticket.calling_number).where(Ticket.caller_id == gone)
        assert session.scalars(theirs).all() == [OTHER, OTHER]
        caller = session.get_one(Caller, kept)
        assert (caller.company, caller.place, caller.enterprise_id) == ("", "", None)
        with pytest.raises(Refused, match="none"):
            merging.undo(session, dispatcher, "caller", kept, NOW)


def test_merges_upon_merges_come_apart_in_their_order(
    database: Database, save: Save, dispatcher: Viewer
) -> None:
    a, b, c = (
        save(TicketForm(kind="help", content="停电"), number=f"1381234567{n}").caller_id or 0
        for n in range(3)
    )
    with database.session() as session:
        merging.merge(session, dispatcher, "caller", b, a, NOW)
        merging.merge(session, dispatcher, "caller", c, b, NOW)
        assert parties.read_caller(session, dispatcher, a).caller.id == c
        with pytest.raises(Refused, match="same"):
            merging.merge(session, dispatcher, "caller", a, c, NOW)
        assert merging.undo(session, dispatcher, "caller", c, NOW).id == b
        assert parties.read_caller(session, dispatcher, a).caller.id == b
        assert merging.undo(session, dispatcher, "caller", b, NOW).id == a
        assert {row.caller_id for row in session.scalars(select(Ticket))} == {a, b, c}


def test_two_enterprises_with_codes_of_their_own_are_never_one(
    database: Database, save: Save, dispatcher: Viewer
) -> None:
    kept = save(replace(HELP, uscc=CODE)).enterprise_id or 0
    gone = save(replace(HELP, uscc=OTHER_CODE)).enterprise_id or 0
    with database.session() as session, pytest.raises(Refused, match="two_codes"):
        merging.merge(session, dispatcher, "enterprise", kept, gone, NOW)


def test_an_enterprise_goes_into_another_with_its_code_and_comes_back_with_it(
    database: Database, save: Save, dispatcher: Viewer
) -> None:
    kept = save().enterprise_id or 0
    with_code = save(replace(HELP, company="恒泰公司", uscc=CODE), number="13912345678")
    gone = with_code.enterprise_id or 0
    with database.session() as session:
        merging.merge(session, dispatcher, "enterprise", kept, gone, NOW)
        assert session.get_one(Enterprise, kept).uscc == CODE
        assert {row.enterprise_id for row in session.scalars(select(Caller))} == {kept}
    assert save(replace(HELP, company="恒泰公司")).enterprise_id != gone
    with database.session() as session:
        merging.undo(session, dispatcher, "enterprise", kept, NOW)
        assert session.get_one(Enterprise, kept).uscc is None
        assert session.get_one(Enterprise, gone).uscc == CODE
        assert session.get_one(Ticket, with_code.id).enterprise_id == gone


def test_who_may_not_merge_does_not(database: Database, save: Save, staff: Staff) -> None:
    kept, gone = (save(number=f"1381234567{n}").caller_id or 0 for n in (1, 2))
    with database.session() as session:
        for act in (
            lambda: merging.merge(session, staff.agent, "caller", kept, gone, NOW),
            lambda: merging.undo(session, staff.agent, "caller", kept, NOW),
        ):
            with pytest.raises(NotAllowed):
                act()


def test_sealing_takes_what_was_merged_as_well(
    database: Database, save: Save, staff: Staff, policy: Policy, dispatcher: Viewer
) -> None:
    letter = replace(HELP, channel="letter", contact_number="13812345678")
    kept = save(letter, number=None)
    gone = save(replace(letter, caller_name="举报人", contact_number="13912345678"), number=None)
    with database.session() as session:
        merging.merge(session, dispatcher, "caller", kept.caller_id or 0, gone.caller_id or 0, NOW)
        for ticket in (kept, gone):
            version = session.get_one(Ticket, ticket.id).version
            form = replace(letter, kind="report")
            change_ticket(session, staff.agent, ticket.number, form, version, policy)
    with database.session() as session:
        assert (count(session, Caller), count(session, CallerNumber), count(session, MergeLog)) == (0, 0, 0)


# -- correcting -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "fault"),
    [
        ({"sex": "other"}, {"sex": "unknown"}),
        ({"tags": ["nobody"]}, {"tags": "unknown"}),
        ({"name": "名" * 201}, {"name": "too_long"}),
        ({"add": "不知道"}, {"add": "number"}),
        ({"add": "13812345678"}, {"add": "hers_already"}),
        ({"add": "13912345678"}, {"add": "taken"}),
        ({"uscc": CODE[:-1] + "0"}, {"uscc": f"uscc_check:{CODE[-1]}"}),
        ({"uscc": OTHER_CODE}, {"uscc": "no_such"}),
    ],
)
def test_a_correction_that_will_not_do_is_refused_whole(
    database: Database,
    save: Save,
    policy: Policy,
    dispatcher: Viewer,
    typed: dict[str, Any],
    fault: dict[str, str],
) -> None:
    caller_id = save().caller_id or 0
    save(number="13912345678")
    with database.session() as session:
        version = session.get_one(Caller, caller_id).version
        with pytest.raises(Refused) as refused:
            correcting.correct_caller(session, dispatcher, caller_id, typed | {"place": "x"}, version, policy)
        assert refused.value.faults == fault
        assert session.get_one(Caller, caller_id).place == "涪城区"


def test_numbers_are_added_and_taken_away(
    database: Database, save: Save, policy: Policy, dispatcher: Viewer
) -> None:
    caller_id = save().caller_id or 0
    with database.session() as session:
        (number,) = session.scalars(select(CallerNumber))
        typed = {"name": "王敏", "add": "0816 222 3344", "drop": [str(number.id)]}
        version = session.get_one(Caller, caller_id).version
        correcting.correct_caller(session, dispatcher, caller_id, typed, version, policy)
        assert session.scalars(select(CallerNumber.number)).all() == ["+868162223344"]
        whose = record_of(session, "+868162223344")
        assert whose is not None and whose.id == caller_id


@given(st.text("0123456789ABCDEFGHJKLMNPQRTUWXY", min_size=18, max_size=18))
def test_a_masked_code_shows_six_characters(code: str) -> None:
    assert [mask_uscc(code)[:2], mask_uscc(code)[-4:]] == [code[:2], code[-4:]]
    assert code[2:14] not in mask_uscc(code)
