"""Each level of a deadline is fired once and only once, whatever clocks, outages and moved deadlines do."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from cases import escalation, people
from cases.deadlines import level_at, limit_due, load_calendar
from cases.escalation import moments, reached
from cases.logins import viewer_of
from cases.permissions import Action
from cases.states import State
from cases.visible import reaches
from routing.handling import Subject
from routing.policy import Policy
from storage.database import Database
from storage.staff import Person
from storage.tables import Journal, Recusal, Ticket
from storage.viewer import Role
from storage.work import Instruction, Rung, SubOrder, Supervision, TicketNote
from tests.cases.conftest import NOW, NewCall, Staff
from tests.cases.levels import AT_NINE, DAY, DUE, HOUR, fired, new_order, new_ticket, owed, settle, sweep_once
from tests.cases.test_units import Hire, hire

__all__ = ["hire"]


@pytest.fixture
def order(database: Database, policy: Policy, staff: Staff, hire: Hire) -> SubOrder:
    """Due on the evening of Friday 2026-10-16; notice on the 15th, then the 19th, 21st and 23rd."""
    with database.session() as session:
        return new_order(session, staff, policy, datetime(2026, 10, 16, 15, 59, 59, tzinfo=UTC))


def test_levels_come_one_by_one_as_the_days_go(database: Database, policy: Policy, order: SubOrder) -> None:
    seen = []
    for day in (14, 15, 16, 19, 20, 21, 22, 23, 24):
        for _ in range(2):
            sweep_once(database, policy, AT_NINE[day])
        seen.append((day, len(fired(database))))
    assert seen == [(14, 0), (15, 1), (16, 1), (19, 2), (20, 2), (21, 3), (22, 3), (23, 4), (24, 4)]
    assert owed(database) == ["soon", "urged", "supervised", "reported"]


def test_a_level_is_fired_at_its_moment_and_not_before(
    database: Database, policy: Policy, order: SubOrder
) -> None:
    sweep_once(database, policy, AT_NINE[15] - timedelta(microseconds=1))
    assert fired(database) == []
    sweep_once(database, policy, AT_NINE[15])
    assert fired(database) == [("soon", True)]


def test_the_clock_urges_then_supervises_and_says_so_in_the_story(
    database: Database, policy: Policy, order: SubOrder
) -> None:
    for day in (19, 21):
        settle(database, policy, AT_NINE[day])
    with database.session() as session:
        ticket = session.get_one(Ticket, order.ticket_id)
        assert ticket.urged == 1 and ticket.version == 1
        note = session.scalars(select(TicketNote)).one()
        assert (note.kind, note.order_id, note.by_id) == ("urging", order.id, None)
        row = session.scalars(select(Supervision)).one()
        assert (row.ground, row.by_id, row.ended_at) == ("late", None, None)
        calendar = load_calendar(session)
        assert row.due_at == limit_due(AT_NINE[21], policy.handling.supervision, policy, calendar).at
        its_own = Journal.subject_kind == "ticket", Journal.subject_id == str(ticket.id)
        acts = session.scalars(select(Journal.act).where(*its_own))
        told = [act for act in acts if act not in ("ticket.created",)]
    assert told == ["ticket.rung", "ticket.rung", "ticket.urge", "ticket.rung", "ticket.supervise"]


def test_after_an_outage_all_levels_are_on_record_and_people_are_told_of_the_highest(
    database: Database, policy: Policy, order: SubOrder
) -> None:
    settle(database, policy, AT_NINE[22])
    assert fired(database) == [("soon", False), ("urged", False), ("supervised", True)]
    assert owed(database) == ["supervised"]
    with database.session() as session:
        assert session.get_one(Ticket, order.ticket_id).urged == 0  # nobody is urged by what nobody is told
        assert session.scalars(select(Supervision)).one().ground == "late"


def test_a_supervision_that_a_higher_level_overtook_is_begun_all_the_same(
    database: Database, policy: Policy, order: SubOrder
) -> None:
    settle(database, policy, AT_NINE[30])
    assert fired(database)[-1] == ("reported", True) and len(fired(database)) == 4
    with database.session() as session:
        assert session.scalars(select(Supervision)).one().ground == "late"


def test_a_clock_that_jumps_ahead_and_back_fires_nothing_twice(
    database: Database, policy: Policy, order: SubOrder
) -> None:
    for day in (14, 20, 15, 16, 19, 20, 21):
        settle(database, policy, AT_NINE[day])
    assert fired(database) == [("soon", False), ("urged", True), ("supervised", True)]
    assert owed(database) == ["urged", "supervised"]


def test_a_deadline_that_is_moved_has_its_levels_anew_and_keeps_those_it_had(
    database: Database, policy: Policy, order: SubOrder
) -> None:
    settle(database, policy, AT_NINE[15])
    with database.session() as session:  # as any act does, without a word to the clock
        session.execute(update(SubOrder).values(due_at=DUE + 7 * DAY))
    settle(database, policy, AT_NINE[20])
    assert owed(database) == ["soon"]
    settle(database, policy, AT_NINE[22])
    assert owed(database) == ["soon", "soon"]
    with database.session() as session:
        session.execute(update(SubOrder).values(due_at=DUE))
    settle(database, policy, AT_NINE[22])
    assert owed(database) == ["soon", "soon", "supervised"]
    assert Counter(fired(database)) == {
        ("soon", True): 2,
        ("urged", False): 1,
        ("supervised", True): 1,
    }


@pytest.mark.parametrize("state", ["replied", "done", "returned", "recalled"])
def test_a_share_that_owes_nothing_has_no_levels(
    database: Database, policy: Policy, order: SubOrder, state: str
) -> None:
    with database.session() as session:
        session.execute(update(SubOrder).values(state=state))
    settle(database, policy, AT_NINE[30])
    assert fired(database) == []


def test_a_share_of_a_case_that_is_over_waits_whether_it_is_reopened(
    database: Database, policy: Policy, order: SubOrder
) -> None:
    with database.session() as session:
        session.execute(update(Ticket).values(state=State.WITHDRAWN))
    sweep_once(database, policy, AT_NINE[19])
    assert fired(database) == [] and sweep_once(database, policy, AT_NINE[19]) == 0
    with database.session() as session:
        session.execute(update(Ticket).values(state=State.HANDLING))
    settle(database, policy, AT_NINE[19] + escalation.ASKED_AGAIN)
    assert owed(database) == ["urged"]


def test_every_kind_of_deadline_has_its_ladder(
    database: Database, policy: Policy, staff: Staff, hire: Hire
) -> None:
    with database.session() as session:
        chief = _chief(session)
        new_ticket(session, staff, policy).due_at = DUE
        asked = new_ticket(session, staff, policy)
        asked.state, asked.visit_due_at = State.VISIT, DUE
        share = new_order(session, staff, policy, DUE)
        share.state = "replied"
        for row in (
            Instruction(ticket_id=share.ticket_id, leader_id=chief, words="抓紧", given_at=NOW, due_at=DUE),
            Supervision(ticket_id=share.ticket_id, ground="hard", due_at=DUE, at=NOW),
        ):
            session.add(row)
    settle(database, policy, AT_NINE[23])
    for subject in ("ticket", "instruction", "supervision", "visit"):
        expected = [level.code for level in policy.ladders[subject]]
        assert [level for level, _ in fired(database, subject)] == expected, subject


def test_a_visit_due_at_the_very_moment_the_ticket_was_has_levels_of_its_own(
    database: Database, policy: Policy, staff: Staff
) -> None:
    with database.session() as session:
        ticket = new_ticket(session, staff, policy)
        ticket.due_at = DUE
    settle(database, policy, AT_NINE[14])
    with database.session() as session:
        session.execute(update(Ticket).values(state=State.VISIT, visit_due_at=DUE))
    settle(database, policy, AT_NINE[19])
    assert [level for level, _ in fired(database, "visit")] == ["urged"]
    with database.session() as session:
        assert session.scalars(select(TicketNote.kind)).all() == []  # no unit is urged by it


def test_a_notice_that_would_have_come_before_the_matter_did_is_none_of_its_levels(
    database: Database, policy: Policy, staff: Staff, hire: Hire
) -> None:
    with database.session() as session:
        calendar = load_calendar(session)
        due = NOW + 2 * HOUR
        timed = moments(due, policy.ladders["order"], policy, calendar)
        found = reached(timed, NOW, due)
        assert found.levels == ()
        assert found.next_at == level_at(due, policy.ladders["order"][1], policy, calendar)
        told = reached(timed, None, due)
        assert [level.code for level in told.levels] == ["soon"]


# -- whom the clock reports to ---------------------------------------------------------------------


def _chief(session: Session, *lines: str) -> int:
    number = next(_logins)
    person = people.create_person(
        session, f"chief{number}", "分管", Role.LEADER, "correct horse", lines=lines or ["962299"]
    )
    return person.id


_logins = count(1)


def test_the_clock_reports_to_the_leaders_of_the_line_that_the_case_came_by(
    database: Database, policy: Policy, staff: Staff, hire: Hire, new_call: NewCall
) -> None:
    call_id = new_call("help")
    with database.session() as session:
        chief, _other = _chief(session), _chief(session, "962298")
        new_order(session, staff, policy, DUE, call_id)
    for _ in range(2):
        settle(database, policy, AT_NINE[23])
    with database.session() as session:
        row = session.scalars(select(Instruction)).one()
        assert (row.leader_id, row.reported_by, row.given_at) == (chief, None, None)


def test_what_came_by_no_line_is_reported_to_the_leaders_of_the_citys_first_who_are_not_recused(
    database: Database, policy: Policy, staff: Staff, hire: Hire
) -> None:
    with database.session() as session:
        chief, _other, kin = _chief(session), _chief(session, "962298"), _chief(session)
        letter = new_order(session, staff, policy, DUE)
        session.add(Recusal(person_id=kin, ticket_id=letter.ticket_id, why="kin"))
    settle(database, policy, AT_NINE[23])
    with database.session() as session:
        assert session.scalars(select(Instruction.leader_id)).all() == [chief]
        reader = viewer_of(session, session.get_one(Person, chief))
        assert reaches(session, reader, Action.INSTRUCT, session.get_one(Ticket, letter.ticket_id))


def test_nothing_sealed_is_reported_by_the_clock_to_a_leader_who_is_not_named(
    database: Database, policy: Policy, staff: Staff, hire: Hire, new_call: NewCall
) -> None:
    call_id = new_call("help")
    with database.session() as session:
        _chief(session)
        order = new_order(session, staff, policy, DUE, call_id)
        session.execute(update(Ticket).where(Ticket.id == order.ticket_id).values(sealed=True))
    settle(database, policy, AT_NINE[23])
    with database.session() as session:
        assert session.scalars(select(Instruction)).all() == []
    assert owed(database) == ["reported"]


# -- the ladders change ----------------------------------------------------------------------------


def test_a_policy_with_another_ladder_is_taken_up_at_the_next_start(
    database: Database, policy: Policy, order: SubOrder
) -> None:
    with database.session() as session:
        escalation.take_up(session, policy)
    settle(database, policy, AT_NINE[14])
    levels = policy.ladders["order"]
    earlier = levels[0].model_copy(update={"code": "sooner", "amount": 5})
    changed = policy.model_copy(update={"ladders": {**policy.ladders, "order": (earlier, *levels)}})
    for _ in range(2):
        with database.session() as session:
            escalation.take_up(session, changed)
        settle(database, changed, AT_NINE[14])
    assert owed(database) == ["sooner"]
    with database.session() as session:
        assert session.scalar(select(func.count()).where(Journal.act == "policy.ladders")) == 2


# -- property: against a slow reckoning ------------------------------------------------------------


@dataclass
class Slow:
    """What must have been fired by now of one ladder, kept by looking at everything each time."""

    ladder: Subject
    due: datetime
    fired: set[tuple[str, datetime]] = field(default_factory=set)
    told: list[str] = field(default_factory=list)

    def look(self, policy: Policy, calendar: Any, now: datetime) -> None:
        levels = [
            (level_at(self.due, each, policy, calendar), each.code) for each in policy.ladders[self.ladder]
        ]
        over = [code for at, code in sorted(levels, key=lambda pair: pair[0]) if at <= now]
        if over and (over[-1], self.due) not in self.fired:
            self.told.append(over[-1])
        self.fired |= {(code, self.due) for code in over}


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.integers(-9 * 24, 14 * 24)),  # hours; a clock may be set back
        st.tuples(st.just("move"), st.integers(-6, 12)),  # days
        st.tuples(st.just("note"), st.just(0)),  # of progress: urgent matters owe one a day
        st.tuples(st.just("anew"), st.just(0)),
    ),
    min_size=1,
    max_size=12,
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@example(moves=[("pass", 144), ("pass", 336), ("pass", 144)])  # its supervision is due meanwhile
@given(moves=MOVES)
def test_however_time_and_deadlines_move_what_fired_is_what_a_slow_reckoning_says(
    database: Database, policy: Policy, order: SubOrder, moves: list[tuple[str, int]]
) -> None:
    with database.session() as session:
        _forget(session)
        session.execute(update(Ticket).values(urgency="urgent"))
        began = {"progress_at": AT_NINE[1], "progress_next_for": None, "progress_next_at": None}
        session.execute(update(SubOrder).values(due_at=DUE, next_for=None, next_at=None, **began))
        calendar = load_calendar(session)
    now, slow, silent = AT_NINE[1], Slow("order", DUE), Slow("progress", AT_NINE[2])
    for what, amount in moves:
        if what == "pass":
            now += timedelta(hours=amount)
        elif what == "move":
            slow.due += amount * DAY
            with database.session() as session:
                session.execute(update(SubOrder).values(due_at=slow.due))
        elif what == "note":
            silent.due = now + DAY
            with database.session() as session:
                session.execute(update(SubOrder).values(progress_at=now))
        else:
            with database.session() as session:
                escalation.reckon_anew(session)
        settle(database, policy, now)
        for each in (slow, silent):
            each.look(policy, calendar, now)
    for each in (slow, silent):
        with database.session() as session:
            its = select(Rung).where(Rung.subject_kind == each.ladder)
            found = [(rung.level, rung.due_at) for rung in session.scalars(its)]
        assert Counter(found) == Counter(each.fired)
        assert owed(database, each.ladder) == each.told


def _forget(session: Session) -> None:
    for table in ("rung", "outbox", "supervision", "instruction", "ticket_note"):
        session.execute(text(f"DELETE FROM {table}"))


# -- many deadlines --------------------------------------------------------------------------------

MANY = """
INSERT INTO ticket (number, state, channel, kind, title, content, due_at, next_at, next_for, next_in)
SELECT 'x' || n, CASE n % 2 WHEN 0 THEN 'accepted' ELSE 'handling' END, 'phone', 'help', '', '',
    timestamptz '2026-10-16' + n * interval '1 minute', timestamptz '2026-10-16' + n * interval '1 minute',
    timestamptz '2026-10-16' + n * interval '1 minute', 'accepted'
FROM generate_series(1, 6000) n;
INSERT INTO sub_order (ticket_id, unit_id, due_at, next_at, next_for)
SELECT t.id, (SELECT min(id) FROM unit), t.due_at, t.next_at, t.due_at FROM ticket t WHERE state = 'handling';
"""


def test_what_is_due_is_found_by_index_among_all_that_is_not(
    database: Database, owner: Database, policy: Policy, hire: Hire
) -> None:
    with database.session(60) as session:
        session.execute(text(MANY))
    with owner.session(60) as session:
        session.execute(text("ANALYZE ticket, sub_order"))
    early = datetime(2026, 10, 15, tzinfo=UTC)
    assert sweep_once(database, policy, early) == 0
    with database.session(60) as session:
        for subject in ("ticket", "order"):
            for query, index in zip(escalation.queries(subject), ("next", "stale"), strict=True):
                plan = session.scalars(text(f"EXPLAIN {query}"), {"now": early, "left": 100})
                assert f"ix_{subject}_{index}" in "".join(plan), query
