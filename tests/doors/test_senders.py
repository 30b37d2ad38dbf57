"""What leaves the house, and what is known of it afterwards; the other side is real."""

import base64
import hashlib
import hmac
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlsplit

import pytest

from cases.sending import NotSent, Outgoing, PerhapsSent
from doors import http
from doors.mail import Mail
from doors.sms import Gateway, Sms, filled, parts
from doors.webhook import MOST_BYTES, Webhook, clipped, signed
from hotline.cert import Keeper
from tests.doors.outside import MailHouse, Post, WebHouse, mail_house, web_house

MESSAGE = Outgoing("abc123", "clerk@example.cn", "有1件事项提醒您", "工单261122000001已派至贵单位。")


@pytest.fixture
def house() -> Iterator[MailHouse]:
    with mail_house() as house:
        yield house


@pytest.fixture
def web() -> Iterator[WebHouse]:
    with web_house() as house:
        yield house


def _mail(house: MailHouse, **how: str) -> Mail:
    return Mail("127.0.0.1", house.port, "none", "hotline@example.cn", **how)


def test_a_letter_arrives_with_the_key_in_its_message_id(house: MailHouse) -> None:
    _mail(house, user="hotline", password="pass").send(MESSAGE)
    (letter,) = house.letters
    assert (letter["From"], letter["To"]) == ("hotline@example.cn", "clerk@example.cn")
    assert letter["Message-ID"] == "<abc123@example.cn>"
    assert letter["Subject"] == MESSAGE.subject
    assert letter.get_content().strip() == MESSAGE.text
    assert house.users == ["hotline"]


@pytest.mark.parametrize(
    ("answers", "code", "final"),
    [
        ({"RCPT": "550 nobody here"}, "address", True),
        ({"RCPT": "450 later"}, "address", False),
        ({"MAIL": "550 not you"}, "refused", True),
        ({"END": "554 spam"}, "refused", True),
        ({"END": "451 full"}, "refused", False),
    ],
)
def test_a_server_that_says_no_surely_has_it_not(
    house: MailHouse, answers: dict[str, str], code: str, final: bool
) -> None:
    house.answers = answers
    with pytest.raises(NotSent) as why:
        _mail(house).send(MESSAGE)
    assert (why.value.code, why.value.final) == (code, final)


def test_a_server_that_hangs_up_after_the_last_word_may_have_it(house: MailHouse) -> None:
    house.answers = {"END": ""}
    with pytest.raises(PerhapsSent):
        _mail(house).send(MESSAGE)
    assert len(house.letters) == 1


def test_a_server_that_takes_it_and_says_no_good_bye_has_it(house: MailHouse) -> None:
    house.answers = {"QUIT": "421 never"}
    assert _mail(house).send(MESSAGE) == 1


