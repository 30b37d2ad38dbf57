"""Framing: the messages don't depend on how the bytes are cut, and nothing grows without bound."""

import asyncio
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.ami_wire import LINE_LIMIT, MESSAGE_LIMIT, AmiGarbage, Message, Wire, request

GREETING = b"Asterisk Call Manager/11.0.0\r\n"
CHINESE = "Event: AgentCalled\r\nCallerIDName: 绵阳市涪城区王小姐𠮷\r\nQueue: hotline\r\n\r\n".encode()


def read(chunks: Iterable[bytes]) -> list[dict[str, object]]:
    """All messages of a connection whose bytes arrive in these chunks; garbage ends it, as one more entry."""
    wire, out = Wire(), []
    try:
        for chunk in chunks:
            out.extend(as_dict(message) for message in wire.feed(chunk))
    except AmiGarbage as fault:
        out.append({"garbage": str(fault)})
    return out


def as_dict(message: Message) -> dict[str, object]:
    return {**message, "content": message.content}


def test_a_character_split_between_two_reads_arrives_whole_wherever_it_is_split() -> None:
    whole = read([GREETING + CHINESE])
    assert whole[0]["CallerIDName"] == "绵阳市涪城区王小姐𠮷"
    for cut in range(len(GREETING + CHINESE)):
        data = GREETING + CHINESE
        assert read([data[:cut], data[cut:]]) == whole


def test_byte_by_byte_is_the_same_as_all_at_once() -> None:
    data = GREETING + CHINESE * 3
    assert read([data]) == read([bytes([b]) for b in data])
    assert len(read([data])) == 3


pieces = st.one_of(
    st.sampled_from(
        [
            b"\r\n",
            b"\r",
            b"\n",
            b"\r\n\r\n",
            b": ",
            b"Event: Hangup\r\n",
            b"Response: Success\r\n",
            b"Response: Follows\r\n",
            b"ActionID: 7\r\n",
            b"Variable: a=1\r\n",
            "名: 市长热线\r\n".encode(),
            b"\xe4\xb8",
            b"\xff",
            CHINESE,
        ]
    ),
    st.binary(max_size=12),
)


@given(st.lists(pieces, max_size=30), st.lists(st.integers(1, 40), max_size=60), st.booleans())
def test_messages_are_independent_of_how_bytes_are_chunked(
    parts: list[bytes], sizes: list[int], greeted: bool
) -> None:
    data = (GREETING if greeted else b"") + b"".join(parts)
    chunks, at = [], 0
    for size in sizes:
        chunks.append(data[at : at + size])
        at += size
    chunks.append(data[at:])
    assert read(chunks) == read([data])


@pytest.mark.parametrize("size", [MESSAGE_LIMIT - 1, MESSAGE_LIMIT, MESSAGE_LIMIT + 1])
def test_the_limit_of_a_message_is_the_same_in_one_piece_and_in_many(size: int) -> None:
    message = b"Event: X\r\nAppData: " + b"a" * (size - 19) + b"\r\n\r\n"
    data = GREETING + CHINESE + message
    many = read(data[i : i + 7919] for i in range(0, len(data), 7919))
    assert many == read([data])
    assert ("garbage" in many[-1]) == (size > MESSAGE_LIMIT)


def test_a_line_without_end_is_given_up() -> None:
    wire = Wire()
    list(wire.feed(GREETING))
    with pytest.raises(AmiGarbage, match="without an end"):
        for _ in range(MESSAGE_LIMIT // 4096 + 2):
            list(wire.feed(b"a" * 4096))


def test_a_peer_that_is_no_asterisk_is_told_by_its_greeting() -> None:
    with pytest.raises(AmiGarbage, match="not an Asterisk manager"):
        list(Wire().feed(b"HTTP/1.1 400 Bad Request\r\n"))
    with pytest.raises(AmiGarbage):
        list(Wire().feed(b"x" * 500))


def test_a_message_that_names_itself_twice_is_dropped() -> None:
    twice = b"Event: Hangup\r\nEvent: Shutdown\r\n\r\n"
    assert [m["Event"] for m in read([GREETING + twice + CHINESE])] == ["AgentCalled"]


@pytest.mark.parametrize("value", ["a\r\nAction: Originate", "a\nb", "a\rb", "a\0b"])
def test_a_line_break_in_a_value_is_refused_by_the_name_of_its_header(value: str) -> None:
    with pytest.raises(ValueError, match="AMI header MemberName"):
        request("QueueAdd", {"Queue": "hotline", "MemberName": value})
    with pytest.raises(ValueError, match="AMI header Variable"):
        request("Originate", {"Variable": ["A=1", f"B={value}"]})
    with pytest.raises(ValueError, match="AMI header Action"):
        request(value, {})


def test_a_header_name_that_could_break_the_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="header name"):
        request("Ping", {"Foo: 1\r\nBar": "x"})


def test_a_value_longer_than_asterisk_reads_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="AMI header Reason: longer"):
        request("QueuePause", {"Reason": "午" * LINE_LIMIT})


def test_every_character_that_fits_is_sent_as_it_is() -> None:
    async def sent() -> str:
        return str(request("QueuePause", {"Reason": "午饭 𠮷", "Variable": ["A=1", "B=2"]}))

    text = asyncio.run(sent())
    assert "Reason: 午饭 𠮷\r\n" in text
    assert "Variable: A=1\r\nVariable: B=2\r\n" in text
    assert text.endswith("\r\n\r\n")


def test_half_a_character_is_refused_by_the_name_of_its_header() -> None:
    with pytest.raises(ValueError, match="AMI header Reason: not valid text"):
        request("QueuePause", {"Reason": "\ud800"})
