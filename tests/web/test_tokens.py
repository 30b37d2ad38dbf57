"""The design tokens keep their promise: legible in light and dark (WCAG 2 AA)."""

import re
from pathlib import Path

import pytest

STATIC = Path(__file__).resolve().parents[2] / "web" / "static"
SURFACES = ("ground", "sheet", "sunk", "rail", "hover")
INKS = ("ink", "ink-soft", "ink-faint", "accent", "warn", "bad")
MARKS = ("edge", "voice-caller", "voice-agent")
PAIRS = (
    [(ink, surface, 4.5) for ink in INKS for surface in SURFACES]
    + [(mark, surface, 3.0) for mark in MARKS for surface in ("ground", "sheet", "sunk")]
    + [("accent-ink", "accent", 4.5)]
    + [(ink, f"{wash}-wash", 4.5) for wash in ("accent", "warn", "bad") for ink in ("ink", "ink-soft", wash)]
)


def tokens(*names: str) -> dict[str, str]:
    """Colours by name; a later file wins, as in the page."""
    found: dict[str, str] = {}
    for name in names:
        found |= dict(re.findall(r"--([a-z-]+):\s*(#[0-9a-f]{6});", (STATIC / name).read_text()))
    return found


LOOKS = {"light": tokens("tokens.css"), "dark": tokens("tokens.css", "tokens-dark.css")}


def luminance(colour: str) -> float:
    channels = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_computed_as_the_standard_says() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize(("front", "back", "least"), PAIRS)
def test_every_pair_of_tokens_is_legible(look: str, front: str, back: str, least: float) -> None:
    colours = LOOKS[look]
    assert contrast(colours[front], colours[back]) >= least


def test_dark_redraws_every_colour_of_light() -> None:
    assert set(tokens("tokens-dark.css")) == set(tokens("tokens.css"))


def test_pages_take_colours_from_tokens_only() -> None:
    checkout = STATIC.parents[1]
    sheets = [*STATIC.glob("*.css"), *(checkout / "agents" / "static").glob("*.css")]
    for sheet in sheets:
        if not sheet.name.startswith("tokens"):
            assert not re.search(r"#[0-9a-fA-F]{3,8}\b(?![^{]*\{)|rgb\(|hsl\(", sheet.read_text()), sheet
