"""A file is there whole or not at all."""

import os
from pathlib import Path

import pytest

from storage.whole import write_whole


def test_it_is_its_owners_alone_and_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    file = tmp_path / "head"
    for content in (b"one", b"two"):
        write_whole(file, content)
        assert file.read_bytes() == content
        assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_where_it_may_not_an_older_one_stays(tmp_path: Path) -> None:
    file = tmp_path / "key"
    write_whole(file, b"first", over=False)
    with pytest.raises(FileExistsError):
        write_whole(file, b"second", over=False)
    assert file.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [file]


def test_a_full_disk_leaves_the_older_one_and_no_half_of_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "head"
    write_whole(file, b"older")

    def full(_descriptor: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_whole(file, b"newer")
    assert file.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [file]
