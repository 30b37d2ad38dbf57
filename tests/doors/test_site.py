"""The public page's pure parts, in Node (tests/doors/site/*.test.ts), and its words."""

import re
from pathlib import Path

from tests.agents.test_desk_phone import CHECKOUT, node, run
from web.messages import Catalogue

STATES = (CHECKOUT / "doors/site/states.ts").read_text()


def test_the_call_keeps_its_rules_without_a_browser(tmp_path: Path) -> None:
    sources = sorted(CHECKOUT.glob("tests/doors/site/*.test.ts"))
    flags = ("--bundle", "--platform=node", "--format=esm", "--out-extension:.js=.mjs", "--log-level=warning")
    run("node_modules/.bin/esbuild", *sources, *flags, f"--outdir={tmp_path}")
    said = run(node(), "--test", *sorted(tmp_path.glob("*.mjs")))
    assert "# fail 0" in said or "fail 0" in said, said


def named(kind: str) -> list[str]:
    """The members of a union type of states.ts."""
    union = re.search(rf"export type {kind} =([^;]+);", STATES)
    assert union
    return re.findall(r'"(\w+)"', union[1])


def test_every_state_and_every_fault_has_its_words_in_both_languages() -> None:
    chinese, english = (Catalogue(language, [CHECKOUT / "doors/messages"]) for language in ("zh", "en"))
    assert chinese.texts.keys() == english.texts.keys()
    needed = [f"call.says.{state}" for state in named("State")]
    needed += [f"call.fault.{fault}.{part}" for fault in named("Fault") for part in ("title", "remedy")]
    assert [key for key in needed if not chinese.has(key)] == []
