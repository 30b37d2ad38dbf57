"""The AMI link against a TCP server that plays Asterisk, well and badly."""

import threading
from collections.abc import Callable, Iterator

import pytest
from structlog.testing import capture_logs

from telephony.ami import (
    AmiDown,
    AmiLink,
    AmiRefused,
    AmiTimeout,
    Message,
    Patience,
    Snapshot,
)
from tests.telephony.fake_asterisk_ami import FakeAsterisk, Headers, Session, block, fake_asterisk, until

QUICK = Patience(
    connect=2, ping=0.1, mute=0.4, snapshot=5, retry_first=0.02, retry_most=0.2, retry_refused=0.3
)


@pytest.fixture
def asterisk() -> Iterator[FakeAsterisk]:
    with fake_asterisk() as server:
        yield server


class Watcher:
    """Collects what the consumer thread is told."""

    def __init__(self, link: AmiLink) -> None:
        self.items: list[Message | Snapshot] = []
        link.subscribe(self.items.append)
        link.on_snapshot(self.items.append)

    @property
    def snapshots(self) -> list[Snapshot]:
        return [item for item in self.items if isinstance(item, Snapshot)]

    def numbers(self) -> list[int]:
        return [int(item["N"]) for item in self.items if isinstance(item, Message) and "N" in item]


@pytest.fixture
def started(asterisk: FakeAsterisk) -> Iterator[Callable[..., tuple[AmiLink, Watcher]]]:
    links: list[AmiLink] = []

    def start(secret: str = "right", patience: Patience = QUICK, **more: object) -> tuple[AmiLink, Watcher]:
        link = AmiLink("127.0.0.1", asterisk.port, "hotline", secret, patience=patience, **more)  # type: ignore[arg-type]
        watcher = Watcher(link)
        links.append(link)
        link.start()
        return link, watcher

    yield start
    for link in links:
        link.stop()


Start = Callable[..., tuple[AmiLink, Watcher]]


def test_after_log_in_a_snapshot_comes_first_and_events_follow_in_order(
    asterisk: FakeAsterisk, started: Start
) -> None:
    asterisk.members = [{"Queue": "hotline", "Name": "7", "StateInterface": "PJSIP/e0000000a"}]
    link, watcher = started()
    until(lambda: watcher.snapshots)
    assert link.connected
    assert watcher.snapshots[0].queues[0]["Name"] == "7"
    asterisk.send(b"".join(block(Event="Newstate", N=str(n)) for n in range(100)))
    until(lambda: len(watcher.numbers()) == 100)
    assert watcher.numbers() == list(range(100))


def test_events_that_arrive_while_a_snapshot_is_taken_are_told_after_it(
    asterisk: FakeAsterisk, started: Start
) -> None:
    def late(session: Session, headers: Headers) -> bytes:
        event = block(Event="Newstate", N="1")
        return event + session._queuestatus(headers) + block(Event="Newstate", N="2")

    asterisk.answers["QueueStatus"] = late
    _, watcher = started()
    until(lambda: len(watcher.numbers()) == 2)
    assert isinstance(watcher.items[0], Snapshot)
    assert watcher.numbers() == [1, 2]


def test_a_wrong_secret_is_one_clear_log_line_and_slow_retries(
    asterisk: FakeAsterisk, started: Start
) -> None:
    with capture_logs() as logs:
        link, _ = started(secret="wrong")
        until(lambda: asterisk.counted()["Login"] >= 3)
    lost = [entry for entry in logs if entry["event"] == "ami.lost"]
    assert len(lost) == 1
    assert "Authentication failed" in lost[0]["fault"]
    assert "manager.conf" in lost[0]["remedy"]
    assert not link.connected
    with pytest.raises(AmiDown):
        link.action("Ping")


