"""What the caller hears: the committed recordings, an operator's own, and none at all."""

import hashlib
import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ivr.prompts import CATALOGUE, LANGUAGES, SOUNDS, WORDLESS, Prompts, asterisk_name, read_manifest
from routing.policy import load

POLICIES = sorted((Path(__file__).resolve().parents[2] / "policies").glob("*.toml"))
SPOKEN_KEYS = [
    *("notice", "menu", "wrong_key", "no_key", "connecting", "all_busy", "apology", "goodbye_silent"),
    *("closed_hours", "transfer_failed", "sorry_error", "you_are_next", "there_are", "callers_ahead"),
    *("please_wait", "beep"),
]
SAY_NUMBER = {
    "zh": [*range(11), *range(20, 100, 10), "hundred", "thousand", "wan", "yi", "minus"],
    "en": [*range(20), *range(20, 100, 10), "hundred", "thousand", "million", "minus"],
}


@pytest.fixture
def drop_ins(tmp_path: Path) -> Path:
    folder = tmp_path / "drop-ins"
    (folder / "zh").mkdir(parents=True)
    return folder


def studio(path: Path, seconds: float = 2.0, rate: int = 48_000, channels: int = 2) -> Path:
    at = np.arange(int(seconds * rate)) / rate
    tone = 0.3 * np.sin(2 * np.pi * 440 * at)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.column_stack([tone] * channels), rate)
    return path


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_prompt_a_call_needs_is_recorded(language: str) -> None:
    prompts = Prompts()
    for key in [*SPOKEN_KEYS, *(f"digits/{word}" for word in SAY_NUMBER[language])]:
        assert prompts.path(key, language), key
        assert prompts.seconds(key, language) > 0.1, key


@pytest.mark.parametrize("policy", POLICIES, ids=lambda file: file.stem)
def test_every_recording_says_what_its_text_says(policy: Path) -> None:
    prompts = Prompts(own=load(policy).prompts)
    assert (prompts.missing(), prompts.stale(), prompts.faults()) == ([], [], [])


