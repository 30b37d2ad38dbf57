"""The WAV files that Asterisk writes, read whatever became of them, and joined to one stereo file.

Asterisk fills in a file's length when it closes it: killed, it leaves zeros there, and a full disk
cuts a file short. So a length is believed only as far as the file bears it out. Everything streams.
"""

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from storage.files import writing

Samples = NDArray[np.int16]

SAMPLE_BYTES = 2
BLOCK_FRAMES = 65_536
PEAK_BUCKETS = 800
HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")  # RIFF, fmt and data in the plain order, 44 bytes
LONGEST_DATA_BYTES = 0xFFFF_FFFF - HEADER.size


class WavError(Exception):
    """Not a recording that can be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One voice: 16-bit mono PCM. `repaired`: its length fields did not tell the truth."""

    path: Path
    rate: int
    offset: int  # bytes before the first sample
    frames: int
    repaired: bool

    @property
    def seconds(self) -> float:
        return self.frames / self.rate

    def blocks(self) -> Iterator[Samples]:
        """The samples in blocks of BLOCK_FRAMES, the last one shorter."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            left = self.frames
            while left:
                block = np.frombuffer(file.read(min(left, BLOCK_FRAMES) * SAMPLE_BYTES), "<i2")
                if not len(block):
                    raise WavError(f"{self.path.name} grew shorter while it was read")
                left -= len(block)
                yield block

    def read(self, first: int, count: int) -> Samples:
        """The samples from frame `first` on: `count`, or as many as there are."""
        first = max(first, 0)
        with self.path.open("rb") as file:
            file.seek(self.offset + first * SAMPLE_BYTES)
            return np.frombuffer(file.read(max(min(count, self.frames - first), 0) * SAMPLE_BYTES), "<i2")


@dataclass(frozen=True, slots=True)
class Piece:
    """A voice to lay over the agent's: `leg` from its frame `first` on, at the recording's frame `at`."""

    leg: Leg
    first: int
    at: int


@dataclass(frozen=True, slots=True)
class Joined:
    """A finished stereo file. `peaks`: loudest sample of each of up to 800 slices, 0..1, per voice.

    `sha256` and `size_bytes` are of the WAV as it is heard, `key_id` is what it was sealed with.
    """

    sha256: str
    seconds: float
    size_bytes: int
    key_id: str
    peaks: dict[str, list[float]]


def read_leg(path: Path) -> Leg:
    """Find the samples of a leg, closed properly or not. Raises WavError, OSError."""
    size = path.stat().st_size
    with path.open("rb") as file:
        riff, _, wave = struct.unpack("<4sI4s", file.read(12).ljust(12, b"\0"))
        if (riff, wave) != (b"RIFF", b"WAVE"):
            raise WavError("no WAV header")
        rate = 0
        while True:
            chunk = file.read(8)
            if len(chunk) < 8:
                raise WavError("the file ends before its first sample")
            name, length = struct.unpack("<4sI", chunk)
            if name == b"data":
                break
            body = file.read(length + length % 2)
            if name == b"fmt ":
                rate = _rate(body)
        offset = file.tell()
        if not rate:
            raise WavError("no format is given before the samples")
        real = _data_bytes(file.fileno(), offset, length, size)
    frames = real // SAMPLE_BYTES
    return Leg(path, rate, offset, frames, repaired=length != real)


def _rate(body: bytes) -> int:
    if len(body) < 16:
        raise WavError("the format is cut short")
    kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", body[:16])
    if (kind, channels, bits) != (1, 1, 16) or not rate:
        raise WavError(f"not 16-bit mono PCM (format {kind}, {channels} channels, {bits} bits)")
    return int(rate)


def _data_bytes(descriptor: int, offset: int, declared: int, size: int) -> int:
    """How many bytes of samples there really are: as declared only where the file bears it out."""
    behind = offset + declared + declared % 2
    if declared and behind == size:
        return declared
    if declared and behind + 8 <= size:
        name, length = struct.unpack("<4sI", os.pread(descriptor, 8, behind))
        if name in (b"LIST", b"id3 ", b"fact", b"bext") and behind + 8 + length <= size:
            return declared
    return size - offset


def join(
    caller: Leg | None, agent: Leg | None, target: Path, context: str, pieces: Sequence[Piece] = ()
) -> Joined:
    """Write one stereo file, caller left and agent right, the shorter padded with silence; sealed.

    `pieces`, each laid over those before it, take the place of what stands in the right channel. `context` is
    what the file is, for storage/files.py.

    `target` is there whole, on the disk and under its name, or not at all. Raises WavError when the
    legs don't fit together, OSError when it cannot be written.
    """
    legs = [leg for leg in (caller, agent) if leg]
    rates = {leg.rate for leg in legs}
    if len(rates) != 1:
        raise WavError(f"the legs have different rates: {sorted(rates)}" if rates else "there is no leg")
    rate, frames = rates.pop(), max(leg.frames for leg in legs)
    data_bytes = frames * SAMPLE_BYTES * 2
    if data_bytes > LONGEST_DATA_BYTES:
        raise WavError("too long for a WAV file")
    peaks = np.zeros((2, min(PEAK_BUCKETS, frames)), np.int32)
    with writing(target, context) as out:
        out.write(_header(rate, channels=2, data_bytes=data_bytes))
        for start, block in _stereo(caller, agent, pieces, frames):
            out.write(block.tobytes())
            _raise_peaks(peaks, block, start, frames)
    left, right = (peaks / 32768).round(3).tolist()
    voices = {"caller": left, "agent": right}
    done = out.done
    return Joined(done.sha256, frames / rate, done.size_bytes, done.key_id, voices)


def _stereo(
    caller: Leg | None, agent: Leg | None, pieces: Sequence[Piece], frames: int
) -> Iterator[tuple[int, Samples]]:
    """First frame and samples, shape [n, 2], of block after block."""
    voices = [leg.blocks() if leg else iter(()) for leg in (caller, agent)]
    for start in range(0, frames, BLOCK_FRAMES):
        block = np.zeros((min(BLOCK_FRAMES, frames - start), 2), "<i2")
        for channel, voice in enumerate(voices):
            mono = next(voice, None)
            if mono is not None:
                block[: len(mono), channel] = mono
        for piece in pieces:
            _lay(piece, block[:, 1], start)
        yield start, block


def _lay(piece: Piece, right: Samples, start: int) -> None:
    """Put the piece into `right`, which begins at frame `start`, but for where nothing came from her phone.

    A-law has no zero, so a zero is Asterisk's own filling: there what the caller heard, music say, stays.
    """
    skipped = max(piece.at - start, 0)
    voice = piece.leg.read(piece.first + start + skipped - piece.at, len(right) - skipped)
    place = right[skipped : skipped + len(voice)]
    np.copyto(place, voice, where=voice != 0)


def _raise_peaks(peaks: NDArray[np.int32], block: Samples, start: int, frames: int) -> None:
    buckets = peaks.shape[1]
    where = (start + np.arange(len(block), dtype=np.int64)) * buckets // frames
    first = np.flatnonzero(np.concatenate(([True], where[1:] != where[:-1])))
    loudest = np.maximum.reduceat(np.abs(block.astype(np.int32)), first, axis=0)
    peaks[:, where[first]] = np.maximum(peaks[:, where[first]], loudest.T)


def _header(rate: int, channels: int, data_bytes: int) -> bytes:
    frame = channels * SAMPLE_BYTES
    return HEADER.pack(
        b"RIFF", HEADER.size - 8 + data_bytes, b"WAVE",
        b"fmt ", 16, 1, channels, rate, rate * frame, frame, SAMPLE_BYTES * 8,
        b"data", data_bytes,
    )  # fmt: skip
