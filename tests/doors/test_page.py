"""The public page and its visits, with a database that nobody can reach: none is asked for a guest."""

import asyncio
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from doors.limits import Limits
from doors.relay import Door, Line
from doors.room import room
from hotline.settings import CHECKOUT
from routing.policy import load
from storage.database import Database
from web.app import create_app
from web.services import Services

OURS = {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"}


@dataclass
class Client:
    """A browser without a screen, before the application itself."""

    app: FastAPI

    def ask(self, method: str, address: str, headers: dict[str, str]) -> httpx.Response:
        async def asked() -> httpx.Response:
            way = httpx.ASGITransport(self.app, client=("10.0.0.1", 1))
            async with httpx.AsyncClient(transport=way, base_url="http://testserver") as client:
                return await client.request(method, address, headers=headers)

        return asyncio.run(asked())

    def get(self, address: str, **headers: str) -> str:
        return self.ask("GET", address, headers).text

    def visit(self, headers: dict[str, str] = OURS) -> httpx.Response:
        return self.ask("POST", "/call/visit", headers)


def client(folder: Path, policy: str = "nanning-direct-line", **limits: int) -> Client:
    city = load(CHECKOUT / f"policies/{policy}.toml")
    nowhere = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")
    lines = tuple(Line(line.number, line.name) for line in city.lines)
    door = Door("ws://127.0.0.1:1/ws", "secret", lines, dict, Limits(**limits))
    return Client(create_app(Services(nowhere, city, folder), [room(door)]))


def test_every_published_line_can_be_chosen_by_its_name(tmp_path: Path) -> None:
    page = client(tmp_path).get("/call")
    assert page.count("<option value=") == 46
    assert '<option value="07715500101" selected>南宁市委书记专线　0771-5500101</option>' in page


def test_a_single_line_is_no_choice(tmp_path: Path) -> None:
    page = client(tmp_path, "mianyang-962299").get("/call")
    assert "<select" not in page
    assert '<input type="hidden" name="line" value="962299">' in page


@pytest.mark.parametrize(
    ("address", "accepted", "title"),
    [
        ("/call", "", "从网页拨打热线"),
        ("/call", "en-US", "Call the hotline from this page"),
        ("/call?language=en", "zh-CN", "Call the hotline from this page"),
        ("/call?language=zh", "en", "从网页拨打热线"),
        ("/call?language=xx", "en", "从网页拨打热线"),
    ],
)
def test_the_page_is_in_chinese_unless_somebody_wants_english(
    tmp_path: Path, address: str, accepted: str, title: str
) -> None:
    assert f"<h1>{title}</h1>" in client(tmp_path).get(address, **{"Accept-Language": accepted})


@pytest.mark.parametrize("policy", ["nanning-direct-line", "mianyang-962299"])
def test_the_page_tells_what_the_notice_tells(tmp_path: Path, policy: str) -> None:
    city = load(CHECKOUT / f"policies/{policy}.toml")
    assert city.privacy
    for language in ("zh", "en"):
        page = unescape(client(tmp_path, policy).get(f"/call?language={language}"))
        told = (city.privacy.purpose, city.privacy.kept, city.privacy.contact)
        assert all(words.say(language) in page for words in told)
        assert city.privacy.kept.say(language) in city.prompts[language]["notice"]


def test_a_closed_door_shows_the_telephone_numbers(tmp_path: Path) -> None:
    guest = client(tmp_path, calls=0)
    page = guest.get("/call")
    assert "网页拨打没有开放" in page
    assert page.count('href="tel:') == 46
    assert "<script" not in page
    answer = guest.visit()
    assert (answer.status_code, answer.json()) == (503, {"why": "closed"})


def test_a_visit_is_for_our_own_page_and_not_for_ever(tmp_path: Path) -> None:
    guest = client(tmp_path, visits_a_minute=2)
    assert guest.visit({"Origin": "http://elsewhere"}).status_code == 403
    assert len({guest.visit().json()["token"] for _ in range(2)}) == 2
    answer = guest.visit()
    assert (answer.status_code, answer.json()) == (429, {"why": "often"})
