"""Guessing is slowed; whoever sits at her usual desk never waits for it."""

from web.attempts import (
    ADDRESS_FAILURES,
    FREE_TRIES,
    FREE_TRIES_UNDER_FIRE,
    LONGEST_WAIT_SECONDS,
    Attempts,
    Source,
)

HERE = Source("10.0.0.1")
ELSEWHERE = Source("203.0.113.9")
DESK = Source("hash-of-her-browser", known=True)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def guessed(times: int, clock: Clock, source: Source = HERE, login: str = "liu") -> Attempts:
    attempts = Attempts(clock)
    for _ in range(times):
        attempts.failed(source, login)
    return attempts


def under_fire(clock: Clock) -> Attempts:
    """Somebody guesses at many names, liu's among them, from her own address."""
    attempts = Attempts(clock)
    for number in range(10 * ADDRESS_FAILURES):
        attempts.failed(HERE, "liu" if number % 7 == 0 else f"name{number}")
    return attempts


def test_a_few_slips_cost_nothing() -> None:
    assert guessed(FREE_TRIES - 1, Clock()).wait_seconds(HERE, "liu") == 0


def test_guessing_on_makes_one_wait_longer_and_longer_up_to_a_limit() -> None:
    waits = [guessed(n, Clock()).wait_seconds(HERE, "liu") for n in range(FREE_TRIES, FREE_TRIES + 12)]
    assert waits == sorted(waits)
    assert waits[0] == 1
    assert waits[-1] == LONGEST_WAIT_SECONDS
    assert guessed(5000, Clock()).wait_seconds(HERE, "liu") == LONGEST_WAIT_SECONDS


def test_after_the_wait_one_may_try_again() -> None:
    clock = Clock()
    attempts = guessed(FREE_TRIES + 20, clock)
    clock.now += LONGEST_WAIT_SECONDS
    assert attempts.wait_seconds(HERE, "liu") == 0


def test_a_colleague_behind_the_same_address_does_not_wait() -> None:
    assert guessed(FREE_TRIES + 5, Clock()).wait_seconds(HERE, "zhang") == 0


def test_somebody_elsewhere_who_knows_the_name_cannot_make_the_owner_wait() -> None:
    attempts = guessed(1000, Clock(), source=ELSEWHERE)
    assert attempts.wait_seconds(HERE, "liu") == 0
    assert attempts.wait_seconds(DESK, "liu") == 0


def test_a_guesser_behind_the_same_address_cannot_make_a_known_browser_wait() -> None:
    attempts = under_fire(Clock())
    assert attempts.wait_seconds(DESK, "liu") == 0
    assert attempts.wait_seconds(HERE, "liu") > 0


def test_her_own_slips_at_her_own_desk_count_as_before() -> None:
    clock = Clock()
    attempts = under_fire(clock)
    for _ in range(FREE_TRIES - 1):
        attempts.failed(DESK, "liu")
    assert attempts.wait_seconds(DESK, "liu") == 0
    attempts.failed(DESK, "liu")
    assert attempts.wait_seconds(DESK, "liu") == 1


def test_at_a_guessers_address_a_new_browser_is_heard_at_once_and_after_slips_waits_its_own_time() -> None:
    clock = Clock()
    attempts = under_fire(clock)
    assert attempts.wait_seconds(HERE, "zhang") == 0
    for _ in range(FREE_TRIES_UNDER_FIRE):
        attempts.failed(HERE, "zhang")
    assert attempts.wait_seconds(HERE, "zhang") == 1
    for _ in range(1000):  # he goes on; it is not hers to wait for
        attempts.failed(HERE, "another")
    assert attempts.wait_seconds(HERE, "zhang") == 1
    clock.now += 1
    assert attempts.wait_seconds(HERE, "zhang") == 0


def test_nobody_ever_waits_longer_than_the_limit() -> None:
    attempts = under_fire(Clock())
    for source in (HERE, ELSEWHERE, DESK):
        for login in ("liu", "zhang", "name3"):
            assert attempts.wait_seconds(source, login) <= LONGEST_WAIT_SECONDS


def test_codes_are_counted_apart_from_passwords() -> None:
    attempts = guessed(FREE_TRIES + 3, Clock(), login="code liu")
    assert attempts.wait_seconds(HERE, "code liu") > 0
    assert attempts.wait_seconds(HERE, "liu") == 0


def test_the_right_password_forgets_the_slips() -> None:
    attempts = guessed(FREE_TRIES + 3, Clock())
    attempts.succeeded(HERE, "liu")
    assert attempts.wait_seconds(HERE, "liu") == 0
