"""The hotline in figures: traffic, not content."""

from datetime import timedelta

import pytest

from cases.duty import set_live, set_wanted
from cases.figures import ANSWER_SECONDS, Moment, Traffic, gaps, moment, traffic
from cases.recordings import mark_gap
from storage import outbox
from storage.database import Database
from tests.cases.conftest import NOW, NewCall, Staff


def count(database: Database) -> Traffic:
    with database.session() as session:
        return traffic(session, None, None)


def test_calls_that_are_over_are_counted_by_outcome_and_door_and_answers_by_their_wait(
    database: Database, new_call: NewCall
) -> None:
    new_call()
    new_call(kind="inquiry")
    new_call(answered_by=None)  # still on the line
    counted = count(database)
    assert counted.calls == {("answered", "trunk"): 2}
    assert counted.answers == {ANSWER_SECONDS.index(10.0) + 1: 2}  # at ten seconds: in the bucket above
    assert counted.answer_seconds == pytest.approx(20.0)
    assert counted.recordings == {"ready": 3}


def test_two_parts_of_the_time_make_the_whole(database: Database, new_call: NewCall) -> None:
    new_call(at=NOW - timedelta(days=3))
    new_call(at=NOW)
    with database.session() as session:
        parts = traffic(session, None, NOW - timedelta(days=1)) + traffic(
            session, NOW - timedelta(days=1), None
        )
    assert parts == count(database)


def test_a_sealed_call_counts_as_traffic_and_in_no_other_way(database: Database, new_call: NewCall) -> None:
    new_call(kind="inquiry")
    open_only = count(database)
    new_call(kind="complaint")
    both = count(database)
    assert both.calls == {key: 2 * number for key, number in open_only.calls.items()}
    assert set(vars(Traffic)["__slots__"]) == {"calls", "answers", "answer_seconds", "recordings"}


def test_the_moment_tells_who_is_where_and_how_long_the_first_waits(
    database: Database, staff: Staff, new_call: NewCall
) -> None:
    new_call(answered_by=None, at=NOW - timedelta(seconds=80))  # queued 20 s later
    with database.session() as session:
        set_wanted(session, None, staff.agent.person_id, "ready")
        set_live(session, staff.agent.person_id, "idle")
        outbox.put(session, "sms", {}, due_at=NOW)
        outbox.put(session, "sms", {}, due_at=NOW + timedelta(hours=1))
    with database.session() as session:
        now: Moment = moment(session, NOW)
    assert now.calls == {"menu": 0, "waiting": 1, "talking": 0}
    assert now.longest_wait_seconds == pytest.approx(60.0)
    assert (now.agents["ready"], now.agents["off"], now.outbox) == (1, 2, 1)


def test_a_gap_is_an_answered_call_without_its_recording(database: Database, new_call: NewCall) -> None:
    new_call()
    lost = new_call(recorded=False)
    with database.session() as session:
        mark_gap(session, lost, lost, "no recording was written", NOW)
    with database.session() as session:
        assert (gaps(session, NOW), gaps(session, NOW + timedelta(hours=1))) == (1, 0)