def test_a_mute_peer_is_noticed_and_left_for_a_new_connection(asterisk: FakeAsterisk, started: Start) -> None:
    link, watcher = started()
    until(lambda: watcher.snapshots)
    asterisk.mute = True
    until(lambda: len(asterisk.sessions) > 1)
    asterisk.mute = False
    until(lambda: link.connected and len(watcher.snapshots) >= 2)


def test_a_peer_that_never_greets_is_left(started: Start, asterisk: FakeAsterisk) -> None:
    asterisk.greeting = b""
    _, watcher = started(patience=Patience(connect=0.2, retry_first=0.01, retry_most=0.1))
    until(lambda: len(asterisk.sessions) > 1)
    asterisk.greeting = b"Asterisk Call Manager/11.0.0\r\n"
    until(lambda: watcher.snapshots)


def test_a_link_cut_in_mid_event_comes_back_with_a_snapshot_and_no_half_event(
    asterisk: FakeAsterisk, started: Start
) -> None:
    link, watcher = started()
    until(lambda: watcher.snapshots)
    asterisk.send(block(Event="Newstate", N="1") + b"Event: Newstate\r\nN: 2")
    until(lambda: watcher.numbers() == [1])
    asterisk.cut()
    until(lambda: len(watcher.snapshots) == 2)
    asterisk.send(block(Event="Newstate", N="3"))
    until(lambda: watcher.numbers() == [1, 3])
    assert link.figures.logins == 2


def test_an_unanswered_originate_is_never_sent_again(asterisk: FakeAsterisk, started: Start) -> None:
    def die(session: Session, headers: Headers) -> None:
        session.close()

    asterisk.answers["Originate"] = die
    link, watcher = started()
    until(lambda: watcher.snapshots)
    with pytest.raises(AmiDown) as fault:
        link.action("Originate", Channel="PJSIP/e0000000a", Context="hotline-barge", Exten="s", Priority=1)
    assert fault.value.sent
    until(lambda: len(watcher.snapshots) >= 2)
    link.action("Ping")
    assert asterisk.counted()["Originate"] == 1


def test_an_action_without_answer_times_out_and_is_not_repeated(
    asterisk: FakeAsterisk, started: Start
) -> None:
    asterisk.answers["QueuePause"] = lambda session, headers: None
    link, watcher = started()
    until(lambda: watcher.snapshots)
    with pytest.raises(AmiTimeout, match="QueuePause"):
        link.action("QueuePause", timeout=0.1, Interface="PJSIP/e0000000a", Paused=True)
    asterisk.cut()
    until(lambda: len(watcher.snapshots) >= 2)
    assert asterisk.counted()["QueuePause"] == 1


def test_an_answer_worded_added_to_queue_is_complete_at_once(asterisk: FakeAsterisk, started: Start) -> None:
    asterisk.answers["QueueAdd"] = lambda session, headers: block(
        Response="Success", ActionID=headers["ActionID"], Message="Added interface to queue"
    )
    link, _ = started()
    until(lambda: link.connected)
    assert link.action("QueueAdd", Queue="hotline", Interface="PJSIP/e0000000a")[0].success


def test_what_asterisk_refuses_is_told_in_its_own_words(asterisk: FakeAsterisk, started: Start) -> None:
    asterisk.answers["QueueAdd"] = lambda session, headers: block(
        Response="Error",
        ActionID=headers["ActionID"],
        Message="Unable to add interface to queue: No such queue",
    )
    link, _ = started()
    until(lambda: link.connected)
    with pytest.raises(AmiRefused, match="No such queue"):
        link.action("QueueAdd", Queue="nowhere", Interface="PJSIP/e0000000a")


def test_an_injected_line_break_never_reaches_the_wire(asterisk: FakeAsterisk, started: Start) -> None:
    link, _ = started()
    until(lambda: link.connected)
    with pytest.raises(ValueError, match="AMI header Reason"):
        link.action("QueuePause", Interface="PJSIP/e0000000a", Reason="x\r\n\r\nAction: Originate")
    link.action("Ping")
    assert not asterisk.counted()["QueuePause"]
    assert not asterisk.counted()["Originate"]


