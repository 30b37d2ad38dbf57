"""The knowledge base is found by any two of its characters, keeps what it said, and shows what is valid."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from cases import knowledge
from cases.errors import Conflict, NotAllowed, NotVisible, Refused
from cases.knowledge import KnowledgeForm, Shelf
from routing.bigrams import asked
from routing.policy import Policy
from storage.database import Database
from storage.knowledge import KnowledgeEntry
from storage.tables import Journal
from storage.viewer import Role, Viewer
from tests.cases.conftest import NOW, Staff

TODAY = date(2026, 9, 18)
FEES = KnowledgeForm(
    title="停车场收费标准", body="首小时5元，以后每小时2元。", keywords="停车费 乱收费", category=""
)
Write = Callable[..., int]
Find = Callable[..., list[str]]


@pytest.fixture
def editor(staff: Staff) -> Viewer:
    return Viewer(staff.administrator.person_id, Role.EDITOR, "编辑", "192.0.2.7")


@pytest.fixture
def write(database: Database, policy: Policy, editor: Viewer) -> Write:
    """Writes an entry, and publishes it unless told otherwise."""

    def enter(form: KnowledgeForm | None = None, *, publish: bool = True, **typed: str) -> int:
        form = form or KnowledgeForm(**{"title": "无题", "body": "无"} | typed)
        with database.session() as session:
            entry = knowledge.write(session, editor, form, policy, NOW)
            if publish:
                knowledge.publish(session, editor, entry.id, entry.version, TODAY)
            return entry.id

    return enter


@pytest.fixture
def find(database: Database, staff: Staff) -> Find:
    def ask(text: str, today: date = TODAY, **more: Any) -> list[str]:
        with database.session() as session:
            return [each.title for each in knowledge.search(session, staff.agent, text, today, **more)]

    return ask


@pytest.mark.parametrize(
    "typed", ["收费", "收費標準", "停车", "乱收", "5", "费", "小時", "停車場收費", "收费 停车"]
)
def test_it_is_found_by_two_characters_in_either_script(write: Write, find: Find, typed: str) -> None:
    write(FEES)
    write(title="营业执照遗失补领", body="登报声明后到政务大厅办理。")
    assert find(typed) == ["停车场收费标准"]


@pytest.mark.parametrize("typed", ["场费", "医保", "，", "'", "收费'):*|", "\\"])
def test_what_does_not_stand_there_together_is_not_found(write: Write, find: Find, typed: str) -> None:
    write(title="停车场", body="费用另计")
    assert find(typed) == []


def test_a_whole_question_finds_what_has_a_third_of_it_and_the_most_first(write: Write, find: Find) -> None:
    write(title="食品经营许可", body="凭营业执照办理。")
    write(title="营业执照遗失补领", body="登报声明后办理，执照丢了不收费。")
    write(title="停车收费", body="每小时5元")
    assert find("营业执照丢了怎么办") == ["营业执照遗失补领", "食品经营许可"]


def test_a_word_in_the_title_weighs_more_than_in_keywords_and_more_than_in_the_body(
    write: Write, find: Find
) -> None:
    write(title="甲", body="社保登记")
    write(title="乙", body="无", keywords="社保")
    write(title="社保转移", body="无")
    assert find("社保") == ["社保转移", "乙", "甲"]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=2, max_size=20))
def test_any_two_neighbouring_characters_of_a_body_find_it(
    database: Database, policy: Policy, editor: Viewer, body: str
) -> None:
    with database.session() as session:
        if not body.strip():
            return
        entry = knowledge.write(session, editor, KnowledgeForm(title="题", body=body), policy, NOW)
        knowledge.publish(session, editor, entry.id, entry.version, TODAY)
        for place in range(len(body) - 1):
            typed = body[place : place + 2]
            if asked(typed):
                found = knowledge.search(session, editor, typed, TODAY, limit=1000)
                assert entry.id in {each.id for each in found}, typed
        session.rollback()


def test_only_what_is_published_and_valid_today_is_found(
    database: Database, editor: Viewer, write: Write, find: Find
) -> None:
    write(FEES, publish=False)
    write(title="收费甲", valid_from="2026-09-19")
    write(title="收费乙", valid_until="2026-09-18", valid_from="2026-09-18")
    gone = write(title="收费丙")
    with database.session() as session:
        knowledge.withdraw(session, editor, gone)
    assert find("收费") == ["收费乙"]
    assert find("收费", date(2026, 9, 19)) == ["收费甲"]


def test_what_is_used_most_is_there_before_anything_is_typed(
    database: Database, write: Write, find: Find
) -> None:
    first, second = write(title="甲"), write(title="乙")
    with database.session() as session:
        assert knowledge.count_as_answer(session, str(first), sealed=False)
        odd = ("", "999999", "x", "９", "9" * 40)
        assert not any(knowledge.count_as_answer(session, each, sealed=False) for each in odd)
    assert find("  ") == ["甲", "乙"]
    with database.session() as session:
        for _ in range(2):
            knowledge.count_as_answer(session, str(second), sealed=False)
    assert find("") == ["乙", "甲"]


def test_each_writing_is_kept_and_what_is_read_is_the_last(
    database: Database, policy: Policy, editor: Viewer, staff: Staff, write: Write, find: Find
) -> None:
    entry_id = write(FEES)
    again = KnowledgeForm(title="停车场收费标准（新）", body="首小时6元。", valid_until="2027-01-01")
    with database.session() as session:
        knowledge.write(session, editor, again, policy, NOW, entry_id=entry_id, version=1)
    with database.session() as session:
        assert knowledge.form_of(knowledge.read(session, staff.agent, entry_id)) == again
        kept = knowledge.versions(session, editor, entry_id)
        assert [(each.version, knowledge.form_of(each)) for each in kept] == [(2, again), (1, FEES)]
        assert session.scalars(
            select(Journal.act).where(Journal.subject_kind == "knowledge").order_by(Journal.id)
        ).all() == ["knowledge.written", "knowledge.published", "knowledge.written"]
    assert find("乱收费") == []
    assert find("6元") == ["停车场收费标准（新）"]


def test_who_read_an_older_version_neither_writes_over_the_newer_nor_publishes_it_unread(
    database: Database, policy: Policy, editor: Viewer, write: Write
) -> None:
    entry_id = write(FEES, publish=False)
    with database.session() as session:
        knowledge.write(session, editor, FEES, policy, NOW, entry_id=entry_id, version=1)
    with pytest.raises(Conflict), database.session() as session:
        knowledge.write(session, editor, FEES, policy, NOW, entry_id=entry_id, version=1)
    with pytest.raises(Conflict), database.session() as session:
        knowledge.publish(session, editor, entry_id, 1, TODAY)


@pytest.mark.parametrize(
    ("typed", "faults"),
    [
        ({"title": " ", "body": ""}, {"title": "required", "body": "required"}),
        (
            {"valid_from": "morgen", "valid_until": "2026-02-30"},
            {"valid_from": "no_day", "valid_until": "no_day"},
        ),
        ({"valid_from": "2026-10-01", "valid_until": "2026-09-30"}, {"valid_until": "day_order"}),
        ({"category": "nothing", "unit": "nowhere"}, {"category": "unknown", "unit": "unknown"}),
        ({"title": "x" * 201, "body": "x" * 20_001}, {"title": "too_long", "body": "too_long"}),
    ],
)
def test_what_will_not_do_is_told_field_by_field(
    write: Write, typed: dict[str, str], faults: dict[str, str]
) -> None:
    with pytest.raises(Refused) as refused:
        write(**typed)
    assert refused.value.faults == faults


def test_what_is_over_is_not_published(write: Write) -> None:
    with pytest.raises(Refused) as refused:
        write(title="旧", valid_until="2026-09-17")
    assert refused.value.faults == {"valid_until": "day_over"}


def test_drafts_are_the_editors_and_only_they_write(
    database: Database, policy: Policy, editor: Viewer, staff: Staff, write: Write
) -> None:
    draft, published = write(FEES, publish=False), write(FEES)
    with database.session() as session:
        assert knowledge.read(session, editor, draft).state == "draft"
        assert knowledge.counts(session, staff.agent, TODAY) == {}
    for viewer in (staff.agent, staff.supervisor, staff.administrator):
        with database.session() as session:
            assert knowledge.read(session, viewer, published).title == FEES.title
        with pytest.raises(NotVisible), database.session() as session:
            knowledge.read(session, viewer, draft)
        with pytest.raises(NotAllowed), database.session() as session:
            knowledge.write(session, viewer, FEES, policy, NOW)
        with pytest.raises(NotAllowed), database.session() as session:
            knowledge.publish(session, viewer, draft, 1, TODAY)
        with pytest.raises(NotAllowed), database.session() as session:
            knowledge.withdraw(session, viewer, published)
        with pytest.raises(NotAllowed), database.session() as session:
            knowledge.versions(session, viewer, published)
        with pytest.raises(NotAllowed), database.session() as session:
            knowledge.shelf(session, viewer, Shelf.ALL, TODAY)
    auditor = Viewer(editor.person_id, Role.AUDITOR, "审计", "")
    with pytest.raises(NotAllowed), database.session() as session:
        knowledge.search(session, auditor, "收费", TODAY)


def test_the_editors_counts_are_of_the_lists_that_they_open(
    database: Database, editor: Viewer, write: Write
) -> None:
    write(FEES, publish=False)
    write(title="将到期", valid_until="2026-10-18")
    write(title="早呢", valid_until="2026-10-19")
    over = write(title="已过期", valid_until="2026-09-18")
    gone = write(title="撤下的", valid_until="2026-09-20")
    with database.session() as session:
        knowledge.withdraw(session, editor, gone)
    later = date(2026, 9, 20)
    with database.session() as session:
        counted = knowledge.counts(session, editor, TODAY)
        assert counted == {Shelf.ALL: 5, Shelf.DRAFTS: 1, Shelf.EXPIRING: 2, Shelf.WITHDRAWN: 1}
        for which, count in counted.items():
            assert len(knowledge.shelf(session, editor, which, TODAY)) == count
        expiring = knowledge.shelf(session, editor, Shelf.EXPIRING, later)
        assert [each.title for each in expiring] == ["已过期", "将到期", "早呢"]
        assert not knowledge.is_valid(session.get_one(KnowledgeEntry, over), later)


def test_the_index_serves_the_search(database: Database, write: Write) -> None:
    write(FEES)
    with database.session() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = session.scalars(
            text("EXPLAIN SELECT id FROM knowledge_entry WHERE found @@ '''收费'''::tsquery")
        ).all()
    assert any("ix_knowledge_entry_found" in line for line in plan)
