"""The lab's own judgement: what a call must go like, and what counts as heard."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from hotline.cli import app
from hotline.lab import audio, check
from hotline.lab.caller import KNOWN_BY_SECONDS, LIKE
from hotline.lab.plan import Hear, Plan, Press, plan
from hotline.settings import CHECKOUT
from ivr.prompts import SOUNDS
from routing.policy import load
from routing.route import HangUp, ToQueue

MIANYANG = load(CHECKOUT / "policies/mianyang-962299.toml")
NANNING = load(CHECKOUT / "policies/nanning-direct-line.toml")
PROMPTS = ("notice", "menu", "connecting", "wrong_key", "no_key", "apology")


def of(keys: str) -> Plan:
    return plan(MIANYANG.lines[0], MIANYANG, is_open=True, keys=keys)


def test_a_key_is_pressed_once_the_menu_is_heard() -> None:
    way = of("2")
    assert way.acts == (Hear("notice", "zh"), Hear("menu", "zh"), Press("2"), Hear("connecting", "zh"))
    assert isinstance(way.ending, ToQueue)
    assert way.ending.kind == "help"


def test_a_comma_waits_and_an_exclamation_mark_does_not_wait_for_the_menu() -> None:
    assert of(",,3").acts[2] == Press("3", 2.0)
    assert of("!3").acts == (Hear("notice", "zh"), Press("3"), Hear("connecting", "zh"))


def test_the_english_key_brings_everything_again_in_english() -> None:
    way = of("91")
    assert way.acts[3:5] == (Hear("notice", "en"), Hear("menu", "en"))
    assert (way.keys, way.language) == ("91", "en")


def test_a_wrong_key_must_be_said_to_be_wrong() -> None:
    assert of("72").acts[3:6] == (Hear("wrong_key", "zh"), Hear("menu", "zh"), Press("2"))


def test_without_keys_the_caller_hangs_up_while_the_menu_asks() -> None:
    assert of("").ending is None


def test_a_line_without_menu_and_one_that_is_closed_have_their_own_ways() -> None:
    line = NANNING.lines[0]
    way = plan(line, NANNING, is_open=True, keys="1")
    assert (way.acts, way.keys) == ((Hear("notice", "zh"), Hear("connecting", "zh")), "")
    closed = plan(line, NANNING, is_open=False, keys="")
    assert closed.acts == (Hear("closed_hours", "zh"),)
    assert isinstance(closed.ending, HangUp)


@pytest.mark.parametrize("said", PROMPTS)
def test_a_prompt_is_known_by_its_opening_and_no_other_is_taken_for_it(said: str) -> None:
    sounds = {prompt: audio.read_sound(SOUNDS / f"zh/{prompt}.wav") for prompt in PROMPTS}
    silence = audio.tone(0, 0.37)
    heard = audio.decode(audio.encode(np.concatenate([silence, sounds[said], silence])))
    for prompt, sound in sounds.items():
        likeness, at = audio.find(audio.opening(sound, KNOWN_BY_SECONDS), heard)
        assert (likeness > LIKE) is (prompt == said), (prompt, likeness)
        if prompt == said:
            assert 0.3 < at / audio.RATE < 1.0


def test_silence_holds_no_sound() -> None:
    assert audio.sound_seconds(audio.tone(0, 2.0)) == 0
    assert audio.sound_seconds(audio.tone(600, 2.0)) == 2.0
    assert audio.find(audio.tone(600, 0.6), audio.tone(0, 2.0))[0] < LIKE


@pytest.mark.parametrize(
    "words", [("--to", "96x"), ("--to", "1", "--keys", "2z"), ("--to", "1", "--say", "none.wav"), ()]
)
def test_what_cannot_be_a_call_is_wrong_usage(words: tuple[str, ...]) -> None:
    assert CliRunner().invoke(app, ["lab", "call", *words]).exit_code == 2


def test_a_hotline_on_ipv6_is_told_in_one_line_that_the_lab_cannot_reach_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in {"HOME": str(tmp_path), "BIND": "::", "TRUNK_PEERS": ""}.items():
        monkeypatch.setenv(f"HOTLINE_{name}", value)
    refused = CliRunner().invoke(app, ["lab", "call", "--to", "962299"])
    assert refused.exit_code == 1
    (line,) = refused.output.splitlines()
    assert line == (
        "fault: HOTLINE_BIND=:: hears IPv6 alone, and the lab calls from 127.0.0.3: "
        "bind 0.0.0.0 or another IPv4 address"
    )


def test_many_lines_are_dialled_more_at_a_time_but_never_all_at_once() -> None:
    assert [check.calls_at_once(calls) for calls in (5, len(NANNING.lines), 500)] == [4, 12, 12]
