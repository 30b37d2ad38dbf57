"""A role that is there and does nothing: `up` kills it and starts it again."""

import signal

import httpx
import pytest

from tests.hotline.city import City, Running, wait_for

pytestmark = pytest.mark.real


@pytest.mark.parametrize("role", ["ivr", "desk", "clock"])
def test_a_frozen_role_is_killed_and_started_again(city_up: tuple[City, Running], role: str) -> None:
    city, running = city_up
    before = city.processes()
    city.signal(role, signal.SIGSTOP)

    def anew() -> bool:
        return city.processes().get(role) not in (None, before[role])

    wait_for(anew, f"another {role}")
    assert f"{role:5} | hung, silent for 15 s: killed; starting it again in 0.5 s" in running.said
    wait_for(lambda: city.command("check").returncode == 0, "a clean check")
    others = {name: pid for name, pid in city.processes().items() if name not in (role, "check")}
    assert others == {name: pid for name, pid in before.items() if name != role}


def test_readiness_names_the_part_that_is_away_until_it_is_back(city_up: tuple[City, Running]) -> None:
    city, _ = city_up

    def ready() -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{city.ports['WEB_PORT']}/readyz", timeout=20)

    wait_for(lambda: ready().status_code == 200, "readiness")
    city.signal("ivr", signal.SIGSTOP)
    wait_for(lambda: ready().status_code == 503, "the menu to be missed")
    parts = ready().json()["parts"]
    assert [name for name, there in parts.items() if not there] == ["menu"]
    wait_for(lambda: ready().status_code == 200, "readiness again")
