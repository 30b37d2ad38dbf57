"""Who is doing what: a pure picture of staff and queues, drawn from AMI events and snapshots.

Events in, changed facts out; no I/O and no clock of its own. A lost event costs a redraw: `redraw`
replaces everything by what Asterisk says now. Storing and telling live in telephony/watch.py.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from telephony.channels import Channels, endpoint_of, text

Event = Mapping[str, Any]

AWAY, IDLE, RINGING, TALKING, WRAPUP, PAUSED = "away", "idle", "ringing", "talking", "wrapup", "paused"
WRAPUP_REASON = "wrapup"  # set by the dialplan as the agent connects

# A member's device state. With `device_state_busy_at` a phone that rings is busy: its channels tell which.
# What is not known to be reachable is away: never shown as idle.
BUSY = "busy"
_DEVICES = {"1": IDLE, "2": BUSY, "3": BUSY, "6": BUSY, "7": BUSY, "8": BUSY}
_BUSIEST_FIRST = (BUSY, AWAY, IDLE)


@dataclass(frozen=True, slots=True)
class Member:
    """One person in one queue, as app_queue has it. `paused_at` is Asterisk's, in seconds, 0 if never."""

    queue: str
    endpoint: str
    person_id: int | None  # None: a member whose name is no person's id
    device: str  # busy | idle | away
    paused: bool
    reason: str
    paused_at: float


@dataclass(frozen=True, slots=True)
class Live:
    """What a person is doing since when; `call_id` is the call she rings for, talks in or wraps up."""

    person_id: int
    state: str
    call_id: str | None
    since: datetime
    queue: str | None = None  # the queue whose call it is


@dataclass(frozen=True, slots=True)
class Offer:
    """A phone begins to ring for this call."""

    person_id: int
    call_id: str


@dataclass(frozen=True, slots=True)
class QueueMoved:
    """Somebody joined or left the queue's waiting callers."""

    queue: str


@dataclass(frozen=True, slots=True)
class Held:
    """A person put her call on hold, or took it back; of this no other source tells."""

    person_id: int
    call_id: str
    uniqueid: str  # of her channel
    held: bool
    at: datetime


Fact = Live | Offer | QueueMoved | Held


