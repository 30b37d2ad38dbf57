"""The agents' word against Asterisk's queues: which repairs, and why."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import lab
from telephony.live import Live, Member
from telephony.reconcile import Add, Pause, Remove, Repair, Resume, Wish, Word, repairs

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
WANG = "e0000000a"
QUEUES = {"main": 60}


def wish(wanted: str, reason: str = "", seconds_ago: float = 600) -> Wish:
    return Wish(7, WANG, wanted, reason, NOW - timedelta(seconds=seconds_ago))


def member(
    reason: str = "", seconds_ago: float = 5, queue: str = "main", person: int = 7, at: str = WANG
) -> Member:
    paused_at = int((NOW - timedelta(seconds=seconds_ago)).timestamp()) if reason else 0
    return Member(queue, at, person, "idle", bool(reason), reason, float(paused_at))


def live(state: str, seconds: float = 0, queue: str | None = "main") -> dict[int, Live]:
    return {7: Live(7, state, "c", NOW - timedelta(seconds=seconds), queue)}


def found(
    wishes: list[Wish],
    members: list[Member],
    doing: dict[int, Live] | None = None,
    owed: frozenset[int] = frozenset(),
    queues: dict[str, int] = QUEUES,
) -> list[Repair]:
    out = repairs(wishes, members, doing or {}, owed, queues, NOW)
    assert all(repair.why for repair in out)
    return out


def kinds(out: list[Repair]) -> list[tuple[type, str]]:
    """Each repair and what it turns on: the queue or the reason."""
    return [(type(r), r.queue if isinstance(r, Add | Remove) else getattr(r, "reason", "")) for r in out]


def test_the_labs_agent_serves_the_twins_alone_and_nobody_else_does() -> None:
    tester = Wish(7, lab.AGENT, "ready", "", NOW)
    out = found([tester, wish("ready")], [member(at=lab.AGENT), member(), member(queue="main-lab")])
    assert kinds(out) == [(Remove, "main"), (Remove, "main-lab"), (Add, "main-lab")]


@pytest.mark.parametrize(
    ("wishes", "members"),
    [
        ([], []),
        ([wish("off")], []),
        ([wish("ready")], [member()]),
        ([wish("paused", "meal")], [member("meal")]),
        ([wish("paused", "no_answer")], [member("no_answer")]),
    ],
)
def test_what_agrees_needs_no_repair(wishes: list[Wish], members: list[Member]) -> None:
    assert found(wishes, members) == []


def test_a_restarted_asterisk_with_empty_queues_gets_its_members_back() -> None:
    queues = {"main": 60, "second": 60}
    assert kinds(found([wish("ready")], [], queues=queues)) == [(Add, "main"), (Add, "second")]
    [again] = found([wish("paused", "meal")], [])
    assert isinstance(again, Add)
    assert again.paused_for == "meal"


def test_a_wrap_up_that_asterisk_forgot_goes_on() -> None:
    [again] = found([wish("ready")], [], owed=frozenset({7}))
    assert isinstance(again, Add)
    assert again.paused_for == "wrapup"


def test_a_queue_new_to_a_paused_member_is_joined_paused() -> None:
    out = found([wish("ready")], [member("wrapup")], live("talking"), queues={"main": 60, "second": 60})
    assert [(r.queue, r.paused_for) for r in out if isinstance(r, Add)] == [("second", "wrapup")]


def test_members_whom_nobody_wants_are_removed() -> None:
    strangers = [member(person=9), member(queue="old"), member(at="e0000000b")]
    assert kinds(found([wish("ready")], [member(), *strangers])) == [
        (Remove, "main"),
        (Remove, "old"),
        (Remove, "main"),
    ]
    assert kinds(found([wish("off")], [member()])) == [(Remove, "main")]


def test_an_unanswered_ring_becomes_the_word_and_she_is_told() -> None:
    out = found([wish("ready")], [member("Auto-Pause")])
    assert kinds(out) == [(Word, "no_answer"), (Pause, "no_answer")]


def test_a_lost_phone_becomes_the_word() -> None:
    assert kinds(found([wish("ready")], [member("phone_lost")])) == [
        (Word, "phone_lost"),
        (Pause, "phone_lost"),
    ]


@pytest.mark.parametrize("reason", ["Auto-Pause", "phone_lost", "no_answer", "meal"])
def test_her_word_wins_over_an_older_pause(reason: str) -> None:
    assert kinds(found([wish("ready", seconds_ago=2)], [member(reason, seconds_ago=30)])) == [(Resume, "")]


def test_a_pause_in_the_very_second_of_her_word_counts_as_newer() -> None:
    """Asterisk tells whole seconds: 09:00:00 may be 09:00:00.9, after a word at 09:00:00.5."""
    said = Wish(7, WANG, "ready", "", NOW + timedelta(milliseconds=500))
    assert kinds(found([said], [member("Auto-Pause", seconds_ago=0)]))[0] == (Word, "no_answer")


def test_an_unanswered_ring_while_she_wants_a_pause_keeps_her_own_reason() -> None:
    assert kinds(found([wish("paused", "meal")], [member("Auto-Pause")])) == [(Pause, "meal")]


def test_a_wish_to_pause_kept_while_the_link_was_down_is_applied() -> None:
    assert kinds(found([wish("paused", "meal")], [member()])) == [(Pause, "meal")]


def test_a_pause_in_one_queue_only_is_made_a_pause_in_all() -> None:
    members = [member("meal"), member(queue="second")]
    assert kinds(found([wish("paused", "meal")], members, queues={"main": 60, "second": 60})) == [
        (Pause, "meal")
    ]


@pytest.mark.parametrize("state", ["talking", "ringing"])
@pytest.mark.parametrize("word", [wish("ready"), wish("paused", "meal")])
def test_the_wrap_up_pause_is_left_alone_during_the_call(state: str, word: Wish) -> None:
    assert found([word], [member("wrapup", 900)], live(state, 900)) == []


def test_wrap_up_is_not_cut_short_and_ends_at_the_limit() -> None:
    assert found([wish("ready")], [member("wrapup", 400)], live("wrapup", 59)) == []
    [end] = found([wish("ready")], [member("wrapup", 400)], live("wrapup", 60))
    assert end == Resume(WANG, "the wrap-up limit of 60 s has passed")


def test_the_limit_is_that_of_the_queue_whose_call_it_was() -> None:
    queues = {"main": 60, "second": 300}
    both = [member("wrapup", 400), member("wrapup", 400, "second")]
    assert kinds(found([wish("ready")], both, live("wrapup", 100, "main"), queues=queues)) == [(Resume, "")]
    assert found([wish("ready")], both, live("wrapup", 100, None), queues=queues) == []


def test_after_wrap_up_she_stays_paused_if_she_asked_for_it() -> None:
    assert found([wish("paused", "meal")], [member("wrapup")], live("wrapup", 10)) == []
    assert kinds(found([wish("paused", "meal")], [member("wrapup")], live("wrapup", 61))) == [(Pause, "meal")]


def test_wrap_up_of_a_phone_that_has_gone_ends_by_the_time_of_the_pause() -> None:
    assert found([wish("ready")], [member("wrapup", 30)], live("away")) == []
    assert kinds(found([wish("ready")], [member("wrapup", 61)], live("away"))) == [(Resume, "")]


words = st.one_of(
    st.just(("off", "")),
    st.just(("ready", "")),
    st.tuples(st.just("paused"), st.sampled_from(["meal", "no_answer"])),
)
reasons = st.sampled_from(["", "meal", "wrapup", "Auto-Pause", "no_answer", "phone_lost"])
queues_of_members = st.sampled_from(["main", "second", "old"])


@given(
    words,
    st.dictionaries(queues_of_members, st.tuples(reasons, st.integers(0, 1200))),
    st.sampled_from(["away", "idle", "paused", "talking", "wrapup"]),
    st.booleans(),
)
def test_repairs_end_in_what_she_wants_or_in_a_wrap_up_under_way(
    word: tuple[str, str], there: dict[str, tuple[str, int]], state: str, owed: bool
) -> None:
    queues = {"main": 60, "second": 60}
    said = wish(*word)
    members = [member(reason, ago, queue) for queue, (reason, ago) in there.items()]
    doing = live(state, 30)
    for _ in range(4):
        out = found([said], members, doing, frozenset({7} if owed and not members else ()), queues)
        if not out:
            break
        for repair in out:
            said, members = applied(repair, said, members)
    assert out == [], "the repairs never end"
    assert {each.queue for each in members} == (set() if said.wanted == "off" else set(queues))
    shown = {each.reason for each in members}
    if "wrapup" in shown:
        assert all(each.paused for each in members)
    elif members:
        assert shown == {said.reason}
        assert all(each.paused == (said.wanted == "paused") for each in members)


def applied(repair: Repair, said: Wish, members: list[Member]) -> tuple[Wish, list[Member]]:
    """What the queue and the word are after a repair."""
    match repair:
        case Add():
            members = [*members, member(repair.paused_for, 0, repair.queue)]
        case Remove():
            members = [each for each in members if each.queue != repair.queue]
        case Pause():
            members = [member(repair.reason, 0, each.queue) for each in members]
        case Resume():
            members = [member("", 0, each.queue) for each in members]
        case Word():
            said = Wish(7, WANG, "paused", repair.reason, NOW)
    return said, members
