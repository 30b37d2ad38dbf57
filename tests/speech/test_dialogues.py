"""Two voices laid on the two sides of a line."""

from pathlib import Path

import numpy as np
import pytest

from speech.dialogues import RATE, Dialogue, Turn, mix, read

VOICES = {"agent": "zf_one 1.0", "caller": "zm_two 1.0"}


def tone(seconds: float) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * 800 * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def loud(leg: np.ndarray) -> np.ndarray:
    """Which tenths of a second hold a voice."""
    tenths = leg[: len(leg) // 800 * 800].reshape(-1, 800).astype(np.float64)
    return np.sqrt((tenths**2).mean(axis=1)) > 1000


def test_the_voices_take_turns_each_on_its_own_side() -> None:
    turns = (Turn("agent", "a"), Turn("caller", "b"), Turn("agent", "c"))
    frames = mix(Dialogue("d", VOICES, turns), [tone(1), tone(2), tone(1)])
    caller, agent = loud(frames[:, 0]), loud(frames[:, 1])
    assert not (caller & agent).any()
    assert caller.sum() == pytest.approx(20, abs=2)
    assert agent.sum() == pytest.approx(20, abs=3)
    assert np.flatnonzero(agent)[0] < np.flatnonzero(caller)[0] < np.flatnonzero(agent)[-1]


def test_a_pause_is_silence_but_for_the_room() -> None:
    frames = mix(
        Dialogue("d", VOICES, (Turn("agent", "a"), Turn("", seconds=3), Turn("agent", "b"))),
        [tone(0.5), tone(0.5)],
    )
    assert len(frames) / RATE > 4.5
    assert (frames[:, 0].reshape(-1)[:800] != 0).any()
    assert not loud(frames[:, 0]).any()


def test_a_dialogue_is_mixed_the_same_every_time_and_marked_by_all_that_is_heard() -> None:
    one = Dialogue("d", VOICES, (Turn("agent", "a"),))
    assert (mix(one, [tone(1)]) == mix(one, [tone(1)])).all()
    others = [
        Dialogue("d", {**VOICES, "agent": "zf_one 0.9"}, one.turns),
        Dialogue("d", VOICES, (Turn("agent", "b"),)),
        Dialogue("d", VOICES, (Turn("caller", "a"),)),
        Dialogue("d", VOICES, (*one.turns, Turn("", seconds=1))),
    ]
    assert len({each.fingerprint for each in [one, *others]}) == 5


def test_dialogues_are_read_with_who_speaks(tmp_path: Path) -> None:
    file = tmp_path / "dialogues.toml"
    file.write_text(
        '[a]\nagent = "zf_x 1.0"\ncaller = "zm_y 1.0"\nturns = [{ agent = "喂" }, { pause = 2 }]\n'
    )
    (dialogue,) = read(file).values()
    assert dialogue.turns == (Turn("agent", "喂"), Turn("", seconds=2))
    assert (dialogue.sex("agent"), dialogue.sex("caller")) == ("female", "male")
