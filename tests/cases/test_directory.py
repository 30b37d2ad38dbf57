"""The directory proposes whom a matter should go to, and says why; never the accused, nor one below it."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy import text as sql
from sqlalchemy.orm import Session

from cases import directory, units
from cases.directory import DirectoryForm, Proposal, Why
from cases.errors import Conflict, NotAllowed, NotVisible, Refused
from routing.policy import Policy
from storage.database import Database, DatabaseAway
from storage.knowledge import DirectoryEntry
from storage.staff import Unit
from storage.tables import Journal
from tests.cases.conftest import NOW, Staff

Propose = Callable[..., Proposal | None]
POWER = DirectoryForm(words=("停电", "断电"), unit="power")


@pytest.fixture
def write(database: Database, policy: Policy, staff: Staff) -> Callable[..., int]:
    """Enters an entry; the policy's units are there."""
    with database.session() as session:
        units.sync(session, policy.units)

    def enter(form: DirectoryForm | None = None, **fields: Any) -> int:
        with database.session() as session:
            form = form or DirectoryForm(**fields)
            return directory.write(session, staff.administrator, form, policy, NOW).id

    return enter


@pytest.fixture
def propose(database: Database, policy: Policy, write: Any) -> Propose:
    def ask(text: str = "", accused: str = "", **matter: str) -> Proposal | None:
        with database.session() as session:
            unit = session.scalar(select(Unit).where(Unit.code == accused)) if accused else None
            asked = {"kind": "help", "category": "", "place": "", "text": text} | matter
            return directory.propose(
                session, **asked, accused_unit_id=unit.id if unit else None, policy=policy
            )

    return ask


def test_a_matter_goes_by_its_words_and_is_told_which(write: Any, propose: Propose) -> None:
    entry = write(POWER)
    assert propose("厂区昨夜停电") == Proposal("power", "", (Why("words", "停电"),), entry)
    assert propose("厂区昨夜停水") is None


def test_words_are_found_in_the_traditional_script_and_in_full_width(write: Any, propose: Propose) -> None:
    write(words=("收费标准", "A级"), unit="development_reform")
    for text in ("停車場收費標準不清", "被评为Ａ級"):
        found = propose(text)
        assert found is not None and found.unit_code == "development_reform"


def test_the_place_outweighs_words_and_more_words_outweigh_fewer(write: Any, propose: Propose) -> None:
    write(POWER)
    write(words=("停电", "变压器"), place="", kind="help", unit="emergency")
    write(place="高新区", unit="hightech")
    found = propose("停电，变压器冒烟")
    assert found is not None and found.unit_code == "emergency"
    assert found.why == (Why("kind", "help"), Why("words", "停电、变压器"))
    found = propose("停电，变压器冒烟", place="绵阳高新区火炬街")
    assert found is not None and found.why == (Why("place", "高新区"),)


@pytest.mark.parametrize(
    ("place", "unit"),
    [
        ("涪城区临园路", "fucheng"),
        ("绵阳涪城临园路88号", "fucheng"),
        ("北川永昌镇", "beichuan"),
        ("江油市太平镇", "jiangyou"),
        ("涪城區", "fucheng"),
        ("成都市", None),
    ],
)
def test_what_no_entry_knows_goes_to_the_county_of_its_place(
    propose: Propose, place: str, unit: str | None
) -> None:
    found = propose("路边有坑", place=place)
    assert (found.unit_code if found else None) == unit
    assert found is None or found.why[0].code == "county"


def test_the_accused_and_those_below_it_are_never_proposed(write: Any, propose: Propose) -> None:
    write(words=("年审",), unit="fucheng_tax")
    other = write(words=("年审收费",), unit="tax")
    assert propose("年审收费", accused="fucheng").unit_code == "tax"  # type: ignore[union-attr]
    found = propose("年审收费", accused="tax")
    assert found is not None and found.unit_code == "fucheng_tax" and found.entry_id != other
    assert propose("年审", accused="fucheng", place="涪城区") is None


def test_the_category_outweighs_everything_and_the_narrower_one_the_wider(
    write: Any, propose: Propose
) -> None:
    write(place="高新区", words=("电价",), unit="hightech")
    wide = write(category="utilities", unit="development_reform")
    narrow = write(category="power_supply", words=("电价",), unit="market_supervision")
    found = propose("电价太高", category="power_supply", place="高新区")
    assert found is not None and found.entry_id == narrow
    assert found.why == (Why("category", "power_supply"), Why("words", "电价"))
    found = propose("经常跳闸", category="power_supply", place="高新区")
    assert found is not None and (found.entry_id, found.why) == (wide, (Why("category", "utilities"),))
    found = propose("电价太高", category="labour", place="高新区")
    assert found is not None and found.unit_code == "hightech"


def test_what_no_entry_knows_goes_to_its_category_s_usual_unit_before_its_county(propose: Propose) -> None:
    found = propose("随便什么", category="power_supply", place="涪城区")
    assert found == Proposal("power", "", (Why("default", "power_supply"),))
    found = propose("随便什么", category="power_supply", place="涪城区", accused="power")
    assert found is not None and found.why == (Why("county", "涪城区"),)
    assert propose("随便什么", category="一种老写法") is None


