"""The trunk caller played by SIPp: the same call with a peer that is none of ours."""

import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hotline.lab import audio, sipp
from hotline.lab.caller import Caller, Sounds
from tests.real.agi_stand_in import AgiCall, AgiStandIn, Behaviour
from tests.real.asterisk_lab import LINE, PROMPTS, Lab
from tests.real.phone import Phone
from tests.real.sip_trace import SipTrace
from tests.real.sipp import SippCall
from tests.real.waiting import until

pytestmark = pytest.mark.real


def test_a_sipp_caller_presses_a_key_talks_and_hangs_up_and_the_trace_tells_when(
    lab: Lab,
    agi: Callable[[Behaviour], AgiStandIn],
    phone: Callable[..., Phone],
    sipp_call: Callable[..., SippCall],
    sip_trace: SipTrace,
) -> None:
    pressed: list[str] = []

    def menu(call: AgiCall) -> None:
        pressed.append(call.do('STREAM FILE "hotline/menu" "0123"'))
        if pressed[-1].startswith("200 result=0 "):
            pressed.append(call.do("WAIT FOR DIGIT 8000"))
        call.set(HOTLINE_OFFER="token-1", HOTLINE_ROUTE="main")

    agi(menu)
    agent = phone(1, 1200)
    caller = sipp_call(LINE, hz=1000).answered()
    until(lambda: caller.media.hears(PROMPTS["menu"]), "the menu")
    caller.press("3")
    offer = agent.ring()
    assert f"result={ord('3')}" in pressed[-1]
    offer.answer()
    until(lambda: caller.media.hears(1200), "the agent")
    until(lambda: offer.media.hears(1000), "the caller")
    caller.hang_up()
    until(lambda: offer.ended, "the agent's leg to end")
    lab.assert_nothing_left()

    seen = sip_trace.messages()
    invite = next(m for m in seen if "X-Hotline-Call:" in m.text)
    answer = next(m for m in seen if m.start == "SIP/2.0 200 OK" and m.at > invite.at and "INVITE" in m.text)
    assert invite.target == f"127.0.0.1:{agent.port}"
    assert invite.at < answer.at
    assert [m.sent for m in caller.trace() if m.text.startswith("BYE")] == [True]
    lab.assert_clean_log()


def test_a_sipp_caller_is_let_go_when_the_agent_hangs_up(
    lab: Lab, routed: AgiStandIn, phone: Callable[..., Phone], sipp_call: Callable[..., SippCall]
) -> None:
    agent = phone(1, 1200)
    caller = sipp_call(LINE).answered()
    offer = agent.ring().answer()
    until(lambda: caller.media.hears(1200), "the agent")
    offer.hang_up()
    until(lambda: caller.over, "the caller to be let go")
    assert caller.process.returncode == 0
    lab.assert_nothing_left()


def test_a_hotline_that_dies_in_mid_call_is_told_and_no_crash_of_the_lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sipp, "ENDS_SECONDS", 1.0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def answer_and_die() -> None:
            invite, caller = server.recvfrom(65_536)
            headers = re.findall(r"^(?:Via|From|To|Call-ID|CSeq):.*$", invite.decode(), re.MULTILINE)
            sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            sdp += "m=audio 9 RTP/AVP 8 101\r\n"
            head = "\r\n".join(["SIP/2.0 200 OK", *(line.strip() for line in headers)])
            head += f"\r\nContact: <sip:us@127.0.0.1:{server.getsockname()[1]}>\r\n"
            head += f"Content-Type: application/sdp\r\nContent-Length: {len(sdp)}\r\n\r\n"
            server.sendto((head + sdp).encode(), caller)

        threading.Thread(target=answer_and_die, daemon=True).start()
        call = sipp.SippCall(tmp_path, server.getsockname(), "962299", "10001234567", "127.0.0.3")
        caller = Caller(call, Sounds(tmp_path, tmp_path), audio.voice(1000), lambda _words: None)
        assert caller.wait_answer()
        caller.hang_up()
        assert call.over
        assert caller.bye and caller.bye.sent
        assert not caller.parted
