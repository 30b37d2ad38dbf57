"""What an agent wants, what the telephony sees, and the one word that results."""

import pytest
from sqlalchemy import select

from cases.duty import SHOWN, Live, Shown, Wanted, duties, duty_of, set_live, set_wanted
from cases.errors import NotAllowed, Refused
from storage.database import Database
from storage.tables import Journal
from tests.cases.conftest import Staff


def test_the_table_has_a_word_for_everything_and_wrap_up_is_never_ready() -> None:
    for wanted in Wanted:
        assert set(SHOWN[wanted]) == set(Live)
        assert SHOWN[wanted][Live.WRAPUP] is Shown.WRAPUP
        assert SHOWN[wanted][Live.TALKING] is Shown.TALKING
    ready = [(wanted, live) for wanted in Wanted for live in Live if SHOWN[wanted][live] is Shown.READY]
    assert ready == [(Wanted.READY, Live.IDLE)]


def test_going_on_duty_pausing_and_leaving(database: Database, staff: Staff) -> None:
    me = staff.agent.person_id
    with database.session() as session:
        assert duty_of(session, me).shown is Shown.OFF
        assert set_wanted(session, staff.agent, me, "ready").shown is Shown.UNREACHABLE
        set_live(session, me, "idle")
        assert duty_of(session, me).shown is Shown.READY
        paused = set_wanted(session, staff.agent, me, "paused", "meal")
        assert (paused.shown, paused.wanted_reason) == (Shown.PAUSED, "meal")
        assert set_wanted(session, staff.agent, me, "off").wanted_reason == ""


def test_the_system_pauses_who_did_not_answer_and_says_so(database: Database, staff: Staff) -> None:
    me = staff.agent.person_id
    with database.session() as session:
        set_wanted(session, staff.agent, me, "ready")
        set_wanted(session, None, me, "paused", "no_answer")
        set_wanted(session, None, me, "paused", "no_answer")  # told twice, journalled once
    with database.session() as session:
        rows = session.scalars(select(Journal).where(Journal.act == "duty.paused")).all()
        assert [(row.actor_id, row.detail) for row in rows] == [
            (None, {"reason": "no_answer", "was": "ready"})
        ]


@pytest.mark.parametrize(
    ("wanted", "reason", "field"),
    [("lunch", "", "wanted"), ("paused", "", "reason"), ("ready", "meal", "reason")],
)
def test_a_duty_that_makes_no_sense_is_refused(
    database: Database, staff: Staff, wanted: str, reason: str, field: str
) -> None:
    with pytest.raises(Refused) as caught, database.session() as session:
        set_wanted(session, staff.agent, staff.agent.person_id, wanted, reason)
    assert set(caught.value.faults) == {field}


def test_only_a_shift_leader_changes_somebody_elses_duty(database: Database, staff: Staff) -> None:
    for viewer in (staff.other, staff.supervisor, staff.administrator):
        with pytest.raises(NotAllowed), database.session() as session:
            set_wanted(session, viewer, staff.agent.person_id, "ready")
    with database.session() as session:
        set_wanted(session, staff.leader, staff.agent.person_id, "paused", "meeting")


def test_the_live_state_changes_only_when_it_changes(database: Database, staff: Staff) -> None:
    me = staff.agent.person_id
    with database.session() as session:
        set_live(session, me, "talking", "c1")
        first = duty_of(session, me)
    with database.session() as session:
        set_live(session, me, "talking", "c1")
        assert duty_of(session, me).live_at == first.live_at
    with database.session() as session:
        set_live(session, me, "talking", "c2")
        assert duty_of(session, me).live_call_id == "c2"
        assert [duty.extension for duty in duties(session)] == ["8001", "8002", "8003"]
