"""The knowledge base on pages: found as one types, written with nothing lost, put into answers."""

import re
from datetime import UTC, datetime, timedelta
from itertools import count

import httpx
import pytest

from agents.waiting import waiting
from cases import knowledge, logins, people
from cases.knowledge import KnowledgeForm
from routing.policy import load
from storage.knowledge import KnowledgeEntry
from storage.staff import Person
from storage.viewer import Role, Viewer
from tests.web.site import PASSWORD, POLICY, Site

_titles = count(1)
FORM = {
    "title": "首套房贷款怎么办",
    "body": "带身份证到公积金中心窗口办理。",
    "keywords": "按揭",
    "unit": "housing_fund",
}


@pytest.fixture(scope="module")
def editor(site: Site) -> httpx.Client:
    with site.database.session() as session:
        people.create_person(session, "editor", "编辑小周", Role.EDITOR, PASSWORD)
    return site.client("editor")


def viewer(site: Site, login: str) -> Viewer:
    with site.database.session() as session:
        return logins.viewer_of(session, session.query(Person).filter_by(login=login).one())


def entry(site: Site, editor: httpx.Client, *, publish: bool = True, **typed: str) -> int:
    """An entry with a title of its own, written on the page."""
    typed = FORM | {"title": f"题{next(_titles)}甲乙"} | typed | ({"then": "publish"} if publish else {})
    answer = editor.post("/knowledge", data=typed)
    assert answer.status_code == 303, answer.text
    return int(answer.headers["location"].split("/")[-1])


def version(client: httpx.Client, entry_id: int) -> str:
    return re.findall(r'name="version" value="(\d+)"', client.get(f"/knowledge/{entry_id}/edit").text)[0]


def test_an_agent_finds_it_by_two_characters_and_reads_it(site: Site, editor: httpx.Client) -> None:
    entry_id = entry(site, editor, title="停车场收费标准", body="首小时5元。\n以后每小时2元。", unit="power")
    client = site.client("liu")
    for typed in ("收费", "收費"):
        text = client.get("/knowledge", params={"q": typed}).text
        assert f'href="/knowledge/{entry_id}"' in text and "首小时5元" in text
    assert f"/knowledge/{entry_id}" not in client.get("/knowledge", params={"q": "医保"}).text
    text = client.get(f"/knowledge/{entry_id}").text
    for words in ("停车场收费标准", "首小时5元。\n以后每小时2元。", "供电公司", "已发布", "长期有效"):
        assert words in text
    assert "/edit" not in text


def test_what_is_typed_on_the_page_is_answered_with_the_list_alone(site: Site, editor: httpx.Client) -> None:
    entry(site, editor, title="招标保证金退还")
    how = {"HX-Request": "true", "HX-Target": "found"}
    text = site.client("liu").get("/knowledge", params={"q": "保证金"}, headers=how).text
    assert "招标保证金退还" in text and "<form" not in text and "<h1" not in text


def test_the_box_has_what_goes_into_the_answer_whole(site: Site, editor: httpx.Client) -> None:
    body = "第一行 <b>\n第二行" + "很长" * 500
    entry_id = entry(site, editor, title="暂住登记", body=body)
    text = site.client("liu").get("/knowledge/answers", params={"q": "暂住"}).text
    assert f'data-insert="{entry_id}"' in text
    assert "第一行 &lt;b&gt;\n第二行" in text and "很长" * 500 in text
    assert "没有查到" in site.client("liu").get("/knowledge/answers", params={"q": "没有的事"}).text


def test_a_ticket_s_page_has_the_box_with_what_may_answer_it(site: Site, editor: httpx.Client) -> None:
    entry_id = entry(site, editor, title="小微企业所得税优惠", body="年应纳税所得额300万元以下……")
    page = f"/tickets/{site.seed.tickets[0]}"
    text = site.client("liu").get(page).text
    assert "data-knowledge" in text and f'data-insert="{entry_id}"' in text
    assert "data-knowledge" not in site.client("zhao").get(page).text  # she has nothing to answer with


