"""The queue between the link and its consumer: order, the place of a snapshot, and what loss costs."""

from hypothesis import given
from hypothesis import strategies as st

from telephony.ami_inbox import Inbox


class Reader:
    """Plays both sides: `losses` counts how often a snapshot was asked for."""

    def __init__(self, capacity: int) -> None:
        self.losses = 0
        self.inbox: Inbox[int, str] = Inbox(capacity, self.lost)
        self.items = iter(self.inbox)

    def lost(self) -> None:
        self.losses += 1

    def put(self, *events: int) -> None:
        for event in events:
            self.inbox.put(event)

    def read(self, count: int) -> list[int | str]:
        return [next(self.items) for _ in range(count)]


def test_events_come_out_in_order() -> None:
    reader = Reader(10)
    reader.put(1, 2, 3)
    assert reader.read(3) == [1, 2, 3]


def test_what_came_while_a_snapshot_was_taken_follows_it() -> None:
    reader = Reader(10)
    reader.put(1)
    reader.inbox.hold()
    reader.put(2, 3)
    reader.inbox.release("snapshot")
    reader.put(4)
    assert reader.read(5) == [1, "snapshot", 2, 3, 4]


def test_an_overflow_drops_all_that_waits_counts_it_and_asks_once_for_a_snapshot() -> None:
    reader = Reader(3)
    reader.put(1, 2, 3, 4, 5, 6)
    assert (reader.inbox.dropped, reader.losses) == (6, 1)
    reader.inbox.hold()
    reader.put(7)
    reader.inbox.release("snapshot")
    assert reader.read(2) == ["snapshot", 7]


def test_an_overflow_while_a_snapshot_is_taken_asks_for_another() -> None:
    reader = Reader(2)
    reader.inbox.hold()
    reader.put(1, 2, 3)
    reader.inbox.release("stale")
    reader.put(4)
    assert (reader.inbox.dropped, reader.losses) == (4, 1)
    reader.inbox.hold()
    reader.put(5)
    reader.inbox.release("fresh")
    assert reader.read(3) == ["stale", "fresh", 5]


def test_a_closed_inbox_ends_its_reader() -> None:
    reader = Reader(2)
    reader.put(1)
    reader.inbox.close()
    assert list(reader.items) == []


@given(st.lists(st.sampled_from(["put", "hold", "release", "read"]), max_size=200), st.integers(1, 5))
def test_every_event_is_read_once_in_order_or_counted_or_older_than_a_snapshot(
    acts: list[str], size: int
) -> None:
    reader, put, read, held = Reader(size), 0, [], False
    for act in acts:
        if act == "put":
            reader.put(put)
            put += 1
        elif act == "hold" and not held:
            reader.inbox.hold()
            held = True
        elif act == "release" and held:
            reader.inbox.release("snapshot")
            held = False
        elif act == "read" and reader.inbox._ready:
            read += [item for item in reader.read(1) if isinstance(item, int)]
    if held:
        reader.inbox.release("snapshot")
    while reader.inbox._ready:
        read += [item for item in reader.read(1) if isinstance(item, int)]
    assert read == sorted(set(read))
    assert len(read) + reader.inbox.dropped == put
