"""What no form of ours sends: it is refused calmly, and the answer tells nothing of how we are made."""

import pytest

from tests.web.site import Site
from tests.web.test_openapi import LEAKS

NUL = "%00"
BIG = "9" * 30
GETS = [
    f"/tickets/{NUL}",
    f"/tickets/{NUL}/edit",
    f"/calls/{NUL}",
    f"/calls?number={NUL}",
    f"/calls?line={NUL}&outcome={NUL}&origin={NUL}",
    f"/tickets?ticket={NUL}&kind={NUL}&state={NUL}",
    f"/calls?agent={BIG}",
    f"/calls?page={BIG}",
    "/calls?page=-1",
    f"/recordings/{BIG}",
    "/recordings/-1",
    f"/attachments/{BIG}",
    "/tickets/%ff%fe",
    "/tickets/..%2f..%2fetc%2fpasswd",
    "/calls?day=99999-01-01",
    "/tickets/' OR 1=1 --",
    f"/looks?ticket={NUL}",
    f"/first/{NUL}",
    f"/desk/calls/{NUL}?offer={NUL}",
]
POSTS = [
    ("/login", {"name": "\0", "password": "\0"}),
    ("/login", {"name": "x" * 101, "password": "y"}),
    ("/me/language", {"language": "\0"}),
    ("/desk/duty", {"wanted": "\0", "reason": "\0"}),
    ("/desk/duty", {"wanted": "paused", "reason": "\ud800".encode("utf-8", "surrogatepass")}),
    ("/desk/calls/{call}/ticket", {"kind": "help", "content": "a\0b", "title": "\0", "form_id": "\0"}),
    ("/desk/calls/{call}/close", {"reason": "silent", "note": "\0"}),
    ("/tickets/{ticket}", {"version": "1", "kind": "help", "content": "\0"}),
    ("/tickets/{ticket}/answer", {"answer": "\0", "entry": BIG, "version": "1"}),
    ("/tickets/{ticket}/answer", {"answer": "x", "entry": "\0", "version": BIG}),
    ("/tickets/{ticket}/withdrawal", {"ground": "\0", "words": "\0", "version": "1"}),
    ("/tickets/{ticket}/merge", {"lead": "\0", "version": "1"}),
    ("/tickets/{ticket}/dispatch", {"unit": "\0", "version": "1"}),
]


@pytest.mark.parametrize("login", ["chen", "sun"])
@pytest.mark.parametrize("address", GETS)
def test_an_address_that_nobody_typed_is_told_calmly(site: Site, login: str, address: str) -> None:
    answer = site.client(login).get(address)
    assert answer.status_code < 500, answer.text
    assert not LEAKS.search(answer.text)


@pytest.mark.parametrize(("address", "fields"), POSTS, ids=range(len(POSTS)))
def test_a_form_that_we_never_sent_is_told_calmly(
    site: Site, address: str, fields: dict[str, str | bytes]
) -> None:
    client = site.client("liu")
    answer = client.post(address.format(call=site.seed.calls[0], ticket=site.seed.tickets[0]), data=fields)
    assert answer.status_code < 500, answer.text
    assert not LEAKS.search(answer.text)


def test_a_draft_with_what_cannot_be_kept_is_told_calmly(site: Site) -> None:
    client = site.client("liu")
    for body in (
        b'{"revision": 1, "body": {"content": "a\\u0000b"}}',
        b'{"revision": 1, "body": {"a": "\\ud800"}}',
        b'{"revision": 1e400, "body": {}}',
        b"[" * 10_000,
        b"\xff",
        b"",
    ):
        answer = client.put(
            f"/desk/calls/{site.seed.calls[0]}/draft",
            content=body,
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code < 500, (body[:40], answer.text)
        assert not LEAKS.search(answer.text)


@pytest.mark.parametrize(
    "headers",
    [
        {"Cookie": "hotline_session_x=\xff"},
        {"Accept-Language": "\xff" * 500},
        {"Range": "bytes=-0"},
        {"Range": "bytes=9999999999999999999999-"},
        {"If-None-Match": "\xff"},
        {"HX-Request": "true", "HX-Target": "'><script>"},
        {"Content-Type": "multipart/form-data; boundary="},
    ],
    ids=str,
)
def test_headers_that_no_browser_sends_are_told_calmly(site: Site, headers: dict[str, str]) -> None:
    client = site.client("chen")
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    for path in ("/calls", f"/recordings/{site.seed.recordings[0]}/audio"):
        answer = client.get(path, headers=raw)  # type: ignore[arg-type]
        assert answer.status_code < 500, answer.text
    answer = client.post("/me/theme", headers=raw, content=b"x")  # type: ignore[arg-type]
    assert answer.status_code < 500, answer.text
    assert not LEAKS.search(answer.text)
