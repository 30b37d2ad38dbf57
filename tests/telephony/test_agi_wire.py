"""The AGI wire format: headers, replies and quoting, whatever the peer sends."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from telephony.agi_wire import (
    MAX_COMMAND_BYTES,
    MAX_HEADER_LINES,
    MAX_LINE_BYTES,
    Header,
    Lines,
    Reply,
    Request,
    UnsafeArgument,
    WireError,
    command_line,
    parse_reply,
    quote,
)
from tests.telephony.fake_asterisk_agi import header


def undo(line: str) -> list[str]:
    """Asterisk's own parse_args, in Python."""
    words: list[str] = []
    quoted = escaped = False
    apart = True
    for char in line:
        if char == '"' and not escaped:
            quoted = not quoted
            if quoted and apart:
                words.append("")
                apart = False
        elif char in " \t" and not quoted and not escaped:
            apart = True
        elif char == "\\" and not escaped:
            escaped = True
            continue
        else:
            if apart:
                words.append("")
                apart = False
            words[-1] += char
        escaped = False
    return words


@given(st.binary(max_size=4000), st.lists(st.integers(1, 400), max_size=20))
@example(header(), [1] * 20)
@example(header().replace(b"\n", b"\r\n"), [7] * 20)
def test_a_header_reads_the_same_however_it_is_cut(data: bytes, cuts: list[int]) -> None:
    def read(chunks: list[bytes]) -> Request | str | None:
        reader = Header()
        try:
            for chunk in chunks:
                if found := reader.feed(chunk):
                    return found
        except WireError:
            return "refused"
        return None

    ends = [0]
    for cut in cuts:
        ends.append(min(len(data), ends[-1] + cut))
    chunks = [data[start:end] for start, end in zip(ends, [*ends[1:], len(data)], strict=True)]
    whole, pieces = read([data]), read(chunks)
    assert pieces == whole or whole == "refused"  # refused for what, in pieces, came after the header


def test_a_whole_header_is_a_request() -> None:
    request = Header().feed(header(args=("id-1", "linked-1", "962299", "0")))
    assert request is not None
    assert request.script == "inbound"
    assert request.args == ("id-1", "linked-1", "962299", "0")
    assert request.number == "13812345678"


@pytest.mark.parametrize(
    "name",
    [
        "Eve\nagi_arg_1: another-call",
        "Eve\nagi_network_script: other",
        "Eve\n\nagi_arg_1: another-call",
        "Eve\n\n200 result=49",
        "Eve\nSET VARIABLE HOTLINE_ROUTE hangup",
    ],
)
def test_a_newline_in_a_caller_name_is_refused(name: str) -> None:
    with pytest.raises(WireError):
        Header().feed(header(calleridname=name))


def test_control_characters_do_not_get_further_than_the_header() -> None:
    request = Header().feed(header(calleridname="a\x00b\x07c\u2028d"))
    assert request is not None
    assert request.env["agi_calleridname"] == "abcd"


def test_a_header_without_end_is_refused() -> None:
    reader = Header()
    with pytest.raises(WireError):
        for number in range(MAX_HEADER_LINES + 2):
            reader.feed(f"agi_x{number}: y\n".encode())


def test_a_line_without_end_is_refused() -> None:
    lines = Lines()
    lines.feed(b"x" * (MAX_LINE_BYTES + 1))
    with pytest.raises(WireError):
        lines.next()


@given(st.text(max_size=200))
def test_a_reply_is_parsed_or_refused_and_nothing_else(text: str) -> None:
    try:
        reply, _ = parse_reply(text)
    except WireError:
        return
    assert 0 <= reply.code <= 999


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("200 result=1", Reply(200, "1")),
        ("200 result=-1 endpos=0", Reply(200, "-1", "0")),
        ("200 result=1 (a (nested) value)", Reply(200, "1", "a (nested) value")),
        ("200 result=49 endpos=1234", Reply(200, "49", "1234")),
        ("510 Invalid or unknown command", Reply(510)),
        ("511 Command Not Permitted on a dead channel or intercept routine", Reply(511)),
    ],
)
def test_replies_asterisk_sends(line: str, reply: Reply) -> None:
    assert parse_reply(line) == (reply, False)


printable = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\u2028\u2029"), max_size=200
)


@given(st.lists(printable, max_size=4))
def test_asterisk_reads_quoted_arguments_as_they_were(values: list[str]) -> None:
    line = command_line("SET VARIABLE", *map(quote, values)).decode()
    assert line.count("\n") == 1
    assert line.endswith("\n")
    assert undo(line.rstrip("\n")) == ["SET", "VARIABLE", *values]


@given(st.lists(st.text(max_size=60), max_size=4))
def test_no_argument_ever_makes_a_second_word_or_a_second_command(values: list[str]) -> None:
    try:
        line = command_line("STREAM FILE", *values).decode()
    except UnsafeArgument:
        return
    assert not re.search(r"[\x00-\x1f]", line[:-1])
    assert len(undo(line[:-1])) <= 2 + len(values)


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\x00b", "\x7f", "a\u2028b"])
def test_control_characters_are_refused_with_a_remedy(value: str) -> None:
    with pytest.raises(UnsafeArgument, match="remove them"):
        quote(value)


@pytest.mark.parametrize("value", ['x" "y', "x y", 'x"', '"x', '"x\\"'])
def test_an_unquoted_argument_must_be_one_plain_word(value: str) -> None:
    with pytest.raises(UnsafeArgument):
        command_line("STREAM FILE", value)


def test_a_command_longer_than_asterisk_reads_is_refused() -> None:
    with pytest.raises(UnsafeArgument):
        command_line("SET VARIABLE", quote("x"), quote("字" * MAX_COMMAND_BYTES))
