"""What becomes of a caller when our own handler is there, absent, mute, stopped or killed."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from storage.database import Database
from storage.tables import Call
from telephony.cel import CelReader
from tests.ivr.test_inbound import a_policy
from tests.real.agi_stand_in import AgiCall, AgiStandIn, Behaviour, routing
from tests.real.asterisk_lab import AGI_DOWN, LINE, MUSIC, PROMPTS, QUEUE, Lab
from tests.real.phone import Leg, Phone, answered
from tests.real.waiting import until

pytestmark = pytest.mark.real

StartAgi = Callable[[Behaviour], AgiStandIn]
MakePhone = Callable[..., Phone]


def waits_with_music(lab: Lab, leg: Leg, limit_seconds: float = 20.0) -> None:
    until(lambda: len(lab.in_queue()) == 1, "the caller in the queue", limit_seconds)
    until(lambda: leg.media.hears(MUSIC), "music")


def hang_up(lab: Lab, leg: Leg) -> None:
    leg.hang_up()
    lab.assert_nothing_left()


def test_without_a_handler_the_caller_hears_the_notice_and_waits_in_the_queue(
    lab: Lab, caller: MakePhone
) -> None:
    leg = answered(caller().dial(LINE, "13812345678"))
    until(lambda: leg.media.hears(PROMPTS["notice"]), "the recording notice")
    waits_with_music(lab, leg)
    hang_up(lab, leg)
    lab.assert_clean_log(AGI_DOWN)


def test_a_handler_that_accepts_and_falls_mute_is_left_by_the_dead_mans_switch(
    lab: Lab, agi: StartAgi, caller: MakePhone
) -> None:
    server = agi(lambda call: server.mute(call))
    leg = answered(caller().dial(LINE))
    waits_with_music(lab, leg)
    hang_up(lab, leg)
    lab.assert_clean_log()


def test_a_handler_that_dies_in_the_menu_leaves_the_caller_to_the_queue(
    lab: Lab, agi: StartAgi, caller: MakePhone
) -> None:
    def dies(call: AgiCall) -> None:
        call.do('STREAM FILE "hotline/menu" "0123456789"')

    agi(dies)
    leg = answered(caller().dial(LINE))
    until(lambda: leg.media.hears(PROMPTS["menu"]), "the menu")
    waits_with_music(lab, leg)
    hang_up(lab, leg)
    lab.assert_clean_log()


def test_a_step_that_renews_the_switch_is_not_cut_off_by_it(
    lab: Lab, agi: StartAgi, caller: MakePhone
) -> None:
    def slow(call: AgiCall) -> None:
        for _ in range(2):
            call.set(**{"TIMEOUT(absolute)": "10"})
            call.do("WAIT FOR DIGIT 7000")
        call.set(HOTLINE_ROUTE=QUEUE)

    agi(slow)
    leg = answered(caller().dial(LINE))
    waits_with_music(lab, leg, 30)
    hang_up(lab, leg)
    assert not [row for row in lab.events() if row[0] == "HOTLINE_FALLBACK"]
    lab.assert_clean_log()


def test_keys_reach_the_handler(lab: Lab, agi: StartAgi, caller: MakePhone) -> None:
    pressed: list[str] = []

    def listens(call: AgiCall) -> None:
        pressed.append(call.do("WAIT FOR DIGIT 10000"))
        call.set(HOTLINE_ROUTE="hangup")

    agi(listens)
    leg = answered(caller(1000).dial(LINE))
    leg.media.press("3")
    until(lambda: leg.ended, "the handler's hang-up to be obeyed")
    assert pressed == [f"200 result={ord('3')}"]
    lab.assert_nothing_left()
    lab.assert_clean_log()


def test_a_queue_that_is_not_there_falls_back_to_the_lines_own(
    lab: Lab, agi: StartAgi, caller: MakePhone
) -> None:
    agi(routing("closed_last_year"))
    leg = answered(caller().dial(LINE))
    waits_with_music(lab, leg)
    hang_up(lab, leg)
    lab.assert_clean_log()


def test_the_handler_is_told_call_line_and_whether_the_number_is_withheld(
    lab: Lab, routed: AgiStandIn, caller: MakePhone
) -> None:
    someone = caller()
    for number, extra, withheld in (
        ("13812345678", "", "0"),
        ("13812345678", "Privacy: id\r\n", "1"),
        ("13812345678", "P-Asserted-Identity: <sip:13900000000@x>\r\n", "0"),
        ("anonymous", "", "1"),
    ):
        before = len(routed.calls)
        leg = answered(someone.dial(f"0816{LINE}", number, extra))
        until(lambda before=before: len(routed.calls) > before, "the handler to be asked")
        told = routed.calls[-1].environment
        hang_up(lab, leg)
        assert told["agi_arg_1"].startswith(told["agi_arg_2"])
        assert (told["agi_arg_3"], told["agi_arg_4"]) == (LINE, withheld)
        assert told["agi_callerid"] == ("unknown" if withheld == "1" else number)
    lab.assert_clean_log()


HOSTILE = "a%22b%2C)%24%7BSHELL(id)%7D%0Ax"  # a"b,)${SHELL(id)} and a new line


def test_the_trunk_reaches_published_lines_only_and_what_it_is_refused_is_on_record(
    lab: Lab, database: Database, caller: MakePhone, phone: MakePhone
) -> None:
    phone(1)
    dialled = ["801", "12345", "s", "i", "96", "+8613812345678", "hotline-head", "*06%23", HOSTILE]
    for number in dialled:
        leg = caller().dial(number, "13812345678")
        until(lambda leg=leg: leg.ended, "a refusal")
        assert leg.code == 404, number
    leg = caller().dial("5551234", "13812345678", "Privacy: id\r\n")
    until(lambda: leg.ended, "a refusal")
    lab.assert_nothing_left()
    reader = CelReader(lab.cel, database, a_policy())

    def on_record() -> list[Call]:
        reader.read()
        with database.session() as session:
            found = session.scalars(select(Call).order_by(Call.began_at)).all()
            return list(found) if len(found) > len(dialled) else []

    calls = until(on_record, "the record of every refused call")
    assert {call.outcome for call in calls} == {"rejected"}
    assert [call.line for call in calls] == [
        *("801", "12345", "s", "i", "96", "+8613812345678", "hotlinehead", "*06#", "abSHELLidx", "5551234")
    ]
    assert [call.number for call in calls] == ["+8613812345678"] * len(dialled) + [None]
    lab.assert_clean_log()


def test_asterisk_goes_on_in_a_new_file_when_its_events_are_put_aside(lab: Lab, caller: MakePhone) -> None:
    for _ in range(2):
        leg = caller().dial("5551234")
        until(lambda leg=leg: leg.ended, "a refusal")
        until(lambda: lab.cel.exists() and "LINKEDID_END" in lab.cel.read_text(), "the call's events")
        lab.cel.rename(lab.cel.with_suffix(".1"))


def test_a_trunk_caller_who_claims_a_staff_name_stays_a_trunk_caller(
    lab: Lab, routed: AgiStandIn, caller: MakePhone, phone: MakePhone
) -> None:
    phone(1)
    leg = answered(caller().dial(LINE, "e00000001"))
    until(lambda: routed.calls, "the handler to be asked")
    assert routed.calls[0].environment["agi_channel"].startswith("PJSIP/trunk-")
    assert leg.transfer("802") >= 400
    hang_up(lab, leg)


@pytest.mark.parametrize("moment", ["dialling", "notice", "menu", "queue", "ringing", "talking"])
def test_hanging_up_at_any_moment_leaves_no_channel(
    lab: Lab, agi: StartAgi, caller: MakePhone, phone: MakePhone, moment: str
) -> None:
    def menu(call: AgiCall) -> None:
        call.do('STREAM FILE "hotline/notice" ""')
        call.do('STREAM FILE "hotline/menu" "0123456789"')
        call.set(HOTLINE_ROUTE=QUEUE)

    agi(menu)
    agent = phone(1, duty=moment in ("ringing", "talking"))
    leg = caller().dial(LINE)
    if moment != "dialling":
        answered(leg)
    match moment:
        case "dialling":
            answered(leg, 5)
        case "notice" | "menu":
            until(lambda: leg.media.hears(PROMPTS[moment]), moment)
        case "queue":
            until(lambda: len(lab.in_queue()) == 1, "the caller in the queue")
        case "ringing":
            agent.ring()
        case "talking":
            agent.ring().answer()
            until(lambda: "wrapup" in lab.member(1), "the talk")
    hang_up(lab, leg)
    assert [row for row in lab.events() if row[0] == "LINKEDID_END"]
    lab.assert_clean_log()