def test_a_wrong_password_and_a_server_without_encryption_are_told_apart(house: MailHouse) -> None:
    house.answers = {"AUTH": "535 no"}
    with pytest.raises(NotSent, match="login"):
        _mail(house, user="hotline", password="wrong").send(MESSAGE)
    with pytest.raises(NotSent, match="tls"):
        Mail("127.0.0.1", house.port, "starttls", "hotline@example.cn").send(MESSAGE)
    assert house.letters == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_letter_goes_encrypted_to_a_server_that_can_prove_itself(
    security: Literal["starttls", "tls"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = Keeper(tmp_path)
    keeper.make(["mail.example.cn"], 10, datetime.now(UTC))
    with mail_house(keeper.server, implicit=security == "tls") as house:
        mail = Mail("127.0.0.1", house.port, security, "hotline@example.cn", "hotline", "pass")
        with pytest.raises(NotSent, match="tls"):  # nobody here knows its authority
            mail.send(MESSAGE)
        assert (house.letters, house.users) == ([], [])
        monkeypatch.setenv("SSL_CERT_FILE", str(keeper.ca))
        mail.send(MESSAGE)
        assert house.encrypted == (security == "starttls")
        assert len(house.letters) == 1


def test_nobody_there_is_unreachable(house: MailHouse) -> None:
    with pytest.raises(NotSent, match="unreachable") as why:
        Mail("127.0.0.1", 1, "none", "hotline@example.cn").send(MESSAGE)
    assert not why.value.final


def test_a_mute_server_is_waited_for_no_longer_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doors.mail.LIMIT_SECONDS", 0.2)

    with socket.create_server(("127.0.0.1", 0)) as mute, pytest.raises(NotSent, match="unreachable"):
        Mail("127.0.0.1", mute.getsockname()[1], "none", "hotline@example.cn").send(MESSAGE)


# -- robots ------------------------------------------------------------------------------------------


def _to(web: WebHouse, path: str = "/robot/send?access_token=1", secret: str = "") -> Outgoing:
    return Outgoing("abc123", f"{web.url}{path}", "s", MESSAGE.text, secret)


def _robot(web: WebHouse) -> Webhook:
    return Webhook((web.host,), clock=lambda: 1_790_000_000.123)


def test_a_robot_gets_a_text_message_with_its_id(web: WebHouse) -> None:
    _robot(web).send(_to(web))
    (post,) = web.posts
    assert post.form == {"msgtype": "text", "text": {"content": MESSAGE.text}, "id": "abc123"}
    assert post.headers["Idempotency-Key"] == "abc123"
    assert post.headers["Content-Type"].startswith("application/json")


def test_the_signature_is_the_one_that_dingtalk_reckons(web: WebHouse) -> None:
    _robot(web).send(_to(web, secret="SEC1"))
    query = parse_qs(urlsplit(web.posts[0].path).query)
    assert query["access_token"] == ["1"]
    (timestamp,) = query["timestamp"]
    assert timestamp == "1790000000123"
    mac = hmac.new(b"SEC1", f"{timestamp}\nSEC1".encode(), hashlib.sha256).digest()
    assert query["sign"] == [base64.b64encode(mac).decode()]


def test_an_address_without_a_query_gets_one_by_signing() -> None:
    assert signed("https://a.cn/hook", "x", 1).startswith("https://a.cn/hook?timestamp=1000&sign=")


@pytest.mark.parametrize(
    ("status", "body", "code", "final"),
    [
        (200, '{"errcode": 310000}', "signature", True),
        (200, '{"errcode": 93000}', "refused", True),
        (200, '{"errcode": 45009}', "busy", False),
        (200, '{"errcode": 130101}', "busy", False),
        (429, "", "busy", False),
        (404, "", "refused", True),
    ],
)
def test_a_robot_that_says_no_is_believed(
    web: WebHouse, status: int, body: str, code: str, final: bool
) -> None:
    web.answer = lambda _: (status, body, {})
    with pytest.raises(NotSent) as why:
        _robot(web).send(_to(web))
    assert (why.value.code, why.value.final) == (code, final)


def _hang_up(_: Post) -> None:
    return None


@pytest.mark.parametrize("answer", [_hang_up, lambda _: (502, "", {})])
def test_a_robot_that_breaks_off_may_have_it(web: WebHouse, answer: object) -> None:
    web.answer = answer  # type: ignore[assignment]
    with pytest.raises(PerhapsSent):
        _robot(web).send(_to(web))


def test_no_redirect_is_followed(web: WebHouse) -> None:
    with web_house() as other:
        web.answer = lambda _: (307, "", {"Location": f"{other.url}/inside"})
        with pytest.raises(NotSent, match="refused"):
            _robot(web).send(_to(web))
        assert other.posts == []


@pytest.mark.parametrize("address", ["http://192.0.2.1/x", "https://example.com/x", "file:///etc/passwd"])
def test_an_address_that_the_operator_does_not_name_is_never_asked(address: str) -> None:
    with pytest.raises(NotSent, match="unsafe"):
        Webhook(("qyapi.weixin.qq.com", "192.0.2.1")).send(Outgoing("k", address, "", "t"))


def test_a_long_text_is_cut_between_lines_to_what_a_robot_takes() -> None:
    cut = clipped("\n".join(["工单261122000001已派至贵单位"] * 200))
    assert len(cut.encode()) <= MOST_BYTES
    assert set(cut.splitlines()) == {"工单261122000001已派至贵单位", "…"}
    assert clipped("短") == "短"


# -- text messages -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("units", "count"), [(1, 1), (70, 1), (71, 2), (134, 2), (135, 3)])
def test_parts_are_counted_as_carriers_do(units: int, count: int) -> None:
    assert parts("字" * units) == count


def test_a_character_beyond_the_plane_counts_twice() -> None:
    assert parts("字" * 69 + "𠮷") == 2


TEMPLATE = '{"mobile": "{local}", "content": "{text}", "id": "{key}"}'


def test_a_text_is_signed_and_put_into_the_gateway_s_template(web: WebHouse) -> None:
    gateway = Gateway(f"{web.url}/send", TEMPLATE, authorization="Bearer 1", ok='"code": 0')
    web.answer = lambda _: (200, '{"code": 0}', {})
    text = Outgoing("abc", "+8613812345678", "", '工单"1"已派 {key}\n')
    assert Sms(gateway, "企业热线").send(text) == 1
    (post,) = web.posts
    assert post.form == {"mobile": "13812345678", "content": '【企业热线】工单"1"已派 {key}\n', "id": "abc"}
    assert post.headers["Authorization"] == "Bearer 1"


def test_a_form_is_encoded_as_one() -> None:
    assert filled("to={number}&t={text}", "form", {"number": "+861", "text": "a&b 工"}) == (
        "to=%2B861&t=a%26b%20%E5%B7%A5"
    )


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda _: (200, '{"code": 9}', {}), NotSent),
        (lambda _: (403, "", {}), NotSent),
        (lambda _: (500, "", {}), PerhapsSent),
        (_hang_up, PerhapsSent),
    ],
)
def test_a_carrier_that_broke_off_may_have_sent_it(
    web: WebHouse, answer: object, error: type[Exception]
) -> None:
    web.answer = answer  # type: ignore[assignment]
    with pytest.raises(error):
        Gateway(f"{web.url}/send", TEMPLATE, ok='"code": 0').send("+8613812345678", "t", "k")


def test_a_mute_carrier_may_have_sent_it(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "LIMIT_SECONDS", 0.2)

    said = threading.Event()

    def wait(_: Post) -> None:
        said.wait(20)

    web.answer = wait
    with pytest.raises(PerhapsSent):
        Gateway(f"{web.url}/send", TEMPLATE).send("+8613812345678", "t", "k")
    said.set()


def test_a_text_of_too_many_parts_does_not_leave(web: WebHouse) -> None:
    with pytest.raises(NotSent, match="too_long"):
        Sms(Gateway(web.url, TEMPLATE), "热线").send(Outgoing("k", "+8613812345678", "", "字" * 500))
    assert web.posts == []
