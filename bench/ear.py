"""A caller who notes when each packet of sound was sent to her, by the kernel's clock."""

import select
import socket
import struct
import time
from itertools import pairwise

from hotline.lab.media import Media
from tests.real.phone import Phone

FRAME_SECONDS = 0.02
LATE_SECONDS = 0.04  # after the packet before it: one frame's grace, which a phone's buffer bridges

# Linux; the socket module does not name it.
SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("qq")


class Ear(Media):
    """On loopback a packet's time of arrival is the time at which Asterisk sent it."""

    def __init__(self, address: str, hz: float = 0.0) -> None:
        self.arrivals: list[float] = []  # seconds since the epoch
        super().__init__(address, hz)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def on_time(self, seconds: float) -> float:
        """The share of the packets due in the last `seconds` that came, and came in time."""
        now = time.time()
        lately = [at for at in self.arrivals[-round(2 * seconds / FRAME_SECONDS) :] if at > now - seconds]
        good = sum(later - at <= LATE_SECONDS for at, later in pairwise(lately))
        return min(1.0, (good + 1) / (seconds / FRAME_SECONDS - 1))

    def _listen(self, until: float) -> None:
        while (left := until - time.monotonic()) > 0:
            if not select.select([self.socket], [], [], left)[0]:
                return
            packet, notes, _, _ = self.socket.recvmsg(2048, 64)
            if len(packet) > 12 and notes:
                seconds, nanoseconds = _TIMESPEC.unpack(notes[0][2])
                self.arrivals.append(seconds + nanoseconds / 1e9)


class Listener(Phone):
    """A caller behind the trunk, with such ears."""

    ears = Ear
