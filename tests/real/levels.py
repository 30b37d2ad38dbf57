"""How loud a tone is in a recording, half second by half second."""

from hotline.lab import audio


def halves(samples: audio.Samples, hz: float) -> list[tuple[float, int]]:
    """The tone's level in each half second, dB, and the frame where that begins; a shorter sound is one."""
    half = audio.RATE // 2
    begins = range(0, max(1, len(samples) - half), half // 2)
    return [(audio.level_db(samples[at : at + half], hz), at) for at in begins]


def loudest(samples: audio.Samples, hz: float) -> float:
    """The tone's level in the half second where it is loudest, dB."""
    return max(halves(samples, hz))[0]


def loudest_at(samples: audio.Samples, hz: float) -> int:
    """The frame where that half second begins."""
    return max(halves(samples, hz))[1]
