"""What a handler raises when it will not serve; web/errors.py makes the answer of it."""

from typing import Any


class NotLoggedIn(Exception):
    """No session, or one that has ended."""


class OwesTotp(Exception):
    """Her role demands a second step of logging in: nothing is open to her before it is set up."""


class Refused(Exception):
    """A request we refuse: messages `<key>.title`, `<key>.remedy`; `field` if one is at fault."""

    def __init__(self, key: str, status: int = 422, field: str = "", **values: Any) -> None:
        super().__init__(key)
        self.key, self.status, self.field, self.values = key, status, field, values
