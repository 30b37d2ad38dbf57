"""Tickets on pages: found, read, changed; nothing typed is ever lost."""

import re

import httpx
import pytest

from tests.web.site import Site

FORM = {"kind": "inquiry", "title": "新标题", "content": "新内容", "urgency": "normal", "reply_wanted": "1"}


def version(client: httpx.Client, number: str) -> str:
    return re.findall(r'name="version" value="(\d+)"', client.get(f"/tickets/{number}/edit").text)[0]


def test_a_ticket_shows_its_deadline_its_story_and_its_call(site: Site) -> None:
    text = site.client("liu").get(f"/tickets/{site.seed.tickets[0]}").text
    for words in ("咨询 3个工作日", "登记", "刘晓燕", "王芳", f"/calls/{site.seed.calls[0]}", "<audio"):
        assert words in text


def test_a_sealed_ticket_does_not_exist_for_those_not_named(site: Site) -> None:
    number = site.seed.tickets[2]
    for login in ("zhang", "chen", "zhao"):
        client = site.client(login)
        assert number not in client.get("/tickets").text
        assert client.get(f"/tickets/{number}").status_code == 404
        assert client.get(f"/tickets/{number}/edit").status_code in (403, 404)
    assert "保密" in site.client("sun").get(f"/tickets/{number}").text


def test_a_ticket_number_goes_straight_to_the_ticket(site: Site) -> None:
    answer = site.client("liu").get("/tickets", params={"ticket": f" {site.seed.tickets[0]} "})
    assert answer.headers["location"] == f"/tickets/{site.seed.tickets[0]}"


@pytest.mark.parametrize(
    ("wanted", "count"),
    [({"kind": "help"}, 1), ({"state": "late"}, 0), ({"state": "accepted", "kind": "inquiry"}, 1)],
)
def test_the_filter_narrows(site: Site, wanted: dict[str, str], count: int) -> None:
    assert site.client("chen").get("/tickets", params=wanted).text.count("data-row") == count


def test_a_change_is_saved_and_told_in_the_story(site: Site) -> None:
    client, number = site.client("liu"), site.seed.tickets[1]
    answer = client.post(f"/tickets/{number}", data={**FORM, "version": version(client, number)})
    assert answer.status_code == 303
    text = client.get(f"/tickets/{number}").text
    assert "新标题" in text
    assert "修改" in text


def test_faults_name_their_fields_and_everything_typed_stays(site: Site) -> None:
    client, number = site.client("liu"), site.seed.tickets[0]
    typed = {**FORM, "content": "", "contact_number": "电话不详", "company": "只在这里写过的企业"}
    answer = client.post(f"/tickets/{number}", data={**typed, "version": version(client, number)})
    assert answer.status_code == 422
    for words in ('href="#f-content"', 'href="#f-contact_number"', "请填写这一项", "认不出这个号码"):
        assert words in answer.text
    assert 'value="电话不详"' in answer.text
    assert 'value="只在这里写过的企业"' in answer.text
    assert 'aria-invalid="true"' in answer.text


def test_two_who_change_one_ticket_see_both_texts_and_lose_none(site: Site) -> None:
    number = site.seed.tickets[0]
    first, second = site.client("liu"), site.client("chen")
    old = version(second, number)
    first.post(
        f"/tickets/{number}", data={**FORM, "content": "刘写的内容", "version": version(first, number)}
    )
    clash = second.post(f"/tickets/{number}", data={**FORM, "content": "陈写的内容", "version": old})
    assert clash.status_code == 409
    assert "刘晓燕已改过这张工单" in clash.text
    assert clash.text.count("陈写的内容") == 2  # beside the other's, and in the form
    assert clash.text.count("刘写的内容") == 1
    renewed = re.findall(r'name="version" value="(\d+)"', clash.text)[0]
    saved = second.post(f"/tickets/{number}", data={**FORM, "content": "陈写的内容", "version": renewed})
    assert saved.status_code == 303
    assert "陈写的内容" in first.get(f"/tickets/{number}").text


@pytest.mark.parametrize("odd", ["", "x", "-1", "9" * 40, "１"])
def test_a_version_that_is_none_is_refused_without_an_error_page(site: Site, odd: str) -> None:
    answer = site.client("liu").post(f"/tickets/{site.seed.tickets[0]}", data={**FORM, "version": odd})
    assert answer.status_code == 422


def test_what_callers_say_is_never_taken_for_markup(site: Site) -> None:
    client, number = site.client("liu"), site.seed.tickets[1]
    evil = "<script>alert(1)</script>\"' onmouseover=x {{ 7*7 }}"
    client.post(
        f"/tickets/{number}",
        data={**FORM, "title": evil, "content": evil, "version": version(client, number)},
    )
    for path in (f"/tickets/{number}", f"/tickets/{number}/edit", "/tickets"):
        text = client.get(path).text
        assert "<script>alert" not in text
        assert "&lt;script&gt;" in text
        assert "49 " not in text


def test_a_step_of_its_life_is_taken_once_when_two_click(site: Site) -> None:
    number = site.seed.tickets[1]
    first, second = site.client("liu"), site.client("chen")
    step = {"answer": "已电话告知申报办法。", "version": version(first, number)}
    assert first.post(f"/tickets/{number}/answer", data=step).status_code == 303
    late = second.post(f"/tickets/{number}/answer", data={**step, "answer": "请看税务局网站。"})
    assert late.status_code == 409
    assert "已被别人办过一步" in late.text
    assert "请看税务局网站。" in late.text
    assert "已办结" in second.get(f"/tickets/{number}").text


def test_who_only_reads_cannot_change(site: Site) -> None:
    client, number = site.client("zhao"), site.seed.tickets[0]
    assert "/edit" not in client.get(f"/tickets/{number}").text
    assert client.get(f"/tickets/{number}/edit").status_code == 403
    assert client.post(f"/tickets/{number}", data={**FORM, "version": "1"}).status_code == 403
