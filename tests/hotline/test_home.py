"""The home: private folders, secrets made once, socket folders short enough."""

import os
import stat
import threading
from pathlib import Path

import pytest

from hotline.home import LONGEST_RUN_FOLDER, Home, HomeError


@pytest.fixture(autouse=True)
def an_ordinary_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root hands folders over to the service user; tests/hotline/test_up.py sees to that."""
    monkeypatch.setattr(Home, "owner", None)


def test_every_folder_is_made_and_private(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    modes = {folder: stat.S_IMODE(folder.stat().st_mode) for folder in home.folders()}
    assert {mode for folder, mode in modes.items() if folder.is_relative_to(home.path)} == {0o700}


def test_preparing_twice_changes_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    (home.sounds / "mine.wav").write_text("x")
    home.prepare()
    assert (home.sounds / "mine.wav").read_text() == "x"


def test_secrets_are_made_once_and_only_we_may_read_them(tmp_path: Path) -> None:
    home = Home(tmp_path)
    first = home.secrets()
    assert home.secrets() == first
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    assert len({first.ami_secret, first.session_key}) == 2


def test_processes_that_start_at_once_agree_on_the_secrets(tmp_path: Path) -> None:
    got: list[object] = []
    threads = [threading.Thread(target=lambda: got.append(Home(tmp_path).secrets())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert len(set(got)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secrets.json"]


def test_damaged_secrets_are_told_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text('{"ami_')
    with pytest.raises(HomeError, match=r"secrets\.json is damaged .* delete it"):
        Home(tmp_path).secrets()


def test_sockets_of_a_deep_home_lie_in_a_short_private_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    deep, other = Home(Path("/home") / ("x" * 80)), Home(Path("/home") / ("y" * 80))
    assert deep.asterisk_run.parent == tmp_path
    assert len({deep.run, deep.asterisk_run, other.run}) == 3


def test_a_home_of_usual_depth_keeps_its_sockets_itself() -> None:
    home = Home(Path("/var/lib/hotline"))
    assert home.run == Path("/var/lib/hotline/run")
    assert len(os.fsencode(home.asterisk_run)) <= LONGEST_RUN_FOLDER


def test_a_folder_that_somebody_else_put_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    (tmp_path / "runtime").mkdir()
    (tmp_path / "elsewhere").mkdir()
    home = Home(tmp_path / ("x" * 90))
    monkeypatch.setattr(Home, "_short", lambda self, name: tmp_path / "runtime" / name.replace("/", "-"))
    home.asterisk_run.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HomeError, match="belongs to somebody else"):
        home.prepare()


def test_a_home_that_cannot_be_made_is_told_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeError, match="set HOTLINE_HOME to a folder of yours"):
        Home(tmp_path / "file/home").prepare()
