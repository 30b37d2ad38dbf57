"""Audio files of any make turned into what Asterisk plays: 8 kHz, 16 bit, mono WAV."""

import io
from pathlib import Path

TELEPHONE_RATE = 8000
READABLE = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".au")
LONGEST_SECONDS = 600


class Unreadable(Exception):
    """The file cannot be played; the message names it and the remedy."""


def seconds(path: Path) -> float:
    """How long a file plays. Raises Unreadable."""
    import soundfile

    try:
        info = soundfile.info(path)
    except (soundfile.SoundFileError, OSError) as error:
        raise Unreadable(f"{path} is no readable audio; replace it with a WAV or FLAC file") from error
    if not 0 < info.frames <= LONGEST_SECONDS * info.samplerate:
        raise Unreadable(f"{path} is empty or longer than {LONGEST_SECONDS // 60} minutes; shorten it")
    return float(info.frames / info.samplerate)


def telephone_wav(path: Path) -> bytes:
    """The file as 8 kHz 16-bit mono WAV bytes; its level is left alone. Raises Unreadable."""
    import numpy as np
    import soundfile
    import soxr

    seconds(path)
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise Unreadable(f"{path} breaks off; replace it with a WAV or FLAC file") from error
    mono = samples.mean(axis=1)
    if rate != TELEPHONE_RATE:
        mono = soxr.resample(mono, rate, TELEPHONE_RATE, quality="VHQ")
    out = io.BytesIO()
    soundfile.write(out, np.clip(mono, -1, 1), TELEPHONE_RATE, format="WAV", subtype="PCM_16")
    return out.getvalue()


def put(target: Path, content: bytes) -> bool:
    """Write a file whole or not at all; True when it had to change."""
    if target.is_file() and target.read_bytes() == content:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_name(f".{target.name}.part")
    half.write_bytes(content)
    half.replace(target)
    return True
