"""`hotline up` on the real parts: comes up, watches, adopts, refuses, stops."""

import json
import os
import re
import signal
import socket
import urllib.request

import psutil
import pytest

from hotline.home import SERVICE_USER
from tests.hotline import laid_out
from tests.hotline.city import City, Running, wait_for

pytestmark = pytest.mark.real

CityUp = tuple[City, Running]
LOG_IN = r"log in as +(\S+)"


def test_once_up_all_is_there_and_its_own_check_finds_no_fault(city_up: CityUp) -> None:
    city, _ = city_up
    assert set(city.processes()) == {"up", "ivr", "desk", "clock", "asterisk", "postgres"}
    with urllib.request.urlopen(f"http://127.0.0.1:{city.ports['WEB_PORT']}/login") as page:
        assert page.status == 200
    checked = city.command("check", "--json")
    findings = json.loads(checked.stdout)["findings"]
    assert [one for one in findings if not one["ok"] and one["subject"] != "disk"] == []


def test_the_servers_never_run_as_root(city_up: CityUp) -> None:
    city, _ = city_up
    me = psutil.Process()
    expected = SERVICE_USER if me.uids().real == 0 else me.username()
    processes = city.processes()
    assert {psutil.Process(processes[name]).username() for name in ("asterisk", "postgres")} == {expected}


def test_a_page_does_not_wait_for_the_clock(city_up: CityUp) -> None:
    city, _ = city_up
    nice = {name: psutil.Process(pid).nice() for name, pid in city.processes().items()}
    assert max(nice["desk"], nice["ivr"], nice["postgres"]) < nice["clock"]


def test_a_second_up_is_refused_in_one_line_that_names_the_first(city_up: CityUp) -> None:
    city, running = city_up
    second = city.command("up")
    assert second.returncode == 1
    assert second.stderr.splitlines() == [
        f"fault: a hotline is already up on {city.home} (pid {running.process.pid}): stop it first, "
        "or give this one its own HOTLINE_HOME and ports"
    ]


def test_calls_and_tickets_are_exported_as_one_json_document(city_up: CityUp) -> None:
    city, _ = city_up
    for what in ("calls", "tickets"):
        exported = city.command("export", what, "--json")
        assert exported.returncode == 0, exported.stderr
        rows = json.loads(exported.stdout)
        assert rows
        assert not any(row["sealed"] for row in rows)
    refused = city.command("export", "calls", "--json", "--viewer", "nobody")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "nobody logs in as 'nobody'" in refused.stderr


def test_the_configuration_is_rendered_and_reloaded_without_ending_asterisk(city_up: CityUp) -> None:
    city, _ = city_up
    before = city.processes()
    (city.home / "asterisk/etc/queues.conf").unlink()
    reloaded = city.command("config", "--reload")
    assert reloaded.returncode == 0, reloaded.stderr
    assert "told Asterisk: module reload app_queue.so" in reloaded.stderr
    assert city.processes() == before


def test_ctrl_c_stops_all_of_it_and_a_second_start_finds_the_same_people(city: City) -> None:
    """The first start, which Ctrl-C ended, is the one that laid out the city that this home is a copy of."""
    running = city.up().wait_up()
    first = laid_out.said()
    assert re.findall(LOG_IN, running.said) == re.findall(LOG_IN, first) != []
    assert "demo city was laid out" in first and "demo city was laid out" not in running.said
    assert running.stop() == 0, running.said
    wait_for(lambda: not city.processes(), "the end of all processes")


def test_a_killed_up_leaves_the_servers_which_a_start_that_fails_leaves_too_and_the_next_adopts(
    city: City,
) -> None:
    first = city.up().wait_up()
    before = city.processes()
    first.kill()
    wait_for(lambda: set(city.processes()) == {"asterisk", "postgres"}, "the end of the roles")
    servers = {name: before[name] for name in ("asterisk", "postgres")}
    refused = city.command("up", HOTLINE_POLICY="/nowhere.toml")
    assert refused.returncode == 1
    assert "/nowhere.toml" in refused.stderr
    assert city.processes() == servers
    second = city.up().wait_up()
    assert servers.items() <= city.processes().items()
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
    whose = rf"( by .+ \(pid {os.getpid()}\))?"  # which the service user, whom root becomes, may not see
    taken = rf"fault: port {city.ports['WEB_PORT']} \(the web desk\) is taken{whose}: "
    assert re.fullmatch(taken + "stop that, or set HOTLINE_WEB_PORT to a free one", line), line
    assert city.processes() == {}


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
