"""`script/bench`: runs what is asked for and prints each figure beside its aim; `--json` for programs."""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench import (
    cases,
    cases_trays,
    first_call,
    held,
    house,
    journal,
    lab_calls,
    machine,
    per_call,
    pop,
    privacy,
    register,
)
from bench.callers import BenchError
from hotline.settings import CHECKOUT
from routing.policy import load
from telephony.asterisk import AsteriskFault

console = Console(stderr=True, highlight=False, soft_wrap=True)
MEASURES = ("call", "held", "pop", "lab", "register", "first-call", "journal", "privacy", "cases")
WITH_CALLS = MEASURES[:5]  # they need the two systems


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `aim` as words; `met` is None for a figure that only explains.

    `value` is None when this run cannot tell.
    """

    name: str
    value: float | None
    unit: str = ""
    aim: str = ""
    met: bool | None = None


def main(
    measures: Annotated[
        list[str] | None, typer.Argument(help=f"{', '.join(MEASURES)}; all by default")
    ] = None,
    rounds: Annotated[int, typer.Option(help="call: turns of ours and bare")] = 4,
    calls: Annotated[int, typer.Option(help="call: calls in each turn")] = 40,
    ramps: Annotated[int, typer.Option(help="held: ramps of ours and bare")] = 2,
    most: Annotated[int, typer.Option(help="held: a ramp ends at so many calls")] = 400,
    rings: Annotated[int, typer.Option(help="pop: rings of the desk")] = 300,
    lab_calls_each: Annotated[
        int, typer.Option("--lab-calls", help="lab: calls of the lab, and of SIPp")
    ] = 24,
    at_once: Annotated[int, typer.Option(help="lab: calls up at any time")] = 8,
    logins: Annotated[int, typer.Option(help="register: log-ins")] = 40,
    lines: Annotated[int, typer.Option(help="journal: lines of each round")] = 3000,
    tickets: Annotated[int, typer.Option(help="privacy: rows")] = 100_000,
    queries: Annotated[int, typer.Option(help="privacy: of each kind")] = 300,
    history: Annotated[int, typer.Option(help="cases: tickets, beside 10,000")] = 1_000_000,
    pages: Annotated[int, typer.Option(help="cases: turns of each page")] = 100,
    saves: Annotated[int, typer.Option(help="cases: tickets saved in each of three turns")] = 500,
    deadlines: Annotated[int, typer.Option(help="cases: open ones that the clock watches")] = 100_000,
    kept: Annotated[Path | None, typer.Option(help="cases: where they stay filled, for another run")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Figures of the hotline as ratios measured in one run. Exit 1 when a run is worth nothing."""
    wanted = measures or list(MEASURES)
    if unknown := set(wanted) - set(MEASURES):
        raise typer.BadParameter(f"no such measure: {', '.join(sorted(unknown))}")
    policy = load(CHECKOUT / "policies/mianyang-962299.toml")
    figures: list[Figure] = []
    facts = machine.facts()
    began = time.monotonic()
    try:
        if set(wanted) & set(WITH_CALLS):
            with house.hotline() as (ours, city), house.bare(policy) as bare:
                facts["asterisk"] = ours.server.binary.version
                _tell("both systems are up", began)
                measured = {
                    "call": lambda: _per_call(per_call.measure(ours, bare, rounds, calls)),
                    "held": lambda: _held(held.measure(ours, bare, ramps, most)),
                    "lab": lambda: _lab(lab_calls.measure(ours, city, lab_calls_each, at_once)),
                    "register": lambda: _register(register.measure(city, logins)),
                    # Leaves an agent on duty: so it is last.
                    "pop": lambda: _pop(pop.measure(ours, city, rings)),
                }
                for name in (name for name in measured if name in wanted):
                    figures += measured[name]()
                    _tell(f"{name} measured", began)
        if "first-call" in wanted:
            figures += _first_call(first_call.measure())
            _tell("first-call measured", began)
        if "journal" in wanted:
            figures += _journal(journal.measure(rounds, lines))
            _tell("journal measured", began)
        if "privacy" in wanted:
            figures += _privacy(privacy.measure(tickets, queries))
            _tell("privacy measured", began)
        if "cases" in wanted:
            figures += _cases(
                cases.measure(history, pages, saves, deadlines, kept, lambda words: _tell(words, began))
            )
            _tell("cases measured", began)
    except (BenchError, AsteriskFault, AssertionError) as why:
        console.print(f"[red]fault[/]: {why}")
        sys.exit(1)
    facts["load at the end"] = machine.load()
    _print(figures, facts, as_json)


