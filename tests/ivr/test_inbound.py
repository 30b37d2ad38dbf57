"""The inbound dialogue by playbook."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.dialogues.inbound import Known, inbound
from routing.policy import Line, Policy, parse
from routing.route import HangUp, ToQueue
from telephony.words import Answer, Ask, Dialogue, Gone, Pressed, Said, Say, Silent, Speak
from tests.ivr.playbook import Playbook

KEYS = "12309"
NOTICE = Say(("notice",), KEYS)
CONNECTING = Say(("connecting",))
MENU = Ask(("menu",), KEYS, 5.0)
AGAIN_WRONG = Ask(("wrong_key", "menu"), KEYS, 5.0)
AGAIN_SILENT = Ask(("no_key", "menu"), KEYS, 5.0)
QUEUE = "duty"
MIANYANG = Path(__file__).resolve().parents[2] / "policies/mianyang-962299.toml"
HANDLED = tomllib.loads(MIANYANG.read_text(encoding="utf-8"))  # what becomes of a case is nothing to a call


def a_policy(*, menu: dict[str, Any] | None = None, line: dict[str, Any] | None = None) -> Policy:
    day = {"amount": 1, "unit": "working_days"}
    words = {"zh": "字", "en": "words"}
    return parse(
        {
            "name": "Test",
            "city": "绵阳",
            "area_code": "0816",
            "time_zone": "Asia/Shanghai",
            "lines": [{"number": "962299", "name": "热线", "queue": QUEUE, **(line or {})}],
            "menu": {
                "keys": {"1": "inquiry", "2": "help", "3": "complaint", "0": ""},
                "english_key": "9",
                **(menu or {}),
            },
            "kinds": [
                {"code": "inquiry", "name": words, "deadline": day},
                {"code": "help", "name": words, "deadline": day},
                {"code": "complaint", "name": words, "deadline": day, "sealed": True},
            ],
            "queues": [{"name": QUEUE, "title": words}],
            "pause_reasons": [{"code": "rest", "name": words}],
            "closing_reasons": [{"code": "silent", "name": words}],
            "sealed_readers": ["discipline"],
            **{name: HANDLED[name] for name in ("handling", "decisions", "ladders", "texts")},
        }
    )


def a_call(policy: Policy | None = None, **facts: Any) -> Dialogue:
    policy = policy or a_policy()
    line = policy.line("962299")
    assert isinstance(line, Line)
    return inbound(line, policy, **facts)


@pytest.mark.parametrize(("key", "kind"), [("1", "inquiry"), ("2", "help"), ("0", "")])
def test_a_key_leads_to_an_agent_with_its_kind(key: str, kind: str) -> None:
    (
        Playbook(a_call()) << NOTICE >> Said() << MENU >> Pressed(key) << CONNECTING >> Said()
        << ToQueue(QUEUE, kind)
    )  # fmt: skip


def test_a_complaint_is_sealed() -> None:
    (
        Playbook(a_call()) << NOTICE >> Said() << MENU >> Pressed("3") << CONNECTING >> Said()
        << ToQueue(QUEUE, "complaint", sealed=True)
    )  # fmt: skip


def test_a_complaint_stays_sealed_when_the_caller_hangs_up_right_after_the_key() -> None:
    (
        Playbook(a_call()) << NOTICE >> Said() << MENU >> Pressed("3") << CONNECTING >> Gone()
        << ToQueue(QUEUE, "complaint", sealed=True)
    )  # fmt: skip


def test_who_knows_the_menu_presses_during_the_notice_and_is_spared_it() -> None:
    (
        Playbook(a_call()) << NOTICE >> Pressed("3") << CONNECTING >> Said()
        << ToQueue(QUEUE, "complaint", sealed=True)
    )  # fmt: skip


def test_the_language_key_counts_during_the_notice_too() -> None:
    (
        Playbook(a_call()) << NOTICE >> Pressed("9") << Speak("en") >> Said() << NOTICE >> Said()
        << MENU >> Pressed("1") << CONNECTING >> Said() << ToQueue(QUEUE, "inquiry")
    )  # fmt: skip


def test_english_repeats_the_notice_and_the_menu() -> None:
    (
        Playbook(a_call()) << NOTICE >> Said() << MENU >> Pressed("9")
        << Speak("en") >> Said() << NOTICE >> Said() << MENU >> Pressed("1")
        << CONNECTING >> Said() << ToQueue(QUEUE, "inquiry")
    )  # fmt: skip


def test_the_language_key_again_goes_back_to_mandarin() -> None:
    (
        Playbook(a_call()) << NOTICE >> Said() << MENU >> Pressed("9")
        << Speak("en") >> Said() << NOTICE >> Said() << MENU >> Pressed("9")
        << Speak("zh") >> Said() << NOTICE >> Said() << MENU >> Gone() << HangUp("gone")
    )  # fmt: skip


def test_a_silent_caller_is_asked_twice_and_then_reaches_an_agent() -> None:
    (
        Playbook(a_call()) << NOTICE >> Said() << MENU >> Silent() << AGAIN_SILENT >> Silent()
        << CONNECTING >> Said() << ToQueue(QUEUE)
    )  # fmt: skip


def test_a_silent_caller_is_bidden_goodbye_where_the_policy_closes_on_silence() -> None:
    call = a_call(a_policy(menu={"silent": "close"}))
    (
        Playbook(call) << NOTICE >> Said() << MENU >> Silent() << AGAIN_SILENT >> Silent()
        << Say(("goodbye_silent",)) >> Said() << HangUp("silent")
    )  # fmt: skip


def test_a_caller_who_pressed_anything_is_never_closed_as_silent() -> None:
    call = a_call(a_policy(menu={"silent": "close"}))
    (
        Playbook(call) << NOTICE >> Said() << MENU >> Pressed("7") << AGAIN_WRONG >> Silent()
        << CONNECTING >> Said() << ToQueue(QUEUE)
    )  # fmt: skip


def test_wrong_keys_lead_to_an_agent() -> None:
    (
        Playbook(a_call()) << NOTICE >> Said() << MENU >> Pressed("#") << AGAIN_WRONG >> Pressed("*")
        << CONNECTING >> Said() << ToQueue(QUEUE)
    )  # fmt: skip


def test_without_a_menu_the_notice_leads_straight_to_an_agent() -> None:
    call = a_call(a_policy(line={"menu": False}))
    Playbook(call) << Say(("notice", "connecting")) >> Said() << ToQueue(QUEUE)


def test_outside_its_hours_a_line_says_so_and_closes() -> None:
    Playbook(a_call(is_open=False)) << Say(("closed_hours",)) >> Said() << HangUp("closed_hours")


def test_outside_its_hours_a_line_may_still_take_the_call() -> None:
    call = a_call(a_policy(line={"closed": "queue"}), is_open=False)
    (
        Playbook(call) << Say(("closed_hours",)) >> Said() << NOTICE >> Said() << MENU >> Pressed("1")
        << CONNECTING >> Said() << ToQueue(QUEUE, "inquiry")
    )  # fmt: skip


def test_a_known_caller_goes_to_the_agent_of_the_open_matter_first() -> None:
    call = a_call(known=Known(preferred="e01234567"))
    (
        Playbook(call) << NOTICE >> Said() << MENU >> Pressed("2") << CONNECTING >> Said()
        << ToQueue(QUEUE, "help", preferred="e01234567")
    )  # fmt: skip


def test_a_complaint_does_not_go_to_the_agent_of_the_open_matter_first() -> None:
    call = a_call(known=Known(preferred="e01234567"))
    (
        Playbook(call) << NOTICE >> Said() << MENU >> Pressed("3") << CONNECTING >> Said()
        << ToQueue(QUEUE, "complaint", sealed=True)
    )  # fmt: skip


def test_a_caller_who_gave_up_waiting_goes_ahead_when_calling_back() -> None:
    call = a_call(known=Known(gave_up=True))
    (
        Playbook(call) << NOTICE >> Said() << MENU >> Pressed("0") << CONNECTING >> Said()
        << ToQueue(QUEUE, priority=1)
    )  # fmt: skip


answers = st.one_of(
    st.sampled_from([Said(), Silent(), Gone()]), st.sampled_from("0123456789*#").map(Pressed)
)  # fmt: skip


@given(st.lists(answers, max_size=40), st.booleans(), st.sampled_from(["agent", "close"]))
def test_every_dialogue_ends_whatever_the_caller_does(
    given_answers: list[Answer], is_open: bool, silent: str
) -> None:
    call = a_call(a_policy(menu={"silent": silent}), is_open=is_open)
    replies = iter([*given_answers, *[Gone()] * 3])
    word = next(call)
    ending = None
    gone = False
    while ending is None:
        answer = next(replies)
        assert not gone, f"{word} was said to a caller who has gone"
        gone = isinstance(answer, Gone)
        try:
            word = call.send(answer)
        except StopIteration as stop:
            ending = stop.value
    assert isinstance(ending, HangUp) or ending.queue == QUEUE
