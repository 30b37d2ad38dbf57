"""`hotline up` on the real parts: comes up, watches, adopts, refuses, stops."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from hotline.settings import home_folder
from tests.real.ports import free_port, free_range
from tests.real.waiting import until

pytestmark = pytest.mark.real
PORTS = ("WEB_PORT", "SIP_PORT", "AGI_PORT", "AMI_PORT", "ASTERISK_HTTP_PORT")
PATIENCE_SECONDS = 90.0


def wait_for(condition: Callable[[], object], what: str = "it") -> None:
    until(condition, what, PATIENCE_SECONDS)


class City:
    """A home with ports of its own, and the `hotline` commands on it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.ports = {name: free_port() for name in PORTS}
        rtp = free_range(100)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HOTLINE_")},
            "HOTLINE_HOME": str(home),
            **{f"HOTLINE_{name}": str(port) for name, port in self.ports.items()},
            "HOTLINE_RTP_START": str(rtp),
            "HOTLINE_RTP_END": str(rtp + 99),
            "COLUMNS": "200",
        }
        (home / "tools").symlink_to(home_folder() / "tools")

    def command(self, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run to its end."""
        return subprocess.run(
            self._argv(*words),
            env={**self.environment, **changes},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def up(self) -> "Running":
        return Running(
            subprocess.Popen(
                self._argv("up"),
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )

    def _argv(self, *words: str) -> list[str]:
        return [sys.executable, "-P", "-m", "hotline.cli", *words]

    def processes(self) -> dict[str, int]:
        """Every process of this home, by what it is."""
        found = {}
        for process in psutil.process_iter(["cmdline", "environ"]):
            line = " ".join(process.info["cmdline"] or [])
            ours = (process.info["environ"] or {}).get("HOTLINE_HOME") == str(self.home)
            if ours and "hotline.cli" in line:
                found[line.split("hotline.cli ")[1].split()[0]] = process.pid
            elif f"{self.home}/asterisk/etc/asterisk.conf" in line and " -f " in line:
                found["asterisk"] = process.pid
            elif f"-D {self.home}/postgres/data" in line:
                found["postgres"] = process.pid
        return found


class Running:
    """A `hotline up` under way, and what it has said."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.said = ""
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line

    def wait_up(self) -> "Running":
        wait_for(lambda: "Ctrl-C stops it" in self.said or self.process.poll() is not None)
        assert self.process.poll() is None, self.said
        wait_for(lambda: "log in as" in self.said)
        return self

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=60)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def city() -> Iterator[City]:
    home = Path(tempfile.mkdtemp(prefix="hl-", dir="/tmp"))
    home.chmod(0o711)  # as root the servers run as another user
    city = City(home)
    yield city
    for pid in city.processes().values():
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not city.processes(), "the end of all processes")
    shutil.rmtree(home, ignore_errors=True)


def test_it_comes_up_passes_its_own_check_and_ctrl_c_stops_all_of_it(city: City) -> None:
    running = city.up().wait_up()
    with urllib.request.urlopen(f"http://127.0.0.1:{city.ports['WEB_PORT']}/login") as page:
        assert page.status == 200
    checked = city.command("check", "--json")
    findings = json.loads(checked.stdout)
    faults = [one for one in findings["findings"] if not one["ok"] and one["subject"] != "disk"]
    assert faults == []
    assert set(city.processes()) == {"up", "ivr", "desk", "clock", "asterisk", "postgres"}

    assert running.stop() == 0, running.said
    wait_for(lambda: not city.processes(), "the end of all processes")


def test_as_root_no_server_runs_as_root(city: City) -> None:
    city.up().wait_up()
    mine = psutil.Process().uids().real
    expected = {"hotline"} if mine == 0 else {psutil.Process().username()}
    processes = city.processes()
    assert {psutil.Process(processes[name]).username() for name in ("asterisk", "postgres")} == expected


