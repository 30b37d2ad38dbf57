"""What the agents want against what Asterisk has, and the repairs, each with its reason. Pure.

The agent's word wins over an older pause; a pause by the system that is newer than her word
(an unanswered ring, a lost phone) becomes the word. Applying repairs lives in telephony/watch.py.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cases import lab
from telephony.live import RINGING, TALKING, WRAPUP, WRAPUP_REASON, Live, Member

AUTOPAUSE = "Auto-Pause"  # Asterisk's own reason after an unanswered ring
BY_SYSTEM = {AUTOPAUSE: "no_answer", "no_answer": "no_answer", "phone_lost": "phone_lost"}
EXPLAINED = {"no_answer": "a ring went unanswered", "phone_lost": "her phone was lost in a call"}


@dataclass(frozen=True, slots=True)
class Wish:
    """A person's word: off, ready or paused, and since when."""

    person_id: int
    endpoint: str
    wanted: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Add:
    person_id: int
    endpoint: str
    queue: str
    paused_for: str  # '' when she is to be available
    why: str


@dataclass(frozen=True, slots=True)
class Remove:
    endpoint: str
    queue: str
    why: str


@dataclass(frozen=True, slots=True)
class Pause:
    endpoint: str
    reason: str
    why: str


@dataclass(frozen=True, slots=True)
class Resume:
    endpoint: str
    why: str


@dataclass(frozen=True, slots=True)
class Word:
    """The system pauses a person; she is told."""

    person_id: int
    reason: str
    why: str


Repair = Add | Remove | Pause | Resume | Word


def repairs(
    wishes: Iterable[Wish],
    members: Iterable[Member],
    live: Mapping[int, Live],
    owed_wrapups: frozenset[int],
    wrapup_seconds: Mapping[str, int],
    now: datetime,
) -> list[Repair]:
    """What is to be done, in order. `wrapup_seconds` has every queue that agents serve, with its limit."""
    on_duty = {
        (wish.endpoint, wish.person_id): wish for wish in wishes if wish.wanted != "off" and wish.endpoint
    }
    mine: dict[tuple[str, int], list[Member]] = {key: [] for key in on_duty}
    out: list[Repair] = []
    for member in members:
        owner = (member.endpoint, member.person_id or 0)
        if owner in mine and member.queue in lab.queues_of(member.endpoint, wrapup_seconds):
            mine[owner].append(member)
        elif member.endpoint:
            out.append(Remove(member.endpoint, member.queue, "nobody wants this member in this queue"))
    for key, wish in on_duty.items():
        doing = live.get(wish.person_id)
        out += _memberships(wish, mine[key], wish.person_id in owed_wrapups, wrapup_seconds)
        if mine[key]:
            out += _pauses(wish, mine[key], doing, _limit(doing, wrapup_seconds), now)
    return out


def _memberships(wish: Wish, mine: list[Member], owed: bool, queues: Iterable[str]) -> list[Repair]:
    reasons = sorted(member.reason for member in mine if member.paused)
    reason, why = "", "she is on duty and the queue does not know her"
    if reasons:
        reason = reasons[-1]
    elif owed:
        reason, why = WRAPUP_REASON, f"{why}; her wrap-up is not over"
    elif wish.wanted == "paused":
        reason = wish.reason
    there = {member.queue for member in mine}
    wanted = lab.queues_of(wish.endpoint, queues)
    return [Add(wish.person_id, wish.endpoint, queue, reason, why) for queue in wanted if queue not in there]


def _pauses(
    wish: Wish, mine: list[Member], doing: Live | None, limit_seconds: int, now: datetime
) -> list[Repair]:
    reasons = {member.reason for member in mine if member.paused}
    paused_at = max(member.paused_at for member in mine)
    if WRAPUP_REASON in reasons:
        if _wrapup_is_over(paused_at, doing, limit_seconds, now):
            return [_after_wrapup(wish, f"the wrap-up limit of {limit_seconds} s has passed")]
        if all(member.paused for member in mine):
            return []
        return [Pause(wish.endpoint, WRAPUP_REASON, "her wrap-up holds for every queue")]
    if wish.wanted == "paused":
        if reasons == {wish.reason} and all(member.paused for member in mine):
            return []
        return [Pause(wish.endpoint, wish.reason, "she wants to be paused, for this reason")]
    if not reasons:
        return []
    by_system = next((BY_SYSTEM[reason] for reason in sorted(reasons) if reason in BY_SYSTEM), None)
    if by_system and paused_at + 1 > wish.at.timestamp():  # Asterisk tells whole seconds
        why = EXPLAINED[by_system]
        return [Word(wish.person_id, by_system, why), Pause(wish.endpoint, by_system, why)]
    return [Resume(wish.endpoint, "she said that she is ready")]


def _wrapup_is_over(paused_at: float, doing: Live | None, limit_seconds: int, now: datetime) -> bool:
    if doing is not None and doing.state in (TALKING, RINGING):
        return False
    since = doing.since.timestamp() if doing is not None and doing.state == WRAPUP else paused_at
    return now.timestamp() >= since + limit_seconds


def _after_wrapup(wish: Wish, why: str) -> Repair:
    if wish.wanted == "paused":
        return Pause(wish.endpoint, wish.reason, f"{why}, and she wants to be paused")
    return Resume(wish.endpoint, why)


def _limit(doing: Live | None, wrapup_seconds: Mapping[str, int]) -> int:
    """Of the queue whose call it was; when that is not known, the longest."""
    queue = doing.queue if doing is not None else None
    return wrapup_seconds.get(queue or "", max(wrapup_seconds.values(), default=0))
