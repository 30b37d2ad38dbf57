"""Both voices of a recording as SVG paths, from the peaks that the ledger keeps. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

WIDTH = 600  # columns at most; the picture is stretched to the page
LANE = 40  # units of height per voice
FULL = 18.0  # the loudest stroke, to either side of the middle


@dataclass(frozen=True, slots=True)
class Waveform:
    """Paths in a box of `width` × 80: the caller's lane above, the agent's below."""

    width: int
    caller: str
    agent: str


def draw(peaks: dict[str, Any] | None, columns: int = WIDTH) -> Waveform | None:
    """The picture; None when there are no peaks. Values are 0..1, anything else is clipped."""
    if not peaks:
        return None
    caller = _squeezed(peaks.get("caller") or [], columns)
    agent = _squeezed(peaks.get("agent") or [], columns)
    width = max(len(caller), len(agent))
    if width == 0:
        return None
    return Waveform(width, _path(caller, LANE / 2), _path(agent, LANE * 1.5))


def _squeezed(values: Sequence[float], columns: int) -> list[float]:
    """At most `columns` values; each keeps the loudest of those it stands for."""
    count = len(values)
    if count <= columns:
        return [float(value) for value in values]
    edges = [index * count // columns for index in range(columns + 1)]
    return [float(max(values[start:end])) for start, end in pairwise(edges)]


def _path(values: Sequence[float], middle: float) -> str:
    """One upright stroke per value, as long as it is loud; silence is a dot on the line."""
    strokes = []
    for index, value in enumerate(values):
        half = max(0.5, FULL * min(1.0, max(0.0, value)))
        strokes.append(f"M{index + 0.5:g} {middle - half:.1f}V{middle + half:.1f}")
    return "".join(strokes)
