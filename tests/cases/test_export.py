"""Exports: what belongs together comes in one question, however many rows there are."""

import csv
import io
from datetime import timedelta

import pytest
from sqlalchemy import event, select

from cases.export import FIELDS, as_csv, export_calls, export_tickets
from cases.ticket_form import TicketForm
from cases.tickets import save_ticket
from routing.policy import Policy
from storage.database import Database
from storage.tables import Journal, Ticket
from storage.viewer import Viewer
from tests.cases.conftest import NOW, NewCall, Staff

FORM = TicketForm(kind="help", content="供电不稳", title="供电不稳")


def test_calls_and_tickets_name_each_other_in_one_question(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    ids = [new_call(at=NOW + timedelta(minutes=minute)) for minute in range(3)]
    with database.session() as session:
        first, second = [save_ticket(session, staff.agent, FORM, ids[0], policy, NOW).number for _ in "12"]
    asked: list[str] = []

    def ask(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(database.engine, "before_cursor_execute", ask)
    with database.session() as session:
        calls = list(export_calls(session, staff.supervisor))
    assert [(call["id"], call["tickets"]) for call in calls] == [
        (ids[0], sorted([first, second])),
        (ids[1], []),
        (ids[2], []),
    ]
    with database.session() as session:
        tickets = list(export_tickets(session, staff.supervisor))
    assert [(ticket["number"], ticket["calls"]) for ticket in tickets] == [
        (first, [ids[0]]),
        (second, [ids[0]]),
    ]
    rows = [each for each in asked if each.lstrip().startswith("SELECT") and "array_agg" in each]
    assert len(rows) == 2


def test_an_export_is_on_record_before_its_first_row_and_says_how_many_there_are(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    for kind in ("", "", "complaint"):
        new_call(kind)
    for viewer, rows in ((staff.supervisor, 2), (staff.discipline, 3)):
        with database.session() as session:
            exported = export_calls(session, viewer)
            session.commit()
            said = session.scalars(select(Journal).where(Journal.actor_id == viewer.person_id)).all()
            assert len(list(exported)) == rows
        # What is sealed is not in the number that every auditor may read.
        assert said[0].act == "calls.exported"
        assert said[0].detail == {"rows": 2, "full": False}
        assert said[0].rule.startswith(f"{viewer.role.value}/export/")
        assert [each.act for each in said[1:]] == ["call.exported"] * (rows - 2)


HOSTILE = (
    *('=HYPERLINK("http://evil","x")', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(1)"),
    *("\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠x", '"=1"', "王=1"),
)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_cell_of_an_export_is_a_formula(
    name: str, database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    with database.session() as session:
        form = TicketForm(kind="help", title="x", content="y")
        ticket = save_ticket(session, staff.agent, form, new_call(), policy, NOW)
        session.get_one(Ticket, ticket.id).caller_name = name
    with database.session() as session:
        rows = list(export_tickets(session, staff.supervisor))
    for row in rows:
        row["caller_name"] = name  # whatever the form would have made of it
    out = io.StringIO()
    csv.writer(out).writerows(as_csv(rows, FIELDS["tickets"], {field: field for field in FIELDS["tickets"]}))
    headings, cells = list(csv.reader(io.StringIO(out.getvalue(), newline="")))
    cell = cells[headings.index("caller_name")]
    assert cell in (name, f"'{name}")
    assert not cell.startswith(tuple("=+-@\t\r\n＝＋－＠"))


def test_names_and_numbers_leave_masked_unless_they_are_seen_in_full_or_asked_for_on_record(
    database: Database, policy: Policy, staff: Staff, new_call: NewCall
) -> None:
    for kind in ("help", "complaint"):
        with database.session() as session:
            form = TicketForm(kind=kind, content="请打 13812345678", caller_name="王敏", place="涪城区临园路")
            save_ticket(session, staff.agent, form, new_call(kind), policy, NOW)
    masked = ["王**", "涪城区…", "请打 138****5678", "138****5678"]
    whole = ["王敏", "涪城区临园路", "请打 13812345678", "+8613812345678"]

    def told(viewer: Viewer, *, full: bool = False) -> list[list[str]]:
        with database.session() as session:
            rows = list(export_tickets(session, viewer, full=full))
            calls = {call["id"]: call["number"] for call in export_calls(session, viewer, full=full)}
        return [[*(r[f] for f in ("caller_name", "place", "content")), calls[r["calls"][0]]] for r in rows]

    assert told(staff.supervisor) == [masked]
    assert told(staff.supervisor, full=True) == [whole]
    assert told(staff.discipline) == [masked, whole]  # what is sealed and hers to handle
    with database.session() as session:
        said = session.scalars(select(Journal).where(Journal.act == "tickets.exported").order_by(Journal.id))
        assert [line.detail["full"] for line in said] == [False, True, False]
