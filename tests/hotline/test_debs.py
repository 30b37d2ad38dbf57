"""Private packages: mirrors from the machine's own sources, locks read, kept files believed by hash only."""

import hashlib
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from hotline.settings import CHECKOUT


@pytest.fixture
def debs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("debs", CHECKOUT / "script/debs.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_mirrors_in_the_newer_form_are_those_of_the_release_itself(debs: ModuleType) -> None:
    text = (
        "Types: deb\n# a remark: with a colon\nURIs: mirror://one\nSuites: bookworm bookworm-updates\n\n"
        "Types: deb\nURIs: mirror://security\nSuites: bookworm-security\n\n"
        "Types: deb-src\nURIs: mirror://source\nSuites: bookworm\n"
    )
    assert list(debs.deb822(text, "bookworm")) == ["mirror://one"]


def test_mirrors_in_the_older_form_are_found_with_options_and_without(debs: ModuleType) -> None:
    text = (
        "# deb mirror://no bookworm main\n"
        "deb mirror://one bookworm main contrib\n"
        "deb [arch=amd64 signed-by=/some/key] mirror://two bookworm main\n"
        "deb mirror://security bookworm-security main\n"
        "deb-src mirror://source bookworm main\n"
    )
    assert list(debs.one_line(text, "bookworm")) == ["mirror://one", "mirror://two"]


def test_a_lock_is_read_as_it_was_written(debs: ModuleType, tmp_path: Path) -> None:
    lock = {"libb": ("1:2.0-1", "b" * 64), "liba": ("1.0", "a" * 64)}
    debs.write_lock(tmp_path / "lock", "unstable", lock)
    assert debs.read_lock(tmp_path / "lock") == lock


def test_kept_packages_are_used_only_when_each_has_its_hash(debs: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "liba_1%3a2.0-1_amd64.deb"
    file.write_bytes(b"package")
    lock = {"liba": ("1:2.0-1", hashlib.sha256(b"package").hexdigest())}
    assert debs.kept_set(tmp_path, lock)
    file.write_bytes(b"pack")
    assert not debs.kept_set(tmp_path, lock)
    assert not debs.kept_set(tmp_path, {})


def test_each_difference_from_the_lock_is_printed(
    debs: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    debs.compare({"liba": ("1", "x"), "libb": ("1", "y")}, {"liba": ("2", "z"), "libb": ("1", "y")})
    (line,) = capsys.readouterr().out.splitlines()
    assert line.strip() == "differs: liba: locked 1 sha256 x; now 2 sha256 z"
