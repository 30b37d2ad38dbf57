#!/usr/bin/env python3
"""Debian packages into a folder of our own, without root and without touching the system.

Usage: debs.py LOCK FOLDER SUITE PACKAGE…

apt-get runs with a private state folder and checks the archive's signature against
Debian's own keyring; the mirror is whatever this machine's apt sources name. LOCK
holds name, version and SHA-256 of each package. The suite moves: when the archive no
longer serves every locked version, the whole present set is taken instead (signed by
the archive all the same, and never a mixture of the two) and each difference is
printed, so that the lock can be renewed with `--relock` once it has been tried.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# Of the dependency closure only libraries and Asterisk's own files are needed to run in place.
WANTED = ("lib", "asterisk", "sip-tester")
UNWANTED = ("asterisk-core-sounds", "libperl", "libpam-modules", "libsasl2-modules", "libc-gconv")

LOCKED_ARCHITECTURE = "amd64"

Lock = dict[str, tuple[str, str]]  # package name → (version, SHA-256)


class Fault(Exception):
    """One line for the operator, with the remedy."""


def say(words: str) -> None:
    print(f"    {words}", flush=True)


def release() -> dict[str, str]:
    """/etc/os-release as a dictionary."""
    pairs = (line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return {key: value.strip('"') for key, value in pairs}


def architecture() -> str:
    """What Debian calls this machine: amd64, arm64, …"""
    asked = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True)
    return asked.stdout.strip()


def mirrors(codename: str) -> list[str]:
    """The addresses from which this machine already gets its Debian, in order."""
    found: list[str] = []
    for path in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]:
        if path.suffix == ".sources":
            found += deb822(path.read_text(), codename)
        elif path.suffix == ".list" and path.is_file():
            found += one_line(path.read_text(), codename)
    return list(dict.fromkeys(found))


def deb822(text: str, codename: str) -> Iterator[str]:
    for stanza in text.split("\n\n"):
        lines = [line for line in stanza.splitlines() if ":" in line and not line.startswith("#")]
        fields = {key.strip(): value.split() for key, value in (line.split(":", 1) for line in lines)}
        if codename in fields.get("Suites", []) and "deb" in fields.get("Types", []):
            yield from fields.get("URIs", [])


def one_line(text: str, codename: str) -> Iterator[str]:
    for line in text.splitlines():
        words = line.split("]", 1)[-1].removeprefix("deb ").split()
        if line.startswith("deb ") and len(words) > 1 and words[1] == codename:
            yield words[0]


class Apt:
    """apt-get with a state of its own under `folder`."""

    def __init__(self, folder: Path, mirror: str, suite: str) -> None:
        self.folder = folder
        for name in ("state/lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "state/status").touch()
        (folder / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror} {suite} main\n")
        (folder / "apt.conf").write_text(
            f'Dir::State "{folder}/state";\n'
            f'Dir::State::status "{folder}/state/status";\n'
            f'Dir::Cache "{folder}/cache";\n'
            f'Dir::Etc::SourceList "{folder}/sources.list";\n'
            'Dir::Etc::SourceParts "/dev/null";\n'
            'Dir::Etc::Preferences "/dev/null";\n'
            'Dir::Etc::PreferencesParts "/dev/null";\n'
            'Acquire::Languages "none";\n'
            'Acquire::Check-Valid-Until "false";\n'
            'Acquire::Retries "3";\n'
            'APT::Sandbox::User "";\n'
            'APT::Install-Recommends "false";\n'
            "#clear APT::Update::Post-Invoke;\n"
            "#clear APT::Update::Post-Invoke-Success;\n"
        )

    def run(self, *words: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            ["apt-get", "-q", *words],
            check=False,
            env={**os.environ, "APT_CONFIG": str(self.folder / "apt.conf"), "LC_ALL": "C.UTF-8"},
            cwd=cwd,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            complaint = [line for line in done.stderr.splitlines() if line.startswith("E:")] or [
                "no reason given"
            ]
            raise Fault(f"apt-get {words[0]}: {complaint[-1].removeprefix('E: ')}")
        return done.stdout

    def closure(self, packages: list[str]) -> dict[str, str]:
        """Name → version of `packages` and all they need that we want."""
        plan = self.run("install", "--print-uris", "-y", *packages)
        files = (line.split()[1] for line in plan.splitlines() if line.startswith("'"))
        pairs = (unquote(name).split("_")[:2] for name in files)
        return {n: v for n, v in pairs if n.startswith(WANTED) and not n.startswith(UNWANTED)}

    def served(self, lock: Lock) -> bool:
        """Does the archive still hold each locked version?"""
        show = subprocess.run(
            ["apt-cache", "madison", *lock],
            check=False,
            env={**os.environ, "APT_CONFIG": str(self.folder / "apt.conf")},
            capture_output=True,
            text=True,
        )
        rows = {tuple(cell.strip() for cell in line.split("|")[:2]) for line in show.stdout.splitlines()}
        return all((name, version) in rows for name, (version, _) in lock.items())


def read_lock(path: Path) -> Lock:
    lines = path.read_text().splitlines() if path.exists() else []
    rows = (line.split() for line in lines if line and not line.startswith("#"))
    return {name: (version, digest) for name, version, digest in rows}


def write_lock(path: Path, suite: str, lock: Lock) -> None:
    head = (
        f"# Debian packages ({suite}, amd64): name, version, SHA-256. Renewed by script/debs.py --relock.\n"
    )
    path.write_text(
        head + "".join(f"{name} {version} {digest}\n" for name, (version, digest) in sorted(lock.items()))
    )


def held(debs: Path, name: str, version: str) -> Path | None:
    """The kept file of this package; apt writes a colon in a version as %3a."""
    return next(iter(debs.glob(f"{name}_{version.replace(':', '%3a')}_*.deb")), None)


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fetch(apt: Apt, debs: Path, wanted: dict[str, str], lock: Lock) -> Lock:
    """Download what is not kept already; returns the set with the hashes of the kept files."""
    debs.mkdir(parents=True, exist_ok=True)
    for name, version in wanted.items():
        path = held(debs, name, version)
        if path and lock.get(name, ("",))[0] == version and digest_of(path) != lock[name][1]:
            path.unlink()  # cut short, most likely: once more, and then it counts
    missing = [f"{name}={version}" for name, version in wanted.items() if not held(debs, name, version)]
    say(f"fetching {len(missing)} of {len(wanted)} packages")
    for start in range(0, len(missing), 20):
        apt.run("download", *missing[start : start + 20], cwd=debs)
        say(f"{min(start + 20, len(missing))}/{len(missing)}")
    got: Lock = {}
    for name, version in wanted.items():
        path = held(debs, name, version)
        if path is None:
            raise Fault(f"{name} {version} was not downloaded; run script/setup again")
        got[name] = (version, digest_of(path))
    return got


def kept_set(debs: Path, lock: Lock) -> bool:
    """Are all locked packages in `debs`, with the right hashes? Then no network is needed."""
    for name, (version, digest) in lock.items():
        path = held(debs, name, version)
        if path is None or digest_of(path) != digest:
            return False
    return bool(lock)


def unpack(debs: Path, packages: Lock, root: Path) -> None:
    """All packages into `root`, which appears only when it is complete."""
    building = root.with_name(root.name + ".part")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    # One shape whether or not the packages themselves are merged-/usr.
    for name in ("bin", "lib", "lib64", "sbin"):
        (building / "usr" / name).mkdir(parents=True, exist_ok=True)
        (building / name).symlink_to(f"usr/{name}")
    for name, (version, _) in packages.items():
        path = held(debs, name, version)
        tar = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(path)], stdout=subprocess.PIPE)
        done = subprocess.run(
            ["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-C", str(building)],
            stdin=tar.stdout,
            check=False,
        )
        if tar.wait() or done.returncode:
            raise Fault(f"{path} could not be unpacked; delete it and run script/setup again")
    shutil.rmtree(root, ignore_errors=True)
    building.rename(root)


def compare(lock: Lock, got: Lock) -> None:
    """Print what differs from the lock, package by package."""
    for name in sorted(lock.keys() | got.keys()):
        before, after = lock.get(name), got.get(name)
        if before != after:
            words = (
                f"{version} sha256 {digest}" if version else "absent"
                for version, digest in (before or ("", ""), after or ("", ""))
            )
            say(f"differs: {name}: locked {next(words)}; now {next(words)}")


def current(args: argparse.Namespace, lock: Lock, debs: Path) -> Lock:
    """The set to unpack: as locked if the archive still has it, else the present one."""
    system = release()
    codename = system.get("VERSION_CODENAME", "")
    if system.get("ID") != "debian" or not KEYRING.exists():
        raise Fault(
            f"Debian {args.suite} cannot be checked on {system.get('PRETTY_NAME', 'this system')}: "
            "install Asterisk 20 or later with the system's own package manager"
        )
    suite = codename if args.suite == "stable" else args.suite
    fault = Fault("no Debian mirror is named in /etc/apt/sources.list or /etc/apt/sources.list.d")
    for mirror in mirrors(codename):
        apt = Apt(args.folder / "apt", mirror, suite)
        try:
            say(f"reading the package list of Debian {suite}")
            apt.run("update", "-o", "APT::Update::Error-Mode=any")
        except Fault as why:
            fault = why
            continue
        if lock and not args.relock and apt.served(lock):
            return fetch(apt, debs, {name: version for name, (version, _) in lock.items()}, lock)
        if lock and not args.relock:
            say("the archive no longer serves the locked versions: taking the present, signed ones")
        return fetch(apt, debs, apt.closure(args.packages), lock)
    raise fault


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lock", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("suite")
    parser.add_argument("packages", nargs="+")
    parser.add_argument("--relock", action="store_true", help="take the present versions and write the lock")
    args = parser.parse_args()
    args.folder = args.folder.resolve()
    lock, debs = read_lock(args.lock), args.folder / "debs"
    kind = architecture()
    if kind != LOCKED_ARCHITECTURE:
        say(f"the lock is {LOCKED_ARCHITECTURE}'s, this is {kind}: taking the present, signed versions")
        lock = {}
    if args.relock or not kept_set(debs, lock):
        got = current(args, lock, debs)
        served_as_locked = all(got.get(name) == row for name, row in lock.items())
        if not served_as_locked and all(got.get(n, ("",))[0] == v for n, (v, _) in lock.items()):
            compare(lock, got)
            raise Fault("a package has its locked version but another hash; nothing was unpacked")
        compare(lock, got)
        lock = got
    if args.relock:
        write_lock(args.lock, args.suite, lock)
    unpack(debs, lock, args.folder / args.packages[0])
    shutil.rmtree(args.folder / "apt", ignore_errors=True)


if __name__ == "__main__":
    try:
        main()
    except Fault as why:
        sys.exit(f"    fault: {why}")
