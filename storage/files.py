"""Files that are sealed at rest and read at any place without opening the whole.

STREAM (Hoang, Reyhanitabar, Rogaway, Vizár, "Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance", CRYPTO 2015, section 7), much as Tink's AES-GCM-HKDF streaming does it: chunks of 64 KiB,
each AES-256-GCM under a key of the file's own, its number and "this is the last" in its nonce. So no chunk
can be changed, moved, left out or taken from another file, and none can be missing at the end.

A file: `HLF1` · key id (4 bytes) · salt (32) · nonce's beginning (7), then the chunks, each 16 bytes longer
than what it holds; the last may be shorter, and is empty only in an empty file. The key comes by HKDF from
the vault's, with the salt. Header and `context` (what the file is: "recording/<name>") are authenticated with
every chunk.
"""

import hashlib
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage.vault import installed
from storage.whole import sync_folder

MAGIC = b"HLF1"
CHUNK_BYTES = 64 * 1024
TAG_BYTES, SALT_BYTES, PREFIX_BYTES = 16, 32, 7
HEADER = struct.Struct(f">4s4s{SALT_BYTES}s{PREFIX_BYTES}s")
MOST_CHUNKS = 2**32  # the number has four bytes of the nonce


class FileFault(Exception):
    """A file that is not what was sealed; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Written:
    """A finished file. `sha256` and `size_bytes` are of the plain content, whatever key it lies under."""

    sha256: str
    size_bytes: int
    key_id: str


class Writer:
    """Seals what is written, chunk by chunk; made by `writing`."""

    def __init__(self, out: IO[bytes], context: str) -> None:
        salt, self._prefix = os.urandom(SALT_BYTES), os.urandom(PREFIX_BYTES)
        key = installed().key("files", salt=salt)
        self.key_id = key.id
        header = HEADER.pack(MAGIC, bytes.fromhex(key.id), salt, self._prefix)
        self._cipher, self._bound = AESGCM(key.secret), _bound(header, context)
        self._out, self._held, self._number, self._size = out, bytearray(), 0, 0
        self._digest = hashlib.sha256()
        out.write(header)

    def write(self, content: bytes | memoryview) -> None:
        """Raises OSError; FileFault when it becomes longer than can be numbered (256 TiB)."""
        self._digest.update(content)
        self._size += len(content)
        self._held += content
        whole = max(len(self._held) - 1, 0) // CHUNK_BYTES  # one byte at least is left for the last chunk
        for start in range(0, whole * CHUNK_BYTES, CHUNK_BYTES):
            self._seal(bytes(self._held[start : start + CHUNK_BYTES]), last=False)
        del self._held[: whole * CHUNK_BYTES]

    def finish(self) -> Written:
        self._seal(bytes(self._held), last=True)
        return Written(self._digest.hexdigest(), self._size, self.key_id)

    def _seal(self, content: bytes, *, last: bool) -> None:
        if self._number >= MOST_CHUNKS:
            raise FileFault("the file is too long to be sealed")
        nonce = _nonce(self._prefix, self._number, last=last)
        self._out.write(self._cipher.encrypt(nonce, content, self._bound))
        self._number += 1


class Writing:
    """A file under way: write to it; `done` is there behind the block."""

    def __init__(self, writer: Writer) -> None:
        self.write = writer.write
        self.done = Written("", 0, "")


@contextmanager
def writing(target: Path, context: str) -> Iterator[Writing]:
    """A new sealed file: whole, on the disk and under its name behind the block, or not there at all.

    Raises OSError when it cannot be written, VaultError without a key.
    """
    half = target.with_name(f".{target.name}.part")
    try:
        with open(half, "wb", opener=_private) as out:
            writer = Writer(out, context)
            under_way = Writing(writer)
            yield under_way
            under_way.done = writer.finish()
            out.flush()
            os.fsync(out.fileno())
        half.replace(target)
    finally:
        half.unlink(missing_ok=True)
    sync_folder(target.parent)


class Sealed:
    """A sealed file, open for reading; `size` is the plain content's. Not for several threads at once.

    Its end is proved before anything is read, so a file that was cut short never begins to play.
    """

    def __init__(self, file: Path, context: str) -> None:
        """Raises FileFault, OSError, VaultError."""
        self._name = file.name
        self._file = file.open("rb")
        try:
            header = self._file.read(HEADER.size)
            if len(header) < HEADER.size or header[: len(MAGIC)] != MAGIC:
                raise FileFault(f"{file.name} is not sealed")
            _, key_id, salt, self._prefix = HEADER.unpack(header)
            self.key_id = key_id.hex()
            self._cipher = AESGCM(installed().key("files", self.key_id, salt).secret)
            self._bound = _bound(header, context)
            body = os.fstat(self._file.fileno()).st_size - HEADER.size
            self._chunks = max(-(-body // (CHUNK_BYTES + TAG_BYTES)), 1)
            self.size = body - self._chunks * TAG_BYTES
            self._chunk(self._chunks - 1)
        except BaseException:
            self._file.close()
            raise

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """The plain bytes from `start` up to `stop` (or the end), a chunk's part at a time."""
        start, stop = max(start, 0), min(stop, self.size)
        while start < stop:
            number, within = divmod(start, CHUNK_BYTES)
            part = self._chunk(number)[within : within + stop - start]
            yield part
            start += len(part)

    def close(self) -> None:
        self._file.close()

    def _chunk(self, number: int) -> bytes:
        self._file.seek(HEADER.size + number * (CHUNK_BYTES + TAG_BYTES))
        nonce = _nonce(self._prefix, number, last=number == self._chunks - 1)
        try:
            return self._cipher.decrypt(nonce, self._file.read(CHUNK_BYTES + TAG_BYTES), self._bound)
        except (InvalidTag, ValueError):
            raise FileFault(
                f"{self._name} was changed, cut short or put in another's place: restore it from a backup"
            ) from None