def _per_call(one: per_call.PerCall) -> list[Figure]:
    return [
        *(Figure(f"call: {name}", ms, "ms") for name, ms in one.ours.items()),
        Figure("call: asterisk, bare dialplan", one.bare["asterisk"], "ms"),
        Figure("call: Asterisk ours ÷ bare", one.asterisk_ratio),
        Figure(
            "call: voice menu's Python ÷ Asterisk", one.answering_ratio, "", "≤ 1", one.answering_ratio <= 1
        ),
        Figure("call: all our Python ÷ Asterisk", one.python_ratio, "", "≤ 1", one.python_ratio <= 1),
    ]


def _held(one: held.Held) -> list[Figure]:
    ramps = [("ours", ramp) for ramp in one.ours] + [("bare", ramp) for ramp in one.bare]
    ratio, by_processor = one.ratio, one.processor_ratio
    return [
        *(Figure(f"held: {name}{_noted(ramp)}", ramp.held, "calls") for name, ramp in ramps),
        *(Figure(f"held: {name}, a core's worth", ramp.by_processor, "calls") for name, ramp in ramps),
        Figure(
            "held: ours ÷ bare, sound in time", ratio, "", "≥ 0.9", None if ratio is None else ratio >= 0.9
        ),
        Figure("held: ours ÷ bare, processor", by_processor, "", "≥ 0.9", by_processor >= 0.9),
    ]


def _noted(ramp: held.Ramp) -> str:
    if not ramp.broke:
        return " (bound reached)"
    return "" if ramp.undisturbed else " (disturbed)"


def _pop(one: pop.Pops) -> list[Figure]:
    p99 = one.at(0.99)
    steps = [
        Figure(f"pop: {step}, {name}", pop.percentile(took, share), "ms")
        for step, took in one.steps().items()
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]
    return [
        Figure("pop: rings", len(one.rings) + one.unpainted),
        Figure("pop: never painted", one.unpainted),
        *steps,
        Figure("pop: INVITE to painted, p50", one.at(0.5), "ms"),
        Figure("pop: INVITE to painted, p99", p99, "ms", "≤ 50 ms", p99 <= 50),
        Figure("pop: INVITE to painted, first ring", one.rings[0].painted, "ms"),
    ]


def _lab(one: lab_calls.Rates) -> list[Figure]:
    return [
        Figure("lab: calls of the lab", one.lab, "a second"),
        Figure("lab: calls of SIPp alone", one.sipp, "a second"),
        Figure("lab: lab ÷ SIPp", one.ratio),
    ]


def _register(took_ms: list[float]) -> list[Figure]:
    return [
        Figure("register: log-ins", len(took_ms)),
        Figure("register: page opened to phone registered, p50", pop.percentile(took_ms, 0.5), "ms"),
        Figure("register: page opened to phone registered, p95", pop.percentile(took_ms, 0.95), "ms"),
    ]


def _first_call(way: first_call.Way) -> list[Figure]:
    return [
        *(Figure(f"first-call: {step.name}", step.seconds, "s") for step in way.steps),
        *(Figure(f"first-call: {step.name}, received", step.received / 1e6, "MB") for step in way.steps),
        Figure("first-call: received in all", way.received / 1e6, "MB"),
        Figure("first-call: until the menu is heard", way.menu / 60, "min"),
        Figure("first-call: until the agent is heard", way.agent / 60, "min"),
    ]