def test_the_manifest_tells_the_truth_about_every_file() -> None:
    manifest = read_manifest(SOUNDS)
    spoken = {file.relative_to(SOUNDS).as_posix() for file in SOUNDS.rglob("*.wav")}
    wordless = {f"{language}/{key}.wav" for language in LANGUAGES for key in WORDLESS} | {"moh/waiting.wav"}
    assert set(manifest) == spoken - wordless
    for name, entry in manifest.items():
        content = (SOUNDS / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"], name


@pytest.mark.parametrize(
    "file", sorted(SOUNDS.rglob("*.wav")), ids=lambda file: file.relative_to(SOUNDS).as_posix()
)
def test_every_recording_is_fit_for_the_telephone(file: Path) -> None:
    samples, rate = soundfile.read(file, dtype="float32")
    assert (rate, samples.ndim, soundfile.info(file).subtype) == (8000, 1, "PCM_16")
    loudness = 20 * np.log10(np.sqrt((samples**2).mean()))
    assert np.abs(samples).max() < 0.95
    assert -28 < loudness < -16


def test_the_recordings_stay_small() -> None:
    assert sum(file.stat().st_size for file in SOUNDS.rglob("*") if file.is_file()) < 8_000_000


def test_both_languages_have_the_same_prompts() -> None:
    texts = [tomllib.loads((CATALOGUE / f"{language}.toml").read_text()) for language in LANGUAGES]
    assert texts[0]["prompts"].keys() == texts[1]["prompts"].keys()


def test_an_operators_recording_wins(drop_ins: Path) -> None:
    mine = studio(drop_ins / "zh" / "notice.flac", seconds=2.5)
    prompts = Prompts(operator=drop_ins)
    assert prompts.path("notice", "zh") == mine
    assert prompts.seconds("notice", "zh") == 2.5
    assert prompts.path("notice", "en") == SOUNDS / "en" / "notice.wav"
    assert prompts.faults() == []


def test_a_drop_in_that_is_no_audio_is_reported_and_ours_is_served(drop_ins: Path) -> None:
    (drop_ins / "zh" / "notice.wav").write_text("my recording")
    prompts = Prompts(operator=drop_ins)
    assert prompts.path("notice", "zh") == SOUNDS / "zh" / "notice.wav"
    (fault,) = prompts.faults()
    assert "notice.wav" in fault
    assert "replace it" in fault


def test_a_drop_in_with_a_wrong_name_is_reported(drop_ins: Path) -> None:
    studio(drop_ins / "zh" / "notise.wav")
    (fault,) = Prompts(operator=drop_ins).faults()
    assert "notise.wav" in fault


def test_a_studio_recording_is_installed_as_the_telephone_wants_it(drop_ins: Path, tmp_path: Path) -> None:
    studio(drop_ins / "zh" / "notice.flac", seconds=2.0)
    studio(drop_ins / "zh" / "digits" / "5.wav", seconds=0.5, rate=44_100, channels=1)
    Prompts(operator=drop_ins).install(tmp_path / "sounds")
    for name, seconds in (("hotline/notice", 2.0), ("digits/5", 0.5)):
        info = soundfile.info(tmp_path / "sounds" / "zh" / f"{name}.wav")
        assert (info.samplerate, info.channels, info.subtype) == (8000, 1, "PCM_16")
        assert info.duration == pytest.approx(seconds, abs=0.001)


def test_installing_again_changes_nothing_and_taking_a_drop_in_away_brings_ours_back(
    drop_ins: Path, tmp_path: Path
) -> None:
    target = tmp_path / "sounds"
    mine = studio(drop_ins / "zh" / "notice.flac")
    assert len(Prompts(operator=drop_ins).install(target)) == len(Prompts().all())
    assert Prompts(operator=drop_ins).install(target) == []
    mine.unlink()
    assert Prompts(operator=drop_ins).install(target) == [target / "zh" / "hotline" / "notice.wav"]
    ours, _ = soundfile.read(SOUNDS / "zh" / "notice.wav")
    assert np.array_equal(soundfile.read(target / "zh" / "hotline" / "notice.wav")[0], ours)


def test_a_city_says_it_in_its_own_words_as_soon_as_they_are_spoken(tmp_path: Path) -> None:
    sounds, text = tmp_path / "sounds", "您好，这里是第三座城市。"
    own = {"zh": {"notice": text}}
    (sounds / "zh" / "own").mkdir(parents=True)
    general = {"zh/notice.wav": {"text_sha256": "", "voice": "", "seconds": 1.0, "sha256": ""}}
    studio(sounds / "zh" / "notice.wav", rate=8000, channels=1)
    (sounds / "manifest.json").write_text(json.dumps(general))
    before = Prompts(sounds, own=own)
    assert before.path("notice", "zh") == sounds / "zh" / "notice.wav"  # the general words meanwhile
    assert "zh/notice" in before.stale()
    wanted = next(each for each in before.all() if each.label == "zh/notice")
    studio(sounds / wanted.name, rate=8000, channels=1)
    entry = {
        "text_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "voice": wanted.voice,
        "seconds": 2.0,
        "sha256": "",
    }
    (sounds / "manifest.json").write_text(json.dumps({**general, wanted.name: entry}))
    after = Prompts(sounds, own=own)
    assert after.path("notice", "zh") == sounds / wanted.name
    assert "zh/notice" not in after.stale()


def test_a_changed_text_makes_its_recording_stale(tmp_path: Path) -> None:
    for language in LANGUAGES:
        text = (CATALOGUE / f"{language}.toml").read_text(encoding="utf-8")
        (tmp_path / f"{language}.toml").write_text(text.replace("请您重新选择", "请您再选"), encoding="utf-8")
    prompts = Prompts(catalogue=tmp_path)
    assert prompts.stale() == ["zh/wrong_key"]
    assert prompts.path("wrong_key", "zh")  # better an old word than none


def test_a_missing_prompt_is_none_and_drops_nothing(tmp_path: Path) -> None:
    prompts = Prompts(tmp_path / "empty")
    assert prompts.path("notice", "zh") is None
    assert prompts.seconds("notice", "zh") == 0.0
    assert prompts.path("no such key", "zh") is None
    assert "zh/notice" in prompts.missing()
    assert prompts.install(tmp_path / "sounds") == []


def test_asterisk_finds_prompts_and_number_words_under_their_names() -> None:
    assert asterisk_name("notice") == asterisk_name("hotline/notice") == "hotline/notice"
    assert asterisk_name("digits/5") == "digits/5"


def test_an_operators_music_replaces_ours_and_leaves_with_it(drop_ins: Path, tmp_path: Path) -> None:
    target = tmp_path / "moh"
    assert Prompts(operator=drop_ins).install_music(target) == [target / "waiting.wav"]
    mine = studio(drop_ins / "moh" / "erhu.flac")
    Prompts(operator=drop_ins).install_music(target)
    assert [file.name for file in target.iterdir()] == ["erhu.wav"]
    mine.unlink()
    Prompts(operator=drop_ins).install_music(target)
    assert [file.name for file in target.iterdir()] == ["waiting.wav"]
