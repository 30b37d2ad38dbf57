"""The desk's pages and acts over HTTP: the record of an offered call, its draft, ticket, end; duty."""

import re

import httpx
import pytest
from sqlalchemy import func, select

from storage.staff import PersonDuty
from storage.tables import Call, Draft, Named, Ticket, TicketCall
from tests.web.site import Site

JSON = {"Accept": "application/json"}


@pytest.fixture
def liu(site: Site) -> httpx.Client:
    client = site.client("liu")
    client.headers.update(JSON)
    return client


@pytest.fixture
def zhang(site: Site) -> httpx.Client:
    client = site.client("zhang")
    client.headers.update(JSON)
    return client


def token(site: Site, call_id: str) -> str:
    with site.database.session() as session:
        return session.get_one(Call, call_id).offer_token


def test_the_record_of_a_call_shows_who_calls_and_what_is_open(site: Site, liu: httpx.Client) -> None:
    text = liu.get(f"/desk/calls/{site.seed.calls[0]}").text
    for words in ("138 1234 5678", "王芳", "绵阳市涪城区长虹精密机械厂", "咨询", site.seed.tickets[0]):
        assert words in text


def test_a_sealed_call_opens_to_the_agent_it_is_offered_to_and_to_nobody_else(
    site: Site, zhang: httpx.Client
) -> None:
    call_id = site.seed.calls[2]
    assert zhang.get(f"/desk/calls/{call_id}").status_code == 404
    assert zhang.get(f"/desk/calls/{call_id}", params={"offer": "guess"}).status_code == 404
    late = zhang.get(f"/desk/calls/{call_id}", params={"offer": token(site, call_id)})
    assert late.status_code == 404  # the call is over
    with site.database.session() as session:
        session.get_one(Call, call_id).outcome = "live"
    shown = zhang.get(f"/desk/calls/{call_id}", params={"offer": token(site, call_id)})
    assert shown.status_code == 200
    assert "保密件" in shown.text
    with site.database.session() as session:
        named = session.scalars(
            select(Named.why).where(Named.call_id == call_id, Named.person_id == site.seed.people["zhang"])
        )
        assert list(named) == ["offered"]


def test_a_record_is_for_those_who_are_logged_in_and_take_calls_whatever_token_they_bring(site: Site) -> None:
    offer = {"offer": token(site, site.seed.calls[0])}
    path = f"/desk/calls/{site.seed.calls[0]}"
    assert site.client().get(path, params=offer, headers=JSON).status_code == 401
    assert site.client("zhao").get(path, params=offer, headers=JSON).status_code == 403


def test_that_asterisk_sees_the_call_at_her_phone_opens_it_too(site: Site) -> None:
    call_id, chen = site.seed.calls[2], site.client("chen")
    assert chen.get(f"/desk/calls/{call_id}").status_code == 404
    with site.database.session() as session:
        session.get_one(PersonDuty, site.seed.people["chen"]).live_call_id = call_id
    assert chen.get(f"/desk/calls/{call_id}").status_code == 200


def test_the_later_draft_is_kept_whichever_comes_last(site: Site, zhang: httpx.Client) -> None:
    path = f"/desk/calls/{site.seed.calls[3]}/draft"
    assert zhang.put(path, json={"revision": 2, "body": {"content": "停水两天"}}).json() == {"revision": 2}
    assert zhang.put(path, json={"revision": 1, "body": {"content": "停"}}).json() == {"revision": 2}
    assert "停水两天" in zhang.get(f"/desk/calls/{site.seed.calls[3]}").text.encode().decode("unicode-escape")


def test_a_draft_without_measure_is_refused(site: Site, zhang: httpx.Client) -> None:
    path = f"/desk/calls/{site.seed.calls[3]}/draft"
    too_long = zhang.put(path, json={"revision": 9, "body": {"content": "长" * 30_000}})
    too_many = zhang.put(path, json={"revision": 9, "body": {f"f{n}": "" for n in range(99)}})
    assert (too_long.status_code, too_many.status_code) == (422, 422)


def test_faults_come_back_field_by_field_with_a_sentence_each(site: Site, liu: httpx.Client) -> None:
    typed = {"kind": "nonsense", "content": "", "contact_number": "abc"}
    answer = liu.post(f"/desk/calls/{site.seed.calls[3]}/ticket", data=typed)
    assert answer.status_code == 422
    assert answer.json()["error"]["fields"] == {
        "content": "请填写",
        "kind": "没有这个选项，请重选",
        "contact_number": "号码不对，请核对",
    }