def test_a_failing_subscriber_costs_neither_the_link_nor_the_others(
    asterisk: FakeAsterisk, started: Start
) -> None:
    link, watcher = started()
    link.subscribe(lambda event: 1 // 0)
    until(lambda: watcher.snapshots)
    with capture_logs():
        asterisk.send(block(Event="Newstate", N="1") + block(Event="Newstate", N="2"))
        until(lambda: watcher.numbers() == [1, 2])
    assert link.connected
    assert link.figures.logins == 1


def test_a_burst_of_fifty_thousand_events_is_delivered_or_counted_and_then_repaired(
    asterisk: FakeAsterisk, started: Start
) -> None:
    link, watcher = started(capacity=1000, patience=Patience(retry_first=0.05))
    slow = threading.Event()
    link.subscribe(lambda event: slow.wait())  # the consumer stands still until the burst is in
    until(lambda: watcher.snapshots)
    asterisk.send(b"".join(block(Event="Newstate", N=str(n)) for n in range(50_000)))
    until(lambda: link.dropped)
    asterisk.members = [{"Queue": "hotline", "Name": "7", "StateInterface": "PJSIP/e0000000a"}]
    slow.set()
    until(lambda: len(watcher.numbers()) + link.dropped == 50_000)
    assert watcher.numbers() == sorted(watcher.numbers())
    until(lambda: watcher.snapshots[-1].queues[0].get("Name") == "7")
    assert link.connected
    assert link.figures.logins == 1


def test_a_burst_that_fits_is_delivered_whole(asterisk: FakeAsterisk, started: Start) -> None:
    link, watcher = started(capacity=60_000, patience=Patience())
    until(lambda: watcher.snapshots)
    asterisk.send(b"".join(block(Event="Newstate", N=str(n)) for n in range(50_000)))
    until(lambda: len(watcher.numbers()) == 50_000)
    assert watcher.numbers() == list(range(50_000))
    assert link.dropped == 0


def test_an_endless_line_is_cut_off_and_the_link_comes_back(asterisk: FakeAsterisk, started: Start) -> None:
    link, watcher = started()
    until(lambda: watcher.snapshots)
    with pytest.raises(OSError):
        for _ in range(1000):
            asterisk.sessions[0].send(b"a" * 65536)
    until(lambda: len(watcher.snapshots) >= 2)
    assert link.figures.faults.get("AmiGarbage") == 1


def test_an_endless_reply_is_cut_off(
    asterisk: FakeAsterisk, started: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telephony.ami_wire.REPLY_LIMIT", 50)
    link, watcher = started()
    until(lambda: watcher.snapshots)
    asterisk.members = [{"Queue": str(n)} for n in range(60)]
    with pytest.raises(AmiDown, match="reply of more than 50"):
        link.action("QueueStatus")


def test_a_link_for_acts_only_hears_nothing_and_takes_no_snapshot(
    asterisk: FakeAsterisk, started: Start
) -> None:
    link, watcher = started(watch=False)
    until(lambda: link.connected)
    asterisk.send(block(Event="Newstate", N="1"))
    link.action("Ping")
    assert watcher.items == []
    assert asterisk.received[0]["Events"] == "off"


def test_stopping_frees_whoever_waits_for_an_answer(asterisk: FakeAsterisk, started: Start) -> None:
    asterisk.answers["Originate"] = lambda session, headers: None
    link, _ = started()
    until(lambda: link.connected)
    told: list[Exception] = []

    def originate() -> None:
        try:
            link.action("Originate", timeout=60)
        except AmiDown as fault:
            told.append(fault)

    waiting = threading.Thread(target=originate)
    waiting.start()
    until(lambda: asterisk.counted()["Originate"])
    link.stop()
    waiting.join(10)
    assert told
    with pytest.raises(AmiDown):
        link.action("Ping")
