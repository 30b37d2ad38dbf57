"""The live picture: events in, facts out. What Asterisk 22 sends, in its order."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.live import Fact, Held, Live, Offer, Picture, QueueMoved

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CALL = "1772442000.1-4242"
WANG, LI = "e0000000a", "e0000000b"
NOT_INUSE, BUSY, UNAVAILABLE, ONHOLD = "1", "3", "5", "8"


def member(
    status: str,
    event: str = "QueueMemberStatus",
    queue: str = "main",
    who: str = WANG,
    name: str = "7",
    paused: str = "",
) -> dict[str, Any]:
    return {
        "Event": event,
        "Queue": queue,
        "MemberName": name,
        "Interface": f"PJSIP/{who}",
        "Status": status,
        "Paused": "1" if paused else "0",
        "PausedReason": paused,
        "LastPause": "1772442000",
    }


def listed(status: str, **more: str) -> dict[str, Any]:
    """The same member as a row of QueueStatus."""
    row = member(status, "QueueMember", **more)
    return {**row, "Name": row.pop("MemberName"), "Location": row.pop("Interface")}


def caller(event: str, **more: str) -> dict[str, Any]:
    return {
        "Event": event,
        "Channel": "PJSIP/trunk-00000001",
        "Uniqueid": "u1",
        "Linkedid": "u1",
        "AccountCode": CALL,
        "ChannelStateDesc": "Up",
    } | more


def leg(event: str, who: str = WANG, **more: str) -> dict[str, Any]:
    return {
        "Event": event,
        "Channel": f"PJSIP/{who}-00000002",
        "Uniqueid": "u2",
        "Linkedid": "u1",
        "AccountCode": "",
        "ChannelStateDesc": "Ringing",
    } | more


def both(event: str, who: str = WANG) -> dict[str, Any]:
    """Caller's and agent's channel in one event."""
    state = "Up" if event in ("AgentConnect", "AgentComplete") else "Ringing"
    described = leg(event, who, ChannelStateDesc=state)
    dest = {f"Dest{key}": value for key, value in described.items() if key != "Event"}
    return caller(event) | dest | {"Queue": "main", "MemberName": "7", "Interface": f"PJSIP/{who}"}


def feed(picture: Picture, *events: dict[str, Any], at: datetime = NOW) -> list[Fact]:
    return [fact for event in events for fact in picture.apply(event, at)]


def states(facts: list[Fact]) -> list[str]:
    return [fact.state for fact in facts if isinstance(fact, Live)]


@pytest.fixture
def picture() -> Picture:
    """Agent 7 is a member, her phone registered and free."""
    picture = Picture()
    feed(picture, member(NOT_INUSE, "QueueMemberAdded"))
    return picture


RING = [caller("Newchannel"), leg("Newchannel"), both("AgentCalled"), member(BUSY)]
UP = {"ChannelStateDesc": "Up"}
ANSWER = [leg("Newstate", **UP), member(BUSY, "QueueMemberPause", paused="wrapup"), both("AgentConnect")]
END = [leg("Hangup"), caller("Hangup"), member(NOT_INUSE, paused="wrapup")]


def test_a_call_is_offered_rings_is_talked_and_wrapped_up_and_never_shown_as_available_between(
    picture: Picture,
) -> None:
    facts = feed(picture, *RING)
    assert Offer(7, CALL) in facts
    assert [fact for fact in facts if isinstance(fact, Live)] == [Live(7, "ringing", CALL, NOW)]
    assert states(feed(picture, *ANSWER)) == ["talking"]
    assert picture.live()[7].queue == "main"
    assert states(feed(picture, *END)) == ["wrapup"]
    assert picture.live()[7].call_id == CALL
    assert states(feed(picture, member(NOT_INUSE, "QueueMemberPause"))) == ["idle"]
    assert picture.live()[7].call_id is None


def test_with_the_offer_she_is_known_to_ring_for_that_call(picture: Picture) -> None:
    """Her right to a sealed call's record on a hardware phone hangs on it, and the page asks at once."""
    feed(picture, *RING[:-1])
    assert picture.live()[7] == Live(7, "ringing", CALL, NOW)


def test_an_offer_is_made_once_though_two_events_tell_of_it(picture: Picture) -> None:
    facts = feed(picture, *RING, both("DialBegin"))
    assert facts.count(Offer(7, CALL)) == 1


