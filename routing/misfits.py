"""What is wrong with a policy, in words: names that lead nowhere, names twice, what does not fit together."""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin
from zoneinfo import available_timezones

from pydantic import BaseModel

from routing.handling import unfit
from routing.terms import Fault, Limit

if TYPE_CHECKING:
    from routing.policy import Policy


def found(policy: "Policy") -> list[Fault]:
    """Every fault of a policy whose values are each in order."""
    return [*_repeated(policy), *_circular(policy), *_dangling(policy), *_unfit(policy)]


def _repeated(policy: "Policy") -> Iterator[Fault]:
    handling = policy.handling
    groups: dict[str, Iterable[Any]] = {
        "units.code": policy.units,
        "kinds.code": policy.kinds,
        "categories.code": policy.categories,
        "pause_reasons.code": policy.pause_reasons,
        "closing_reasons.code": policy.closing_reasons,
        "caller_tags.code": policy.caller_tags,
        **{f"ladders.{subject}.code": levels for subject, levels in policy.ladders.items()},
        "handling.extensions.code": handling.extensions,
        "handling.satisfaction.code": handling.satisfaction,
        "handling.refusal_grounds.code": handling.refusal_grounds,
        "handling.transfer_grounds.code": handling.transfer_grounds,
        "handling.withdrawal_grounds.code": handling.withdrawal_grounds,
        "handling.supervision_grounds.code": handling.supervision_grounds,
        "handling.objection_grounds.code": handling.objection_grounds,
    }
    names = {key: [each.code for each in items] for key, items in groups.items()}
    names["lines.number"] = [line.number for line in policy.lines]
    names["queues.name"] = [queue.name for queue in policy.queues]
    for key, values in names.items():
        for value in dict.fromkeys(values):
            if values.count(value) > 1:
                yield Fault(key, f'"{value}" stands {values.count(value)} times', "keep one of them")


def _circular(policy: "Policy") -> Iterator[Fault]:
    """Each thing stands below what was named before it, so that none is above itself."""
    before: set[str] = set()
    codes = {category.code for category in policy.categories}
    for index, category in enumerate(policy.categories):
        if category.above in codes and category.above not in before:
            yield Fault(
                f"categories.{index}.above",
                f'"{category.above}" comes later',
                "write it before what is below it",
            )
        before.add(category.code)


def _dangling(policy: "Policy") -> Iterator[Fault]:
    kinds = [kind.code for kind in policy.kinds]
    queues = [queue.name for queue in policy.queues]
    units = [unit.code for unit in policy.units]
    categories = [category.code for category in policy.categories]
    over = [unit.code for unit in policy.units if unit.level != "third"]
    hours = list(policy.hours)
    uses: list[tuple[str, str | None, list[str]]] = []
    for index, line in enumerate(policy.lines):
        uses += [(f"lines.{index}.queue", line.queue, queues), (f"lines.{index}.hours", line.hours, hours)]
    uses += [(f"units.{index}.above", unit.above, over) for index, unit in enumerate(policy.units)]
    uses += [(f"menu.keys.{key}", kind or None, kinds) for key, kind in policy.menu.keys.items()]
    for index, category in enumerate(policy.categories):
        at = f"categories.{index}"
        uses += [(f"{at}.above", category.above, categories), (f"{at}.unit", category.unit, units)]
        uses += [(f"{at}.kinds.{place}", kind, kinds) for place, kind in enumerate(category.kinds)]
    uses += [(f"{key}.hours", limit.hours, hours) for key, limit in limits(policy)]
    for key, value, known in uses:
        if value is not None and value not in known:
            yield Fault(key, f'"{value}" is not defined', f"use one of: {', '.join(known)}")


def limits(thing: object, at: str = "") -> Iterator[tuple[str, Limit]]:
    """Every limit in the policy with its key."""
    if isinstance(thing, Limit):
        yield at, thing
    elif isinstance(thing, BaseModel):
        for name in type(thing).model_fields:
            yield from limits(getattr(thing, name), f"{at}.{name}" if at else name)
    elif isinstance(thing, dict):
        for name, each in thing.items():
            yield from limits(each, f"{at}.{name}")
    elif isinstance(thing, tuple):
        for index, each in enumerate(thing):
            yield from limits(each, f"{at}.{index}")