def test_a_second_start_finds_the_same_people_and_a_second_up_is_refused_by_name(city: City) -> None:
    running = city.up().wait_up()
    logins = re.findall(r"log in as +(\S+)", running.said)
    second = city.command("up")
    assert second.returncode == 1
    assert second.stderr.splitlines() == [
        f"fault: a hotline is already up on {city.home} (pid {running.process.pid}): stop it first, "
        "or give this one its own HOTLINE_HOME and ports"
    ]
    assert running.stop() == 0
    again = city.up().wait_up()
    assert re.findall(r"log in as +(\S+)", again.said) == logins != []
    assert "demo city was laid out" not in again.said


def test_a_killed_up_leaves_the_servers_and_the_next_adopts_them(city: City) -> None:
    first = city.up().wait_up()
    before = city.processes()
    first.kill()
    wait_for(lambda: set(city.processes()) == {"asterisk", "postgres"}, "the end of the roles")
    second = city.up().wait_up()
    after = city.processes()
    assert {name: after[name] for name in ("asterisk", "postgres")} == {
        name: before[name] for name in ("asterisk", "postgres")
    }
    assert second.stop() == 0
    wait_for(lambda: not city.processes(), "the end of all processes")


def test_whatever_is_killed_comes_back(city: City) -> None:
    running = city.up().wait_up()
    before = city.processes()
    for name in ("ivr", "clock", "asterisk", "postgres"):
        os.kill(before[name], signal.SIGKILL)

    def all_back() -> bool:
        now = city.processes()
        return set(now) == set(before) and all(now[name] != before[name] for name in before if name != "up")

    os.kill(before["desk"], signal.SIGKILL)
    wait_for(all_back, "the return of all processes")
    assert "Asterisk is gone; starting it again" in running.said
    wait_for(lambda: city.command("check").returncode == 0, "a clean check")


def test_a_taken_port_is_told_in_one_line_and_nothing_is_left_running(city: City) -> None:
    with socket.create_server(("127.0.0.1", city.ports["WEB_PORT"])):
        refused = city.command("up")
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith(f"fault: port {city.ports['WEB_PORT']} (the web desk) is taken by ")
    assert line.endswith("set HOTLINE_WEB_PORT to a free one")
    assert city.processes() == {}


def test_a_start_that_fails_ends_no_asterisk_that_it_found(city: City) -> None:
    city.up().wait_up().kill()
    wait_for(lambda: set(city.processes()) == {"asterisk", "postgres"}, "the end of the roles")
    before = city.processes()
    refused = city.command("up", HOTLINE_POLICY="/nowhere.toml")
    assert refused.returncode == 1
    assert "/nowhere.toml" in refused.stderr
    assert city.processes() == before


def test_a_bad_setting_is_one_line_and_exit_1(city: City) -> None:
    refused = city.command("up", HOTLINE_WEB_PORT="eighty")
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith("fault: HOTLINE_WEB_PORT=eighty: ")
    assert "Traceback" not in refused.stdout + refused.stderr


def test_check_on_a_hotline_that_is_down_names_each_fault_with_its_remedy(city: City) -> None:
    checked = city.command("check", "--json")
    assert checked.returncode == 1
    told = json.loads(checked.stdout)
    assert told["ok"] is False
    faults = {one["subject"]: one["remedy"] for one in told["findings"] if not one["ok"]}
    assert {"database", "asterisk", "manager", "menu", "desk"} <= set(faults)
    assert all(faults.values())
    assert city.processes() == {}


def test_calls_and_tickets_are_exported_as_one_json_document(city: City) -> None:
    city.up().wait_up()
    for what in ("calls", "tickets"):
        exported = city.command("export", what, "--json")
        assert exported.returncode == 0, exported.stderr
        rows = json.loads(exported.stdout)
        assert isinstance(rows, list)
        assert not any(row["sealed"] for row in rows)
    refused = city.command("export", "calls", "--json", "--viewer", "nobody")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "nobody logs in as 'nobody'" in refused.stderr


def test_the_configuration_is_rendered_and_reloaded_without_ending_asterisk(city: City) -> None:
    city.up().wait_up()
    before = city.processes()
    reloaded = city.command("config", "--reload")
    assert reloaded.returncode == 0, reloaded.stderr
    assert city.processes() == before