def test_the_desk_has_the_box_beside_the_form(site: Site) -> None:
    text = site.client("liu").get(f"/desk/calls/{site.seed.calls[0]}").text
    assert "data-draft" not in text or text.index("data-knowledge") < text.index('<form class="ticket"')


def test_an_answer_that_was_taken_from_it_is_counted_once_however_often_the_form_is_sent(
    site: Site, editor: httpx.Client
) -> None:
    entry_id = entry(site, editor)
    typed = {"kind": "inquiry", "content": "问公积金", "form_id": "counted", "entry": str(entry_id)}
    client, page = site.client("liu"), f"/desk/calls/{site.seed.calls[0]}/ticket"
    assert client.post(page, data={**typed, "form_id": "no answer"}).status_code == 200
    for _ in range(2):
        assert client.post(page, data={**typed, "answer": "带身份证"}).status_code == 200
    with site.database.session() as session:
        assert session.get_one(KnowledgeEntry, entry_id).used == 1


def test_faults_name_their_fields_and_everything_typed_stays(editor: httpx.Client) -> None:
    typed = {**FORM, "title": "", "body": "只在这里写过的话", "valid_until": "明年"}
    answer = editor.post("/knowledge", data=typed)
    assert answer.status_code == 422
    for words in (
        'href="#f-title"',
        'href="#f-valid_until"',
        "请填写这一项",
        "认不出这个日期",
        "只在这里写过的话",
    ):
        assert words in answer.text
    assert 'value="明年"' in answer.text


def test_what_is_over_is_kept_as_typed_and_not_published(site: Site, editor: httpx.Client) -> None:
    answer = editor.post(
        "/knowledge", data={**FORM, "title": "过期的", "valid_until": "2020-01-01", "then": "publish"}
    )
    assert answer.status_code == 422 and "已经过去" in answer.text and "过期的" in answer.text
    entry_id = entry(site, editor, publish=False, valid_until="2020-01-01")
    answer = editor.post(f"/knowledge/{entry_id}/publish", data={"version": "1"})
    assert answer.status_code == 422 and "有效期已过" in answer.text


def test_two_who_change_one_entry_lose_nothing(site: Site, editor: httpx.Client) -> None:
    entry_id = entry(site, editor)
    old = version(editor, entry_id)
    page = f"/knowledge/{entry_id}"
    editor.post(page, data={**FORM, "body": "先写的", "version": old})
    clash = editor.post(page, data={**FORM, "body": "后写的", "version": old})
    assert clash.status_code == 409
    for words in ("编辑小周刚刚改过", "后写的", "先写的"):
        assert words in clash.text
    renewed = re.findall(r'name="version" value="(\d+)"', clash.text)[0]
    assert editor.post(page, data={**FORM, "body": "后写的", "version": renewed}).status_code == 303
    assert "后写的" in site.client("liu").get(page).text


def test_a_draft_is_nobody_else_s_until_it_is_published_and_not_after_it_is_withdrawn(
    site: Site, editor: httpx.Client
) -> None:
    entry_id, client = entry(site, editor, publish=False, title="渔业补贴"), site.client("liu")
    page = f"/knowledge/{entry_id}"

    def is_found() -> bool:
        return page in client.get("/knowledge", params={"q": "渔业补贴"}).text

    assert client.get(page).status_code == 404 and not is_found()
    assert "草稿" in editor.get(page).text
    assert editor.post(f"{page}/publish", data={"version": version(editor, entry_id)}).status_code == 303
    assert client.get(page).status_code == 200 and is_found()
    assert editor.post(f"{page}/withdraw").status_code == 303
    assert client.get(page).status_code == 404 and not is_found()


def test_a_draft_changed_meanwhile_is_not_published_unread(site: Site, editor: httpx.Client) -> None:
    entry_id = entry(site, editor, publish=False)
    editor.post(f"/knowledge/{entry_id}", data={**FORM, "version": "1"})
    answer = editor.post(f"/knowledge/{entry_id}/publish", data={"version": "1"})
    assert answer.status_code == 409 and "没有发布" in answer.text


