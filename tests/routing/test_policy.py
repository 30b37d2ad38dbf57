"""Both cities load; a policy that does not fit is refused with the key, the fault and the remedy."""

import copy
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest

from cases.permissions import Action, Scope, cell
from routing.policy import Reader, load, parse
from routing.terms import PolicyError
from storage.viewer import Role

POLICIES = Path(__file__).resolve().parents[2] / "policies"


@pytest.fixture
def mianyang() -> dict[str, Any]:
    return tomllib.loads((POLICIES / "mianyang-962299.toml").read_text(encoding="utf-8"))


def test_mianyang_answers_one_number_all_day_with_a_menu() -> None:
    policy = load(POLICIES / "mianyang-962299.toml")
    line = policy.line("962299")
    assert line is not None and line.menu and policy.hours[line.hours].closes == "24:00"
    assert policy.menu.keys == {"1": "inquiry", "2": "help", "3": "complaint", "0": ""}
    assert policy.kind("complaint").sealed and policy.kind("report").sealed
    assert policy.line("12345") is None


def test_nanning_publishes_46_numbers_on_working_days() -> None:
    policy = load(POLICIES / "nanning-direct-line.toml")
    assert len(policy.lines) == 46
    assert len({line.name for line in policy.lines}) == 46
    assert not any(line.menu for line in policy.lines)
    hours = policy.hours["direct"]
    assert (hours.days, hours.opens, hours.closes) == ("working", "08:00", "22:00")
    assert policy.kind("help").longer["nonroutine"].amount == 48


@pytest.mark.parametrize(
    ("name", "counties"), [("mianyang-962299.toml", 14), ("nanning-direct-line.toml", 15)]
)
def test_a_city_lists_its_counties_departments_and_some_offices(name: str, counties: int) -> None:
    units = load(POLICIES / name).units
    level = [unit.level for unit in units]
    assert (level.count("county"), level.count("second")) == (counties, 29)
    assert level.count("third") > 0
    assert len({unit.name for unit in units}) == len(units)


def test_every_policy_in_the_folder_loads() -> None:
    for path in POLICIES.glob("*.toml"):
        assert load(path).lines


def test_readers_are_roles_that_may_be_named() -> None:
    for reader in get_args(Reader):
        assert cell(Role(reader), Action.SEE_TICKETS).sealed is Scope.NAMED


def _set(data: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    data = copy.deepcopy(data)
    *way, last = key.split(".")
    place: Any = data
    for part in way:
        place = place[int(part)] if isinstance(place, list) else place[part]
    place[last] = value
    return data


@pytest.mark.parametrize(
    ("key", "value", "told_key", "remedy"),
    [
        ("colour", "red", "colour", "remove it"),
        ("menu.trise", 2, "menu.trise", "did you mean tries?"),
        ("lines.0.que", "main", "lines.0.que", "did you mean queue?"),
        ("kinds.0.deadline.unti", "hours", "kinds.0.deadline.unti", "did you mean unit?"),
        ("lines.0.queue", "desk", "lines.0.queue", "use one of: main"),
        ("lines.0.hours", "day", "lines.0.hours", "use one of: always"),
        ("menu.keys.1", "gossip", "menu.keys.1", "use one of: inquiry"),
        ("menu.english_key", "3", "menu.english_key", "choose a key of its own"),
        ("time_zone", "Asia/Mianyang", "time_zone", 'write e.g. "Asia/Shanghai"'),
        ("area_code", "816", "area_code", "match pattern"),
        ("sealed_readers", ["mayor"], "sealed_readers.0", "'discipline'"),
        ("kinds.0.deadline.amount", 0, "kinds.0.deadline.amount", "greater than 0"),
        ("kinds.0.deadline.unit", "weeks", "kinds.0.deadline.unit", "'working_days'"),
        ("kinds.0.code", "help", "kinds.code", "keep one of them"),
        ("hours", {"day": {"opens": "22:00", "closes": "08:00"}}, "hours.day", "must be later"),
        ("hours", {"day": {"opens": "8:00"}}, "hours.day.opens", "match pattern"),
        ("units.0.code", "power", "units.code", "keep one of them"),
        ("units.0.level", "third", "units.0", "name the unit `above`"),
        ("units.0.level", "city", "units.0.level", "'second'"),
        ("units.45.above", "fucheng_tax", "units.45.above", "use one of: fucheng"),
        ("urgencies.urgent.unit", "working_hours", "urgencies.urgent", "name `hours`"),
        ("retention.sessions", 90, "retention.sessions", "greater than or equal to 183"),
        ("retention.journal", 182, "retention.journal", "greater than or equal to 183"),
        ("retention.recordings", 0, "retention.recordings", "greater than 0"),
        ("privacy.kept.zh", "保存两年", "prompts.zh.notice", "say it as privacy.kept does"),
        ("prompts.en.notice", "Calls are recorded.", "prompts.en.notice", "say it as privacy.kept"),
    ],
)
def test_a_fault_names_its_key_and_remedy(
    mianyang: dict[str, Any], key: str, value: Any, told_key: str, remedy: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        parse(_set(mianyang, key, value))
    told = [fault for fault in caught.value.faults if fault.key == told_key]
    assert told and remedy in told[0].remedy, str(caught.value)


def test_all_faults_are_told_at_once(mianyang: dict[str, Any]) -> None:
    del mianyang["city"]
    with pytest.raises(PolicyError) as caught:
        parse(_set(mianyang, "colour", 1))
    assert {fault.key for fault in caught.value.faults} == {"city", "colour"}


@pytest.mark.parametrize("words", ["name = ", "\x00", ""])
def test_a_broken_file_says_what_to_write(tmp_path: Path, words: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(words)
    with pytest.raises(PolicyError):
        load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="name a readable file"):
        load(tmp_path / "none.toml")
