"""The journal's page: the auditor's, with filters, the chain's state, and nothing to count gaps by."""

import re

import pytest
from sqlalchemy import select

from cases import people
from storage.tables import Journal
from storage.viewer import Role
from tests.web.site import PASSWORD, Site


@pytest.fixture(scope="module", autouse=True)
def auditor(site: Site) -> None:
    with site.database.session() as session:
        people.create_person(session, "wei", "魏国平", Role.AUDITOR, PASSWORD)


def test_the_auditor_sees_who_did_what_and_where_the_chain_stands(site: Site) -> None:
    client = site.client("wei")
    assert 'href="/journal"' in client.get("/me").text
    answer = client.get("/journal")
    assert answer.status_code == 200
    text = answer.text
    for told in ("登记工单", "刘晓燕", "agent/write_tickets/all", "尚未封存", "尚未核验", "127.0.0.1"):
        assert told in text
    assert site.seed.tickets[0] in text
    # The third matter is a complaint, and sealed.
    assert site.seed.tickets[2] not in text
    assert site.seed.calls[2] not in text


def test_nobody_else_finds_it(site: Site) -> None:
    for login in ("liu", "chen", "zhao", "sun", "admin"):
        client = site.client(login)
        assert client.get("/journal").status_code == 403
        assert 'href="/journal"' not in client.get("/me").text


def test_no_line_shows_a_number_of_its_own(site: Site) -> None:
    with site.database.session() as session:
        ids = session.scalars(select(Journal.id)).all()
    text = site.client("wei").get("/journal").text
    body = text.partition("<tbody>")[2].partition("</tbody>")[0]
    assert not re.search(rf'(?:id|data-[a-z]+|href)="[^"]*\b(?:{"|".join(map(str, ids))})\b', body)


def test_filters_come_back_as_typed_and_what_cannot_be_read_is_told_beside_its_field(site: Site) -> None:
    client = site.client("wei")
    found = client.get("/journal", params={"act": "person.created", "kind": "person"})
    assert "新增人员" in found.text.partition("<tbody>")[2]
    assert "登记工单" not in found.text.partition("<tbody>")[2]
    wrong = client.get(
        "/journal", params={"address": "nowhere", "day": "2026-13-40", "before": "x", "act": "y"}
    )
    assert wrong.status_code == 422
    assert "认不出这个地址" in wrong.text
    assert "认不出这个日期" in wrong.text
    assert 'value="nowhere"' in wrong.text


def test_reading_it_is_itself_on_record(site: Site) -> None:
    client = site.client("wei")
    client.get("/journal", params={"kind": "ticket"})
    newest = client.get("/journal").text.partition("<tbody>")[2].partition("</tr>")[0]
    assert "查看操作日志" in newest
    assert "魏国平" in newest


def test_older_lines_are_a_click_away(site: Site) -> None:
    client = site.client("wei")
    for _ in range(60):
        assert client.get("/journal", params={"act": "person.left"}).status_code == 200
    first = client.get("/journal", params={"act": "journal.read"}).text
    older = re.search(r'href="(/journal\?[^"]*before=[^"]*)"', first)
    assert older
    second = client.get(older[1].replace("&amp;", "&"))
    assert second.status_code == 200
    assert "查看操作日志" in second.text.partition("<tbody>")[2]
