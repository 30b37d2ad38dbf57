"""On the whole hotline: what a call leaves behind it, and keys that change while calls come in."""

import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.hotline.city import City, Running

NUMBER = "13800004321"


def calls(city: City, number: str) -> None:
    done = city.command("lab", "call", "--to", "962299", "--keys", "1", "--hold", "2", "--from", number)
    assert done.returncode == 0, done.stdout + done.stderr


def keys(city: City) -> list[dict[str, object]]:
    listed: list[dict[str, object]] = json.loads(city.command("keys", "list", "--json").stdout)
    return listed


@pytest.mark.real
@pytest.mark.timeout(300)
def test_a_whole_call_leaves_its_number_in_no_log_figure_or_table(city_up: tuple[City, Running]) -> None:
    city, running = city_up
    calls(city, NUMBER)
    with urllib.request.urlopen(f"http://127.0.0.1:{city.ports['WEB_PORT']}/metrics") as page:
        assert NUMBER not in page.read().decode()
    assert NUMBER not in running.said
    # The channel events alone have it, as Asterisk writes them.
    files = [
        file
        for part in ("log", "asterisk/log", "asterisk/spool", "run", "spool", "postgres", "recordings")
        for file in (city.home / part).rglob("*")
        if file.is_file()
    ]
    assert len(files) > 100
    forms = [NUMBER.encode(), b"138 0000 4321", NUMBER.encode("utf-16-le")]
    assert [file for file in files if any(form in file.read_bytes() for form in forms)] == []


@pytest.mark.real
@pytest.mark.timeout(300)
def test_keys_change_while_calls_come_in_and_the_old_one_goes(city_up: tuple[City, Running]) -> None:
    city, _ = city_up
    (old,) = keys(city)
    with ThreadPoolExecutor() as others:
        calling = others.submit(lambda: [calls(city, f"1380000433{n}") for n in range(3)])
        rotated = city.command("keys", "rotate")
        assert rotated.returncode == 0, rotated.stderr
        calling.result()
    before, after = keys(city)
    assert (before["id"], before["state"], before["used"]) == (old["id"], "opens only", 0)
    assert after["state"] == "seals" and int(str(after["used"])) > 400
    assert city.command("keys", "retire", str(after["id"])).returncode == 1
    assert city.command("keys", "retire", str(old["id"])).returncode == 0
    calls(city, "13800004339")
    assert city.command("journal", "verify").returncode == 0
    assert '"caller_name": "' in city.command("export", "tickets", "--json").stdout