class Plain:
    """A file of before there were keys, read in the same way."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("rb")
        self.size = os.fstat(self._file.fileno()).st_size

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        start, stop = max(start, 0), min(stop, self.size)
        self._file.seek(start)
        while start < stop and (part := self._file.read(min(CHUNK_BYTES, stop - start))):
            yield part
            start += len(part)

    def close(self) -> None:
        self._file.close()


def opened(file: Path, context: str, key_id: str) -> Sealed | Plain:
    """A file of the record. `key_id`: what its row says; '' is a plain one of older days.

    A row that names a key never gives a plain file, whatever lies there; a plain row gives a sealed one, for
    `rewrite` puts the file first. Raises FileFault, OSError, VaultError.
    """
    if key_id or is_sealed(file):
        return Sealed(file, context)
    return Plain(file)


def is_sealed(file: Path) -> bool:
    with file.open("rb") as beginning:
        return beginning.read(len(MAGIC)) == MAGIC


def content(source: Sealed | Plain) -> BytesIO:
    """The whole of it in memory, and the file closed: for what is short."""
    try:
        return BytesIO(b"".join(source.read(0, source.size)))
    finally:
        source.close()


def rewrite(file: Path, context: str, key_id: str) -> Written:
    """Seal a file anew with the current key, in its place; one that lies under it already is only read."""
    source = opened(file, context, key_id)
    try:
        if isinstance(source, Sealed) and source.key_id == installed().current:
            digest = hashlib.sha256()
            for part in source.read(0, source.size):
                digest.update(part)
            return Written(digest.hexdigest(), source.size, source.key_id)
        with writing(file, context) as out:
            for part in source.read(0, source.size):
                out.write(part)
        return out.done
    finally:
        source.close()


def _bound(header: bytes, context: str) -> bytes:
    return header + context.encode()


def _nonce(prefix: bytes, number: int, *, last: bool) -> bytes:
    return prefix + number.to_bytes(4) + bytes([last])


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