def test_saving_one_form_twice_saves_one_ticket_and_ends_its_draft(site: Site, zhang: httpx.Client) -> None:
    call_id = site.seed.calls[3]
    zhang.put(f"/desk/calls/{call_id}/draft", json={"revision": 50, "body": {"content": "停水"}})
    typed = {"kind": "help", "content": "厂区停水", "form_id": f"{call_id}:0"}
    first, again = (zhang.post(f"/desk/calls/{call_id}/ticket", data=typed).json() for _ in range(2))
    assert first == again
    assert zhang.get(first["address"], headers={"Accept": "text/html"}).status_code == 200
    with site.database.session() as session:
        count = select(func.count(Ticket.id)).join(TicketCall).where(TicketCall.call_id == call_id)
        assert session.scalar(count) == 1
        assert session.get(Draft, (site.seed.people["zhang"], call_id)) is None


def test_a_call_that_has_a_ticket_is_not_closed_without_one(site: Site, liu: httpx.Client) -> None:
    answer = liu.post(f"/desk/calls/{site.seed.calls[0]}/close", data={"reason": "prank"})
    assert answer.status_code == 422
    assert answer.json()["error"]["fields"] == {"reason": "这个来电已有工单"}


def test_with_the_telephone_system_away_the_wish_is_kept_and_she_is_told(
    site: Site, liu: httpx.Client
) -> None:
    told = liu.post("/desk/duty", data={"wanted": "paused", "reason": "meal"}).json()
    assert (told["wanted"], told["reason_name"]) == ("paused", "用餐")
    assert "已记下您的选择" in told["message"]
    assert liu.get("/desk/duty").json()["wanted"] == "paused"


def test_a_wrap_up_that_cannot_be_ended_now_is_not_said_to_be_kept(site: Site, liu: httpx.Client) -> None:
    with site.database.session() as session:
        duty = session.scalars(
            select(PersonDuty).where(PersonDuty.person_id == site.seed.people["liu"])
        ).one()
        duty.live = "wrapup"
    told = liu.post("/desk/wrapup/end").json()
    assert "请稍后再按一次" in told["message"]
    assert told["live"] == "wrapup"


def test_a_pause_wants_one_of_the_policys_reasons(site: Site, liu: httpx.Client) -> None:
    for fields in ({"wanted": "paused"}, {"wanted": "paused", "reason": "no_answer"}, {"wanted": "asleep"}):
        assert liu.post("/desk/duty", data=fields).status_code == 422


def test_only_those_who_take_calls_have_a_desk(site: Site) -> None:
    assert site.client("liu").get("/desk").status_code == 200
    for login in ("zhao", "sun", "admin"):
        assert site.client(login).get("/desk").status_code == 403


def test_a_phone_gets_its_log_ins_own_secret_and_no_cache_keeps_it(site: Site, liu: httpx.Client) -> None:
    answer = liu.get("/phone/settings")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["uri"] == f"sip:{answer.json()['endpoint']}@127.0.0.1"
    assert len(answer.json()["secret"]) >= 16
    assert liu.get("/phone/settings").json()["secret"] == answer.json()["secret"]
    assert site.client("liu").get("/phone/settings").json()["secret"] != answer.json()["secret"]
    assert site.client("sun").get("/phone/settings").status_code == 409  # she may call, and has no phone
    assert site.client("admin").get("/phone/settings").status_code == 403


def test_the_strip_speaks_the_persons_language(site: Site) -> None:
    client = site.client("zhang")
    client.post("/me/language", data={"language": "en"})
    text = client.get("/phone/strip").text
    client.post("/me/language", data={"language": "zh"})
    assert "Hang up" in text
    assert "挂断" not in text


def test_every_key_of_the_strip_is_on_the_list_of_keys_of_those_with_a_phone(
    site: Site, liu: httpx.Client
) -> None:
    def listed(client: httpx.Client) -> set[str]:
        text = client.get("/me", headers={"Accept": "text/html"}).text
        return {key.lower() for key in re.findall(r"<td><kbd>([A-Z])</kbd></td>", text)}

    on_buttons = set(re.findall(r'data-key="([a-z])"', liu.get("/phone/strip").text))
    assert {"a", "b", "c"} < on_buttons == listed(liu)
    assert not listed(site.client("zhao"))


def test_the_shift_leader_sees_who_is_on_duty_and_ends_what_was_forgotten(
    site: Site, liu: httpx.Client, zhang: httpx.Client
) -> None:
    zhang.post("/desk/duty", data={"wanted": "paused", "reason": "meal"})
    leader, address = site.client("chen"), f"/desk/duty/{site.seed.people['zhang']}"
    room = leader.get("/desk").text.partition('id="room"')[2]
    assert "张伟" in room
    assert "用餐" in room
    assert leader.post(address, data={"wanted": "off"}).status_code == 303
    assert zhang.get("/desk/duty").json()["wanted"] == "off"
    assert leader.post(address, data={"wanted": "paused"}).status_code == 422
    assert leader.post("/desk/duty/99999999", data={"wanted": "off"}).status_code == 404
    assert 'id="room"' not in liu.get("/desk").text
    assert liu.post(address, data={"wanted": "off"}).status_code == 403