def test_an_entry_s_longer_limit_is_proposed_to_the_kinds_that_have_it(write: Any, propose: Propose) -> None:
    write(words=("权证",), unit="natural_resources", choice="legacy", designated=True)
    found = propose("二十年前的权证")
    assert found is not None and (found.choice, found.designated) == ("legacy", True)
    found = propose("二十年前的权证", kind="inquiry")
    assert found is not None and found.choice == ""


def test_what_is_switched_off_proposes_nothing(
    database: Database, staff: Staff, write: Any, propose: Propose
) -> None:
    entry = write(POWER)
    with database.session() as session:
        directory.switch(session, staff.administrator, entry, False, NOW)
    assert propose("停电") is None
    with database.session() as session:
        directory.switch(session, staff.administrator, entry, True, NOW)
        acts = session.scalars(select(Journal.act).where(Journal.subject_kind == "directory")).all()
    assert propose("停电") is not None
    assert acts == ["directory.added", "directory.off", "directory.on"]


@pytest.mark.parametrize(
    ("fields", "faults"),
    [
        ({"unit": ""}, {"unit": "required", "entry": "entry_for_nothing"}),
        ({"unit": "nowhere", "kind": "odd", "choice": "never"}, {"unit": "unknown", "kind": "unknown"}),
        ({"unit": "power", "words": ("x" * 201,)}, {"words": "too_long"}),
        ({"unit": "power", "words": ("断电", "停电")}, {"entry": "entry_twice"}),
    ],
)
def test_an_entry_that_makes_no_sense_is_refused(
    write: Any, fields: dict[str, Any], faults: dict[str, str]
) -> None:
    write(POWER)
    with pytest.raises(Refused) as refused:
        write(**fields)
    assert refused.value.faults.items() >= faults.items()


def test_who_read_an_older_entry_does_not_write_over_the_newer_one(
    database: Database, policy: Policy, staff: Staff, write: Any
) -> None:
    entry = write(POWER)
    with pytest.raises(Conflict), database.session() as session:
        directory.write(session, staff.administrator, POWER, policy, NOW, entry_id=entry, version=7)
    with pytest.raises(NotVisible), database.session() as session:
        directory.write(session, staff.administrator, POWER, policy, NOW, entry_id=999, version=1)


@pytest.mark.parametrize("by", ["entering", "switching on", "taking in"])
def test_of_two_who_enter_the_same_at_once_the_second_waits_and_is_told(
    database: Database, policy: Policy, staff: Staff, write: Any, by: str
) -> None:
    admin, off = staff.administrator, write(POWER)

    def second(session: Session) -> None:
        if by == "switching on":
            directory.switch(session, admin, off, True, NOW)
        elif by == "taking in":
            directory.take_in(session, admin, [POWER, POWER], policy, NOW)
        else:
            directory.write(session, admin, POWER, policy, NOW)

    with database.session() as session:
        directory.switch(session, admin, off, False, NOW)
    with database.session() as session:
        directory.write(session, admin, POWER, policy, NOW)
        with pytest.raises(DatabaseAway, match="lock timeout"), database.session() as other:
            other.execute(sql("SET LOCAL lock_timeout = '50ms'"))
            second(other)
    with pytest.raises(Refused) as refused, database.session() as session:
        second(session)
    assert "entry_twice" in refused.value.faults.values()


def test_only_the_administrator_keeps_it(
    database: Database, policy: Policy, staff: Staff, write: Any
) -> None:
    entry = write(POWER)
    for viewer in (staff.agent, staff.leader, staff.supervisor, staff.discipline):
        with pytest.raises(NotAllowed), database.session() as session:
            directory.write(session, viewer, DirectoryForm(place="x", unit="gas"), policy, NOW)
        with pytest.raises(NotAllowed), database.session() as session:
            directory.switch(session, viewer, entry, False, NOW)
        with pytest.raises(NotAllowed), database.session() as session:
            directory.everything(session, viewer)


def test_taking_in_a_list_changes_what_is_there_and_adds_what_is_not(
    database: Database, policy: Policy, staff: Staff, write: Any
) -> None:
    write(POWER)
    same = DirectoryForm(place="高新区", unit="hightech")
    write(same)
    listed = [
        DirectoryForm(words=("断电", "停电"), unit="emergency"),
        same,
        DirectoryForm(kind="help", unit="gas"),
    ]
    with database.session() as session:
        assert directory.take_in(session, staff.administrator, listed, policy, NOW) == (1, 1)
    with database.session() as session:
        found = {(tuple(each.words), each.unit) for each in session.scalars(select(DirectoryEntry))}
    assert found == {(("断电", "停电"), "emergency"), ((), "hightech"), ((), "gas")}


def test_a_list_with_a_fault_is_not_taken_in_at_all_and_its_line_is_told(
    database: Database, policy: Policy, staff: Staff, write: Any
) -> None:
    listed = [POWER, DirectoryForm(place="高新区", unit="nowhere"), POWER]
    with pytest.raises(Refused) as refused, database.session() as session:
        directory.take_in(session, staff.administrator, listed, policy, NOW)
    assert refused.value.faults == {"2.unit": "unknown", "3.entry": "entry_twice"}
    with database.session() as session:
        assert directory.everything(session, staff.administrator) == []
