"""The demo's directory and knowledge base are whole in each city, and answer what its callers ask."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from cases import directory, knowledge, people, units
from hotline import demo_knowledge
from routing.policy import Policy, load
from storage.database import Database
from storage.knowledge import DirectoryEntry, KnowledgeEntry
from storage.viewer import Role, Viewer

POLICIES = Path(__file__).resolve().parents[2] / "policies"
NOW = datetime.now(UTC)


@pytest.fixture(params=["mianyang-962299", "nanning-direct-line"])
def city(request: pytest.FixtureRequest, database: Database) -> Policy:
    policy = load(POLICIES / f"{request.param}.toml")
    with database.session(60) as session:
        units.sync(session, policy.units)
        by = {}
        for role in (Role.EDITOR, Role.ADMINISTRATOR):
            person = people.create_person(session, role.value, role.value, role, "correct horse")
            by[role] = Viewer(person.id, role, person.name)
        demo_knowledge.lay_out(session, policy, by[Role.EDITOR], by[Role.ADMINISTRATOR], NOW)
    return policy


def test_both_are_believable_in_size_and_of_every_state(city: Policy, database: Database) -> None:
    with database.session() as session:
        assert len(session.scalars(select(DirectoryEntry)).all()) >= 30
        entries = session.scalars(select(KnowledgeEntry)).all()
        assert len(entries) >= 20
        assert {each.state for each in entries} == {"draft", "published", "withdrawn"}
        assert not [each.title for each in entries if "{" in each.title + each.body]
        assert len({each.title for each in entries}) == len(entries)
        assert sum(bool(each.category) for each in entries) > 0.9 * len(entries)


def test_an_entry_is_about_to_expire(city: Policy, database: Database) -> None:
    editor = Viewer(0, Role.EDITOR, "")
    today = NOW.astimezone(city.zone).date()
    with database.session() as session:
        assert knowledge.shelf(session, editor, knowledge.Shelf.EXPIRING, today)


@pytest.mark.parametrize(
    ("asked", "title"),
    [
        ("收费", "怎么知道一项收费合不合法"),
        ("營業執照", "营业执照丢了怎么补领"),
        ("突然停电", "突然停电打哪里，多久来电"),
        ("多久", "多久给答复"),
    ],
)
def test_what_callers_ask_is_found(city: Policy, database: Database, asked: str, title: str) -> None:
    with database.session() as session:
        found = knowledge.search(session, Viewer(0, Role.AGENT, ""), asked, NOW.astimezone(city.zone).date())
    assert title in [each.title for each in found][:3]


@pytest.mark.parametrize(
    ("text", "place", "unit"),
    [
        ("厂区昨夜停电四次", "高新区", "power"),
        ("园区三号路路面破损", "高新区火炬大道", "hightech"),
        ("园区三号路路面破损", "某县", "transport"),
        ("旁边堆放化工桶，有异味", "", "emergency"),
        ("农民工工资拖欠三个月", "", "human_resources"),
    ],
)
def test_what_they_report_goes_where_it_should(
    city: Policy, database: Database, text: str, place: str, unit: str
) -> None:
    with database.session() as session:
        found = directory.propose(
            session, kind="help", category="", place=place, text=text, accused_unit_id=None, policy=city
        )
    assert found is not None and found.unit_code == unit
