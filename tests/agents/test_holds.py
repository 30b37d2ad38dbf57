"""Legal hold on the pages: who may, what it needs, and what the other page says of it."""

import pytest

from tests.web.site import Site


def page(site: Site, login: str, index: int, kind: str = "tickets") -> str:
    key = site.seed.tickets[index] if kind == "tickets" else site.seed.calls[index]
    return site.client(login).get(f"/{kind}/{key}").text


def test_a_hold_is_placed_with_a_reason_told_on_both_pages_and_lifted(site: Site) -> None:
    zhao = site.client("zhao")
    address = f"/tickets/{site.seed.tickets[0]}/hold"
    refused = zhao.post(address, data={"why": " "}, headers={"Accept": "application/json"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "hold.required")
    assert zhao.post(address, data={"why": "诉讼需要"}).status_code == 303
    assert "诉讼需要" in page(site, "zhao", 0)
    assert "这里也一并保留" in page(site, "zhao", 0, "calls")
    assert zhao.post(f"{address}/lift").status_code == 303
    assert "诉讼需要" not in page(site, "zhao", 0)
    assert "没有保全" in page(site, "zhao", 0, "calls")


@pytest.mark.parametrize("login", ["liu", "chen"])
def test_who_may_not_hold_does_not_read_why_something_is_held(site: Site, login: str) -> None:
    address = f"/calls/{site.seed.calls[1]}/hold"
    assert site.client("zhao").post(address, data={"why": "内部调查"}).status_code == 303
    assert site.client(login).post(address, data={"why": "x"}).status_code == 403
    assert site.client(login).post(f"{address}/lift").status_code == 403
    assert "内部调查" not in page(site, login, 1, "calls")


def test_a_sealed_matter_is_held_by_those_named_only(site: Site) -> None:
    address = f"/tickets/{site.seed.tickets[2]}/hold"
    assert site.client("zhao").post(address, data={"why": "x"}).status_code == 404
    assert site.client("sun").post(address, data={"why": "x"}).status_code == 303