def _journal(one: journal.Rates) -> list[Figure]:
    return [
        Figure("journal: bare INSERT", one.bare, "lines a second"),
        Figure("journal: our append", one.ours, "lines a second"),
        Figure("journal: our append while sealing", one.sealing, "lines a second"),
        Figure("journal: ours ÷ bare", one.ratio),
        Figure("journal: while sealing ÷ ours", one.sealing_ratio),
        Figure("journal: verified", one.verified, "lines a second"),
        Figure("journal: findings of that", one.findings, "", "0", one.findings == 0),
    ]


def _privacy(costs: dict[str, privacy.Cost]) -> list[Figure]:
    told = []
    for query, cost in costs.items():
        for name, ms in (("p50", cost.p50), ("p95", cost.p95)):
            told += [Figure(f"privacy: {query}, {table}, {name}", value, "ms") for table, value in ms.items()]
            told += [
                Figure(f"privacy: {query}, sealed ÷ plain, {name}", ms["sealed"] / ms["plain"]),
                Figure(f"privacy: {query}, visible ÷ anybody's, {name}", ms["ours"] / ms["sealed"]),
                Figure(f"privacy: {query}, ours ÷ plain, {name}", ms["ours"] / ms["plain"]),
            ]
    return told


def _cases(one: cases.Cases) -> list[Figure]:
    told = []
    for name, page in one.pages.items():
        growth = page.ours.growth
        for way, took in _ways(page):
            for size in cases_trays.SIZES:
                told.append(Figure(f"cases: {name}, {way}, {size}, p50", took.p50(size), "ms"))
                told.append(Figure(f"cases: {name}, {way}, {size}, p95", took.p95(size), "ms"))
            told.append(Figure(f"cases: {name}, {way}, growth of p50", took.growth_of_p50))
        told += [
            Figure(f"cases: {name}, ours ÷ bare, {size}, p95", page.ratio(size)) for size in cases_trays.SIZES
        ]
        told.append(Figure(f"cases: {name}, growth of p95", growth, "", "≤ 1.5", growth <= 1.5))
    for size in cases_trays.SIZES:
        told.append(Figure(f"cases: saved, ours, {size}", one.saved.ours[size], "tickets a second"))
        told.append(Figure(f"cases: saved, bare INSERTs, {size}", one.saved.bare[size], "tickets a second"))
        told.append(Figure(f"cases: saved, ours ÷ bare, {size}", one.saved.ratio(size)))
    swept = one.swept
    return [
        *told,
        Figure("cases: deadlines watched", swept.watched),
        Figure("cases: first sweep", swept.first_seconds, "s"),
        Figure("cases: sweep with nothing due", swept.idle_ms, "ms"),
        Figure(f"cases: sweep with {swept.due} due", swept.due_seconds, "s"),
        Figure(f"cases: change of the calendar that moves {swept.changed}", swept.change_seconds, "s"),
        Figure("cases: the sweep after it", swept.after_seconds, "s"),
        Figure("cases: the longest transaction of that", swept.longest_seconds, "s"),
        *(Figure(f"cases: on the disk, {name}", size / 1e9, "GB") for name, size in one.size_bytes.items()),
    ]


def _ways(page: cases_trays.Page) -> list[tuple[str, cases_trays.Took]]:
    return [
        ("ours", page.ours),
        ("ours, processor", page.busy),
        ("bare", page.bare),
        ("page", page.page),
    ]


def _tell(words: str, began: float) -> None:
    console.print(f"{time.monotonic() - began:4.0f} s  {words}; load {machine.load()}")


def _print(figures: list[Figure], facts: dict[str, str], as_json: bool) -> None:
    if as_json:
        rows = [
            {"name": f.name, "value": f.value, "unit": f.unit, "aim": f.aim, "met": f.met} for f in figures
        ]
        print(json.dumps({"machine": facts, "figures": rows}, ensure_ascii=False))
        return
    table = Table("figure", "value", "aim", "met")
    for f in figures:
        met = {True: "yes", False: "NO", None: ""}[f.met]
        value = "too noisy to tell" if f.value is None else f"{f.value:.3g} {f.unit}".strip()
        table.add_row(f.name, value, f.aim, met)
    out = Console(highlight=False)
    out.print(table)
    for name, fact in facts.items():
        out.print(f"{name}: {fact}")


typer.run(main)
