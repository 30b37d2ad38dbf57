"""/healthz, /readyz and /metrics: open to whom they should be, cheap, and telling nothing of anybody."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network

import httpx
import pytest

from cases.alarms import Raised, settle
from tests.web.site import Site
from web.health import KEPT_SECONDS
from web.services import Operations


@contextmanager
def operated(site: Site, **parts: object) -> Iterator[None]:
    """The site's operations, others for a while."""
    before = site.app.state.services
    site.app.state.services = replace(before, operations=Operations(**parts))  # type: ignore[arg-type]
    site.app.state.readiness._asked_at = -KEPT_SECONDS
    try:
        yield
    finally:
        site.app.state.services = before


def test_a_living_process_says_so_without_asking_anybody(site: Site) -> None:
    def never() -> dict[str, bool]:
        raise AssertionError("asked")

    with operated(site, ready=never):
        answer = httpx.get(f"{site.url}/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")


@pytest.mark.parametrize("menu", [True, False])
def test_readiness_tells_each_part_and_nothing_else(site: Site, menu: bool) -> None:
    parts = {"database": True, "telephony": True, "clock": True, "menu": menu}
    with operated(site, ready=lambda: parts):
        answer = httpx.get(f"{site.url}/readyz")
    assert answer.status_code == (200 if menu else 503)
    assert answer.json() == {"ready": menu, "parts": parts}
    assert answer.headers["cache-control"] == "no-store"


def test_a_hundred_who_ask_at_once_cost_one_look(site: Site) -> None:
    looks: list[float] = []
    everybody_asks = threading.Event()

    def look() -> dict[str, bool]:
        looks.append(1)
        assert everybody_asks.wait(20)
        return {"database": True}

    answers: list[int] = []

    def ask() -> None:
        answers.append(httpx.get(f"{site.url}/readyz", timeout=60).status_code)

    with operated(site, ready=look):
        threads = [threading.Thread(target=ask) for _ in range(60)]
        for thread in threads:
            thread.start()
        everybody_asks.set()
        for thread in threads:
            thread.join()
    assert answers == [200] * 60
    assert len(looks) <= 60 // 4  # those who come later than a second may cause another


def test_figures_are_for_those_who_may_read_them_and_nobody_else_learns_that_there_are_any(
    site: Site,
) -> None:
    metrics = f"{site.url}/metrics"
    with operated(site, metrics=lambda: b"hotline_x 1\n", readers=(ip_network("127.0.0.1"),)):
        answer = httpx.get(metrics)
    assert (answer.status_code, answer.text) == (200, "hotline_x 1\n")
    with operated(site, metrics=lambda: b"hotline_x 1\n", readers=(ip_network("192.0.2.0/24"),)):
        refused = httpx.get(metrics, headers={"Accept": "application/json"})
    missing = httpx.get(f"{site.url}/no-such-page", headers={"Accept": "application/json"})
    assert (refused.status_code, refused.json()) == (404, missing.json())


def test_leader_and_administrator_see_alarms_above_every_page_and_an_agent_only_the_upgrade(
    site: Site,
) -> None:
    raised = Raised("disk", datetime(2026, 11, 20, 9, 0, tzinfo=UTC), {"figure": 900})
    with site.database.session() as session:
        settle(session, {"disk": raised}, raised.at)
    for login, sees in (("chen", True), ("admin", True), ("liu", False), ("zhao", False)):
        with operated(site, is_draining=lambda: True):
            page = site.client(login).get("/banner").text
        assert ("磁盘将满：仅剩 900 MiB" in page) is sees, login
        assert "系统即将升级" in page
    with site.database.session() as session:
        settle(session, {}, raised.at)
    leader = site.client("chen")
    assert "banner" not in leader.get("/banner").text
    assert 'hx-get="/banner"' in leader.get("/me").text
