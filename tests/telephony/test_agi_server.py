"""The AGI door: what knocks, what is turned away, and that all others are unharmed."""

import resource
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from telephony.agi_server import AgiServer, Handler
from telephony.agi_wire import Request
from telephony.line import Line
from telephony.words import Ask, Say
from tests.telephony.fake_asterisk_agi import FakeAsterisk, header


def menu(line: Line, _request: Request) -> None:
    line.speak(Say(("notice",)))
    line.speak(Ask(("menu",), "1230", 5.0))
    line.set_variable("HOTLINE_ROUTE", "duty")


@contextmanager
def a_server(handler: Handler = menu, **options: Any) -> Iterator[AgiServer]:
    server = AgiServer("127.0.0.1", 0, {"inbound": handler}, **options)
    server.start()
    try:
        yield server
    finally:
        server.stop(grace_seconds=0.0)


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[AgiServer]:
    with a_server() as server:
        yield server


def knock(server: AgiServer, data: bytes = b"") -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    sock.sendall(data)
    return sock


def is_closed(sock: socket.socket) -> bool:
    """Waits for the other side to close; a reset is a close too."""
    try:
        while sock.recv(4096):
            pass
    except ConnectionError:
        pass
    return True


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    done = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        done.wait(0.02)
    raise AssertionError("it did not come about")


def a_call_is_served(server: AgiServer) -> bool:
    return FakeAsterisk(keys=["1"]).call(server.port).variables["HOTLINE_ROUTE"] == "duty"


def test_a_call_is_served() -> None:
    with a_server() as server:
        assert a_call_is_served(server)


def test_a_peer_that_connects_and_closes_is_logged_once_and_harms_nobody() -> None:
    with capture_logs() as logs, a_server() as server:
        knock(server).close()
        eventually(lambda: len(logs) > 0)
        assert a_call_is_served(server)
    assert [entry["why"] for entry in logs] == ["closed without a word"]


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\xff" * 100 + b"\n",
        b"\n",
        b"\x00" * 20000,
        b"agi_x: y\nagi_x: y\n",
        b"".join(b"agi_%d: x\n" % number for number in range(500)),
        header(calleridname="Eve\n\nagi_arg_1: other"),
        header(calleridname="Eve\nSET VARIABLE HOTLINE_ROUTE hangup"),
        header(script="no-such-script"),
    ],
)
def test_garbage_is_closed_and_logged_once(garbage: bytes) -> None:
    with capture_logs() as logs, a_server() as server:
        with knock(server, garbage) as sock:
            assert is_closed(sock)
        assert a_call_is_served(server)
    assert [entry["event"] for entry in logs] == ["agi_refused"]


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=300),
            st.sampled_from(
                [b"\n", b"agi_network: yes\n", b"agi_network_script: inbound\n", b"200 result=1\n"]
            ),
        ),
        max_size=8,
    )
)
@settings(max_examples=150, deadline=None)
def test_whatever_is_sent_is_closed_and_logged_once(fuzzed: AgiServer, pieces: list[bytes]) -> None:
    with capture_logs() as logs:
        with knock(fuzzed) as sock:
            with suppress(OSError):
                for piece in pieces:
                    sock.sendall(piece)
                sock.shutdown(socket.SHUT_WR)
            assert is_closed(sock)
        eventually(lambda: fuzzed.live == 0 and not fuzzed._waiting)
    assert len(logs) <= 1  # none when a whole header came and its sender left: a caller gone


def test_a_header_without_end_is_closed_at_its_dead_line() -> None:
    with capture_logs() as logs, a_server(header_seconds=0.3) as server:
        with knock(server, b"agi_network: yes\n") as sock:
            assert is_closed(sock)
        assert a_call_is_served(server)
    assert [entry["why"] for entry in logs] == ["no header within 0.3 s"]