def _unfit(policy: "Policy") -> Iterator[Fault]:
    yield from unfit(policy.handling, policy.decisions, policy.ladders, policy.texts)
    yield from _untold(policy)
    if policy.menu.english_key in policy.menu.keys:
        yield Fault("menu.english_key", "is a menu key as well", "choose a key of its own")
    if policy.time_zone not in available_timezones():
        yield Fault("time_zone", f'"{policy.time_zone}" is unknown', 'write e.g. "Asia/Shanghai"')


def _untold(policy: "Policy") -> Iterator[Fault]:
    """A notice of the city's own has to say for how long calls are kept."""
    for language, prompts in policy.prompts.items():
        kept = policy.privacy.kept.say(language) if policy.privacy else ""
        if kept not in prompts.get("notice", kept):
            yield Fault(f"prompts.{language}.notice", f'does not say "{kept}"', "say it as privacy.kept does")


# What a text has to look like, in words.
_SHAPES = {
    r"^[a-z][a-z0-9_]{0,30}$": "write small letters, digits and _, a letter first, at most 31 of them",
    r"^([a-z][a-z0-9_]{0,30})?$": 'write the code of a kind, or "" for an agent at once',
    r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$": 'write a time as "08:30"',
    r"^[0-9*#]$": 'write one key of the phone, as "1"',
    r"^[0-9]{3,15}$": 'write 3 to 15 digits in quotes, as "962299"',
    r"^0\d{2,3}$": 'write it as "0816"',
}
_TYPES = {
    "tuple_type": "write a list: [ … ]",
    "dict_type": "write a table: { … }",
    "string_type": 'write it in quotes: "…"',
    "int_type": "write a whole number",
    "int_parsing": "write a whole number",
    "bool_type": "write true or false",
    "string_too_short": "write something",
}
_LONGEST = 60  # characters shown of what will not do


def explain_all(errors: Iterable[dict[str, Any]], model: type[BaseModel]) -> list[Fault]:
    """Pydantic's errors, met while reading into `model`; a list is no fault for what is at fault in it."""
    told = list(errors)
    places = [each["loc"] for each in told]
    return [
        explain(each, model)
        for each in told
        if not any(
            len(place) > len(each["loc"]) and place[: len(each["loc"])] == each["loc"] for place in places
        )
    ]


def explain(error: dict[str, Any], model: type[BaseModel]) -> Fault:
    """One of them."""
    place = [str(part) for part in error["loc"] if part != "[key]"]
    key, told = ".".join(place) or "the file", error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(place[-1], _known_keys(error["loc"], model), n=1)
            return Fault(key, "unknown key", f"did you mean {near[0]}?" if near else "remove it")
        case "missing":
            return Fault(key, "is missing", "add it")
        case "value_error":
            return Fault(key, "does not fit together", str(error["msg"]).removeprefix("Value error, "))
        case "too_short":
            return Fault(key, f"has {told['actual_length']}", f"write at least {told['min_length']}")
    return Fault(key, f"{_shown(error['input'])} will not do", _remedy(error, told))


def _remedy(error: dict[str, Any], told: Mapping[str, Any]) -> str:
    message = str(error["msg"])
    match error["type"]:
        case "string_pattern_mismatch" if told["pattern"] in _SHAPES:
            return _SHAPES[told["pattern"]]
        case "model_type" if told["class_name"] == "Words":
            return 'write it in both languages: { zh = "…", en = "…" }'
        case "model_type":
            return _TYPES["dict_type"]
        case known if known in _TYPES:
            return _TYPES[known]
    return message[:1].lower() + message[1:]


def _shown(value: object) -> str:
    """As it stands in the file, or nearly."""
    said = json.dumps(value, ensure_ascii=False, default=str)
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"


def _known_keys(place: tuple[str | int, ...], model: Any) -> list[str]:
    """The keys that the model at this place has."""
    for part in place[:-1]:
        if isinstance(model, type) and issubclass(model, BaseModel) and part in model.model_fields:
            model = model.model_fields[str(part)].annotation
        while get_origin(model) in (tuple, dict, list, Union, UnionType, Annotated):
            inner = [each for each in get_args(model) if each not in (Ellipsis, type(None))]
            model = inner[-1]
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []
