"""The list of calls and a call's page, over real HTTP and a real database."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from cases.calls import Arrival
from cases.refused import MOST_A_MINUTE, refuse_calls, refused_id
from routing.policy import load
from storage.tables import Call
from tests.web.site import POLICY, Site


def rows(text: str) -> int:
    return text.count("data-row")


def test_every_visible_call_is_listed_newest_first(site: Site) -> None:
    text = site.client("liu").get("/calls").text
    positions = [text.index(call_id) for call_id in (site.seed.calls[3], *site.seed.calls[:3])]
    assert positions == sorted(positions)


def test_the_labs_calls_are_listed_when_asked_for(site: Site) -> None:
    client, one = site.client("liu"), update(Call).where(Call.id == site.seed.calls[0])
    with site.database.session() as session:
        session.execute(one.values(origin="lab"))
    try:
        assert site.seed.calls[0] not in client.get("/calls").text
        text = client.get("/calls", params={"origin": "lab"}).text
        assert site.seed.calls[0] in text
        assert rows(text) == 1
    finally:
        with site.database.session() as session:
            session.execute(one.values(origin="trunk"))


def test_a_sealed_call_does_not_exist_for_those_not_named(site: Site) -> None:
    sealed = site.seed.calls[2]
    for login in ("zhang", "chen", "zhao"):
        client = site.client(login)
        assert sealed not in client.get("/calls").text
        assert client.get(f"/calls/{sealed}").status_code == 404
    for login in ("liu", "sun"):
        assert site.client(login).get(f"/calls/{sealed}").status_code == 200


@pytest.mark.parametrize(
    "typed", ["13812345678", "138 1234 5678", "+86 13812345678", "１３８１２３４５６７８"]
)
def test_a_number_is_found_in_any_dress(site: Site, typed: str) -> None:
    text = site.client("chen").get("/calls", params={"number": typed}).text
    assert rows(text) == 1
    assert "138****5678" in text


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"outcome": "abandoned"}, 1),
        ({"outcome": "answered"}, 2),
        ({"line": "962299"}, 3),
        ({"line": "12345"}, 0),
        ({"day": "2001-01-01"}, 0),
    ],
)
def test_the_filter_narrows(site: Site, wanted: dict[str, str], count: int) -> None:
    assert rows(site.client("chen").get("/calls", params=wanted).text) == count


def test_a_refused_call_is_found_and_told_in_both_languages(site: Site) -> None:
    at = datetime.now(UTC).replace(second=0)
    flood = [
        Arrival(refused_id(f"{n}"), f"{n}", "5551234", "13700003333", False, at + timedelta(seconds=n))
        for n in range(MOST_A_MINUTE + 31)
    ]
    with site.database.session() as session:
        refuse_calls(session, flood, load(POLICY))
    client = site.client("chen")
    for language, words in (
        ("en", ("not taken", "Refused: not a published number", "and 31 more in the same minute")),
        ("zh", ("未受理", "号码未公布，未接入", "同一分钟内还有 31 通未接入")),
    ):
        client.post("/me/language", data={"language": language})
        assert rows(client.get("/calls", params={"outcome": "rejected"}).text) == MOST_A_MINUTE
        page = client.get(f"/calls/{flood[MOST_A_MINUTE - 1].call_id}").text
        assert [word for word in (*words, "5551234") if word not in page] == []


def test_the_filter_narrows_to_one_agent(site: Site) -> None:
    client = site.client("chen")
    assert rows(client.get("/calls", params={"agent": site.seed.people["liu"]}).text) == 2
    assert rows(client.get("/calls", params={"agent": site.seed.people["zhang"]}).text) == 0


def test_what_cannot_be_read_is_named_with_a_remedy_and_stays_in_its_field(site: Site) -> None:
    answer = site.client("chen").get("/calls", params={"number": "一二三", "day": "2026-13-45"})
    assert answer.status_code == 422
    assert 'value="一二三"' in answer.text
    assert 'value="2026-13-45"' in answer.text
    assert "认不出这个号码" in answer.text
    assert "认不出这个日期" in answer.text


@pytest.mark.parametrize(
    "wanted",
    [
        {"page": "0"},
        {"page": "x"},
        {"number": "1" * 500},
        {"agent": "-1"},
        {"agent": "9" * 30},
        {"day": "9999-12-31"},
    ],
)
def test_nonsense_in_the_address_is_no_error_of_ours(site: Site, wanted: dict[str, str]) -> None:
    answer = site.client("chen").get("/calls", params=wanted)
    assert answer.status_code in (200, 422)


def test_nothing_found_says_what_to_do(site: Site) -> None:
    text = site.client("chen").get("/calls", params={"number": "13500000000"}).text
    assert "没有符合条件的通话" in text
    assert "清除" in text


def test_the_page_of_a_call_tells_its_steps_in_words(site: Site) -> None:
    text = site.client("liu").get(f"/calls/{site.seed.calls[0]}").text
    for words in (
        "进入语音菜单",
        "按键",
        "企业服务坐席",
        "王芳",
        "962299 企业服务热线",
        site.seed.tickets[0],
    ):
        assert words in text


def test_an_abandoned_call_says_so_in_words(site: Site) -> None:
    text = site.client("chen").get(f"/calls/{site.seed.calls[3]}").text
    assert "未接挂断" in text
    assert "无人接听，没有录音" in text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_page_shows_a_key_instead_of_a_word(site: Site, language: str) -> None:
    client = site.client("chen")
    client.post("/me/language", data={"language": language})
    call, ticket = site.seed.calls[0], site.seed.tickets[0]
    paths = ("/calls", f"/calls/{call}", "/tickets", f"/tickets/{ticket}", f"/tickets/{ticket}/edit", "/me")
    for path in (*paths, "/recordings", f"/recordings/{site.seed.recordings[0]}", "/calls?number=x"):
        text = client.get(path).text
        assert f'lang="{language}' in text
        assert not re.findall(r">\s*([a-z_]+(?:\.[a-z_]+)+)\s*<", text), path
    client.post("/me/language", data={"language": "zh"})
