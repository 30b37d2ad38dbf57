"""Records of callers and enterprises: who feeds them and who does not, how they are found."""

from dataclasses import replace

import pytest

from cases import correcting, parties, unsealing
from cases.errors import NotAllowed, NotVisible
from cases.held import held
from cases.people import create_person
from cases.sealed import keep_readers
from cases.ticket_form import TicketForm
from cases.tickets import change_ticket
from routing.policy import Policy
from storage.database import Database
from storage.parties import Caller, CallerNumber, Enterprise
from storage.tables import Call, Ticket
from storage.viewer import Role, Viewer
from tests.cases.conftest import NOW, PASSWORD, Staff
from tests.cases.records import (
    CODE,
    HELP,
    NUMBER,
    OTHER_CODE,
    Save,
    count,
    dispatcher,
    only,
    save,
)

__all__ = ["dispatcher", "save"]  # fixtures

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
