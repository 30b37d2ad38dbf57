"""Where guests' calls are, read from Asterisk's list of channels."""

from typing import Any, cast

import pytest

from telephony.ami import AmiDown, AmiLink
from telephony.guests import phases


class Link:
    """An AMI link that knows these channels, or none at all."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows = rows

    def action(self, name: str) -> list[dict[str, Any]]:
        assert name == "CoreShowChannels"
        if not self.rows:
            raise AmiDown("away")
        return [{"Response": "Success"}, *self.rows, {"Event": "CoreShowChannelsComplete"}]


def asked(*rows: dict[str, Any]) -> dict[str, str]:
    return phases(cast(AmiLink, Link(*rows)))


@pytest.mark.parametrize(
    ("row", "phase"),
    [
        ({"Context": "from-guest"}, "menu"),
        ({"Context": "hotline-inbound", "BridgeId": ""}, "menu"),
        ({"Context": "hotline-queue"}, "waiting"),
        ({"Context": "hotline-head"}, "waiting"),
        ({"Context": "hotline-queue", "BridgeId": "b1"}, "talking"),
    ],
)
def test_a_guests_call_is_where_its_channel_is(row: dict[str, Any], phase: str) -> None:
    visit = {"ChanVariable": ["HOTLINE_CALL=1.2-3", "HOTLINE_VISIT=v1"]}
    assert asked(row | visit, {"ChanVariable": "HOTLINE_CALL=1.3-4"}, {}) == {"v1": phase}


def test_nothing_is_known_while_asterisk_is_away() -> None:
    assert asked() == {}
