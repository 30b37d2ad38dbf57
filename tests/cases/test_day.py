"""A day's figures against one that was counted by hand: calls, cases, what awaits whom, and who may know."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from cases import answering, awaiting, day, dispatch, instructions, lab, logins, orders, people, visits
from cases.calls import Arrival, end_call, mark_answered, open_call, route_call
from cases.deadlines import load_calendar
from cases.states import State
from cases.tickets import save_ticket
from cases.visible import name
from routing.policy import Policy
from storage.database import Database
from storage.tables import Call
from storage.viewer import Role, Viewer
from storage.work import SubOrder
from tests.cases.conftest import NOW, PASSWORD, NewCall, Staff
from tests.cases.office import ANGRY, FORM, LATER, NOBODY, UNIT, Office, office

__all__ = ["office"]

TODAY = date(2026, 9, 18)
OTHER_LINE = "962298"


def ring(
    session: Session,
    policy: Policy,
    at: datetime,
    *,
    queued: float | None = 20,
    answered: float | None = None,
    ended: float | None = 60,
    by: Viewer | None = None,
    line: str = "962299",
    origin: str = "trunk",
) -> str:
    """A call whose moments are seconds after its ring; None: it never came to that."""
    call_id = f"{at.timestamp():.0f}-{line}-{queued}-{answered}-{ended}-{origin}"

    def after(seconds: float) -> datetime:
        return at + timedelta(seconds=seconds)

    open_call(session, Arrival(call_id, call_id, line, "13812345678", False, at, origin=origin), policy)
    if queued is not None:
        route_call(session, call_id, "", False, "zh", after(queued), policy)
    if answered is not None and by is not None:
        mark_answered(session, call_id, by.person_id, after(answered))
    if ended is not None:
        end_call(session, call_id, after(ended))
    return call_id


def calls_counted(database: Database, viewer: Viewer, policy: Policy, line: str = "") -> dict[str, int]:
    with database.session() as session:
        counts, _ = day.call_counts(session, viewer, day.day_of(TODAY, policy, line))
        lists = {
            which: len(day.calls(session, viewer, which, day.day_of(TODAY, policy, line), 100))
            for which in day.CALLS
        }
    assert counts == lists  # each is the length of the very list
    return counts


def cases_counted(
    database: Database, viewer: Viewer, policy: Policy, which: date = TODAY, line: str = ""
) -> dict[str, int]:
    """Without those that are nought."""
    meant = day.day_of(which, policy, line)
    with database.session() as session:
        counts = day.case_counts(session, viewer, meant, policy)
        lists = {
            name: len(day.cases(session, viewer, name, meant, policy, 100)) for name in day.case_lists(policy)
        }
    assert counts == lists
    return {name: count for name, count in counts.items() if count}


def waiting(database: Database, viewer: Viewer, policy: Policy, now: datetime) -> Mapping[str, int]:
    """Without those that are nought."""
    with database.session() as session:
        counts = awaiting.counts(session, viewer, "", now)
        lists = {
            which: len(awaiting.steps(session, viewer, which, "", policy, 100)) for which in awaiting.STEPS
        }
    assert {which: count.all for which, count in counts.items()} == lists
    return {which: count.all for which, count in counts.items() if count.all}


# -- calls --------------------------------------------------------------------------------------------


def test_calls_are_counted_as_the_formula_says(database: Database, policy: Policy, office: Office) -> None:
    agent = office.agent
    with database.session() as session:
        for minute, waited in enumerate((5, 15, 16, 40)):  # two within 15 s
            at = NOW + timedelta(minutes=minute)
            ring(session, policy, at, answered=20 + waited, ended=200, by=agent)
        ring(session, policy, NOW, ended=29)  # hung up after 9 s in the queue: not offered
        ring(session, policy, NOW, ended=30)  # after 10 s: abandoned
        ring(session, policy, NOW, ended=100)
        ring(session, policy, NOW, ended=None)  # still in the queue
        ring(session, policy, NOW, queued=None, ended=8)  # in the menu
        ring(session, policy, NOW - timedelta(hours=11), answered=30, by=agent)  # the day before
        for not_incoming in (lab.ORIGIN, lab.OUT):
            ring(session, policy, NOW, answered=30, by=agent, origin=not_incoming)
        counts, waited_seconds = day.call_counts(session, office.dispatcher, day.day_of(TODAY, policy))
    assert waited_seconds == pytest.approx(5 + 15 + 16 + 40)
    assert counts == calls_counted(database, office.dispatcher, policy)
    assert counts == {
        "calls": 9,
        "offered": 7,
        "answered": 4,
        "soon": 2,
        "abandoned": 2,
        "waiting": 1,
        "short": 1,
        "menu": 1,
    }


def test_a_day_ends_at_midnight_of_the_city(database: Database, policy: Policy, office: Office) -> None:
    midnight = datetime(2026, 9, 17, 16, 0, tzinfo=UTC)  # 00:00 of the 18th in Mianyang
    with database.session() as session:
        for seconds in (-1, 0, 86_399, 86_400):
            ring(session, policy, midnight + timedelta(seconds=seconds), answered=30, by=office.agent)
    assert calls_counted(database, office.dispatcher, policy)["calls"] == 2


def test_a_line_has_its_own_calls_and_cases_and_all_lines_are_told_apart(
    database: Database, policy: Policy, office: Office
) -> None:
    with database.session() as session:
        here = ring(session, policy, NOW, answered=30, by=office.agent)
        there = ring(session, policy, NOW, answered=30, by=office.agent, line=OTHER_LINE)
        ring(session, policy, NOW, ended=100, line=OTHER_LINE)
        for call_id in (here, there):
            save_ticket(session, office.agent, FORM, call_id, policy, NOW)
        office.saved(session)  # by letter, say: of no line
        found = day.by_line(session, office.dispatcher, day.day_of(TODAY, policy))
    assert [(each.number, each.offered, each.answered, each.accepted) for each in found] == [
        (OTHER_LINE, 2, 1, 1),
        ("962299", 1, 1, 1),
    ]
    assert calls_counted(database, office.dispatcher, policy, OTHER_LINE)["offered"] == 2
    assert cases_counted(database, office.dispatcher, policy, line=OTHER_LINE)["accepted"] == 1
    assert cases_counted(database, office.dispatcher, policy)["accepted"] == 3


def test_the_working_day_before_passes_over_what_is_free(
    database: Database, policy: Policy, staff: Staff
) -> None:
    with database.session() as session:
        calendar = load_calendar(session)
    for which, before in ((date(2026, 11, 23), date(2026, 11, 20)), (date(2026, 2, 24), date(2026, 2, 14))):
        assert day.working_day_before(day.day_of(which, policy), policy, calendar).date == before


# -- cases --------------------------------------------------------------------------------------------


def test_cases_are_counted_by_what_was_done_to_them(
    database: Database, policy: Policy, office: Office
) -> None:
    with database.session() as session:
        answering.answer_directly(session, office.agent, office.saved(session).number, "可以。", NOW)
        office.saved(session, replace(FORM, answer="已当场解答。", done=True))
        office.into(session, State.REFUSED)
        office.into(session, State.HANDLING)
        office.into(session, State.DONE)  # sent, replied, closed, visited and satisfied
        ticket = office.into(session, State.VISIT)
        visits.record(session, office.visitor, ticket.number, NOBODY, policy, LATER)
        ticket = office.into(session, State.VISIT)
        visits.record(
            session, office.visitor, ticket.number, ANGRY, policy, LATER
        )  # its reply stands no more
        ticket = office.into(session, State.WITHDRAWN)
        answering.reopen(session, office.agent, ticket.number, "又来电。", policy, LATER)
        taken_back = office.saved(session)
        office.sent(session, taken_back)
        dispatch.undo(session, office.dispatcher, taken_back.number, NOW, policy)
    assert cases_counted(database, office.dispatcher, policy) == {
        "cases": 9,
        "accepted": 9,
        "direct": 2,
        "sent": 4,
        "replied": 2,
        "closed": 3,
        "otherwise": 1,
        "visited": 2,
        "missed": 1,
        "reopened": 2,
        "rated-satisfied": 1,
        "rated-dissatisfied": 1,
    }
    assert cases_counted(database, office.dispatcher, policy, TODAY + timedelta(days=1)) == {}


def test_a_case_of_another_day_is_listed_with_what_was_done_to_it_today(
    database: Database, policy: Policy, office: Office
) -> None:
    with database.session() as session:
        ticket = office.saved(session, at=NOW - timedelta(days=3))
        office.sent(session, ticket)
        office.replied(session, ticket)
        (found,) = day.cases(session, office.dispatcher, "cases", day.day_of(TODAY, policy), policy)
    assert found.done == ("sent", "replied")


# -- what awaits whom ---------------------------------------------------------------------------------


def test_each_open_step_is_somebodys(database: Database, policy: Policy, office: Office) -> None:
    with database.session() as session:
        office.into(session, State.ACCEPTED)
        office.into(session, State.HANDLING)
        ticket = office.into(session, State.HANDLING)
        order_id = session.scalars(select(SubOrder.id).where(SubOrder.ticket_id == ticket.id)).one()
        orders.take(session, office.clerk, order_id, NOW)
        replied = office.into(session, State.HANDLING)
        office.replied(session, replied)
        office.into(session, State.REVIEW)
        office.into(session, State.VISIT)
        office.into(session, State.DONE)
        chief = people.create_person(session, "chief", "周明", Role.LEADER, PASSWORD, lines=["962299"])
        instructions.report_up(session, office.dispatcher, ticket.number, chief.id, "请批示。", NOW)
        steps = {
            which: awaiting.steps(session, office.dispatcher, which, "", policy) for which in awaiting.STEPS
        }
    told = {
        which: [(each.unit, each.person, each.role) for each in found]
        for which, found in steps.items()
        if found
    }
    power = next(unit.name for unit in policy.units if unit.code == UNIT)
    assert told == {
        "sort": [("", "", "dispatcher")],
        "take": [(power, "", "dispatcher")],
        "reply": [(power, "", "dispatcher")],
        "close": [(power, "", "dispatcher")],
        "audit": [("", "", "reviewer")],
        "visit": [("", "", "visitor")],
        "word": [("", "周明", "leader")],
    }
    assert waiting(database, office.dispatcher, policy, NOW) == dict.fromkeys(told, 1)


def test_what_is_late_is_counted_and_the_soonest_due_comes_first(
    database: Database, policy: Policy, office: Office
) -> None:
    with database.session() as session:
        first, second = (office.into(session, State.HANDLING) for _ in range(2))
        order = session.scalars(select(SubOrder).where(SubOrder.ticket_id == second.id)).one()
        order.due_at, order.due_provisional = NOW, True
        session.flush()
        found = awaiting.steps(session, office.dispatcher, "take", "", policy)
        count = awaiting.counts(session, office.dispatcher, "", NOW + timedelta(minutes=1))["take"]
    assert [(each.ticket.id, each.provisional) for each in found] == [(second.id, True), (first.id, False)]
    assert (count.all, count.late) == (2, 1)


# -- who may know -------------------------------------------------------------------------------------


def leader(database: Database, *lines: str) -> Viewer:
    with database.session() as session:
        person = people.create_person(session, "chief", "周明", Role.LEADER, PASSWORD, lines=lines)
        return logins.viewer_of(session, person)


def test_a_leader_has_his_own_lines_only(database: Database, policy: Policy, office: Office) -> None:
    his = leader(database, OTHER_LINE)
    with database.session() as session:
        for line in ("962299", OTHER_LINE):
            call_id = ring(session, policy, NOW, answered=30, by=office.agent, line=line)
            save_ticket(session, office.agent, FORM, call_id, policy, NOW)
    assert calls_counted(database, his, policy)["calls"] == 1
    assert cases_counted(database, his, policy) == {"cases": 1, "accepted": 1}
    assert cases_counted(database, his, policy, line="962299") == {}
    assert waiting(database, his, policy, NOW) == {"sort": 1}
    assert [line.number for line in day.lines(his, policy)] == [
        line.number for line in policy.lines if line.number == OTHER_LINE
    ]


def test_what_is_sealed_is_counted_for_nobody_but_who_is_named(
    database: Database, policy: Policy, office: Office, new_call: NewCall
) -> None:
    call_id = new_call(kind="complaint")
    with database.session() as session:
        form = replace(FORM, kind="report", title="索贿", content="索贿")
        ticket = save_ticket(session, office.agent, form, call_id, policy, NOW)
        assert ticket.sealed and session.get_one(Call, call_id).sealed
        ticket_id = ticket.id
    others = (office.dispatcher, leader(database, "962299"))
    for other in others:
        assert set(calls_counted(database, other, policy).values()) == {0}
        assert cases_counted(database, other, policy) == {}
        assert waiting(database, other, policy, NOW) == {}
        with database.session() as session:
            assert day.by_line(session, other, day.day_of(TODAY, policy)) == []
    with database.session() as session:
        name(session, office.dispatcher.person_id, "said", call_id=call_id)
        name(session, office.dispatcher.person_id, "said", ticket_id=ticket_id)
    assert calls_counted(database, office.dispatcher, policy)["answered"] == 1
    assert cases_counted(database, office.dispatcher, policy) == {"cases": 1, "accepted": 1}
    assert waiting(database, office.dispatcher, policy, NOW) == {"sort": 1}


def test_who_may_not_read_the_day_has_nothing_of_it(
    database: Database, policy: Policy, office: Office
) -> None:
    with database.session() as session:
        ring(session, policy, NOW, answered=30, by=office.agent)
        office.saved(session)
    for nobody in (office.clerk, office.reviewer, office.agent):
        assert set(calls_counted(database, nobody, policy).values()) == {0}
        assert cases_counted(database, nobody, policy) == {}
