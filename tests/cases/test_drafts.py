"""What is typed survives, and the latest word wins."""

import pytest

from cases.drafts import draft, drop, keep_draft
from cases.errors import NotAllowed
from storage.database import Database
from tests.cases.conftest import Staff


def test_the_highest_revision_wins_in_whatever_order_they_arrive(database: Database, staff: Staff) -> None:
    with database.session() as session:
        keep_draft(session, staff.agent, "c1", {"content": "二"}, 2)
        stored = keep_draft(session, staff.agent, "c1", {"content": "一"}, 1)
        assert (stored.body, stored.revision) == ({"content": "二"}, 2)
        assert keep_draft(session, staff.agent, "c1", {"content": "三"}, 3).body == {"content": "三"}


def test_a_draft_is_its_writers_own(database: Database, staff: Staff) -> None:
    with database.session() as session:
        keep_draft(session, staff.agent, "c1", {"content": "我的"}, 1)
        assert draft(session, staff.other, "c1") is None
        drop(session, staff.other, "c1")
        assert draft(session, staff.agent, "c1") is not None
        drop(session, staff.agent, "c1")
        drop(session, staff.agent, "c1")
        assert draft(session, staff.agent, "c1") is None


def test_who_writes_no_tickets_keeps_no_draft(database: Database, staff: Staff) -> None:
    with pytest.raises(NotAllowed), database.session() as session:
        keep_draft(session, staff.supervisor, "c1", {}, 1)
