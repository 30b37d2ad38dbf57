"""Where a page is told to find its telephone: at the very host that it was opened by."""

import pytest
from starlette.datastructures import URL

from web.guard import policy_header
from web.services import PhoneServer

PHONE = PhoneServer(ws_port=8088, wss_port=8089)


@pytest.mark.parametrize(
    ("page", "phone", "domain"),
    [
        ("http://127.0.0.1:8080/desk", "ws://127.0.0.1:8088/ws", "127.0.0.1"),
        ("https://hotline.example.cn:8080/desk", "wss://hotline.example.cn:8089/ws", "hotline.example.cn"),
        ("https://192.168.1.5/desk", "wss://192.168.1.5:8089/ws", "192.168.1.5"),
        ("https://[fd00::2]:8080/desk", "wss://[fd00::2]:8089/ws", "[fd00::2]"),
    ],
)
def test_it_is_dialled_by_the_name_of_the_page(page: str, phone: str, domain: str) -> None:
    assert PHONE.address(URL(page)) == phone
    assert PHONE.domain(URL(page)) == domain
    assert f"connect-src 'self' {phone.removesuffix('/ws')};" in policy_header(phone)


@pytest.mark.parametrize("host", ["evil.cn; script-src *", "a b", "a,b", "<x>", "", "a'b"])
def test_a_host_that_is_none_gets_no_telephone_and_adds_nothing_to_the_policy(host: str) -> None:
    assert PHONE.address(URL(f"https://{host}/desk")) == ""
    assert "connect-src 'self';" in policy_header("")
