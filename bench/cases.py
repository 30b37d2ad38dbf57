"""(i) Cases in the millions: what the pages ask, tickets saved, the clock's sweep. bench/README.md."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import cases_clock, cases_grown, cases_saved, cases_trays
from hotline.settings import CHECKOUT
from routing.policy import load

FEW = 10_000  # tickets, beside which the many stand


@dataclass(frozen=True, slots=True)
class Cases:
    """All that was measured, and the bytes of each database."""

    pages: dict[str, cases_trays.Page]
    saved: cases_saved.Rates
    swept: cases_clock.Swept
    size_bytes: dict[str, int]


def measure(
    tickets: int, rounds: int, saves: int, deadlines: int, kept: Path | None, tell: Callable[[str], None]
) -> Cases:
    """`rounds` of each page, `saves` tickets in each of three turns; `kept`: cases_grown.city."""
    policy = load(CHECKOUT / "policies/mianyang-962299.toml")
    with cases_grown.city(policy, FEW, tickets, deadlines, kept) as grown:
        tell("cases: the city has its cases")
        pages = cases_trays.measure(grown, rounds)
        tell("cases: pages measured")
        saved = cases_saved.measure(grown, 3, saves)
        tell("cases: saving measured")
        swept = cases_clock.measure(grown)
        return Cases(pages, saved, swept, grown.size_bytes)