def test_a_colleague_asked_for_advice_is_offered_the_same_call(picture: Picture) -> None:
    """Her phone is dialled by the first agent's; no queue is involved. Her leg carries the call's mark."""
    picture.know({LI: 8})
    asking = leg("Newchannel", Uniqueid="u3", Linkedid="u3", AccountCode=CALL)
    asked = leg("Newchannel", LI, Uniqueid="u4", Linkedid="u3")
    dest = {f"Dest{key}": value for key, value in asked.items() if key != "Event"}
    facts = feed(picture, asking, asked, {**asking, "Event": "DialBegin", **dest})
    assert facts.count(Offer(8, CALL)) == 1
    assert picture.live()[8] == Live(8, "ringing", CALL, NOW)
    assert states(feed(picture, {**asked, "Event": "Newstate", **UP})) == ["talking"]
    assert states(feed(picture, {**asked, "Event": "Hangup"})) == ["away"]


@pytest.mark.parametrize("status", ["0", "4", UNAVAILABLE, "", "99"])
def test_a_phone_that_is_not_known_to_be_there_is_away_never_idle(picture: Picture, status: str) -> None:
    assert states(feed(picture, member(status))) == ["away"]
    assert states(feed(picture, member(status, paused="meal"))) == []


def test_the_first_of_two_queues_to_tell_does_not_make_her_available(picture: Picture) -> None:
    feed(picture, member(NOT_INUSE, "QueueMemberAdded", queue="second"))
    assert states(feed(picture, member(NOT_INUSE, "QueueMemberPause", paused="wrapup"))) == ["wrapup"]
    feed(picture, member(NOT_INUSE, "QueueMemberPause", queue="second", paused="wrapup"))
    assert states(feed(picture, member(NOT_INUSE, "QueueMemberPause"))) == []
    assert states(feed(picture, member(NOT_INUSE, "QueueMemberPause", queue="second"))) == ["idle"]


def test_a_phone_that_rings_is_told_from_one_in_a_call_though_asterisk_calls_both_busy(
    picture: Picture,
) -> None:
    assert states(feed(picture, *RING)) == ["ringing"]
    assert states(feed(picture, leg("Hangup"), member(NOT_INUSE))) == ["idle"]


def test_hold_is_still_talking(picture: Picture) -> None:
    feed(picture, *RING, *ANSWER)
    assert states(feed(picture, member(ONHOLD, paused="wrapup"))) == []


def test_who_leaves_the_queue_in_a_call_is_shown_in_it_to_its_end_and_then_away(picture: Picture) -> None:
    feed(picture, *RING, *ANSWER)
    assert states(feed(picture, member(BUSY, "QueueMemberRemoved"))) == []
    assert states(feed(picture, leg("Hangup"))) == ["away"]


def test_a_leg_that_has_hung_up_is_not_brought_back_by_a_late_event(picture: Picture) -> None:
    feed(picture, *RING, *ANSWER, *END, both("AgentComplete"), member(NOT_INUSE, "QueueMemberPause"))
    other = "1772442100.9-1111"
    newer = {"Uniqueid": "u9", "Linkedid": "u9", "AccountCode": other}
    feed(picture, leg("Newchannel", **newer), member(BUSY))
    assert picture.live()[7].call_id == other


def test_a_snapshot_repairs_whatever_was_lost(picture: Picture) -> None:
    """The link was away from the ring to the talk, and from the talk to the wrap-up."""
    during = picture.redraw(
        [listed(BUSY, paused="wrapup")], [caller("CoreShowChannel"), leg("CoreShowChannel", **UP)], NOW
    )
    assert during == [Live(7, "talking", CALL, NOW)]
    after = picture.redraw([listed(NOT_INUSE, paused="wrapup")], [], NOW)
    assert after == [Live(7, "wrapup", CALL, NOW)]
    assert picture.redraw([listed(NOT_INUSE, paused="wrapup")], [], NOW) == []


def test_an_offer_that_was_lost_with_the_link_is_made_by_the_snapshot(picture: Picture) -> None:
    channels = [caller("CoreShowChannel"), leg("CoreShowChannel")]
    assert picture.redraw([listed(BUSY)], channels, NOW) == [Offer(7, CALL), Live(7, "ringing", CALL, NOW)]
    assert picture.redraw([listed(BUSY)], channels, NOW) == []


