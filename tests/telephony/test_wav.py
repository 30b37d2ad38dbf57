"""WAV legs as Asterisk leaves them: closed, killed, cut short; and their join."""

import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.files import content, opened
from telephony.wav import BLOCK_FRAMES, PEAK_BUCKETS, Piece, WavError, join, read_leg
from tests.telephony.legs import RATE, kill_while_writing, tone, write_leg


def samples_of(path: Path) -> np.ndarray:
    return np.concatenate([*read_leg(path).blocks(), np.zeros(0, np.int16)])


def test_a_leg_that_was_closed_needs_no_repair(tmp_path: Path) -> None:
    leg = read_leg(write_leg(tmp_path / "a.wav", tone(440, 1)))
    assert (leg.rate, leg.frames, leg.seconds, leg.repaired) == (RATE, RATE, 1.0, False)


def test_a_killed_asterisk_loses_no_sample_that_reached_the_file(tmp_path: Path) -> None:
    path = kill_while_writing(write_leg(tmp_path / "a.wav", tone(440, 1)))
    assert read_leg(path).repaired
    assert np.array_equal(samples_of(path), tone(440, 1))


def test_a_file_cut_short_by_a_full_disk_gives_what_it_has(tmp_path: Path) -> None:
    path = write_leg(tmp_path / "a.wav", tone(440, 1))
    path.write_bytes(path.read_bytes()[:1045])  # half a sample left over
    leg = read_leg(path)
    assert (leg.frames, leg.repaired) == (500, True)
    assert np.array_equal(samples_of(path), tone(440, 1)[:500])


def test_samples_appended_behind_a_closed_part_are_read(tmp_path: Path) -> None:
    path = write_leg(tmp_path / "a.wav", tone(440, 1))
    with path.open("ab") as file:
        file.write(tone(880, 1).tobytes())
    assert np.array_equal(samples_of(path), np.concatenate([tone(440, 1), tone(880, 1)]))


def test_a_list_chunk_behind_the_samples_is_not_heard(tmp_path: Path) -> None:
    path = write_leg(tmp_path / "a.wav", tone(440, 1))
    with path.open("ab") as file:
        file.write(b"LIST" + struct.pack("<I", 4) + b"INFO")
    leg = read_leg(path)
    assert (leg.frames, leg.repaired) == (RATE, False)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no WAV header"),
        (bytes(500), "no WAV header"),
        (b"RIFF\0\0\0\0WAVE", "ends before its first sample"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0" + bytes(100), "no format"),
        (b"RIFF\0\0\0\0WAVEfmt \4\0\0\0abcd", "format is cut short"),
    ],
)
def test_what_is_no_recording_is_refused_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(WavError, match=reason):
        read_leg(path)


