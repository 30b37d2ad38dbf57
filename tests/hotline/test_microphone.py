"""What `hotline check` says of microphones. With everything in order: tests/real/test_another_pc.py."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hotline import microphone
from hotline.cert import Keeper
from hotline.home import Home
from hotline.settings import Settings
from tests.real.ports import free_port

NOW = datetime.now(UTC)


def told(home: Path, **settings: object) -> str:
    """Everything that is wrong, each with its remedy."""
    chosen = Settings(home=home, web_port=free_port(), asterisk_tls_port=free_port(), **settings)  # type: ignore[arg-type]
    seen = microphone.look(chosen, Home(home))
    return "\n".join(f"{one.told} -- {one.remedy}" for one in seen if one.remedy)


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    (tmp_path / "tls").mkdir()
    return Keeper(tmp_path / "tls")


def test_plain_http_is_no_fault_on_this_machine_and_one_for_other_pcs(tmp_path: Path, keeper: Keeper) -> None:
    assert "plain HTTP" not in told(tmp_path)
    assert "plain HTTP there -- hotline cert --name" in told(tmp_path, bind="0.0.0.0")


@pytest.mark.parametrize(("age", "words"), [(0, "ends on"), (40, "ended on")])
def test_a_certificate_that_has_ended_or_soon_will_is_told(
    tmp_path: Path, keeper: Keeper, age: int, words: str
) -> None:
    keeper.make(["127.0.0.1"], 20, NOW - timedelta(days=age))
    assert f"the certificate {words}" in told(tmp_path)
    assert "-- hotline cert\n" in told(tmp_path)


def test_a_certificate_for_another_place_is_told(tmp_path: Path, keeper: Keeper) -> None:
    keeper.make(["hotline.invalid"], 100, NOW)
    assert "none of these leads to 10.9.8.7" in told(tmp_path, bind="10.9.8.7")


def test_a_wildcard_is_believed(tmp_path: Path, keeper: Keeper) -> None:
    keeper.make(["*.example.cn"], 100, NOW)
    assert "none of these leads" not in told(tmp_path, bind="10.9.8.7")


@pytest.fixture
def impostor(tmp_path: Path) -> Iterator[int]:
    """A TLS server with another certificate, as an Asterisk has that was not told of a new one."""
    (tmp_path / "other").mkdir()
    other = Keeper(tmp_path / "other")
    other.make(["127.0.0.1"], 100, NOW)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(other.server)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):  # the end
                answer()

        def answer() -> None:
            for wire in iter(lambda: listener.accept()[0], None):
                with suppress(OSError), closing(context.wrap_socket(wire, server_side=True)) as secure:
                    secure.recv(1000)
                    secure.sendall(b"HTTP/1.1 404 Not Found\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(20)


def test_another_certificate_than_ours_is_told_of_desk_and_phones(
    tmp_path: Path, keeper: Keeper, impostor: int
) -> None:
    keeper.make(["127.0.0.1"], 100, NOW)
    held = keeper.held()
    assert held
    settings = Settings(home=tmp_path, web_port=impostor)
    assert "another certificate" in microphone._desk(settings, held).told
    phones = microphone._phones(Settings(home=tmp_path, asterisk_tls_port=impostor), held)
    assert "another certificate" in phones.told
    assert "module reload http" in phones.remedy


def test_a_server_that_is_no_telephone_is_told(tmp_path: Path, keeper: Keeper, impostor: int) -> None:
    keeper.server.write_bytes((tmp_path / "other/server.pem").read_bytes())
    held = keeper.held()
    assert held
    phones = microphone._phones(Settings(home=tmp_path, asterisk_tls_port=impostor), held)
    assert "no SIP over WebSocket there" in phones.told
    assert phones.remedy == "set HOTLINE_ASTERISK_TLS_PORT to a port of its own"


def test_nobody_there_is_told(tmp_path: Path, keeper: Keeper) -> None:
    keeper.make(["127.0.0.1"], 100, NOW)
    words = told(tmp_path)
    assert "no TLS" in words
    assert "browser phones, port" in words