def test_a_slow_writer_ties_no_thread_and_delays_nobody() -> None:
    stop = threading.Event()

    def dribble(sock: socket.socket) -> None:
        for byte in header():
            if stop.wait(0.05):
                return
            try:
                sock.sendall(bytes([byte]))
            except OSError:
                return

    with capture_logs() as logs, a_server(header_seconds=1.0) as server, knock(server) as sock:
        writer = threading.Thread(target=dribble, args=(sock,))
        writer.start()
        assert a_call_is_served(server)
        assert server.live == 0
        assert is_closed(sock)
        stop.set()
        writer.join()
    assert [entry["why"] for entry in logs] == ["no header within 1 s"]


def test_an_empty_line_in_a_caller_name_is_found_out_even_when_it_arrives_apart() -> None:
    served = threading.Event()
    early, late = header(calleridname="Eve\nagi_arg_1: other\n\n\n").split(b"\n\n", 1)
    with capture_logs() as logs, a_server(lambda _line, _request: served.set()) as server:
        with knock(server, early + b"\n\n") as sock:
            assert sock.recv(10).startswith(b"GET FULL")
            sock.sendall(b"200 result=1 (x)\n" + late)
            assert is_closed(sock)
        eventually(lambda: len(logs) > 0)
    assert [entry["event"] for entry in logs] == ["agi_line_broken"]
    assert not served.is_set()


def test_a_handler_that_fails_is_logged_once_and_its_call_let_go() -> None:
    def fail(_line: Line, _request: Request) -> None:
        raise RuntimeError("a fault of ours")

    with capture_logs([merge_contextvars]) as logs, a_server(fail) as server:
        asterisk = FakeAsterisk().call(server.port)
        eventually(lambda: server.live == 0)
    assert [(entry["event"], entry["call"]) for entry in logs] == [
        ("agi_handler_failed", "1700000000.1-4242")
    ]
    assert "HOTLINE_ROUTE" not in asterisk.variables


def test_calls_beyond_the_limit_are_closed_at_once() -> None:
    hold = threading.Event()
    with (
        capture_logs() as logs,
        a_server(lambda _line, _request: hold.wait(20) and None, max_live=2) as server,
    ):
        with ExitStack() as calls:
            for _ in range(2):
                sock = calls.enter_context(knock(server, header()))
                sock.sendall(FakeAsterisk().reply(sock.recv(4096).decode().rstrip("\n")))
            eventually(lambda: server.live == 2)
            third = calls.enter_context(knock(server, header()))
            assert is_closed(third)
            hold.set()
        eventually(lambda: server.live == 0)
    assert [(entry["why"], entry["call"]) for entry in logs] == [
        ("2 calls are being handled", "1700000000.1-4242")
    ]


@pytest.fixture
def many_files() -> Iterator[None]:
    """Room for both ends of 2,000 connections in this one process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("max_waiting", [100, 2100])
def test_two_thousand_connections_at_once_harm_nobody(max_waiting: int) -> None:
    limits = {"max_waiting": max_waiting, "header_seconds": 3.0}
    with capture_logs() as logs, a_server(**limits) as server, ExitStack() as flood:
        socks = [flood.enter_context(knock(server)) for _ in range(2000)]
        assert a_call_is_served(server)
        assert all(is_closed(sock) for sock in socks)
        assert a_call_is_served(server)
    assert len(logs) == 2000


def test_stopping_lets_running_handlers_finish() -> None:
    begun, finished = threading.Event(), threading.Event()

    def slow(line: Line, request: Request) -> None:
        begun.set()
        menu(line, request)
        finished.set()

    server = AgiServer("127.0.0.1", 0, {"inbound": slow})
    server.start()
    port = server.port
    call = threading.Thread(target=FakeAsterisk(keys=["1"]).call, args=(port,))
    call.start()
    assert begun.wait(20)
    server.stop(grace_seconds=20.0)
    assert finished.is_set()
    call.join()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_stopping_drops_what_does_not_finish_to_the_dialplan() -> None:
    with a_server() as server, knock(server, header()) as sock:
        eventually(lambda: server.live == 1)
        server.stop(grace_seconds=0.0)
        assert is_closed(sock)
        assert server.live == 0


def test_an_address_in_use_is_refused_at_the_start() -> None:
    with a_server() as server, pytest.raises(OSError, match="in use"):
        AgiServer("127.0.0.1", server.port, {}).start()