def test_a_snapshot_tells_the_boards_of_every_queue() -> None:
    assert Picture().redraw([{"Event": "QueueParams", "Queue": "main"}], [], NOW) == [QueueMoved("main")]


def test_an_asterisk_that_forgot_its_queues_still_owes_the_wrap_up(picture: Picture) -> None:
    feed(picture, *RING, *ANSWER)
    assert states(picture.redraw([], [], NOW)) == ["away"]
    assert picture.owed_wrapups() == {7}
    facts = feed(picture, member(NOT_INUSE, "QueueMemberAdded", paused="wrapup"))
    assert facts == [Live(7, "wrapup", CALL, NOW)] or facts == [Live(7, "wrapup", CALL, NOW, "main")]
    assert not picture.owed_wrapups()


def test_what_was_remembered_over_a_restart_says_which_call_is_wrapped_up_and_since_when() -> None:
    picture, earlier = Picture(), NOW - timedelta(seconds=40)
    picture.prime([Live(7, "wrapup", CALL, earlier)])
    assert picture.redraw([listed(NOT_INUSE, paused="wrapup")], [], NOW) == []
    assert picture.live()[7].since == earlier


def test_members_whose_names_are_nobodys_number_draw_nobody() -> None:
    picture = Picture()
    assert feed(picture, member(NOT_INUSE, "QueueMemberAdded", name="Local/1", who="e000000ff")) == []
    assert picture.members()[0].person_id is None


STORY = [
    *RING, *ANSWER, *END,
    member(NOT_INUSE, "QueueMemberPause"),
    member(NOT_INUSE, "QueueMemberAdded", who=LI, name="8"),
    member(UNAVAILABLE, who=LI, name="8"),
    member(NOT_INUSE, "QueueMemberPause", paused="Auto-Pause"),
    leg("Newchannel", LI), leg("Hangup", LI), both("AgentCalled", LI),
]  # fmt: skip


@given(st.lists(st.sampled_from(STORY), max_size=40))
def test_whatever_is_lost_or_doubled_the_next_snapshot_draws_the_same_picture(
    events: list[dict[str, Any]],
) -> None:
    queues, channels = (
        [listed(BUSY, paused="wrapup"), listed(NOT_INUSE, who=LI, name="8")],
        [
            caller("CoreShowChannel"),
            leg("CoreShowChannel", **UP),
        ],
    )
    picture, fresh = Picture(), Picture()
    feed(picture, *events)
    picture.redraw(queues, channels, NOW)
    fresh.redraw(queues, channels, NOW)
    assert picture.members() == fresh.members()
    drawn = {person: (live.state, live.call_id) for person, live in picture.live().items()}
    assert drawn == {7: ("talking", CALL), 8: ("idle", None)}


headers = st.sampled_from(["Event", "Channel", "Uniqueid", "Interface", "Queue", "Status", "LastPause"])
odd = st.sampled_from(["Newchannel", "QueueMemberAdded", "PJSIP/x", "PJSIP/", ""]) | st.text(max_size=5)
values = odd | st.lists(odd, min_size=1, max_size=2)


@given(st.lists(st.dictionaries(headers, values)))
def test_no_event_however_odd_breaks_the_picture(events: list[dict[str, Any]]) -> None:
    feed(Picture(), *events)


def holds(facts: list[Fact]) -> list[bool]:
    return [fact.held for fact in facts if isinstance(fact, Held)]


def test_each_hold_and_its_end_are_told_once_with_who_and_which_call(picture: Picture) -> None:
    feed(picture, *RING, *ANSWER)
    later = NOW + timedelta(seconds=9)
    assert feed(picture, leg("Hold", **UP), at=later) == [Held(7, CALL, "u2", True, later)]
    facts = feed(picture, *[leg(event, **UP) for event in ("Hold", "Unhold", "Unhold", "Hold")])
    assert holds(facts) == [False, True]


def test_the_end_of_a_hold_whose_beginning_was_lost_is_told(picture: Picture) -> None:
    feed(picture, *RING, *ANSWER)
    assert holds(feed(picture, leg("Unhold", **UP))) == [False]


def test_a_hold_of_nobodys_phone_or_outside_of_a_call_is_no_fact(picture: Picture) -> None:
    assert feed(picture, leg("Newchannel"), leg("Hold", **UP)) == [Live(7, "ringing", None, NOW)]
    feed(picture, *RING, *ANSWER)
    assert holds(feed(picture, caller("Hold"))) == []
