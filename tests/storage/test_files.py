"""Sealed files: read at any place, and refused as soon as a byte, a chunk or the end is not what it was."""

import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import files, vault
from storage.files import CHUNK_BYTES, HEADER, TAG_BYTES, FileFault, Sealed, Writing, opened, rewrite, writing

SIZES = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 3 * CHUNK_BYTES + 17]
CONTEXT = "recording/c1"


@pytest.fixture(autouse=True)
def _keys(tmp_path: Path) -> Iterator[None]:
    before = vault._installed
    vault.install(tmp_path / "keys")
    vault.installed().make(datetime.now(UTC), first=True)
    yield
    vault._installed = before


def seal(file: Path, content: bytes, step: int = 30_000) -> Writing:
    with writing(file, CONTEXT) as out:
        for start in range(0, len(content), step):
            out.write(content[start : start + step])
    return out


def read(file: Path, start: int = 0, stop: int = 2**40, key_id: str = "any") -> bytes:
    source = opened(file, CONTEXT, key_id)
    try:
        return b"".join(source.read(start, stop))
    finally:
        source.close()


@pytest.mark.parametrize("size", SIZES)
def test_what_is_written_is_read_again_and_nowhere_to_be_found_on_the_disk(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    done = seal(tmp_path / "f", content).done
    assert read(tmp_path / "f") == content
    assert (done.sha256, done.size_bytes) == (hashlib.sha256(content).hexdigest(), size)
    assert done.key_id == vault.installed().current
    stored = (tmp_path / "f").read_bytes()
    assert size < 16 or content[:16] not in stored
    assert (tmp_path / "f").stat().st_mode & 0o077 == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(start=st.integers(-5, 4 * CHUNK_BYTES), length=st.integers(-5, 3 * CHUNK_BYTES))
def test_any_part_is_what_the_whole_has_there(tmp_path: Path, start: int, length: int) -> None:
    content = bytes(range(256)) * (3 * CHUNK_BYTES // 256) + b"the end"
    file = tmp_path / "f"
    if not file.exists():
        seal(file, content)
    assert read(file, start, start + length) == content[max(start, 0) : max(start + length, 0)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80, deadline=None)
@given(place=st.integers(0, 10**9), flip=st.integers(1, 255))
def test_a_changed_byte_is_never_read_as_sound(tmp_path: Path, place: int, flip: int) -> None:
    seal(tmp_path / "f", b"sound" * 30_000)
    stored = bytearray((tmp_path / "f").read_bytes())
    stored[place % len(stored)] ^= flip
    (tmp_path / "changed").write_bytes(stored)
    with pytest.raises((FileFault, vault.VaultError)):
        read(tmp_path / "changed")


def chunks(file: Path) -> tuple[bytes, list[bytes]]:
    stored, length = file.read_bytes(), CHUNK_BYTES + TAG_BYTES
    body = stored[HEADER.size :]
    return stored[: HEADER.size], [body[at : at + length] for at in range(0, len(body), length)]


@pytest.mark.parametrize(
    "order", [[0, 1], [0, 1, 2, 2], [1, 0, 2], [0, 2], [0], [], [2]], ids=lambda order: str(order)
)
def test_chunks_left_out_moved_or_repeated_are_found_out(tmp_path: Path, order: list[int]) -> None:
    seal(tmp_path / "f", os.urandom(2 * CHUNK_BYTES + 9))
    header, parts = chunks(tmp_path / "f")
    (tmp_path / "g").write_bytes(header + b"".join(parts[number] for number in order))
    with pytest.raises(FileFault, match="restore it from a backup"):
        read(tmp_path / "g")


def test_a_file_cut_at_a_chunks_end_does_not_even_begin(tmp_path: Path) -> None:
    seal(tmp_path / "f", os.urandom(3 * CHUNK_BYTES))
    header, parts = chunks(tmp_path / "f")
    (tmp_path / "f").write_bytes(header + b"".join(parts[:2]))
    with pytest.raises(FileFault):
        opened(tmp_path / "f", CONTEXT, "any")


def test_a_file_in_anothers_place_does_not_open(tmp_path: Path) -> None:
    seal(tmp_path / "f", b"hers")
    with pytest.raises(FileFault):
        opened(tmp_path / "f", "recording/c2", "any")


def test_a_plain_file_put_where_a_sealed_one_was_is_not_served(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"RIFF forged")
    with pytest.raises(FileFault, match="f is not sealed"):
        opened(tmp_path / "f", CONTEXT, vault.installed().current)


def test_what_fails_half_way_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"older")
    with pytest.raises(OSError, match="full"), writing(tmp_path / "f", CONTEXT) as out:
        out.write(bytes(200_000))
        raise OSError("the disk is full")
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["f"]
    assert (tmp_path / "f").read_bytes() == b"older"


def test_a_plain_file_is_read_as_it_is_and_sealed_in_its_place(tmp_path: Path) -> None:
    content = os.urandom(100_000)
    (tmp_path / "f").write_bytes(content)
    assert read(tmp_path / "f", 70_000, 70_010, key_id="") == content[70_000:70_010]
    done = rewrite(tmp_path / "f", CONTEXT, "")
    assert done.sha256 == hashlib.sha256(content).hexdigest()
    assert files.is_sealed(tmp_path / "f")
    assert read(tmp_path / "f") == content


def test_a_file_of_an_older_key_is_sealed_anew_and_one_of_this_key_left_alone(tmp_path: Path) -> None:
    was = seal(tmp_path / "f", b"sound").done
    stored = (tmp_path / "f").read_bytes()
    assert rewrite(tmp_path / "f", CONTEXT, was.key_id) == was
    assert (tmp_path / "f").read_bytes() == stored
    ring = vault.installed()
    ring.make(datetime(2020, 1, 1, tzinfo=UTC))
    newer = next(key for key in ring.ring() if key.id != was.key_id)
    ring._sealing = newer
    done = rewrite(tmp_path / "f", CONTEXT, was.key_id)
    assert done.key_id == newer.id
    source = opened(tmp_path / "f", CONTEXT, newer.id)
    assert isinstance(source, Sealed)
    assert b"".join(source.read(0, source.size)) == b"sound"
    source.close()