class Picture:
    """All that is known of staff, queues and channels at this moment."""

    def __init__(self) -> None:
        self._members: dict[str, dict[str, Member]] = {}  # endpoint → queue → member
        self._channels = Channels()
        self._live: dict[int, Live] = {}
        self._owners: dict[str, int] = {}  # endpoint → person
        self._endpoints: dict[int, str] = {}  # person → endpoint
        self._owed: dict[int, Live] = {}
        self._held: dict[str, bool] = {}  # uniqueid → on hold, once that was told

    def know(self, people: Mapping[str, int]) -> None:
        """Whose endpoint is whose, also of staff who are in no queue."""
        for endpoint, person in people.items():
            self._own(endpoint, person)

    def prime(self, remembered: Iterable[Live]) -> None:
        """Take over what was known before a restart: since when, and which call is wrapped up."""
        self._live.update((live.person_id, live) for live in remembered)

    def apply(self, event: Event, now: datetime) -> list[Fact]:
        """Take in one event; the facts that changed."""
        self._channels.apply(event)
        if event.get("Event") == "Hangup":
            self._held.pop(text(event, "Uniqueid"), None)
        match event.get("Event"):
            case "QueueMemberAdded" | "QueueMemberStatus" | "QueueMemberPause" | "QueueMemberRinginuse":
                return self._relive(self._put_member(event), now)
            case "QueueMemberRemoved":
                endpoint = endpoint_of(text(event, "Interface"))
                self._members.get(endpoint, {}).pop(text(event, "Queue"), None)
                return self._relive(endpoint, now)
            case "AgentCalled" | "DialBegin":
                return self._offered(event, now)
            case "AgentConnect":
                return self._connected(event, now)
            case "QueueCallerJoin" | "QueueCallerLeave" | "QueueCallerAbandon":
                return [QueueMoved(text(event, "Queue"))]
            case "Hold" | "Unhold":
                return self._held_or_back(event, now)
            case "Newchannel" | "Newstate" | "Hangup" | "BridgeEnter" | "BridgeLeave" | "NewAccountCode":
                return self._relive(endpoint_of(text(event, "Channel")), now)
        return []

    def redraw(self, queues: Iterable[Event], channels: Iterable[Event], now: datetime) -> list[Fact]:
        """Replace everything by a snapshot (QueueStatus and CoreShowChannels); the facts that changed."""
        self._members, self._channels, self._held = {}, Channels(), {}
        for channel in channels:
            self._channels.apply(channel)
        facts: list[Fact] = []
        for event in queues:
            match event.get("Event"):
                case "QueueMember":
                    self._put_member(event)
                case "QueueParams":
                    facts.append(QueueMoved(text(event, "Queue")))
        self._remember_owed_wrapups()
        for person in sorted({*self._live, *self._endpoints}):
            for live in self._live_of(person, now):
                if live.state == RINGING and live.call_id:  # the event that offered it may be lost
                    facts.append(Offer(person, live.call_id))
                facts.append(live)
        return facts

    def members(self) -> tuple[Member, ...]:
        """Everybody in every queue."""
        return tuple(member for queues in self._members.values() for member in queues.values())

    def live(self) -> dict[int, Live]:
        """Everybody ever seen."""
        return dict(self._live)

    def owed_wrapups(self) -> frozenset[int]:
        """Persons whom Asterisk forgot, with all its queues, during a call or its wrap-up."""
        return frozenset(self._owed)

    # ---- one kind of event each ----------------------------------------------------------------

    def _put_member(self, event: Event) -> str:
        endpoint = endpoint_of(text(event, "Interface") or text(event, "Location"))
        name = text(event, "MemberName") or text(event, "Name")
        person_id = int(name) if name.isascii() and name.isdecimal() else None
        paused = text(event, "Paused") == "1"
        member = Member(
            queue=text(event, "Queue"),
            endpoint=endpoint,
            person_id=person_id,
            device=_DEVICES.get(text(event, "Status"), AWAY),
            paused=paused,
            reason=text(event, "PausedReason") if paused else "",
            paused_at=_seconds(text(event, "LastPause")),
        )
        self._members.setdefault(endpoint, {})[member.queue] = member
        if person_id is not None:
            self._own(endpoint, person_id)
        return endpoint

    def _own(self, endpoint: str, person: int) -> None:
        self._owners[endpoint] = person
        self._endpoints[person] = endpoint

    def _remember_owed_wrapups(self) -> None:
        for person, live in self._live.items():
            if live.state in (TALKING, WRAPUP) and not self._members.get(self._endpoints.get(person, "")):
                self._owed[person] = live

    def _offered(self, event: Event, now: datetime) -> list[Fact]:
        endpoint = endpoint_of(text(event, "DestChannel"))
        person = self._owners.get(endpoint)
        call_id = self._channels.offer(text(event, "DestUniqueid"))
        offers: list[Fact] = [] if person is None or call_id is None else [Offer(person, call_id)]
        return offers + self._relive(endpoint, now)

    def _connected(self, event: Event, now: datetime) -> list[Fact]:
        endpoint = endpoint_of(text(event, "DestChannel"))
        person = self._owners.get(endpoint)
        facts = self._relive(endpoint, now)
        if person is None or person not in self._live:
            return facts
        self._live[person] = replace(self._live[person], queue=text(event, "Queue"))
        return facts

    def _held_or_back(self, event: Event, now: datetime) -> list[Fact]:
        uniqueid, held = text(event, "Uniqueid"), event["Event"] == "Hold"
        person = self._owners.get(endpoint_of(text(event, "Channel")))
        call_id = self._channels.call_of(uniqueid)
        if person is None or call_id is None or self._held.get(uniqueid) == held:
            return []
        self._held[uniqueid] = held
        return [Held(person, call_id, uniqueid, held, now)]

    # ---- what a person is doing -------------------------------------------------------------

    def _relive(self, endpoint: str, now: datetime) -> list[Fact]:
        person = self._owners.get(endpoint)
        return [] if person is None else [*self._live_of(person, now)]

    def _live_of(self, person: int, now: datetime) -> list[Live]:
        endpoint = self._endpoints.get(person, "")
        shown = self._live.get(person)
        state = self._state(endpoint, shown.state if shown else AWAY)
        before = shown if state in (AWAY, TALKING) else self._owed.pop(person, shown)
        call_id = self._channels.call_at(endpoint) if state in (RINGING, TALKING) else None
        if call_id is None and before and (state in (WRAPUP, before.state)):
            call_id = before.call_id  # Asterisk has forgotten it; we have not
        if shown and (shown.state, shown.call_id) == (state, call_id):
            return []
        since = before.since if before and before.state == state else now
        queue = before.queue if before and state in (TALKING, WRAPUP) else None
        live = self._live[person] = Live(person, state, call_id, since, queue)
        return [live]

    def _state(self, endpoint: str, shown: str) -> str:
        members = self._members.get(endpoint, {}).values()
        device = min((member.device for member in members), key=_BUSIEST_FIRST.index, default=AWAY)
        rings = self._channels.rings_at(endpoint)  # known ahead of the device's state: with the offer
        if rings:
            return RINGING
        if rings is not None and (device == BUSY or not members):  # in use, though she be nobody's agent
            return TALKING
        if device == BUSY:  # its channels have just gone, or are not told yet
            return shown if shown in (RINGING, TALKING) else TALKING
        if device == AWAY:
            return AWAY
        if WRAPUP_REASON in {member.reason for member in members if member.paused}:
            return WRAPUP
        return PAUSED if any(member.paused for member in members) else IDLE


def _seconds(stamp: str) -> float:
    return float(stamp) if stamp.isascii() and stamp.isdecimal() else 0.0
