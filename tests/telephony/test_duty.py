"""Acts on an agent's place in the queues: what is sent, and that repeating it harms nothing."""

from collections.abc import Iterator

import pytest

from telephony import duty
from telephony.ami import AmiDown, AmiLink, AmiRefused
from tests.telephony.fake_asterisk_ami import FakeAsterisk, Headers, Session, block, fake_asterisk, until

WANG = "e0000000a"


@pytest.fixture
def asterisk() -> Iterator[FakeAsterisk]:
    with fake_asterisk() as server:
        yield server


@pytest.fixture
def link(asterisk: FakeAsterisk) -> Iterator[AmiLink]:
    link = AmiLink("127.0.0.1", asterisk.port, "hotline", "right", watch=False)
    link.start()
    until(lambda: link.connected)
    yield link
    link.stop()


def sent(asterisk: FakeAsterisk) -> list[Headers]:
    """What came after the log-in, without ids."""
    return [
        {k: v for k, v in h.items() if k != "ActionID"} for h in asterisk.received if h["Action"] != "Login"
    ]


def refuse(words: str) -> object:
    def answer(session: Session, headers: Headers) -> bytes:
        return block(Response="Error", ActionID=headers["ActionID"], Message=words)

    return answer


def test_ready_joins_every_queue_under_her_number_and_lifts_an_old_pause(
    asterisk: FakeAsterisk, link: AmiLink
) -> None:
    duty.wish(link, WANG, 7, ["main", "second"], "ready", "", "away")
    first, second, third = sent(asterisk)
    assert first == {
        "Action": "QueueAdd",
        "Queue": "main",
        "Interface": f"PJSIP/{WANG}",
        "StateInterface": f"PJSIP/{WANG}",
        "MemberName": "7",
        "Paused": "false",
    }
    assert second["Queue"] == "second"
    assert third == {"Action": "QueuePause", "Interface": f"PJSIP/{WANG}", "Paused": "false"}


def test_paused_joins_paused_with_her_reason(asterisk: FakeAsterisk, link: AmiLink) -> None:
    duty.wish(link, WANG, 7, ["main"], "paused", "meal", "idle")
    assert [(h["Action"], h["Paused"], h["Reason"]) for h in sent(asterisk)] == [
        ("QueueAdd", "true", "meal"),
        ("QueuePause", "true", "meal"),
    ]


@pytest.mark.parametrize("live", ["talking", "wrapup"])
@pytest.mark.parametrize(("wanted", "reason"), [("ready", ""), ("paused", "meal")])
def test_nothing_said_during_a_call_or_its_wrap_up_touches_the_wrap_up_pause(
    asterisk: FakeAsterisk, link: AmiLink, live: str, wanted: str, reason: str
) -> None:
    duty.wish(link, WANG, 7, ["main"], wanted, reason, live)
    assert asterisk.counted()["QueuePause"] == 0


def test_the_end_of_wrap_up_is_available_or_the_pause_she_asked_for(
    asterisk: FakeAsterisk, link: AmiLink
) -> None:
    duty.end_wrapup(link, WANG, "ready", "")
    duty.end_wrapup(link, WANG, "paused", "rest")
    assert [(h["Paused"], h.get("Reason")) for h in sent(asterisk)] == [("false", None), ("true", "rest")]


def test_off_leaves_every_queue(asterisk: FakeAsterisk, link: AmiLink) -> None:
    duty.wish(link, WANG, 7, ["main", "second"], "off", "", "idle")
    assert [(h["Action"], h["Queue"]) for h in sent(asterisk)] == [
        ("QueueRemove", "main"),
        ("QueueRemove", "second"),
    ]


def test_what_is_so_already_is_no_fault(asterisk: FakeAsterisk, link: AmiLink) -> None:
    asterisk.answers["QueueAdd"] = refuse("Unable to add interface: Already there")
    asterisk.answers["QueueRemove"] = refuse("Unable to remove interface: Not there")
    asterisk.answers["QueuePause"] = refuse("Interface not found")
    duty.wish(link, WANG, 7, ["main"], "ready", "", "idle")
    duty.wish(link, WANG, 7, ["main"], "off", "", "idle")


def test_an_unknown_queue_is_told_in_asterisks_words(asterisk: FakeAsterisk, link: AmiLink) -> None:
    asterisk.answers["QueueAdd"] = refuse("Unable to add interface to queue: No such queue")
    with pytest.raises(AmiRefused, match="No such queue"):
        duty.enter(link, WANG, 7, ["nowhere"])


def test_without_a_link_the_act_says_so() -> None:
    link = AmiLink("127.0.0.1", 1, "hotline", "right", watch=False)
    with pytest.raises(AmiDown, match="cannot be reached"):
        duty.wish(link, WANG, 7, ["main"], "ready", "", "away")
