"""Three hundred guests with the page open cost Asterisk nothing, and an agent her place least of all."""

from collections.abc import Callable

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.protocol import State

from doors import relay
from tests.real.desk.city import VOICE_HZ, Seat, call_in
from tests.real.doors.city import GuestCity, Loop, Program
from tests.real.phone import Phone
from tests.real.waiting import until

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]
GUESTS = 300


def test_an_agent_logs_in_registers_and_takes_a_call_beside_300_idle_guests(
    city: GuestCity,
    program: Callable[..., Program],
    run: Loop,
    seat: Callable[..., Seat],
    caller: Callable[..., Phone],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay, "IDLE_SECONDS", 600.0)

    async def crowd() -> list[ClientConnection]:
        guests = [program(f"127.1.{n // 250}.{n % 250 + 1}") for n in range(GUESTS)]
        return [await guest.enter() for guest in guests]

    sockets = run(crowd())
    assert city.sockets() == 0
    agent = seat("agent1").go_ready()
    assert city.sockets() == 1
    leg = call_in(caller(1000), keys="2")
    agent.rings()
    agent.page.keyboard.press("a")
    agent.says("通话中")
    until(lambda: leg.media.hears(VOICE_HZ), "the caller to hear the agent")
    leg.hang_up()
    agent.says("话后处理")
    assert sum(socket.state is State.OPEN for socket in sockets) == GUESTS
    assert city.sockets() == 1
