"""Waiting on conditions: the only kind of waiting in the real suite."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], what: str, limit_seconds: float = 30.0) -> T:
    """The condition's first true value; AssertionError saying `what` was awaited after the limit."""
    end = time.monotonic() + limit_seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {limit_seconds:.0f} s for {what}")
        time.sleep(0.05)
