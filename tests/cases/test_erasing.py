"""What was written of a caller's matters, by whomever, wherever, names her no more once she asks."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from cases import erasing, joining, merging
from cases.errors import NotAllowed, NotVisible, Refused
from cases.people import create_person
from cases.retention import Files
from cases.states import State
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from routing.policy import Policy
from storage.base import Base
from storage.database import Database
from storage.parties import Caller, CallerNumber, Enterprise
from storage.secret import Secret
from storage.tables import Call, Ticket
from storage.viewer import Role, Viewer
from storage.work import SubOrder
from tests.cases.conftest import NOW, PASSWORD, NewCall, Staff

NAME, COMPANY, NUMBER, CODE = "欧阳晓丽", "绵阳恒泰机械制造有限公司", "13812345678", "91510700MA6DEMAA5X"
SAID = f"{COMPANY}（{CODE}）的{NAME}说，请打{NUMBER}找她。事情没办完。"
FORM = TicketForm(
    kind="help", content=SAID, caller_name=NAME, company=COMPANY, uscc=CODE, contact_number=NUMBER
)
CLEARED = {  # sealed columns that hang on no ticket, and what becomes of them
    *(
        "caller.name",
        "caller.company",
        "caller.place",
        "caller.note",
        "caller_number.number",
    ),  # emptied, gone
    *("call.number", "call.number_raw", "call.closed_note", "call_step.number"),  # emptied
    *("draft.body", "attachment.name"),  # gone
    *("enterprise.contact_name", "enterprise.contact_number"),  # emptied if they are hers
    *("enterprise.name", "enterprise.uscc", "enterprise.place", "enterprise.note"),  # the enterprise's own
    *("notice_setting.address", "notice_setting.secret", "totp.secret"),  # of staff
}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path, tmp_path)


@pytest.fixture
def ticket_id(database: Database, staff: Staff, policy: Policy, new_call: NewCall) -> int:
    """Her ticket, closed, with her name and number in every text that may hang on it."""
    call_id = new_call(recorded=False)
    with database.session() as session:
        ticket = save_ticket(session, staff.agent, FORM, call_id, policy, NOW)
        ticket.state = State.DONE
        _write_everywhere(session, ticket.id, staff)
        return ticket.id


def _write_everywhere(session: Session, ticket_id: int, staff: Staff) -> None:
    """A row in each table that has such a text; what else it needs is made up."""
    unit = session.execute(
        Base.metadata.tables["unit"]
        .insert()
        .values(code="u", name="某局")
        .returning(Base.metadata.tables["unit"].c.id)
    ).scalar_one()
    order = SubOrder(ticket_id=ticket_id, unit_id=unit, note=SAID)
    session.add(order)
    session.flush()
    known = {
        "ticket_id": ticket_id,
        "order_id": order.id,
        "unit_id": unit,
        "leader_id": staff.leader.person_id,
        "person_id": staff.agent.person_id,
        "lifted_at": NOW,  # a hold that stands would keep all of it
    }
    for table in {column.table for column, _ in erasing.written()} - {SubOrder.__table__}:
        row = {}
        for column in table.columns:
            if isinstance(column.type, Secret):
                row[column.name] = SAID
            elif column.name in known:
                row[column.name] = known[column.name]
            elif not column.nullable and column.server_default is None and not column.primary_key:
                row[column.name] = _any(column.type.python_type, staff)
        session.execute(table.insert().values(row))
    for column in ("account", "public_reply", "why_unsolved"):
        setattr(order, column, SAID)


def _any(kind: type, staff: Staff) -> object:
    return {bool: True, int: staff.agent.person_id, str: "x"}.get(kind, NOW)


def _texts(session: Session, ticket_id: int) -> Iterator[tuple[str, str]]:
    for column, of_ticket in erasing.written():
        for text in session.scalars(select(column).where(of_ticket(ticket_id))):
            yield str(column), text


def test_every_text_about_a_ticket_is_masked(
    database: Database, staff: Staff, ticket_id: int, files: Files
) -> None:
    with database.session() as session:
        before = dict(_texts(session, ticket_id))
        assert set(before) == {str(column) for column, _ in erasing.written()}
        assert all(NAME in text for text in before.values())
        hers = erasing.of_caller(session, staff.supervisor, f"+86{NUMBER}")
        erasing.erase(session, staff.supervisor, hers, files)
    with database.session() as session:
        ticket = session.get_one(Ticket, ticket_id)
        texts = [
            *_texts(session, ticket_id),
            ("ticket.content", ticket.content),
            ("ticket.title", ticket.title),
        ]
        for column, text in texts:
            assert not [word for word in (NAME, COMPANY, NUMBER, CODE) if word in text], column
            assert column == "ticket.title" or "事情没办完" in text, column
        assert (ticket.uscc, ticket.company, ticket.enterprise_id) == ("", "", None)


def test_no_sealed_column_is_forgotten() -> None:
    """A table added later is masked by itself if it hangs on a ticket, else it has to be thought of here."""
    sealed = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, Secret)
    }
    masked = {str(column) for column, _ in erasing.written()}
    own = {name for name in sealed if name.startswith("ticket.")}
    assert own == {f"ticket.{name}" for name in (*erasing.WHO, *erasing.TEXTS, "accused")} - {
        "ticket.caller_sex"
    }
    assert sealed - masked - own - CLEARED == set()


def test_a_record_is_erased_by_all_its_numbers_with_what_went_into_it(
    database: Database, staff: Staff, policy: Policy, new_call: NewCall, files: Files
) -> None:
    ids = []
    for number, name in ((NUMBER, NAME), ("13912345678", "欧阳小丽")):
        call_id = new_call(number=number, recorded=False)
        with database.session() as session:
            form = TicketForm(kind="help", content=f"{name}和{NAME}来过", caller_name=name)
            ticket = save_ticket(session, staff.agent, form, call_id, policy, NOW)
            ticket.state = State.DONE
            ids.append(ticket.caller_id or 0)
    with database.session() as session:
        song = create_person(session, "song", "宋佳", Role.DISPATCHER, PASSWORD)
        dispatcher = Viewer(song.id, Role.DISPATCHER, song.name)
        merging.merge(session, dispatcher, "caller", ids[0], ids[1], NOW)
        hers = erasing.of_record(session, staff.supervisor, ids[0])
        assert (len(hers.callers), len(hers.calls), len(hers.tickets), len(hers.numbers)) == (2, 2, 2, 2)
        erasing.erase(session, staff.supervisor, hers, files)
    with database.session() as session:
        assert [caller.name for caller in session.scalars(select(Caller))] == ["", ""]
        assert session.scalars(select(CallerNumber)).all() == []
        assert [call.number for call in session.scalars(select(Call))] == [None, None]
        told = " ".join(ticket.content for ticket in session.scalars(select(Ticket)))
        assert NAME not in told and "欧阳小丽" not in told


def test_an_enterprise_stays_and_forgets_its_person_to_speak_to(
    database: Database, staff: Staff, ticket_id: int, files: Files
) -> None:
    with database.session() as session:
        enterprise = session.scalars(select(Enterprise)).one()
        enterprise.contact_name, enterprise.contact_number = NAME, f"+86{NUMBER}"
        hers = erasing.of_caller(session, staff.supervisor, f"+86{NUMBER}")
        erasing.erase(session, staff.supervisor, hers, files)
    with database.session() as session:
        enterprise = session.scalars(select(Enterprise)).one()
        assert (enterprise.name, enterprise.uscc) == (COMPANY, CODE)
        assert (enterprise.contact_name, enterprise.contact_number) == ("", "")


def test_what_is_needed_is_told_and_nothing_is_touched(
    database: Database, staff: Staff, ticket_id: int, files: Files
) -> None:
    with database.session() as session:
        ticket = session.get_one(Ticket, ticket_id)
        ticket.state = State.HANDLING
        hers = erasing.of_record(session, staff.supervisor, ticket.caller_id or 0)
        assert erasing.needed(session, hers) == {"tickets": "open"}
        with pytest.raises(Refused, match="open"):
            erasing.erase(session, staff.supervisor, hers, files)
        assert ticket.caller_name == NAME
        with pytest.raises(NotAllowed):
            erasing.of_record(session, staff.agent, ticket.caller_id or 0)
        with pytest.raises(NotVisible):
            erasing.of_record(session, staff.supervisor, 7)


def test_who_waits_for_the_end_of_what_hers_was_merged_into_is_not_erased_before(
    database: Database, staff: Staff, policy: Policy
) -> None:
    with database.session() as session:
        dispatcher = Viewer(
            create_person(session, "dai", "戴", Role.DISPATCHER, PASSWORD).id, Role.DISPATCHER
        )
        hers = save_ticket(session, staff.agent, FORM, None, policy, NOW)
        lead = save_ticket(
            session, staff.agent, TicketForm(kind="help", content="同一停电"), None, policy, NOW
        )
        joining.merge(session, dispatcher, hers.number, lead.number, policy, NOW)
        record = erasing.of_record(session, staff.supervisor, hers.caller_id or 0)
        assert erasing.needed(session, record) == {"tickets": "open"}
        lead.state = State.DONE
        assert not erasing.needed(session, record)
