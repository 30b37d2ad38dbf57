"""The house keeps its own rules: imports, captions, file sizes, no download addresses."""

import re
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
ROOMS = (
    *("hotline", "ivr", "agents", "doors", "speech", "reports"),
    *("web", "telephony", "cases", "routing", "storage"),
)
LONGEST_FILE_LINES = 450


def committed() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, check=True
    ).stdout.decode()
    return [CHECKOUT / name for name in listing.split("\0") if name]


def test_imports_run_downward_only() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports")]
    verdict = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert verdict.returncode == 0, verdict.stdout


def test_every_folder_is_captioned_in_the_map() -> None:
    captions = (CHECKOUT / "docs" / "map.md").read_text()
    folders = {path.relative_to(CHECKOUT).parts[0] for path in committed() if path.parent != CHECKOUT}
    missing = sorted(folder for folder in folders if f"`{folder}/`" not in captions)
    assert missing == []


def test_no_python_file_wants_to_be_two() -> None:
    long = {
        str(path.relative_to(CHECKOUT)): lines
        for path in committed()
        if path.suffix == ".py" and path.exists()
        if (lines := len(path.read_text().splitlines())) > LONGEST_FILE_LINES
    }
    assert long == {}


def test_no_test_is_ever_passed_over_and_the_build_machine_runs_them_all() -> None:
    passing_over = re.compile(r"\b(pytest\.skip|importorskip|mark\.skip|skipif|mark\.xfail|pytest\.xfail)\b")
    mine = Path(__file__).resolve()
    tests = [path for path in (CHECKOUT / "tests").rglob("*.py") if path != mine]
    assert [path.name for path in tests if passing_over.search(path.read_text())] == []
    assert (CHECKOUT / ".ci/run").read_text().endswith('/../script/test"\n')


def test_every_link_in_the_docs_leads_somewhere() -> None:
    lost = []
    for page in (path for path in committed() if path.suffix == ".md" and path.exists()):
        for link in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text()):
            if not (page.parent / link).exists():
                lost.append(f"{page.relative_to(CHECKOUT)}: {link}")
    assert lost == []


def test_no_committed_lock_names_a_download_address() -> None:
    locks = [*(CHECKOUT / "locks").glob("*"), CHECKOUT / "package-lock.json", CHECKOUT / "pyproject.toml"]
    addresses = {
        lock.name: found
        for lock in locks
        if lock.is_file() and (found := re.findall(r"https?://[^\s\"']+", lock.read_text()))
    }
    assert addresses == {}


def test_every_room_says_what_lives_in_it() -> None:
    for room in ROOMS:
        first = (CHECKOUT / room / "__init__.py").read_text()
        assert first.startswith('"""'), room