def test_stereo_is_no_leg(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((100, 2)), RATE, subtype="PCM_16")
    with pytest.raises(WavError, match="2 channels"):
        read_leg(tmp_path / "a.wav")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    samples=st.lists(st.integers(-32768, 32767), max_size=60),
    declared=st.one_of(st.just(0), st.just(0xFFFFFFFF), st.integers(0, 200)),
    cut=st.integers(0, 130),
)
def test_whatever_the_length_fields_say_no_sample_is_invented_or_lost(
    tmp_path: Path, samples: list[int], declared: int, cut: int
) -> None:
    path = write_leg(tmp_path / "a.wav", np.array(samples, np.int16))
    content = bytearray(path.read_bytes())
    content[40:44] = struct.pack("<I", declared)
    path.write_bytes(content[: max(44, len(content) - cut)])
    whole = samples[: (max(44, len(content) - cut) - 44) // 2]
    assert samples_of(path).tolist() == whole


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=300) | st.binary(max_size=200).map(lambda tail: b"RIFF\0\0\0\0WAVE" + tail))
def test_garbage_is_read_or_refused_but_never_breaks_the_reader(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    try:
        leg = read_leg(path)
    except WavError:
        return
    assert sum(len(block) for block in leg.blocks()) == leg.frames


def test_the_caller_is_left_and_the_agent_right(tmp_path: Path) -> None:
    caller = read_leg(write_leg(tmp_path / "c.wav", tone(440, 2)))
    agent = read_leg(write_leg(tmp_path / "a.wav", tone(1000, 2)))
    joined = join(caller, agent, tmp_path / "both.wav", "a call")
    both, rate = soundfile.read(content(opened(tmp_path / "both.wav", "a call", "any")), dtype="int16")
    assert (rate, joined.seconds) == (RATE, 2.0)
    assert np.array_equal(both[:, 0], tone(440, 2))
    assert np.array_equal(both[:, 1], tone(1000, 2))


def test_the_shorter_leg_ends_in_silence(tmp_path: Path) -> None:
    caller = read_leg(write_leg(tmp_path / "c.wav", tone(440, 1)))
    agent = read_leg(write_leg(tmp_path / "a.wav", tone(1000, 3)))
    assert join(caller, agent, tmp_path / "both.wav", "a call").seconds == 3.0
    both, _ = soundfile.read(content(opened(tmp_path / "both.wav", "a call", "any")), dtype="int16")
    assert np.array_equal(both[:RATE, 0], tone(440, 1))
    assert not both[RATE:, 0].any()


def test_one_voice_alone_is_kept_on_its_side(tmp_path: Path) -> None:
    agent = read_leg(write_leg(tmp_path / "a.wav", tone(1000, 1)))
    join(None, agent, tmp_path / "both.wav", "a call")
    both, _ = soundfile.read(content(opened(tmp_path / "both.wav", "a call", "any")), dtype="int16")
    assert not both[:, 0].any()
    assert both[:, 1].any()


def test_hash_and_size_are_those_of_the_sound_and_the_file_is_sealed(tmp_path: Path) -> None:
    caller = read_leg(write_leg(tmp_path / "c.wav", tone(440, 1)))
    joined = join(caller, None, tmp_path / "both.wav", "a call")
    plain = content(opened(tmp_path / "both.wav", "a call", joined.key_id)).read()
    assert joined.sha256 == hashlib.sha256(plain).hexdigest()
    assert joined.size_bytes == len(plain)
    assert b"RIFF" not in (tmp_path / "both.wav").read_bytes()
    assert (tmp_path / "both.wav").stat().st_mode & 0o077 == 0


def test_the_waveform_shows_who_spoke_when(tmp_path: Path) -> None:
    seconds = BLOCK_FRAMES / RATE * 2.5  # across blocks
    loud = np.concatenate([tone(440, seconds / 2), np.zeros(int(seconds * RATE / 2), np.int16)])
    caller = read_leg(write_leg(tmp_path / "c.wav", loud))
    agent = read_leg(write_leg(tmp_path / "a.wav", loud[::-1]))
    peaks = join(caller, agent, tmp_path / "both.wav", "a call").peaks
    assert len(peaks["caller"]) == len(peaks["agent"]) == PEAK_BUCKETS
    assert min(peaks["caller"][:399]) > 0.2 > max(peaks["caller"][401:]) == 0
    assert min(peaks["agent"][401:]) > 0.2 > max(peaks["agent"][:399]) == 0


def test_the_loudest_sample_there_is_shows_as_one(tmp_path: Path) -> None:
    caller = read_leg(write_leg(tmp_path / "c.wav", np.array([-32768, 0, 1], np.int16)))
    assert join(caller, None, tmp_path / "both.wav", "a call").peaks["caller"] == [1.0, 0.0, 0.0]


def test_legs_of_different_rates_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    caller = read_leg(write_leg(tmp_path / "c.wav", tone(440, 1)))
    agent = read_leg(write_leg(tmp_path / "a.wav", tone(440, 1), rate=16000))
    with pytest.raises(WavError, match="different rates"):
        join(caller, agent, tmp_path / "both.wav", "a call")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.wav", "c.wav"]


def test_a_piece_takes_the_place_of_the_agents_voice_from_its_frame_on(tmp_path: Path) -> None:
    length = BLOCK_FRAMES * 2 + 100
    legs = [read_leg(write_leg(tmp_path / f"{n}.wav", np.full(length, n))) for n in (1, 2, 3)]
    at = BLOCK_FRAMES - 50
    join(legs[0], legs[1], tmp_path / "out.wav", "a call", [Piece(legs[2], 700, at)])
    both, _ = soundfile.read(content(opened(tmp_path / "out.wav", "a call", "any")), dtype="int16")
    assert (both[:, 0] == 1).all()
    assert (both[:at, 1] == 2).all()
    assert (both[at : at + length - 700, 1] == 3).all()
    assert (len(both), (both[at + length - 700 :, 1] == 2).all()) == (length, True)


def test_where_nothing_came_from_her_phone_what_the_caller_heard_stays(tmp_path: Path) -> None:
    hers = np.concatenate([np.full(100, 8), np.zeros(100), np.full(100, 8)])
    legs = [read_leg(write_leg(tmp_path / f"{n}.wav", s)) for n, s in enumerate([tone(440, 1), hers])]
    join(None, legs[0], tmp_path / "out.wav", "a call", [Piece(legs[1], 0, 0)])
    right = soundfile.read(content(opened(tmp_path / "out.wav", "a call", "any")), dtype="int16")[0][:, 1]
    assert np.array_equal(right[100:200], tone(440, 1)[100:200])
    assert (right[:100] == 8).all()
    assert (right[200:300] == 8).all()
