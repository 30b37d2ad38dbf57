"""The bounded, ordered queue between the link's loop and the consumer thread.

When it is full everything in it is dropped and counted, and a snapshot asked for; until that comes,
more events would only be older news.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

Event = TypeVar("Event")
Picture = TypeVar("Picture")


@dataclass(frozen=True, slots=True)
class _Drawn(Generic[Picture]):
    picture: Picture


class Inbox(Generic[Event, Picture]):
    """Events in order; `hold` and `release` put a snapshot ahead of what happened while it was taken.

    Asterisk may deliver an event after a snapshot that already contains it, so the events held are
    replayed after the snapshot: they end in the same state.
    """

    def __init__(self, capacity: int, on_loss: Callable[[], None]) -> None:
        self.dropped = 0
        self._capacity = capacity
        self._on_loss = on_loss
        self._ready: deque[Event | _Drawn[Picture]] = deque()
        self._held: list[Event] | None = None
        self._losing = False
        self._closed = False
        self._changed = threading.Condition()

    def put(self, event: Event) -> None:
        with self._changed:
            if self._losing:
                self.dropped += 1
            elif len(self._ready) + len(self._held or ()) >= self._capacity:
                self._lose()
            elif self._held is not None:
                self._held.append(event)
            else:
                self._ready.append(event)
                self._changed.notify()

    def _lose(self) -> None:
        waiting = sum(not isinstance(item, _Drawn) for item in self._ready)
        self.dropped += waiting + len(self._held or ()) + 1
        self._ready.clear()
        self._held = None
        self._losing = True
        self._on_loss()

    def hold(self) -> None:
        """A snapshot is being taken: keep what comes for after it."""
        with self._changed:
            self._held = []
            self._losing = False

    def release(self, picture: Picture) -> None:
        """The snapshot, then what was held. If events were lost meanwhile another snapshot is under way."""
        with self._changed:
            self._ready.append(_Drawn(picture))
            self._ready.extend(self._held or ())
            self._held = None
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Event | Picture]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ready or self._closed)
                if self._closed:
                    return
                item = self._ready.popleft()
            yield item.picture if isinstance(item, _Drawn) else item
