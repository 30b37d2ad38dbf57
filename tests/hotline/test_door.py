"""One port for HTTPS: what is plain is sent there, what is renewed is taken up, what is junk is let go."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from structlog.testing import capture_logs

from hotline import door
from hotline.cert import Keeper
from tests.real.waiting import until

NAMES = ["hotline.test"]


async def told_scheme(scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["scheme"].encode()})


@dataclass
class Open:
    keeper: Keeper
    port: int
    left: threading.Event

    def wire(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 20)

    def secure(self) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=str(self.keeper.ca))
        return context.wrap_socket(self.wire(), server_hostname=NAMES[0])

    def served(self) -> bytes | None:
        with closing(self.secure()) as wire:
            return wire.getpeercert(binary_form=True)


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    monkeypatch.setattr(door, "LOOK_SECONDS", 0.05)
    keeper = Keeper(tmp_path)
    keeper.make(NAMES, 10, datetime.now(UTC))
    tls, stop, left = door.context(keeper.server), threading.Event(), threading.Event()
    server = uvicorn.Server(
        uvicorn.Config(told_scheme, http=door.speaking(tls), loop="asyncio", lifespan="off", log_config=None)
    )
    threading.Thread(target=door.watch, args=(keeper.server, tls, stop, left.set), daemon=True).start()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        until(lambda: server.started, "the door")
        yield Open(keeper, listener.getsockname()[1], left)
        stop.set()
        server.should_exit = True
        thread.join(20)


def ask(wire: socket.socket, text: bytes) -> bytes:
    wire.sendall(text)
    answer = b""
    while more := wire.recv(4096):
        answer += more
    return answer


def test_what_comes_under_tls_is_answered_as_https(opened: Open) -> None:
    for _ in range(5):
        with closing(opened.secure()) as wire:
            answer = ask(wire, b"GET / HTTP/1.1\r\nHost: hotline.test\r\nConnection: close\r\n\r\n")
            assert b"\r\nhttps\r\n" in answer


def test_a_plain_request_is_sent_to_the_same_address_by_https(opened: Open) -> None:
    with closing(opened.wire()) as wire:
        wire.sendall(b"GET /login?next=/desk HT")  # in two pieces, as networks may
        answer = ask(wire, b"TP/1.1\r\nHost: hotline.test:8080\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 307 ")
    assert b"\r\nLocation: https://hotline.test:8080/login?next=/desk\r\n" in answer


@pytest.mark.parametrize(
    "text",
    [
        b"POST /login HTTP/1.1\r\nHost: hotline.test\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"x" * door.LONGEST_HEAD,
    ],
)
def test_a_plain_request_that_cannot_be_sent_on_is_refused(opened: Open, text: bytes) -> None:
    with closing(opened.wire()) as wire:
        assert ask(wire, text).startswith(b"HTTP/1.1 400 ")


def test_junk_is_let_go_and_harms_nobody(opened: Open) -> None:
    with closing(opened.wire()) as wire, suppress(ConnectionResetError):
        assert not ask(wire, b"\x16junk, and more of it\r\n\r\n")
    opened.wire().close()
    assert opened.served()


def test_who_begins_a_plain_request_and_never_ends_it_is_let_go(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "FIRST_WORD_SECONDS", 0.5)
    with closing(opened.wire()) as wire, suppress(ConnectionResetError):
        assert not ask(wire, b"GET / HT")


def test_a_renewed_certificate_is_for_the_next_connection_and_the_open_one_stays(opened: Open) -> None:
    with closing(opened.secure()) as wire:
        renewed = opened.keeper.make([], 20, datetime.now(UTC))
        until(lambda: opened.served() == renewed.der, "the renewed certificate")
        assert b"200 OK" in ask(wire, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert not opened.left.is_set()


def test_a_certificate_that_cannot_be_used_leaves_the_one_before(opened: Open) -> None:
    before = opened.served()
    with capture_logs() as logged:
        opened.keeper.server.write_text("torn")
        until(lambda: [one for one in logged if one["log_level"] == "error"], "the fault to be told")
    assert opened.served() == before


def test_the_desk_starts_anew_when_its_certificate_is_taken_away(opened: Open) -> None:
    opened.keeper.server.unlink()
    assert opened.left.wait(20)
