"""The channels that are up, and which call each belongs to. Pure; telephony/live.py feeds it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Channel:
    name: str
    linkedid: str
    account: str  # the call's id, on channels that carry it (CHANNEL(accountcode))
    rings: bool  # a phone that rings and has not been answered


class Channels:
    """Any event that describes a channel updates it; only its birth makes it known.

    Events such as AgentComplete still describe a leg that has hung up, and would bring it back.
    """

    def __init__(self) -> None:
        self._by_id: dict[str, Channel] = {}
        self._linked: dict[str, dict[str, None]] = {}  # linkedid → uniqueids, in order
        self._at: dict[str, dict[str, None]] = {}  # endpoint → uniqueids, in order
        self._offered: set[str] = set()

    def apply(self, event: Mapping[str, Any]) -> None:
        """Take in an event, or a row of CoreShowChannels."""
        if event.get("Event") == "Hangup":
            self._remove(text(event, "Uniqueid"))
            return
        born = event.get("Event") in ("Newchannel", "CoreShowChannel")
        for prefix in ("", "Dest"):
            uniqueid = text(event, prefix + "Uniqueid")
            if uniqueid and (born or uniqueid in self._by_id):
                channel = Channel(
                    name=text(event, prefix + "Channel"),
                    linkedid=text(event, prefix + "Linkedid") or uniqueid,
                    account=text(event, prefix + "AccountCode"),
                    rings=text(event, prefix + "ChannelStateDesc") in ("Down", "Rsrvd", "Ringing"),
                )
                self._put(uniqueid, channel)

    def call_of(self, uniqueid: str) -> str | None:
        """The call this channel belongs to: by its own mark, else by one linked with it."""
        channel = self._by_id.get(uniqueid)
        if channel is None:
            return None
        linked = (self._by_id[other].account for other in self._linked[channel.linkedid])
        return channel.account or next(filter(None, linked), None)

    def call_at(self, endpoint: str) -> str | None:
        """The call that the phone at this endpoint is in; the oldest, if several."""
        return next(filter(None, map(self.call_of, self._at.get(endpoint, ()))), None)

    def rings_at(self, endpoint: str) -> bool | None:
        """Whether the phone rings only, or is in a call; None when it does neither."""
        legs = [self._by_id[uniqueid].rings for uniqueid in self._at.get(endpoint, ())]
        return all(legs) if legs else None

    def offer(self, uniqueid: str) -> str | None:
        """The call for which this channel begins to ring; None the second time it is asked."""
        call_id = self.call_of(uniqueid)
        if call_id is None or uniqueid in self._offered:
            return None
        self._offered.add(uniqueid)
        return call_id

    def _put(self, uniqueid: str, channel: Channel) -> None:
        before = self._by_id.get(uniqueid)
        if before == channel:
            return
        if before is not None:
            _discard(self._linked, before.linkedid, uniqueid)
            _discard(self._at, endpoint_of(before.name), uniqueid)
        self._by_id[uniqueid] = channel
        self._linked.setdefault(channel.linkedid, {})[uniqueid] = None
        self._at.setdefault(endpoint_of(channel.name), {})[uniqueid] = None

    def _remove(self, uniqueid: str) -> None:
        channel = self._by_id.pop(uniqueid, None)
        self._offered.discard(uniqueid)
        if channel is not None:
            _discard(self._linked, channel.linkedid, uniqueid)
            _discard(self._at, endpoint_of(channel.name), uniqueid)


def endpoint_of(name: str) -> str:
    """`PJSIP/e1234abcd-0000002a` (a channel) or `PJSIP/e1234abcd` (a device) → `e1234abcd`; else ''."""
    technology, _, rest = name.partition("/")
    return rest.split("-", 1)[0] if technology == "PJSIP" else ""


DOORS = {"trunk": "trunk", "guest": "web", "lab": "lab"}
"""The endpoints that callers come by, and the origin of their calls."""


def origin_of(name: str) -> str:
    """By whose door a call came, from its caller's channel: trunk, web (the public page) or lab."""
    return DOORS.get(endpoint_of(name), "trunk")


def is_callers(name: str) -> bool:
    """Is this a channel to the world outside, none of staff?"""
    return endpoint_of(name) in DOORS


def text(event: Mapping[str, Any], key: str) -> str:
    """A header's text; '' if absent. Of one that was sent twice, the first."""
    value = event.get(key, "")
    return str(value[0] if isinstance(value, list) else value)


def _discard(index: dict[str, dict[str, None]], key: str, uniqueid: str) -> None:
    ids = index.get(key, {})
    ids.pop(uniqueid, None)
    if not ids:
        index.pop(key, None)
