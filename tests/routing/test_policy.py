"""Both cities load; a policy that does not fit is refused with the key, the fault and the remedy."""

import copy
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest

from cases.permissions import Action, Scope, cell
from routing.handling import DECIDERS
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
        ("area_code", "816", "area_code", 'as "0816"'),
        ("menu.keys.1", "Gossip", "menu.keys.1", "the code of a kind"),
        ("menu.tries", "two", "menu.tries", "a whole number"),
        ("lines.0.number", 962299, "lines.0.number", "in quotes"),
        ("lines", [], "lines", "write at least 1"),
        ("queues.0.title", "坐席", "queues.0.title", "in both languages"),
        ("sealed_readers", ["mayor"], "sealed_readers.0", "'discipline'"),
        ("kinds.0.deadline.amount", 0, "kinds.0.deadline.amount", "greater than 0"),
        ("kinds.0.deadline.unit", "weeks", "kinds.0.deadline.unit", "'working_days'"),
        ("kinds.0.code", "help", "kinds.code", "keep one of them"),
        ("hours", {"day": {"opens": "22:00", "closes": "08:00"}}, "hours.day", "must be later"),
        ("hours", {"day": {"opens": "8:00"}}, "hours.day.opens", 'as "08:30"'),
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


@pytest.mark.parametrize(
    ("key", "value", "told_key", "remedy"),
    [
        ("kinds.1.deadline.amount", 501, "kinds.1.deadline", "at most 500 working_days"),
        ("kinds.1.longer.complex.name", None, "kinds.1.longer.complex.name", "in both languages"),
        ("categories.1.above", "opperating", "categories.1.above", "use one of: operating"),
        ("categories.0.above", "siting", "categories.0.above", "before what is below it"),
        ("categories.1.kinds", ["gossip"], "categories.1.kinds.0", "use one of: inquiry"),
        ("categories.1.unit", "nobody", "categories.1.unit", "use one of: fucheng"),
        ("categories.1.code", "land", "categories.code", "keep one of them"),
        ("categories.1.lmit", {}, "categories.1.lmit", "did you mean limit?"),
        ("handling.acknowledge.unit", "working_hours", "handling.acknowledge", "name `hours`"),
        (
            "handling.instruction",
            {"amount": 3, "unit": "working_hours", "hours": "night"},
            "handling.instruction.hours",
            "use one of: always",
        ),
        ("handling.visit_attempts", 0, "handling.visit_attempts", "greater than or equal to 1"),
        ("handling.clock_starts", "taking", "handling.clock_starts", "'dispatch' or 'acceptance'"),
        ("handling.progress_every", {"normal": {}}, "handling.progress_every.normal", "'urgent'"),
        ("handling.redo.sent_back", {"deadline": "never"}, "handling.redo.sent_back.deadline", "'kept'"),
        ("handling.redo.sent_back", {"deadline": "within"}, "handling.redo.sent_back", "name the `limit`"),
        (
            "handling.redo.dissatisfied.limit",
            {"amount": 1, "unit": "hours"},
            "handling.redo.dissatisfied",
            "not",
        ),
        ("handling.extensions.0.most", 0, "handling.extensions.0.most", "greater than or equal to 1"),
        ("handling.extensions.0.code", "statutory", "handling.extensions.code", "keep one of them"),
        ("handling.satisfaction.3.satisfied", True, "", ""),
        ("handling.supervision_grounds.0.code", "tardy", "handling.supervision_grounds", "by themselves"),
        ("decisions.extension", "agent", "decisions.extension", "'reviewer'"),
        ("decisions.closing", "shift_leader", "decisions.closing", "name one of: dispatcher, reviewer"),
        ("decisions.verdict", "reviewer", "decisions.verdict", "'objection'"),
        ("ladders.orders", [], "ladders.orders", "'order'"),
        ("ladders.order.0.to", ["mayor"], "ladders.order.0.to.0", "'leader'"),
        ("ladders.order.3.to", ["supervisor"], "ladders.order.3.to", 'add "leader"'),
        ("ladders.order.0.amount", 0, "ladders.order.0", "at least 1"),
        ("ladders.order.0.unit", "weeks", "ladders.order.0.unit", "'working_days'"),
        ("ladders.order.0.code", "urged", "ladders.order.code", "keep one of them"),
        ("texts.done.zh", "工单{name}已办结", "texts.done.zh", "write only {number}"),
        ("texts.done.en", "Case {number was closed", "texts.done.en", "write only {number}"),
        ("texts.done", "办结", "texts.done", "in both languages"),
    ],
)
def test_a_fault_of_handling_names_its_key_and_remedy(
    mianyang: dict[str, Any], key: str, value: Any, told_key: str, remedy: str
) -> None:
    data = _set(mianyang, key, value)
    if not told_key:
        assert parse(data).handling.satisfaction[3].satisfied
        return
    with pytest.raises(PolicyError) as caught:
        parse(data)
    told = [fault for fault in caught.value.faults if fault.key == told_key]
    assert told and remedy in told[0].remedy, str(caught.value)