def test_an_older_version_is_read_and_written_on_from(site: Site, editor: httpx.Client) -> None:
    entry_id = entry(site, editor, body="旧的说法")
    page = f"/knowledge/{entry_id}"
    editor.post(page, data={**FORM, "body": "新的说法", "version": "1"})
    text = editor.get(f"{page}/edit").text
    assert "旧的说法" in text and f"{page}/edit?from=1" in text
    again = editor.get(f"{page}/edit", params={"from": "1"}).text
    area = re.search(r"<textarea[^>]*name=\"body\"[^>]*>(.*?)</textarea>", again, re.DOTALL)
    assert area is not None and "旧的说法" in area[1] and 'name="version" value="2"' in again


def test_the_preview_is_what_readers_will_see(editor: httpx.Client) -> None:
    text = editor.post("/knowledge/preview", data={"title": "题<i>", "body": "一\n二"}).text
    assert "题&lt;i&gt;" in text and "一\n二" in text and "<form" not in text


def test_each_shelf_lists_as_many_as_it_counts(site: Site, editor: httpx.Client) -> None:
    soon = (datetime.now(UTC) + timedelta(days=5)).date()
    entry(site, editor, valid_until=str(soon))
    entry(site, editor, publish=False)
    for which in knowledge.Shelf:
        text = editor.get("/knowledge/shelf", params={"list": which}).text
        counted = re.findall(rf'data-count="{which}"[^>]*>(\d+)<', text)
        assert counted == [str(text.count("data-row"))]
    assert "快到期" in editor.get("/knowledge").text


def test_the_editor_is_told_of_what_expires_and_nobody_else(site: Site, editor: httpx.Client) -> None:
    soon = (datetime.now(UTC) + timedelta(days=5)).date()
    entry(site, editor, valid_until=str(soon))
    policy = load(POLICY)
    with site.database.session() as session:
        counts = waiting(session, viewer(site, "editor"), policy)
        today = datetime.now(policy.zone).date()
        shelf = knowledge.shelf(session, viewer(site, "editor"), knowledge.Shelf.EXPIRING, today)
        assert counts["knowledge.expiring"] == len(shelf) > 0
        assert "knowledge.expiring" not in waiting(session, viewer(site, "liu"), policy)
    (leads_to,) = re.findall(r'href="([^"]+)" data-place="/knowledge"', editor.get("/me").text)
    assert editor.get(leads_to).text.count("data-row") == len(shelf)


@pytest.mark.parametrize("login", ["liu", "chen", "zhao", "admin"])
def test_only_editors_write(site: Site, editor: httpx.Client, login: str) -> None:
    entry_id, client = entry(site, editor), site.client(login)
    assert client.get(f"/knowledge/{entry_id}").status_code == 200
    for path in ("/knowledge/new", "/knowledge/shelf", f"/knowledge/{entry_id}/edit"):
        assert client.get(path).status_code == 403
    for path in ("", f"/{entry_id}", f"/{entry_id}/publish", f"/{entry_id}/withdraw", "/preview"):
        assert client.post(f"/knowledge{path}", data=FORM | {"version": "1"}).status_code == 403
    with site.database.session() as session:
        assert session.get_one(KnowledgeEntry, entry_id).version == 1


def test_who_has_no_business_with_it_does_not_read_it(site: Site, editor: httpx.Client) -> None:
    with site.database.session() as session:
        people.create_person(session, "auditor", "审计", Role.AUDITOR, PASSWORD)
    client = site.client("auditor")
    for path in ("/knowledge", "/knowledge/answers?q=收费", f"/knowledge/{entry(site, editor)}"):
        assert client.get(path).status_code == 403


@pytest.mark.parametrize("odd", ["x", "0", "-1", "9" * 30])
def test_an_address_that_is_none_is_no_error_page(site: Site, odd: str) -> None:
    assert site.client("liu").get(f"/knowledge/{odd}").status_code in (404, 422)


def test_the_words_of_a_form_are_those_of_the_table() -> None:
    assert set(KnowledgeForm.__dataclass_fields__) <= {each.key for each in KnowledgeEntry.__table__.columns}
