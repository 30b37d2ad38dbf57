"""The page of notices, the counts in the rail, the further ways, and what was lost."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from cases import notices
from cases.notice_settings import Ways
from cases.ticket_numbers import called
from routing.policy import load
from storage import outbox
from storage.notices import Notice, NoticeSetting, Receipt
from storage.notify import Note
from storage.staff import Person
from storage.tables import Ticket
from tests.agents.hunted import notes_of
from tests.web.site import POLICY, Site

WAYS = Ways(("email", "webhook"), ("qyapi.weixin.qq.com",))


@pytest.fixture(autouse=True)
def ways(site: Site) -> Iterator[None]:
    """The operator has set up mail and robots."""
    before = site.app.state.services
    object.__setattr__(before, "ways", WAYS)
    yield
    object.__setattr__(before, "ways", Ways())


@pytest.fixture(autouse=True)
def clean(site: Site) -> Iterator[None]:
    yield
    with site.database.session() as session:
        for table in (Receipt, Notice, NoticeSetting):
            session.query(table).delete()


def tell(site: Site, login: str, kind: str = "ticket.dissatisfied", number: str = "") -> int:
    """She is told of a ticket; the notice's id."""
    with site.database.session() as session:
        person = session.scalars(select(Person.id).where(Person.login == login)).one()
        ticket = session.scalars(select(Ticket).where(called(number or site.seed.tickets[0]))).one()
        notice = Notice(person_id=person, kind=kind, ticket_id=ticket.id, at=datetime.now(UTC))
        notices.tell(session, {person: notice}, "work", load(POLICY), ("email",), datetime.now(UTC))
        return notice.id


def _badge(site: Site, login: str) -> str:
    text = site.client(login).get("/notices/badge", headers={"HX-Request": "true"}).text
    found = re.search(r'id="badge-notices"[^>]*>(?:<span aria-hidden="true">(\d+))?', text)
    assert found is not None
    return found[1] or ""


def test_a_notice_is_counted_shown_and_read_on_the_way_to_its_case(site: Site) -> None:
    assert _badge(site, "zhao") == ""
    notice_id = tell(site, "zhao")
    assert _badge(site, "zhao") == "1"
    client = site.client("zhao")
    text = client.get("/notices").text
    assert f'href="/notices/{notice_id}"' in text
    assert site.seed.tickets[0] in text
    answer = client.get(f"/notices/{notice_id}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/tickets/{site.seed.tickets[0]}")
    assert _badge(site, "zhao") == ""


def test_another_s_notice_is_not_there(site: Site) -> None:
    notice_id = tell(site, "zhao")
    assert site.client("chen").get(f"/notices/{notice_id}").status_code == 404
    assert str(notice_id) not in site.client("chen").get("/notices").text


def test_all_are_read_at_once(site: Site) -> None:
    tell(site, "zhao")
    tell(site, "zhao")
    assert _badge(site, "zhao") == "2"
    site.client("zhao").post("/notices/seen")
    assert _badge(site, "zhao") == ""


def test_a_sealed_one_says_nothing_and_leads_the_named_to_it(site: Site) -> None:
    sealed = site.seed.tickets[2]
    notice_id = tell(site, "sun", number=sealed)
    client = site.client("sun")
    text = client.get("/notices").text
    assert sealed not in text
    assert "有一件事项等您处理" in text
    assert client.get(f"/notices/{notice_id}").headers["location"] == f"/tickets/{sealed}"


def test_who_is_told_hears_at_once_and_nobody_else(site: Site) -> None:
    with notes_of(site.database.url) as heard:
        tell(site, "zhao")
    mine = Note(f"person:{site.seed.people['zhao']}", "notice")
    assert mine in heard
    assert [note for note in heard if note.event == "notice" and note != mine] == []


FORM = {
    "address": "zhao@example.cn",
    "from_": "08:00",
    "to": "18:00",
    "day_1": "1",
    "digest": "",
    "digest_at": "17:00",
}


def _settings(site: Site) -> list[NoticeSetting]:
    with site.database.session() as session:
        return list(session.scalars(select(NoticeSetting)))


def test_she_sets_up_a_way_and_tries_it(site: Site) -> None:
    client = site.client("zhao")
    assert client.post("/me/notices/email", data=FORM | {"kind_late": "1"}).status_code == 200
    (setting,) = _settings(site)
    assert (setting.address, setting.from_minute, setting.days) == ("zhao@example.cn", 480, "1")
    assert setting.kinds == ["late"]
    assert "测试提醒正在发送" in client.post("/me/notices/email/test").text
    assert client.post("/me/notices/email/test").status_code == 422  # not twice in a minute
    with site.database.session() as session:
        assert session.scalars(select(Receipt.channel)).all() == ["email"]
    client.post("/me/notices/email/remove")
    assert _settings(site) == []


