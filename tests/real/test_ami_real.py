"""The link, the picture and the repairs on a real Asterisk: a member rings, answers, wraps up, is paused."""

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from cases.calls import Arrival, open_call
from cases.duty import duty_of, set_wanted
from cases.people import create_person
from cases.phones import new_secret, phones
from storage.database import Database
from storage.notify import Note, listen
from storage.tables import CallStep
from storage.viewer import Role
from telephony import config, duty
from telephony.ami import AmiDown, AmiLink, Message
from telephony.watch import Watch
from tests.ivr.test_inbound import a_policy
from tests.real.asterisk_lab import AMI_SECRET, LINE, QUEUE, TRUNK, Lab
from tests.real.phone import Leg, Phone, answered
from tests.real.waiting import until

pytestmark = pytest.mark.real

WRAPUP_SECONDS = 6


@dataclass
class Centre:
    """A real Asterisk with two agents' phones, the watch of a clock and the link of a desk."""

    lab: Lab
    database: Database
    people: list[int]
    phones: list[Phone]
    watched: AmiLink
    desk: AmiLink
    events: list[Message] = field(default_factory=list)
    callers: list[Phone] = field(default_factory=list)

    def wish(self, agent: int, wanted: str, reason: str = "") -> None:
        """As a desk does: keep the word, then act."""
        person = self.people[agent]
        with self.database.session() as session:
            set_wanted(session, None, person, wanted, reason)
            live = duty_of(session, person).live.value
        duty.wish(self.desk, self.phones[agent].account, person, [QUEUE], wanted, reason, live)

    def live(self, agent: int) -> str:
        with self.database.session() as session:
            return duty_of(session, self.people[agent]).live.value

    def call_id(self, agent: int) -> str | None:
        with self.database.session() as session:
            return duty_of(session, self.people[agent]).live_call_id

    def word(self, agent: int) -> tuple[str, str]:
        with self.database.session() as session:
            duty = duty_of(session, self.people[agent])
            return duty.wanted.value, duty.wanted_reason

    def holds(self, call_id: str) -> list[tuple[str, int]]:
        with self.database.session() as session:
            steps = select(CallStep).where(CallStep.call_id == call_id).order_by(CallStep.at)
            return [(step.step, step.detail["person_id"]) for step in session.scalars(steps)]

    def becomes(self, agent: int, live: str) -> None:
        until(lambda: self.live(agent) == live, f"agent {agent} to be {live}")

    def on_duty(self, agent: int) -> None:
        self.phones[agent].register()
        self.wish(agent, "ready")
        self.becomes(agent, "idle")

    def call(self) -> Leg:
        """Somebody dials the hotline."""
        self.callers.append(Phone(("127.0.0.1", self.lab.sip_port), address=TRUNK, hz=500))
        return self.callers[-1].dial(LINE)

    def talk(self, agent: int) -> tuple[Leg, Leg]:
        """Caller and agent, who is the one to ring."""
        caller, hers = self.call(), self.phones[agent].ring().answer()
        self.becomes(agent, "talking")
        return caller, hers


@pytest.fixture
def centre(short_folder: Path, database: Database) -> Iterator[Centre]:
    staff = []
    with database.session() as session:
        for number in (801, 802):
            person = create_person(
                session, f"a{number}", f"坐席{number}", Role.AGENT, "long enough", str(number), "hardware"
            )
            staff.append((person, new_secret(person)))
        session.flush()
        configured = tuple(
            config.Phone(
                endpoint=p.endpoint, extension=p.extension, name=p.name, kind="hardware", digest=p.digest
            )
            for p in phones(session)
        )
    lab = Lab(short_folder, configured, ring_seconds=5).start()
    watched = AmiLink("127.0.0.1", lab.ami_port, "hotline", AMI_SECRET)
    desk = AmiLink("127.0.0.1", lab.ami_port, "hotline", AMI_SECRET, watch=False)
    watch = Watch(watched, database, {QUEUE: WRAPUP_SECONDS})
    sets = [Phone(("127.0.0.1", lab.sip_port), p.endpoint, secret, hz=900) for p, secret in staff]
    centre = Centre(lab, database, [p.id for p, _ in staff], sets, watched, desk)
    watched.subscribe(centre.events.append)
    watch.start()
    watched.start()
    desk.start()
    try:
        until(lambda: watched.connected and desk.connected, "both links")
        yield centre
    finally:
        watch.stop()
        watched.stop()
        desk.stop()
        for each in [*sets, *centre.callers]:
            each.close()
        lab.stop()


def test_a_member_is_away_until_her_phone_registers_then_rings_talks_and_wraps_up(centre: Centre) -> None:
    centre.wish(0, "ready")
    until(lambda: centre.lab.member(1), "her membership")
    assert centre.live(0) == "away"
    centre.phones[0].register()
    centre.becomes(0, "idle")

    leg = centre.call()
    ringing = centre.phones[0].ring()
    centre.becomes(0, "ringing")
    call_id = ringing.header("X-Hotline-Call")
    assert call_id
    assert centre.call_id(0) == call_id
    ringing.answer()
    answered(leg)
    centre.becomes(0, "talking")
    assert centre.call_id(0) == call_id
    seen = len(centre.events)
    leg.hang_up()
    centre.becomes(0, "wrapup")
    assert centre.call_id(0) == call_id
    centre.becomes(0, "idle")
    statuses = [
        (event["Status"], event["PausedReason"])
        for event in centre.events[seen:]
        if event.event == "QueueMemberStatus"
    ]
    assert ("1", "wrapup") in statuses


def test_the_offer_is_told_to_her_screen_while_her_phone_still_rings(centre: Centre) -> None:
    """What a hardware phone's screen-pop hangs on."""
    told: list[Note] = []
    stop = threading.Event()

    def hear() -> None:
        for note in listen(centre.database.url, stop):
            told.append(note)

    threading.Thread(target=hear, daemon=True).start()
    centre.on_duty(0)
    leg = centre.call()
    ringing = centre.phones[0].ring()
    call_id = ringing.header("X-Hotline-Call")
    offer = Note(f"person:{centre.people[0]}", "offer", {"call_id": call_id})
    until(lambda: offer in told, "the offer")
    assert ringing.state == "ringing"
    stop.set()
    leg.hang_up()


def test_an_unanswered_ring_pauses_her_by_word_and_her_next_word_brings_her_back(centre: Centre) -> None:
    centre.on_duty(0)
    leg = centre.call()
    centre.phones[0].ring()
    until(lambda: centre.word(0) == ("paused", "no_answer"), "the system's word")
    centre.becomes(0, "paused")
    until(lambda: "no_answer" in centre.lab.member(1), "her reason in the queue")
    centre.wish(0, "ready")
    again = centre.phones[0].ring()
    again.answer()
    centre.becomes(0, "talking")
    assert centre.word(0) == ("ready", "")
    leg.hang_up()


def test_a_pause_asked_for_in_a_call_follows_its_wrap_up(centre: Centre) -> None:
    centre.on_duty(0)
    leg, _ = centre.talk(0)
    centre.wish(0, "paused", "meal")
    leg.hang_up()
    centre.becomes(0, "wrapup")
    centre.becomes(0, "paused")
    assert "meal" in centre.lab.member(1)


def test_a_phone_that_dies_in_a_call_pauses_her_by_word(centre: Centre) -> None:
    centre.on_duty(0)
    leg, _ = centre.talk(0)
    centre.phones[0].die()
    until(lambda: centre.word(0) == ("paused", "phone_lost"), "the system's word")
    assert not leg.ended
    leg.hang_up()


def test_a_colleague_consulted_is_shown_in_the_same_call(centre: Centre) -> None:
    for agent in (0, 1):
        centre.phones[agent].register()
    centre.wish(0, "ready")
    centre.becomes(0, "idle")
    leg, first = centre.talk(0)
    call_id = str(centre.call_id(0))
    with centre.database.session() as session:
        open_call(session, Arrival(call_id, call_id, LINE, "", True, datetime.now(UTC)), a_policy())
    first.hold()
    asked = centre.phones[0].dial("802")
    ringing = centre.phones[1].ring()
    centre.becomes(1, "ringing")
    assert centre.call_id(1) == centre.call_id(0) == ringing.header("X-Hotline-Call")
    ringing.answer()
    centre.becomes(1, "talking")
    asked.hang_up()
    centre.becomes(1, "away")
    first.resume()
    her = centre.people[0]
    until(lambda: centre.holds(call_id) == [("hold", her), ("unhold", her)], "both in the call's record")
    leg.hang_up()


def test_an_asterisk_killed_in_a_call_and_robbed_of_its_queues_gets_members_wrap_up_and_wish_back(
    centre: Centre,
) -> None:
    centre.on_duty(0)
    centre.talk(0)
    call_id = centre.call_id(0)
    os.kill(centre.lab.server.pid or 0, signal.SIGKILL)
    until(lambda: not centre.watched.connected and not centre.desk.connected, "the loss to be noticed")
    for forgotten in centre.lab.folder.rglob("astdb.sqlite3"):
        forgotten.unlink()
    with pytest.raises(AmiDown, match="cannot be reached"):
        centre.wish(0, "paused", "rest")
    centre.lab.server.start()
    until(lambda: "wrapup" in centre.lab.member(1), "her wrap-up to go on", 60)
    centre.phones[0].register()
    centre.becomes(0, "wrapup")
    assert centre.call_id(0) == call_id
    centre.becomes(0, "paused")
    assert "rest" in centre.lab.member(1)


def test_an_asterisk_that_stands_still_is_noticed_and_rejoined_when_it_goes_on(centre: Centre) -> None:
    centre.on_duty(0)
    os.kill(centre.lab.server.pid or 0, signal.SIGSTOP)
    try:
        until(lambda: not centre.watched.connected and not centre.desk.connected, "the silence to be noticed")
    finally:
        os.kill(centre.lab.server.pid or 0, signal.SIGCONT)
    until(lambda: centre.watched.connected and centre.desk.connected, "the links to be back", 60)
    centre.wish(0, "paused", "rest")
    centre.becomes(0, "paused")


def test_a_wrong_secret_is_refused_in_asterisks_words_and_the_right_link_is_unharmed(centre: Centre) -> None:
    wrong = AmiLink("127.0.0.1", centre.lab.ami_port, "hotline", "wrong")
    wrong.start()
    until(lambda: wrong.figures.faults.get("AmiSecretWrong"), "the refusal")
    assert not wrong.connected
    wrong.stop()
    assert centre.desk.action("Ping")[0]["Ping"] == "Pong"
