"""Guessing passwords is slowed; nobody else is."""

from web.attempts import ADDRESS_FAILURES, FREE_TRIES, LONGEST_WAIT_SECONDS, Attempts


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def guessed(times: int, clock: Clock, address: str = "10.0.0.1", login: str = "liu") -> Attempts:
    attempts = Attempts(clock)
    for _ in range(times):
        attempts.failed(address, login)
    return attempts


def test_a_few_slips_cost_nothing() -> None:
    assert guessed(FREE_TRIES - 1, Clock()).wait_seconds("10.0.0.1", "liu") == 0


def test_guessing_on_makes_one_wait_longer_and_longer_up_to_a_limit() -> None:
    waits = [guessed(n, Clock()).wait_seconds("10.0.0.1", "liu") for n in range(FREE_TRIES, FREE_TRIES + 12)]
    assert waits == sorted(waits)
    assert waits[0] == 1
    assert waits[-1] == LONGEST_WAIT_SECONDS


def test_after_the_wait_one_may_try_again() -> None:
    clock = Clock()
    attempts = guessed(FREE_TRIES + 20, clock)
    clock.now += LONGEST_WAIT_SECONDS
    assert attempts.wait_seconds("10.0.0.1", "liu") == 0


def test_a_colleague_behind_the_same_address_does_not_wait() -> None:
    assert guessed(FREE_TRIES + 5, Clock()).wait_seconds("10.0.0.1", "zhang") == 0


def test_somebody_elsewhere_cannot_make_the_owner_wait() -> None:
    assert guessed(1000, Clock(), address="203.0.113.9").wait_seconds("10.0.0.1", "liu") == 0


def test_trying_many_names_from_one_address_is_slowed_but_not_for_those_who_were_let_in() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    attempts.succeeded("10.0.0.1", "liu")
    for number in range(ADDRESS_FAILURES):
        attempts.failed("10.0.0.1", f"name{number}")
    assert attempts.wait_seconds("10.0.0.1", "another") > 0
    assert attempts.wait_seconds("10.0.0.1", "liu") == 0
    clock.now += 61
    assert attempts.wait_seconds("10.0.0.1", "another") == 0


def test_the_right_password_forgets_the_slips() -> None:
    attempts = guessed(FREE_TRIES + 3, Clock())
    attempts.succeeded("10.0.0.1", "liu")
    assert attempts.wait_seconds("10.0.0.1", "liu") == 0
