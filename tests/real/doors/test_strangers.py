"""What a guest may not do, on the real relay and Asterisk. Message by message: tests/doors/test_sip.py."""

from collections.abc import Callable

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from doors import relay
from doors.limits import Limits
from tests.real.asterisk_lab import LINE, TRUNK, Lab
from tests.real.doors.city import LAB_GUESTS, SDP, GuestCity, Loop, Program, request, until_quiet
from tests.real.phone import Phone
from tests.real.waiting import until

pytestmark = pytest.mark.real
HUNG_UP, LOST = "0", "44"  # a BYE without a reason, and media that stopped


@pytest.fixture
def limits() -> Limits:
    return Limits(calls=2, calls_of_one=1, calls_a_minute=50, visits_a_minute=200)


def test_only_a_call_to_a_published_number_gets_through(
    city: GuestCity, program: Callable[..., Program], run: Loop
) -> None:
    guest = program()
    for words in (
        request("REGISTER"),
        request("OPTIONS"),
        request("SUBSCRIBE"),
        request("INVITE", number="801", body=SDP),
        request("INVITE", number="12345", body=SDP),
        request("INVITE", body=SDP + "a=" + "x" * 20_000 + "\r\n"),
        b"\x00" * 100,
        "nonsense",
    ):
        socket = run(guest.enter())
        run(socket.send(words))
        assert run(guest.closed(socket)) == relay.REFUSED, words[:40]
    assert not city.guest_channels()
    assert city.sockets() == 0


@pytest.mark.parametrize("method", ["REFER", "INVITE", "MESSAGE"])
def test_who_asks_for_more_than_a_call_loses_it(
    city: GuestCity, program: Callable[..., Program], run: Loop, method: str
) -> None:
    guest = program()
    socket = run(guest.call())
    assert len(city.guest_channels()) == 1
    more = f"Refer-To: <sip:801@hotline.invalid>\r\nReplaces: {LINE}\r\n"
    run(socket.send(request(method, cseq=2, extra=more, body=SDP)))
    assert run(guest.closed(socket)) == relay.REFUSED
    until_quiet(city)
    until(lambda: city.sockets() == 0, "the relay to let go of Asterisk")
    until(lambda: city.causes() == [HUNG_UP], "the call to be hung up")


def test_a_socket_costs_a_token_of_ones_own_and_a_page_of_ours(
    city: GuestCity, program: Callable[..., Program], run: Loop
) -> None:
    guest, other = program(), program("127.0.0.9")
    used = run(guest.token())
    run(guest.socket(used))
    for who, token, words in (
        (guest, used, {}),
        (other, run(guest.token()), {}),
        (guest, "guessed", {}),
        (guest, run(guest.token()), {"origin": "http://elsewhere.example"}),
        (guest, run(guest.token()), {"protocol": ""}),
    ):
        with pytest.raises(InvalidStatus) as refused:
            run(who.socket(token, **words))
        assert refused.value.response.status_code == 403


def test_the_lines_for_guests_are_counted_for_one_address_and_in_all(
    city: GuestCity, program: Callable[..., Program], run: Loop
) -> None:
    first, second, third = program(), program("127.0.0.8"), program("127.0.0.9")
    up = run(first.call())
    again, late = run(first.enter()), run(third.enter())
    run(again.send(request("INVITE", body=SDP)))
    assert run(first.closed(again)) == relay.OFTEN
    run(second.call(call_id="c2"))
    answer = run(third.visit())
    assert (answer.status_code, answer.json()) == (503, {"why": "busy"})
    run(late.send(request("INVITE", call_id="c3", body=SDP)))
    assert run(third.closed(late)) == relay.BUSY
    assert len(city.guest_channels()) == 2
    run(up.close())
    until(lambda: len(city.guest_channels()) == 1, "the place to come back")
    run(third.call(call_id="c4"))


def test_who_leaves_without_a_word_is_hung_up_at_once_and_who_falls_silent_is_lost(
    city: GuestCity, program: Callable[..., Program], run: Loop
) -> None:
    leaves, silent = program(), program("127.0.0.9")
    run(run(leaves.call()).close())
    until(lambda: city.causes() == [HUNG_UP], "the call of the closed browser to be hung up")
    socket = run(silent.call(call_id="c2"))
    run(silent.answer(socket, "BYE "))
    assert run(silent.closed(socket)) == 1000
    until(lambda: city.causes() == [HUNG_UP, LOST], "the silent call to be lost")
    until_quiet(city)
    city.lab.assert_clean_log(r"File hotline/\w+ does not exist")  # the lab has few sounds


def test_a_restart_of_the_relay_hangs_up_nobody(
    city: GuestCity, program: Callable[..., Program], run: Loop
) -> None:
    guest = program()
    socket = run(guest.call())
    city.web.should_exit = True
    assert run(guest.closed(socket)) == 1012
    assert len(city.guest_channels()) == 1
    until(lambda: city.causes() == [LOST], "a guest who says nothing to be lost")


def test_the_relay_ends_a_call_whose_time_is_up(
    city: GuestCity, program: Callable[..., Program], run: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "MENU_SECONDS", 2.0 - city.call_seconds)
    guest = program()
    socket = run(guest.call())
    assert run(guest.closed(socket)) == relay.TIME_UP
    until_quiet(city)
    until(lambda: city.causes() == [HUNG_UP], "the call to be hung up")


def test_who_asks_for_nothing_is_shown_out(
    city: GuestCity, program: Callable[..., Program], run: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "IDLE_SECONDS", 0.5)
    guest = program()
    assert run(guest.closed(run(guest.enter()))) == relay.IDLE


def test_a_guest_is_told_when_asterisk_is_away(
    city: GuestCity, program: Callable[..., Program], run: Loop
) -> None:
    guest = program()
    up = run(guest.call())
    city.lab.server.stop()
    assert run(guest.closed(up)) in (relay.AWAY, 1000)
    late = run(guest.enter())
    run(late.send(request("INVITE", body=SDP)))
    assert run(guest.closed(late)) == relay.AWAY
    city.lab.server.start()


@pytest.mark.parametrize(
    "extra",
    [
        "",
        "X-Hotline-Guest: \r\n",
        "X-Hotline-Guest: guessed\r\n",
        f"X-Hotline-Guests: {LAB_GUESTS.secret}\r\n",
    ],
)
def test_nobody_who_dials_asterisk_itself_is_a_guest(lab: Lab, run: Loop, extra: str) -> None:
    async def ask(words: str) -> str:
        async with connect(
            f"ws://127.0.0.1:{lab.http_port}/ws",
            subprotocols=["sip"],  # type: ignore[list-item]
            proxy=None,
        ) as socket:
            await socket.send(words)
            return str(await socket.recv())

    for method in ("INVITE", "REGISTER"):
        words = request(method, extra=extra, call_id=f"c{len(extra)}", body=SDP if method == "INVITE" else "")
        assert run(ask(words)).startswith("SIP/2.0 401 ")
    assert not lab.channels()


def test_a_trunk_caller_who_names_the_guest_stays_a_trunk_caller(
    city: GuestCity, caller: Callable[..., Phone]
) -> None:
    leg = caller(1000).dial(LINE, caller="guest")
    until(lambda: leg.up, "the hotline to answer")
    assert [channel[0].split("-")[0] for channel in city.lab.channels()] == ["PJSIP/trunk"]
    leg.hang_up()
    assert TRUNK != "127.0.0.1"
