"""A browser phone's secret on a real Asterisk: good while its log-in lasts; its end cuts no call."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from cases import logins, phones
from cases.people import create_person, dismiss
from storage.database import Database
from storage.staff import Person, WebSession
from storage.viewer import Role
from telephony import phone_secrets
from telephony.ami import AmiLink
from tests.real.agi_stand_in import AgiStandIn
from tests.real.asterisk_lab import AMI_SECRET, LINE, MUSIC, Lab
from tests.real.phone import Phone, answered, is_refused
from tests.real.waiting import until

pytestmark = pytest.mark.real
CALLER, AGENT = 1000, 1200


@dataclass
class Desk:
    """What the desk and the clock do, without their pages. The lab's first phone is the agent's."""

    lab: Lab
    database: Database
    link: AmiLink
    person_id: int
    sets: list[Phone]

    def log_in(self) -> tuple[str, Phone]:
        """A fresh log-in's cookie, and a phone with its secret that Asterisk knows of."""
        with self.database.session() as session:
            token = logins.start_session(session, session.get_one(Person, self.person_id))
        self.ask(token)
        phone = Phone(("127.0.0.1", self.lab.sip_port), self.endpoint, phones.secret_of(token), hz=AGENT)
        self.sets.append(phone)
        return token, phone

    def ask(self, token: str) -> int:
        """GET /phone/settings."""
        with self.database.session() as session:
            place = phones.place_for(session, logins.hashed(token))
            digest = phones.digest(self.endpoint, phones.secret_of(token))
            phone_secrets.let_in(self.link, self.endpoint, place, digest)
            return place

    def log_out(self, token: str) -> None:
        with self.database.session() as session:
            logins.end_session(session, token)
        self.sweep()

    def sweep(self) -> None:
        """What the clock does each second."""
        phone_secrets.sweep(self.database, self.link)

    @property
    def endpoint(self) -> str:
        return self.lab.phones[0].endpoint


@pytest.fixture
def desk(lab: Lab, database: Database) -> Iterator[Desk]:
    lab.phones = (lab.phones[0].model_copy(update={"digest": ""}), *lab.phones[1:])
    text = (lab.folder / "etc/pjsip.conf").read_text()
    # Over UDP as a hardware phone speaks, with a browser's secrets.
    one = lab.phones[0].endpoint
    head, _, tail = text.partition(f"[{one}](hardware)")
    tail = tail.replace(f"auth = {one}-1\n", f"auth = {one}-1,{one}-2\n", 1)
    auth = tail.index(f"[{one}-1]")
    tail = tail[:auth] + tail[tail.index("\n\n", auth) :]
    (lab.folder / "etc/pjsip.conf").write_text(f"{head}[{one}](hardware){tail}")
    lab.cli("module reload res_pjsip.so")
    link = AmiLink("127.0.0.1", lab.ami_port, phone_secrets.AMI_USER, AMI_SECRET, watch=False)
    link.start()
    with database.session() as session:
        person = create_person(session, "agent", "坐席", Role.AGENT, "long enough", "801")
        person.endpoint = one
    sets: list[Phone] = []
    try:
        until(lambda: link.connected, "the link")
        yield Desk(lab, database, link, person.id, sets)
    finally:
        link.stop()
        for each in sets:
            each.close()


def test_before_any_log_in_nobody_registers(desk: Desk) -> None:
    assert is_refused(Phone(("127.0.0.1", desk.lab.sip_port), desk.endpoint, "secret-of-1"))


def test_a_secret_is_good_while_its_log_in_lasts_and_refused_from_its_end_on(desk: Desk) -> None:
    token, phone = desk.log_in()
    phone.register()
    until(lambda: desk.lab.is_free(1), "the phone to be reachable")
    desk.sweep()
    phone.register()
    desk.log_out(token)
    assert is_refused(phone)
    assert f"Contact:  {desk.endpoint}" not in desk.lab.cli(f"pjsip show endpoint {desk.endpoint}")
    with desk.database.session() as session:
        assert session.query(WebSession).filter(WebSession.phone_slot.is_not(None)).count() == 0


def test_a_call_under_way_outlives_its_log_in_and_can_be_held_and_hung_up(
    desk: Desk, routed: AgiStandIn, caller: Callable[..., Phone]
) -> None:
    token, phone = desk.log_in()
    phone.register()
    until(lambda: desk.lab.is_free(1), "the phone to be reachable")
    desk.lab.enter(1)
    leg = answered(caller(CALLER).dial(LINE))
    taken = phone.ring().answer()
    until(lambda: leg.media.hears(AGENT), "the agent")

    desk.log_out(token)
    assert is_refused(phone)
    asked = phone.dial("802")
    until(lambda: asked.ended, "the refusal of a new call")
    assert asked.code == 401
    assert leg.media.hears(AGENT)
    taken.hold()
    until(lambda: leg.media.hears(MUSIC), "music")
    taken.resume()
    until(lambda: leg.media.hears(AGENT), "the agent again")
    taken.hang_up()
    until(lambda: leg.ended, "the caller's end: she is not put back into the queue")
    desk.lab.assert_nothing_left()


def test_two_log_ins_have_a_place_each_and_a_third_takes_the_oldests(desk: Desk) -> None:
    first, first_phone = desk.log_in()
    second, second_phone = desk.log_in()
    first_phone.register()
    second_phone.register()
    assert {desk.ask(first), desk.ask(second)} == set(phones.PLACES)
    first_phone.register()
    _, third_phone = desk.log_in()
    third_phone.register()
    second_phone.register()
    assert is_refused(first_phone)
    desk.ask(first)  # what its page does when it is refused
    first_phone.register()


def test_who_is_dismissed_phones_no_longer(desk: Desk) -> None:
    _, phone = desk.log_in()
    phone.register()
    with desk.database.session() as session:
        dismiss(session, "agent")
    desk.sweep()
    assert is_refused(phone)


def test_what_asterisk_forgot_it_learns_when_the_page_asks_again(desk: Desk) -> None:
    token, phone = desk.log_in()
    phone.register()
    desk.lab.cli("database deltree hotline")
    assert is_refused(phone)
    desk.ask(token)
    phone.register()
