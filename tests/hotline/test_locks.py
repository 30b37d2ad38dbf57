"""The locks hold all that the project asks for, each with its hash, and agree with each other."""

import re
import tomllib

import pytest

from hotline.settings import CHECKOUT

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]


def locked(name: str) -> dict[str, set[str]]:
    """Package → versions; a package may have one for each range of Pythons."""
    found: dict[str, set[str]] = {}
    for package, version in re.findall(
        r"^([A-Za-z0-9_.-]+)==([^\s;]+)", (CHECKOUT / "locks" / name).read_text(), re.M
    ):
        found.setdefault(package.lower(), set()).add(version)
    return found


def named(requirements: list[str]) -> set[str]:
    return {re.split(r"[\s<>=!~\[;]", each, maxsplit=1)[0].lower() for each in requirements}


def test_all_that_running_needs_is_locked() -> None:
    assert named(PROJECT["dependencies"]) - set(locked("run.txt")) == set()


def test_all_that_the_tests_need_is_locked_with_the_versions_that_run() -> None:
    run, dev = locked("run.txt"), locked("dev.txt")
    assert named(PROJECT["optional-dependencies"]["dev"]) - set(dev) == set()
    assert {package: dev.get(package) for package in run} == run


def test_all_that_the_lab_needs_is_locked_with_the_versions_that_run_and_are_tested() -> None:
    run, lab, dev = locked("run.txt"), locked("lab.txt"), locked("dev.txt")
    assert named(PROJECT["optional-dependencies"]["lab"]) - set(lab) == set()
    assert {package: lab.get(package) for package in run} == run
    assert {package: dev.get(package) for package in lab} == lab


@pytest.mark.parametrize("name", ["run.txt", "lab.txt", "dev.txt", "build.txt"])
def test_every_locked_python_package_has_a_hash(name: str) -> None:
    blocks = re.split(r"\n(?=\S)", (CHECKOUT / "locks" / name).read_text().strip())
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("name", ["asterisk.txt", "sipp.txt"])
def test_every_locked_debian_package_has_a_version_and_a_hash(name: str) -> None:
    lines = [line for line in (CHECKOUT / "locks" / name).read_text().splitlines() if line[:1] != "#"]
    assert lines
    assert all(re.fullmatch(r"[a-z0-9.+-]+ \S+ [0-9a-f]{64}", line) for line in lines)
