"""What is typed survives, and the latest word wins."""

import pytest

from cases.drafts import draft, drop, keep_draft
from cases.errors import NotAllowed, NotVisible
from storage.database import Database
from tests.cases.conftest import NewCall, Staff


def test_the_highest_revision_wins_in_whatever_order_they_arrive(
    database: Database, staff: Staff, new_call: NewCall
) -> None:
    call_id = new_call()
    with database.session() as session:
        keep_draft(session, staff.agent, call_id, {"content": "二"}, 2)
        stored = keep_draft(session, staff.agent, call_id, {"content": "一"}, 1)
        assert (stored.body, stored.revision) == ({"content": "二"}, 2)
        assert keep_draft(session, staff.agent, call_id, {"content": "三"}, 3).body == {"content": "三"}


def test_a_draft_is_its_writers_own(database: Database, staff: Staff, new_call: NewCall) -> None:
    call_id = new_call()
    with database.session() as session:
        keep_draft(session, staff.agent, call_id, {"content": "我的"}, 1)
        assert draft(session, staff.other, call_id) is None
        drop(session, staff.other, call_id)
        assert draft(session, staff.agent, call_id) is not None
        drop(session, staff.agent, call_id)
        drop(session, staff.agent, call_id)
        assert draft(session, staff.agent, call_id) is None


def test_who_writes_no_tickets_keeps_no_draft(database: Database, staff: Staff) -> None:
    with pytest.raises(NotAllowed), database.session() as session:
        keep_draft(session, staff.supervisor, "c1", {}, 1)


def test_beside_a_call_that_she_does_not_see_nothing_is_kept(
    database: Database, staff: Staff, new_call: NewCall
) -> None:
    sealed = new_call(kind="complaint")
    for call_id in (sealed, "never"):
        with pytest.raises(NotVisible), database.session() as session:
            keep_draft(session, staff.other, call_id, {"content": "x"}, 1)
