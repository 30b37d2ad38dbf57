"""What is wrong with a policy, in words: names that lead nowhere, names twice, what does not fit together."""

import difflib
from collections.abc import Iterable, Iterator
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


def explain(error: dict[str, Any], model: type[BaseModel]) -> Fault:
    """One of pydantic's errors, met while reading into `model`."""
    place = [str(part) for part in error["loc"] if part != "[key]"]
    key = ".".join(place) or "the file"
    match error["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(place[-1], _known_keys(error["loc"], model), n=1)
            return Fault(key, "unknown key", f"did you mean {near[0]}?" if near else "remove it")
        case "missing":
            return Fault(key, "is missing", "add it")
        case "value_error":
            return Fault(key, "does not fit together", str(error["msg"]).removeprefix("Value error, "))
        case _:
            message = str(error["msg"])
            return Fault(key, f"{error['input']!r} will not do", message[:1].lower() + message[1:])


def _known_keys(place: tuple[str | int, ...], model: Any) -> list[str]:
    """The keys that the model at this place has."""
    for part in place[:-1]:
        if isinstance(model, type) and issubclass(model, BaseModel) and part in model.model_fields:
            model = model.model_fields[str(part)].annotation
        while get_origin(model) in (tuple, dict, list, Union, UnionType, Annotated):
            inner = [each for each in get_args(model) if each not in (Ellipsis, type(None))]
            model = inner[-1]
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []
