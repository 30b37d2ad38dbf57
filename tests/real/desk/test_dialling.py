"""A return visitor calls from her page: her browser dials a token, a phone rings behind the trunk."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import select

from cases import recordings
from hotline.lab import audio
from hotline.lab.browser import EARS, HEARS
from storage.files import content
from storage.staff import Person
from storage.tables import Call, CallLeg, Recording, Ticket, TicketCall
from storage.viewer import Role
from storage.work import Visit
from telephony.cel import CelReader
from telephony.ledger import Ledger
from tests.real.asterisk_lab import LINE, TRUNK
from tests.real.desk.city import KNOWN_NUMBER, VOICE_HZ, DeskCity, Seat
from tests.real.levels import loudest
from tests.real.phone import Phone
from tests.real.waiting import until

pytestmark = pytest.mark.real
CALLER_HZ, NOTICE_HZ = 1000.0, 600


@pytest.fixture
def number(city: DeskCity) -> str:
    """A case whose caller is to be asked; the first phone is the visitor's."""
    with city.database.session() as session:
        visitor = session.scalars(select(Person).where(Person.login == "agent1")).one()
        visitor.role, visitor.name = Role.VISITOR.value, "唐小兰"
        ticket = session.scalars(select(Ticket)).one()
        ticket.state = "visit"
        return ticket.number


def at_the_ticket(city: DeskCity, browser: Browser, number: str) -> Seat:
    """The visitor has the case before her, and her phone is registered."""
    context = browser.new_context(viewport={"width": 1280, "height": 720}, locale="zh-CN")
    seat = Seat(context, city.base, "agent1")
    seat.page.add_init_script(EARS)
    seat.enter(to=f"/tickets/{number}").says("电话就绪")
    return seat


def test_a_visitor_calls_the_caller_by_a_button_and_the_visit_keeps_the_recorded_call(
    city: DeskCity, browser: Browser, number: str, tmp_path: Path
) -> None:
    seat = at_the_ticket(city, browser, number)
    page = seat.page
    theirs = Phone(
        ("127.0.0.1", city.lab.sip_port), KNOWN_NUMBER, hz=CALLER_HZ, address=TRUNK, port=city.lab.trunk_port
    )
    try:
        page.click("button[data-dial]")
        leg = theirs.ring()
        seat.says("正在呼叫")
        assert leg.invite
        assert f"sip:{LINE}@" in leg.invite.headers["from"]
        leg.answer()
        until(lambda: leg.media.hears(NOTICE_HZ), "the notice that it is recorded")
        seat.says("通话中")
        until(lambda: leg.media.hears(VOICE_HZ), "the caller to hear the visitor")
        until(lambda: page.evaluate(HEARS, CALLER_HZ), "the visitor to hear the caller")
        # Neither the wire nor the page tells her browser the number.
        wire = "sipTrace.every(({ text }) => !text.includes('13981112233'))"
        assert page.evaluate(wire)
        assert KNOWN_NUMBER not in page.content()
        page.keyboard.press("Alt+x")
        until(lambda: leg.ended, "the caller to be released")
        seat.says("电话就绪")
    finally:
        theirs.close()

    visit = page.locator("#visit")
    for field, value in (("reached", "yes"), ("true", "yes"), ("contacted", "yes"), ("solved", "yes")):
        visit.locator(f"[name={field}][value={value}]").check(force=True)
    visit.locator("[name=satisfied]").first.check(force=True)
    visit.locator("button.main[type=submit]").click()
    expect(page.locator("#visit a[href^='/calls/']").first).to_be_visible()

    CelReader(city.lab.cel, city.database, city.policy).read()
    with city.database.session() as session:
        call = session.scalars(select(Call).where(Call.origin == "visit")).one()
        assert (call.outcome, call.agent_id, call.line) == ("answered", city.person("agent1").id, LINE)
        assert call.ended_at
        assert call.answered_at
        parts = session.scalars(select(CallLeg.part).where(CallLeg.call_id == call.id)).all()
        assert sorted(parts) == ["agent", "caller"]
        assert session.scalars(select(Visit.call_id)).one() == call.id
        linked = select(TicketCall.ticket_id).where(TicketCall.call_id == call.id)
        assert session.scalars(linked).one() == session.scalars(select(Ticket.id)).one()
    ledger = Ledger(
        city.lab.incoming, tmp_path / "kept", city.database, zone=city.policy.zone, quiet_seconds=0.0
    )
    until(lambda: ledger.sweep(datetime.now(UTC)).kept, "the recording to be kept")
    with city.database.session() as session:
        kept = session.scalars(select(Recording).where(Recording.call_id == call.id)).one()
    assert (kept.state, kept.part) == ("ready", "call")
    caller, visitor = audio.read_voices(content(recordings.sound(tmp_path / "kept", kept)))
    assert min(loudest(caller, CALLER_HZ), loudest(visitor, VOICE_HZ)) > -40


def test_a_call_that_was_never_placed_is_not_told_as_not_answered(
    city: DeskCity, browser: Browser, number: str
) -> None:
    seat = at_the_ticket(city, browser, number)
    forged = {"target": "out" + "0" * 32, "call_id": "nobodys"}
    seat.page.route(f"**/tickets/{number}/dial", lambda route: route.fulfill(json=forged))
    seat.page.click("button[data-dial]")
    seat.notice("没有拨出去")
    with city.database.session() as session:
        assert session.scalars(select(Call.id).where(Call.origin == "visit")).all() == []


def test_who_is_busy_is_told_of_as_not_reached(city: DeskCity, browser: Browser, number: str) -> None:
    seat = at_the_ticket(city, browser, number)
    page = seat.page
    theirs = Phone(("127.0.0.1", city.lab.sip_port), KNOWN_NUMBER, address=TRUNK, port=city.lab.trunk_port)
    try:
        page.click("button[data-dial]")
        theirs.ring().reject(486)
        seat.notice("没有接通")
    finally:
        theirs.close()

    def outcome() -> str:
        CelReader(city.lab.cel, city.database, city.policy).read()
        with city.database.session() as session:
            return session.scalars(select(Call.outcome).where(Call.origin == "visit")).one()

    until(lambda: outcome() == "unreached", "the call's end on record")
