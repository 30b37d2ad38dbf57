"""One end of an RTP stream: says a sound and key presses, keeps those it hears. No signalling here."""

import secrets
import socket
import struct
import threading
import time
from bisect import bisect_left, bisect_right
from operator import itemgetter

import numpy as np

from hotline.lab import audio
from hotline.lab.audio import FRAME

KEYS = "0123456789*#"
EVENTS = {key: number for number, key in enumerate(KEYS)}
EVENT_TYPE = 101
EVENT_FRAMES = 8
_AT = itemgetter(0)


class Media:
    """Sends 20 ms A-law frames to `peer` once it is known, until silenced or closed."""

    def __init__(self, address: str, hz: float = 0.0) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.address, self.port = self.socket.getsockname()
        self.peer: tuple[str, int] | None = None
        self.say(hz)
        self.sending = True
        self.muted = False  # dead as a crashed phone is: neither sends nor listens
        self._digits: list[str] = []
        self._heard: list[tuple[float, bytes]] = []  # in order; asked about its end, some 20 times a second
        self._keys: dict[bytes, str] = {}  # RTP time of the press → key
        self.sequence = secrets.randbelow(30000)  # the RTP number that the next packet bears
        self._open = True
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def say(self, hz: float) -> None:
        self.play(audio.tone(hz, 1.0))

    def play(self, samples: audio.Samples) -> None:
        """Say this from now on, again and again."""
        self._said = audio.encode(np.pad(samples, (0, -len(samples) % FRAME)))

    def press(self, keys: str) -> None:
        """Send keys as RFC 4733 events, one after another."""
        self._digits += list(keys)

    @property
    def pressed(self) -> bool:
        """Every key asked for has been sent."""
        return not self._digits

    @property
    def keys(self) -> str:
        """The keys that the other side pressed, as RFC 4733 events told their end."""
        return "".join(self._keys.values())

    def heard(self, since: float = 0.0, until: float = float("inf")) -> audio.Samples:
        """What arrived, from `since` to `until` (time.monotonic())."""
        begin = bisect_left(self._heard, since, key=_AT)
        end = bisect_right(self._heard, until, key=_AT)
        return audio.decode(b"".join(packet for _, packet in self._heard[begin:end]))

    def moment(self, since: float, sample: int) -> float:
        """When a sample of `heard(since)` arrived (time.monotonic())."""
        first = bisect_left(self._heard, since, key=_AT)
        return self._heard[min(first + sample // FRAME, len(self._heard) - 1)][0]

    def last(self, seconds: float) -> audio.Samples:
        return self.heard(time.monotonic() - seconds)

    def hears(self, hz: float, seconds: float = 0.5, above_db: float = -30.0) -> bool:
        """The tone is in the last `seconds`, and there is enough of them to tell."""
        sound = self.last(seconds)
        return len(sound) > seconds * audio.RATE * 0.6 and audio.level_db(sound, hz) > above_db

    def close(self) -> None:
        self._open = False
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        stamp, source = secrets.randbits(30), secrets.randbits(32)
        due, offset, event_frame = time.monotonic(), 0, 0
        while self._open:
            self._listen(due)
            due = max(due + 0.02, time.monotonic() - 0.1)
            stamp = (stamp + FRAME) & 0xFFFFFFFF
            payload, kind, marker, at = self._said[offset : offset + FRAME], 8, 0, stamp
            offset += FRAME
            if not payload:
                payload, offset = self._said[:FRAME], FRAME
            if self._digits:
                number, ends = EVENTS[self._digits[0]], event_frame >= EVENT_FRAMES
                at = (stamp - event_frame * FRAME) & 0xFFFFFFFF
                payload = struct.pack("!BBH", number, 10 | (0x80 if ends else 0), (event_frame + 1) * FRAME)
                kind, marker = EVENT_TYPE, 0x80 if event_frame == 0 else 0
                event_frame += 1
                if event_frame == EVENT_FRAMES + 3:  # the end is said three times
                    event_frame = 0
                    self._digits.pop(0)
            if self.peer and self.sending and not self.muted:
                header = struct.pack("!BBHII", 0x80, kind | marker, self.sequence, at, source)
                self.socket.sendto(header + payload, self.peer)
                self.sequence = (self.sequence + 1) & 0xFFFF
        self.socket.close()

    def _listen(self, until: float) -> None:
        while (left := until - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                packet = self.socket.recv(2048)
            except TimeoutError:
                return
            kind = packet[1] & 0x7F if len(packet) > 13 and not self.muted else None
            if kind == 8:
                self._heard.append((time.monotonic(), packet[12:]))
            elif kind == EVENT_TYPE and packet[13] & 0x80:  # the end of a press, said three times
                self._keys[packet[4:8]] = KEYS[packet[12]]


def sdp(media: Media, direction: str = "sendrecv", version: int = 1) -> str:
    """An offer or answer: A-law and key presses on this media's socket."""
    return (
        f"v=0\r\no=- 1 {version} IN IP4 {media.address}\r\ns=-\r\nc=IN IP4 {media.address}\r\nt=0 0\r\n"
        f"m=audio {media.port} RTP/AVP 8 {EVENT_TYPE}\r\na=rtpmap:8 PCMA/8000\r\n"
        f"a=rtpmap:{EVENT_TYPE} telephone-event/8000\r\na=fmtp:{EVENT_TYPE} 0-15\r\na=ptime:20\r\n"
        f"a={direction}\r\n"
    )


def peer_of(text: str) -> tuple[str, int] | None:
    """Where the other side's SDP wants its media."""
    address, port = None, None
    for line in text.splitlines():
        if line.startswith("c=IN IP4 "):
            address = line.split()[2]
        if line.startswith("m=audio "):
            port = int(line.split()[1])
    return (address, port) if address and port else None
