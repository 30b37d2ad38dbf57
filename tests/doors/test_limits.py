"""How much a stranger may ask of us: tokens, rates and places, with a clock that stands still."""

from contextlib import ExitStack

import pytest

from doors import limits
from doors.limits import Limits, Rate, TooMuch, Turnstile, neighbourhood


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def turnstile(clock: Clock | None = None, **changes: int) -> Turnstile:
    return Turnstile(Limits(**changes), clock or Clock())


def test_a_token_lets_in_once() -> None:
    gate = turnstile()
    token = gate.visit("10.0.0.1")
    assert gate.admit(token, "10.0.0.1")
    assert not gate.admit(token, "10.0.0.1")


@pytest.mark.parametrize("token", ["", "guessed"])
def test_a_token_nobody_was_given_lets_nobody_in(token: str) -> None:
    assert not turnstile().admit(token, "10.0.0.1")


def test_a_token_is_of_no_use_from_elsewhere_or_later() -> None:
    clock = Clock()
    gate = turnstile(clock)
    stolen, late = gate.visit("10.0.0.1"), gate.visit("10.0.0.1")
    assert not gate.admit(stolen, "10.0.0.2")
    assert not gate.admit(stolen, "10.0.0.1")
    clock.now += limits.VISIT_SECONDS
    assert not gate.admit(late, "10.0.0.1")


def test_one_address_asks_so_often_and_others_are_not_slowed() -> None:
    clock = Clock()
    gate = turnstile(clock, visits_a_minute=3)
    for _ in range(3):
        gate.visit("10.0.0.1")
    with pytest.raises(TooMuch) as caught:
        gate.visit("10.0.0.1")
    assert caught.value.why == "often"
    gate.visit("10.0.0.2")
    clock.now += 20
    gate.visit("10.0.0.1")


def test_places_are_limited_for_one_address_and_in_all_and_come_back() -> None:
    gate = turnstile(calls=3, calls_of_one=2)
    with ExitStack() as up:
        up.enter_context(gate.call("10.0.0.1"))
        up.enter_context(gate.call("10.0.0.1"))
        with pytest.raises(TooMuch) as caught, gate.call("10.0.0.1"):
            pass
        assert caught.value.why == "often"
        up.enter_context(gate.call("10.0.0.2"))
        with pytest.raises(TooMuch) as caught, gate.call("10.0.0.3"):
            pass
        assert caught.value.why == "busy"
        with pytest.raises(TooMuch) as caught:
            gate.visit("10.0.0.3")
        assert caught.value.why == "busy"
    gate.visit("10.0.0.3")
    with gate.call("10.0.0.1"):
        pass


def test_one_address_holds_so_many_sockets() -> None:
    gate = turnstile(sockets_of_one=1)
    with gate.socket("10.0.0.1"), pytest.raises(TooMuch), gate.socket("10.0.0.1"):
        pass
    with gate.socket("10.0.0.1"), gate.socket("10.0.0.2"):
        pass


def test_all_together_hold_so_many_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_SOCKETS", 1)
    gate = turnstile()
    with gate.socket("10.0.0.1"), pytest.raises(TooMuch) as caught, gate.socket("10.0.0.2"):
        pass
    assert caught.value.why == "busy"


def test_one_address_calls_so_often() -> None:
    gate = turnstile(calls_a_minute=1)
    with gate.call("10.0.0.1"):
        pass
    with pytest.raises(TooMuch), gate.call("10.0.0.1"):
        pass


def test_a_closed_door_gives_no_token() -> None:
    with pytest.raises(TooMuch) as caught:
        turnstile(calls=0).visit("10.0.0.1")
    assert caught.value.why == "closed"


def test_memory_is_bounded_and_pushes_out_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_VISITS", 10)
    monkeypatch.setattr(limits, "MOST_ADDRESSES", 10)
    gate = turnstile()
    first = gate.visit("10.0.0.1")
    tokens = [gate.visit(f"10.0.1.{n}") for n in range(10)]
    assert not gate.admit(first, "10.0.0.1")
    assert gate.admit(tokens[0], "10.0.1.0")
    rate = Rate(1, Clock())
    assert all(rate.take(f"10.0.2.{n}") for n in range(50))
    assert len(rate._left) == 10
    with gate.socket("10.0.0.1"):
        pass
    assert not gate._sockets


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
    ],
)
def test_who_counts_as_one(one: str, other: str, same: bool) -> None:
    assert (neighbourhood(one) == neighbourhood(other)) == same