def test_what_cannot_be_comes_back_with_every_word(site: Site) -> None:
    typed = FORM | {"address": "zhao@@example", "digest": "daily", "digest_at": "16:45", "day_3": "1"}
    answer = site.client("zhao").post("/me/notices/email", data=typed)
    assert answer.status_code == 422
    assert 'value="zhao@@example"' in answer.text
    assert 'value="16:45"' in answer.text
    assert 'name="day_3" value="1" checked' in answer.text
    assert "请填写邮箱地址" in answer.text
    assert _settings(site) == []


def test_a_stored_secret_is_never_shown(site: Site) -> None:
    client = site.client("zhao")
    address = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=1"
    client.post("/me/notices/webhook", data=FORM | {"address": address, "secret": "SEC-hidden"})
    answer = client.get("/me/notices/webhook")
    assert (answer.status_code, "SEC-hidden" in answer.text) == (200, False)
    assert "可能重复出现同一条提醒" in answer.text  # what no robot can tell, its owner is told
    assert _settings(site)[0].secret == "SEC-hidden"


def test_a_way_that_the_operator_has_not_set_up_is_not_there(site: Site) -> None:
    client = site.client("zhao")
    text = client.get("/me/notices").text
    assert 'href="/me/notices/email"' in text
    assert 'href="/me/notices/sms"' not in text
    assert client.get("/me/notices/sms").status_code == 404
    assert client.post("/me/notices/sms", data=FORM | {"address": "13812345678"}).status_code == 404
    assert _settings(site) == []


def _lose(site: Site) -> int:
    notice_id = tell(site, "zhao")
    with site.database.session() as session:
        person = session.get_one(Notice, notice_id).person_id
        lost = {"kind": "ticket.dissatisfied", "channel": "sms", "state": "unsure", "error": "timeout"}
        row = Receipt(notice_id=notice_id, person_id=person, due_at=datetime.now(UTC), **lost)
        session.add(row)
        session.flush()
        return row.id


def test_the_administrator_sees_what_was_lost_and_sees_to_it(site: Site) -> None:
    receipt_id = _lose(site)
    client = site.client("admin")
    text = client.get("/notices/lost").text
    assert "赵敏" in text
    assert "对方没有应答" in text
    assert site.seed.tickets[0] not in text
    assert client.post(f"/notices/lost/{receipt_id}/settle").status_code == 303
    assert str(receipt_id) not in client.get("/notices/lost").text
    assert client.post(f"/notices/lost/{receipt_id}/again").status_code == 404


def test_nobody_else_sees_what_was_lost(site: Site) -> None:
    assert site.client("chen").get("/notices/lost").status_code == 403


def test_every_code_that_a_sender_gives_has_words(site: Site) -> None:
    folder = Path(__file__).resolve().parents[2]
    files = [*folder.glob("doors/*.py"), folder / "cases" / "sending.py"]
    source = "".join(file.read_text() for file in files)
    codes = set(re.findall(r'(?:NotSent|PerhapsSent)\(\s*"(\w+)"', source)) | {"interrupted", "signature"}
    assert "timeout" in codes
    for catalogue in site.app.state.renderer.catalogues.values():
        assert [code for code in codes if not catalogue.has(f"receipt.error.{code}")] == []


def test_every_notice_has_a_sentence(site: Site) -> None:
    kinds = {*notices.KINDS, notices.UNREACHED, notices.TEST, "rung.before", "rung.after"} - {"rung"}
    for catalogue in site.app.state.renderer.catalogues.values():
        assert [kind for kind in kinds if not catalogue.has(f"notice.line.{kind}")] == []


def test_a_message_of_the_outbox_reaches_the_page(site: Site) -> None:
    now = datetime.now(UTC) - timedelta(seconds=5)
    with site.database.session() as session:
        ticket = session.scalars(select(Ticket.id).where(called(site.seed.tickets[1]))).one()
        outbox.put(session, "ticket.dissatisfied", {"ticket_id": ticket}, now)
    with site.database.session() as session:
        notices.plan(session, load(POLICY), (), datetime.now(UTC))
    assert site.seed.tickets[1] in site.client("zhao").get("/notices").text
