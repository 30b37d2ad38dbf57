"""`hotline prompts`: which recording each prompt has, and speaking anew those whose words changed.

The voices live in an environment of their own (.voices/, made by script/voices); this side only
hands them texts and keeps the manifest.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from hotline.settings import CHECKOUT, Settings
from ivr.prompts import SOUNDS, Prompt, Prompts, hash_of, read_manifest, write_manifest
from routing import policy

VOICES = CHECKOUT / ".voices"
STATES = {
    "ready": "✓ ready",
    "operator": "★ your own recording",
    "stale": "! says something else",
    "missing": "✗ missing",
}
words = Console(stderr=True)


def of(settings: Settings) -> Prompts:
    """The prompts that this hotline serves. Raises PolicyError."""
    drop_ins = settings.sounds or settings.home / "sounds"
    return Prompts(SOUNDS, drop_ins, _own_words(settings.policy))


def show(settings: Settings, *, as_json: bool) -> int:
    """List every prompt with its state; 1 when one is missing or stale or a drop-in can't be used."""
    prompts = of(settings)
    if as_json:
        print(json.dumps([_plain(each) for each in prompts.all()], ensure_ascii=False, indent=1))
    else:
        _table(prompts)
    for fault in prompts.faults():
        words.print(f"✗ {fault}", markup=False)
    silent = [*prompts.missing(), *prompts.stale()]
    if silent:
        words.print(f"! {len(silent)} to speak anew: run script/voices, or drop in recordings of your own")
    return 1 if silent or prompts.faults() else 0


def _plain(prompt: Prompt) -> dict[str, object]:
    return {
        "prompt": prompt.label,
        "text": prompt.text,
        "state": prompt.state,
        "path": str(prompt.path) if prompt.path else None,
        "seconds": prompt.seconds,
        "fault": prompt.fault,
    }


def _table(prompts: Prompts) -> None:
    table = Table("Prompt", "Recording", "Seconds", "Words")
    for each in prompts.all():
        table.add_row(each.label, STATES[each.state], f"{each.seconds:.1f}", each.text)
    Console().print(table)


def speak(settings: Settings, *, everything: bool = False) -> int:
    """Speak what is missing or stale, for every policy of the checkout and the one in use; 1 on a fault."""
    python = VOICES / "bin" / "python"
    if not python.exists():
        words.print("✗ no voices here; run script/voices, which makes them and speaks what changed")
        return 1
    wanted = {each.name: each for each in _wanted(settings) if everything or not _is_spoken(each)}
    if not wanted:
        words.print("✓ every prompt says what its text says")
        return 0
    entries = read_manifest(SOUNDS)
    faults = 0
    with Progress(console=words) as progress:
        results = render(python, [_job(each) for each in wanted.values()])
        for result in progress.track(results, total=len(wanted), description="Speaking"):
            if fault := result.get("fault"):
                faults += 1
                words.print(f"✗ {result['target']}: {fault}", markup=False)
                continue
            name = Path(result["target"]).relative_to(SOUNDS).as_posix()
            entries[name] = {
                "text_sha256": hash_of(wanted[name].text),
                "voice": wanted[name].voice,
                "seconds": result["seconds"],
                "sha256": result["sha256"],
            }
            write_manifest(SOUNDS, entries)
    return 1 if faults else 0


def _wanted(settings: Settings) -> Iterator[Prompt]:
    files = dict.fromkeys([*sorted((CHECKOUT / "policies").glob("*.toml")), settings.policy.resolve()])
    yield from (each for each in Prompts(SOUNDS).all() if each.text)
    for file in files:
        yield from (each for each in Prompts(SOUNDS, own=_own_words(file)).all() if each.text)


def _own_words(file: Path) -> dict[str, dict[str, str]]:
    return dict(policy.load(file).prompts.items())


def _is_spoken(prompt: Prompt) -> bool:
    return prompt.state == "ready"


def _job(prompt: Prompt) -> dict[str, object]:
    voice, speed = prompt.voice.split()
    return {"text": prompt.text, "voice": voice, "speed": float(speed), "target": str(SOUNDS / prompt.name)}


def render(python: Path, jobs: list[dict[str, object]]) -> Iterator[dict[str, Any]]:
    """Hand jobs to the voices; the results of speech/render.py, as they come."""
    command = [str(python), "-m", "speech.render", str(VOICES / "voices")]
    with subprocess.Popen(
        command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin and child.stdout
        child.stdin.write(json.dumps(jobs))
        child.stdin.close()
        yield from map(json.loads, child.stdout)
