"""Which Asterisk is used, and that one is started, adopted and stopped: the latter on a real one."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from hotline.settings import home_folder
from telephony.asterisk import AsteriskBinary, AsteriskFault, AsteriskServer, find


def pretend(folder: Path, words: str, *, modules: bool = True) -> Path:
    """A program at <folder>/sbin/asterisk that says `words` when asked for its version."""
    program = folder / "sbin/asterisk"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho '{words}'\n")
    program.chmod(0o755)
    if modules:
        (folder / "lib/asterisk/modules").mkdir(parents=True)
    return program


@pytest.fixture
def nothing_on_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("telephony.asterisk.SYSTEM_FOLDERS", str(tmp_path / "empty"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


def test_the_one_that_the_setting_names_is_used(tmp_path: Path) -> None:
    program = pretend(tmp_path, "Asterisk 20.6.0~dfsg+~cs6.13")
    found = find(str(program), tmp_path / "tools")
    assert (found.origin, found.version, found.argv) == ("setting", "20.6.0", (str(program),))
    assert found.modules == tmp_path / "lib/asterisk/modules"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("Asterisk 18.10.0", "is Asterisk 18.10.0; 20 or later is needed"),
        ("hello", "does not tell its version"),
    ],
)
def test_a_named_one_that_will_not_do_is_refused_with_the_reason(
    tmp_path: Path, words: str, complaint: str
) -> None:
    program = pretend(tmp_path, words)
    with pytest.raises(AsteriskFault, match=complaint):
        find(str(program), tmp_path / "tools")


def test_a_named_one_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(AsteriskFault, match="HOTLINE_ASTERISK=/nowhere/asterisk is not a program"):
        find("/nowhere/asterisk", tmp_path)


def test_one_without_its_modules_is_refused(tmp_path: Path) -> None:
    program = pretend(tmp_path, "Asterisk 22.1.0", modules=False)
    with pytest.raises(AsteriskFault, match="no modules beside"):
        find(str(program), tmp_path)


def test_the_systems_own_is_used_when_it_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(pretend(tmp_path, "Asterisk certified/20.7-cert1").parent))
    found = find("", tmp_path / "tools")
    assert (found.origin, found.version) == ("system", "20.7")


@pytest.mark.usefixtures("nothing_on_path")
def test_without_any_the_remedy_is_told(tmp_path: Path) -> None:
    with pytest.raises(AsteriskFault, match="run script/setup"):
        find("", tmp_path)


def test_a_pid_file_of_a_process_that_is_not_ours_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "asterisk.pid").write_text(f"{os.getpid()}\n")
    binary = AsteriskBinary(("/bin/false",), "22.0.0", tmp_path, tmp_path, "setting")
    server = AsteriskServer(binary, tmp_path, tmp_path, tmp_path / "out")
    assert server.pid is None
    assert not server.adopt()


@pytest.fixture
def server(short_folder: Path) -> Iterator[AsteriskServer]:
    """A real Asterisk with next to no modules, not started."""
    binary = find("", home_folder() / "tools")
    for name in ("etc", "run", "lib", "spool", "log"):
        (short_folder / name).mkdir()
    (short_folder / "lib/documentation").symlink_to(binary.data / "documentation")
    folders = {
        "astetcdir": "etc",
        "astvarlibdir": "lib",
        "astdbdir": "lib",
        "astkeydir": "lib",
        "astdatadir": "lib",
        "astspooldir": "spool",
        "astrundir": "run",
        "astlogdir": "log",
    }
    lines = [f"{key} => {short_folder / name}" for key, name in folders.items()]
    (short_folder / "etc/asterisk.conf").write_text(
        "\n".join(["[directories]", f"astmoddir => {binary.modules}", *lines, ""])
    )
    (short_folder / "etc/modules.conf").write_text("[modules]\nautoload = no\n")
    server = AsteriskServer(binary, short_folder / "etc", short_folder / "run", short_folder / "out")
    yield server
    server.stop()


def again(server: AsteriskServer) -> AsteriskServer:
    """The same Asterisk as another process of ours sees it."""
    return AsteriskServer(server.binary, server.config.parent, server.run_folder, server.output)


@pytest.mark.real
def test_it_starts_answers_its_console_and_stops(server: AsteriskServer) -> None:
    server.start()
    assert server.cli("core show version").startswith(f"Asterisk {server.binary.version}")
    pid = server.pid
    assert pid is not None
    server.stop()
    assert server.pid is None
    assert not psutil.pid_exists(pid)


@pytest.mark.real
def test_a_running_one_is_adopted_and_can_be_stopped_by_who_adopted_it(server: AsteriskServer) -> None:
    server.start()
    adopter = again(server)
    assert adopter.adopt()
    assert adopter.pid == server.pid
    adopter.stop()
    assert not again(server).adopt()


@pytest.mark.real
def test_it_is_in_a_session_of_its_own_so_that_it_outlives_us(server: AsteriskServer) -> None:
    server.start()
    assert server.pid is not None
    assert os.getsid(server.pid) == server.pid != os.getsid(0)


@pytest.mark.real
def test_its_sound_comes_before_everything_else_on_the_processor_where_that_is_allowed(
    server: AsteriskServer,
) -> None:
    before = os.sched_getscheduler(0)
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        expected = os.SCHED_RR
    except PermissionError:
        expected = os.SCHED_OTHER
    finally:
        os.sched_setscheduler(0, before, os.sched_param(0))
    server.start()
    threads = Path(f"/proc/{server.pid}/task").iterdir()
    assert {os.sched_getscheduler(int(thread.name)) for thread in threads} == {expected}
    assert os.sched_getscheduler(0) == before


@pytest.mark.real
def test_a_frozen_one_is_replaced(server: AsteriskServer) -> None:
    server.start()
    frozen = server.pid
    assert frozen is not None
    os.kill(frozen, signal.SIGSTOP)
    adopter = again(server)
    assert not adopter.adopt()
    adopter.start()
    assert adopter.pid not in (None, frozen)
    assert not psutil.pid_exists(frozen) or psutil.Process(frozen).status() == psutil.STATUS_ZOMBIE
    adopter.stop()


@pytest.mark.real
def test_one_that_cannot_start_says_why(server: AsteriskServer) -> None:
    shutil.rmtree(server.config.parent)
    with pytest.raises(AsteriskFault, match=r"ended at its start|not ready"):
        server.start()