@pytest.mark.parametrize("section", ["handling", "decisions", "ladders", "texts"])
def test_what_a_city_has_to_say_is_asked_for(mianyang: dict[str, Any], section: str) -> None:
    del mianyang[section]
    with pytest.raises(PolicyError) as caught:
        parse(mianyang)
    assert [str(fault) for fault in caught.value.faults] == [f"{section}: is missing; add it"]


def test_a_decision_or_text_that_is_missing_is_asked_for(mianyang: dict[str, Any]) -> None:
    del mianyang["decisions"]["refusal"], mianyang["texts"]["progress"]
    with pytest.raises(PolicyError) as caught:
        parse(mianyang)
    assert {fault.key for fault in caught.value.faults} == {"decisions.refusal", "texts.progress"}


def test_a_scale_that_nobody_can_fail_is_refused(mianyang: dict[str, Any]) -> None:
    for grade in mianyang["handling"]["satisfaction"]:
        grade["satisfied"] = True
    with pytest.raises(PolicyError, match="has one side only"):
        parse(mianyang)


def test_a_category_has_what_the_ones_above_it_say() -> None:
    policy = load(POLICIES / "mianyang-962299.toml")
    assert policy.category_path("water", "zh") == "投资办厂与生产经营 / 水电气保障 / 供水"
    assert policy.category_path("water", "en") == "Investing, building, operating / Water, power, gas / Water"
    limit = policy.category_limit("water")
    assert limit is not None and (limit.amount, limit.unit) == (3, "working_days")
    assert policy.category_kinds("water") == ("help",)
    assert policy.category_unit("water") == "water_supply" and policy.category_unit("utilities") == ""
    assert policy.category_kinds("integrity") == ("complaint", "report")


def test_what_is_no_category_is_said_as_it_stands() -> None:
    policy = load(POLICIES / "mianyang-962299.toml")
    assert policy.category_path("涉企收费", "zh") == "涉企收费"
    assert policy.category_limit("涉企收费") is None and policy.category_unit("") == ""


def test_mianyang_has_six_matters_and_three_to_fifteen_days() -> None:
    policy = load(POLICIES / "mianyang-962299.toml")
    widest = [each.code for each in policy.categories if each.above is None]
    assert widest == ["operating", "burdens", "safety", "policy", "conduct", "advice"]
    limits = [policy.category_limit(each.code) for each in policy.categories]
    assert all(limit is not None and limit.unit == "working_days" for limit in limits)
    assert {3, 15} <= {limit.amount for limit in limits if limit} <= set(range(3, 16))
    assert {name: limit.amount for name, limit in policy.kind("help").longer.items()} == {
        "complex": 30,
        "legacy": 60,
    }


def test_nanning_sorts_into_three_with_its_hours_and_days() -> None:
    policy = load(POLICIES / "nanning-direct-line.toml")
    assert list(policy.category_groups()) == ["consulting", "requests", "misconduct"]
    inquiry = policy.kind("inquiry").deadline
    assert (inquiry.amount, inquiry.unit, inquiry.hours) == (4, "working_hours", "direct")
    for code, amount, unit in (
        ("permits", 24, "hours"),
        ("land", 48, "hours"),
        ("bribery", 7, "calendar_days"),
    ):
        limit = policy.category_limit(code)
        assert limit is not None and (limit.amount, limit.unit) == (amount, unit)


def test_each_city_says_what_its_sources_leave_open() -> None:
    for name, open_question in (("mianyang-962299.toml", "工作日"), ("nanning-direct-line.toml", "21时30分")):
        assert any(open_question in each for each in load(POLICIES / name).assumed)


def test_whoever_rules_is_allowed_to() -> None:
    able = {"refusal": Action.SORT}
    for decision, roles in DECIDERS.items():
        for role in roles:
            assert cell(Role(role), able.get(decision, Action.DECIDE)).ordinary is Scope.ALL


def test_all_faults_are_told_at_once(mianyang: dict[str, Any]) -> None:
    del mianyang["city"]
    with pytest.raises(PolicyError) as caught:
        parse(_set(mianyang, "colour", 1))
    assert {fault.key for fault in caught.value.faults} == {"city", "colour"}


def test_a_list_is_no_fault_for_what_is_at_fault_in_it(mianyang: dict[str, Any]) -> None:
    with pytest.raises(PolicyError) as caught:
        parse(_set(mianyang, "queues.0.title", "坐席"))
    assert [fault.key for fault in caught.value.faults] == ["queues.0.title"]


@pytest.mark.parametrize("words", ["name = ", "\x00", ""])
def test_a_broken_file_says_what_to_write(tmp_path: Path, words: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(words)
    with pytest.raises(PolicyError):
        load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="name a readable file"):
        load(tmp_path / "none.toml")
