"""Two records become one and two again; a record is put right."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from cases import correcting, merging, parties
from cases.errors import NotAllowed, Refused
from cases.known import record_of
from cases.personal import mask_uscc
from cases.ticket_form import TicketForm
from cases.tickets import change_ticket
from routing.policy import Policy
from storage.database import Database
from storage.parties import Caller, CallerNumber, Enterprise, MergeLog
from storage.tables import Call, Journal, Ticket
from storage.viewer import Viewer
from tests.cases.conftest import NOW, Staff
from tests.cases.records import (
    CODE,
    HELP,
    NUMBER,
    OTHER,
    OTHER_CODE,
    Save,
    count,
    dispatcher,
    save,
)

__all__ = ["dispatcher", "save"]  # fixtures

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
