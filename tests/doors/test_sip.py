"""What a guest's browser may say to Asterisk, and in whose words: doors/sip.py, message by message."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doors.sip import MOST_CANDIDATES, MOST_CHARACTERS, MOST_MESSAGES, GuestCall, Refused

NUMBERS = {"962299", "5530110"}
SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 8 101\r\na=sendrecv\r\n"


def call() -> GuestCall:
    return GuestCall(NUMBERS, "the-secret", "visit1")


def message(start: str, *headers: str, body: str = "") -> str:
    return "\r\n".join([start, *headers, f"Content-Length: {len(body)}", "", body])


def asked(
    method: str = "INVITE", uri: str = "sip:962299@hotline.invalid", cseq: str = "", **more: str
) -> str:
    """As JsSIP writes it; `more` replaces a header (Call_ID="x") or adds one, and gives the body."""
    headers = {
        "Via": "SIP/2.0/WS k3f9.invalid;branch=z9hG4bK77",
        "Max-Forwards": "69",
        "To": "<sip:962299@hotline.invalid>",
        "From": "<sip:guest@hotline.invalid>;tag=mine",
        "Call-ID": "abc123",
        "CSeq": cseq or f"7 {method}",
        "Contact": "<sip:p2q@k3f9.invalid;transport=ws;ob>",
        "Content-Type": "application/sdp",
        "Supported": "outbound",
        "User-Agent": "JsSIP 3.13.8",
    }
    body = more.pop("body", SDP if method == "INVITE" else "")
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    lines = [f"{name}: {value}" for name, value in headers.items() if value]
    return message(f"{method} {uri} SIP/2.0", *lines, body=body)


def said(status: str, method: str = "INVITE", cseq: int = 7) -> str:
    return message(
        f"SIP/2.0 {status}",
        "Via: SIP/2.0/WS k3f9.invalid;rport=4;received=127.0.0.1;branch=z9hG4bK77",
        "Call-ID: abc123",
        "From: <sip:guest@hotline.invalid>;tag=mine",
        "To: <sip:962299@hotline.invalid>;tag=theirs",
        f"CSeq: {cseq} {method}",
        "Contact: <sip:127.0.0.1:8088;transport=ws>",
    )


def taken() -> GuestCall:
    """A call that Asterisk has answered."""
    one = call()
    one.from_guest(asked())
    one.from_asterisk(said("200 OK"))
    return one


def test_a_call_is_passed_on_in_our_words() -> None:
    sent = call().from_guest(
        asked(P_Asserted_Identity="<sip:110@x>", X_Hotline_Call="stolen", Replaces="a;b")
    )
    assert sent is not None
    head, _, body = sent.partition("\r\n\r\n")
    assert body == SDP
    assert head.split("\r\n") == [
        "INVITE sip:962299@hotline.invalid SIP/2.0",
        "Via: SIP/2.0/WS k3f9.invalid;branch=z9hG4bK77",
        "Max-Forwards: 70",
        "From: <sip:guest@hotline.invalid>;tag=mine",
        "To: <sip:962299@hotline.invalid>",
        "Call-ID: abc123",
        "CSeq: 7 INVITE",
        "X-Hotline-Guest: the-secret",
        "Contact: <sip:p2q@k3f9.invalid;transport=ws>",
        "X-Hotline-Visit: visit1",
        "Content-Type: application/sdp",
        f"Content-Length: {len(SDP)}",
    ]


@pytest.mark.parametrize(
    "text",
    [
        asked(uri="sip:801@hotline.invalid"),
        asked(uri="sip:962299@10.0.0.1"),
        asked(uri="sip:962299;ext=801@hotline.invalid"),
        asked(uri="sip:962299@hotline.invalid;transport=udp"),
        asked(uri="tel:962299"),
        asked(uri="sip:962299@hotline.invalid@hotline.invalid"),
        asked(From="<sip:guest@hotline.invalid>"),
        asked(From="<sip:a@b>;tag=x y"),
        asked(Call_ID="two words"),
        asked(Call_ID=""),
        asked(Via="SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK77"),
        asked(Via="SIP/2.0/WS 10.0.0.1;branch=z9hG4bK77"),
        asked(Via="SIP/2.0/WS a.invalid;branch=z9hG4bK7, SIP/2.0/WS b.invalid;branch=z9hG4bK8"),
        asked(v="SIP/2.0/WS b.invalid;branch=z9hG4bK8"),
        asked(Contact="<sip:p2q@10.0.0.1>"),
        asked(cseq="7 BYE"),
        asked(cseq="9999999999 INVITE"),
        asked(Content_Type="multipart/mixed"),
        asked(body=""),
        asked(body=SDP + "m=video 9 RTP/AVP 96\r\n"),
        asked(body=SDP.replace("m=audio", "m=application")),
        asked(body=SDP + "a=candidate:1 1 udp 1 10.0.0.1 1 typ host\r\n" * (MOST_CANDIDATES + 1)),
        asked(body=SDP + "a=x\x00\r\n"),
        asked(body=SDP + "no line of a session description\r\n"),
        asked(body=SDP + "a=x" + "x" * MOST_CHARACTERS + "\r\n"),
        asked(Subject="folded\r\n line"),
        asked(Subject="\x01"),
        asked().replace("\r\n", "\n"),
        asked().replace("SIP/2.0\r\n", "SIP/2.0 \r\n", 1),
        asked("REGISTER", uri="sip:hotline.invalid"),
        *(
            asked(method)
            for method in (
                "ACK", "BYE", "CANCEL", "REGISTER", "REFER", "MESSAGE", "SUBSCRIBE", "PUBLISH", "OPTIONS",
                "NOTIFY", "INFO", "UPDATE", "PRACK", "invite",
            )
        ),
        "",
        "\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)  # fmt: skip
def test_what_does_not_begin_a_call_is_refused(text: str) -> None:
    one = call()
    with pytest.raises(Refused):
        one.from_guest(text)
    assert not one.begun
    assert one.farewell() is None


@pytest.mark.parametrize(
    "text",
    [
        asked(Call_ID="another", cseq="8 INVITE"),
        asked(cseq="8 INVITE", To="<sip:962299@hotline.invalid>;tag=theirs"),
        asked("BYE", Call_ID="another", cseq="8 BYE"),
        asked("BYE"),
        asked("ACK", cseq="8 ACK"),
        asked("CANCEL"),
        *(
            asked(method, cseq=f"8 {method}")
            for method in (
                "REGISTER", "REFER", "MESSAGE", "SUBSCRIBE", "PUBLISH", "OPTIONS", "NOTIFY", "INFO",
                "UPDATE", "PRACK",
            )
        ),
    ],
)  # fmt: skip
def test_what_does_not_belong_to_the_answered_call_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        taken().from_guest(text)


def test_an_answered_call_is_confirmed_and_hung_up_where_asterisk_said() -> None:
    one = taken()
    assert one.answered
    ack = one.from_guest(asked("ACK", uri="sip:anything@hotline.invalid"))
    assert ack is not None
    assert ack.startswith("ACK sip:127.0.0.1:8088;transport=ws SIP/2.0\r\n")
    assert "To: <sip:962299@hotline.invalid>;tag=theirs\r\n" in ack
    bye = one.from_guest(asked("BYE", cseq="8 BYE"))
    assert bye is not None
    assert bye.startswith("BYE sip:127.0.0.1:8088;transport=ws SIP/2.0\r\n")
    assert not one.over
    one.from_asterisk(said("200 OK", "BYE", 8))
    assert one.over
    assert one.farewell() is None


def test_a_call_can_be_cancelled_until_it_is_answered() -> None:
    one = call()
    one.from_guest(asked())
    cancel = one.from_guest(asked("CANCEL"))
    assert cancel is not None
    assert cancel.startswith("CANCEL sip:962299@hotline.invalid SIP/2.0\r\n")
    assert "tag=theirs" not in cancel


def test_a_refused_call_is_over() -> None:
    one = call()
    one.from_guest(asked())
    assert one.from_asterisk(said("100 Trying")) == (said("100 Trying"), None)
    assert not one.over
    one.from_asterisk(said("404 Not Found"))
    assert (one.over, one.answered, one.farewell()) == (True, False, None)


def test_who_leaves_without_a_word_is_hung_up_for() -> None:
    one = call()
    one.from_guest(asked())
    farewell = one.farewell()
    assert farewell is not None
    assert farewell.startswith("CANCEL sip:962299@hotline.invalid SIP/2.0\r\n")
    one.from_asterisk(said("200 OK"))
    farewell = one.farewell()
    assert farewell is not None
    assert farewell.startswith("BYE sip:127.0.0.1:8088;transport=ws SIP/2.0\r\n")
    assert "CSeq: 8 BYE\r\n" in farewell
    assert "X-Hotline-Guest: the-secret\r\n" in farewell


def test_asterisk_is_answered_by_us_and_the_guest_told_of_the_end_alone() -> None:
    headers = ("Via: SIP/2.0/WS 1;branch=a", "Via: SIP/2.0/WS 2;branch=b", "From: <sip:x@y>;tag=theirs")
    more = ("To: <sip:guest@hotline.invalid>;tag=mine", "Call-ID: abc123", "CSeq: 9 BYE", "X-Asterisk: z")
    one, bye = taken(), message("BYE sip:p2q@127.0.0.1:4;transport=ws SIP/2.0", *headers, *more)
    told, answer = one.from_asterisk(bye)
    assert (told, one.over) == (bye, True)
    assert answer == message("SIP/2.0 200 OK", *headers, *more[:3])
    for method, status in (("OPTIONS", "200 OK"), ("INVITE", "488 Not Acceptable Here")):
        told, answer = taken().from_asterisk(bye.replace("BYE", method))
        assert told is None
        assert answer is not None
        assert answer.startswith(f"SIP/2.0 {status}\r\n")
    assert one.from_guest(message("SIP/2.0 200 OK", "CSeq: 9 BYE")) is None
    assert one.from_asterisk("\r\n\r\n") == (None, None)


def test_a_guest_who_never_stops_talking_is_refused() -> None:
    one = taken()
    with pytest.raises(Refused, match="too many"):
        for _ in range(MOST_MESSAGES):
            one.from_guest(asked("ACK"))


WORDS = st.one_of(
    st.text(max_size=300),
    st.sampled_from(
        ["INVITE", "BYE", "ACK", "SIP/2.0", "sip:962299@hotline.invalid", "\r\n", "\r\n\r\n", ": "]
    ),
    st.sampled_from(asked().split("\r\n")).map(lambda line: line + "\r\n"),
)
HEADER = re.compile(
    r"(Via|Max-Forwards|From|To|Call-ID|CSeq|X-Hotline-Guest|Contact|X-Hotline-Visit|Content-\w+): "
)


def assert_ours(sent: str) -> None:
    """Nothing but lines of our own, each once."""
    head = sent.partition("\r\n\r\n")[0].split("\r\n")
    assert re.fullmatch(r"(INVITE|ACK|BYE|CANCEL) sip:[!-~]+ SIP/2\.0", head[0])
    names = [HEADER.match(line) for line in head[1:]]
    assert all(names)
    assert len({name[1] for name in names if name}) == len(names)
    assert "X-Hotline-Guest: the-secret" in head


@given(st.lists(WORDS, max_size=12).map("".join))
def test_garbage_is_refused_or_comes_out_in_our_words(text: str) -> None:
    for one in (call(), taken()):
        try:
            sent = one.from_guest(text)
        except Refused:
            continue
        if sent is not None:
            assert_ours(sent)


@given(st.text(max_size=40), st.integers(0, 400), st.integers(0, 400))
def test_a_call_written_over_is_refused_or_comes_out_in_our_words(new: str, start: int, length: int) -> None:
    text = asked()
    try:
        sent = call().from_guest(text[:start] + new + text[start + length :])
    except Refused:
        return
    assert sent is not None
    assert_ours(sent)


@given(st.lists(WORDS, max_size=12).map("".join))
def test_nothing_that_comes_from_asterisk_raises_but_a_refusal(text: str) -> None:
    try:
        taken().from_asterisk(text)
    except Refused:
        return
