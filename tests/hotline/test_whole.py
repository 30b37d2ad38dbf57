"""One call through the whole hotline as it is started by its own command, to its record and recording."""

import hashlib
import json
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from cases import recordings
from cases.duty import set_wanted
from cases.phones import new_secret
from hotline.home import Home
from storage.database import Database
from storage.files import content, is_sealed
from storage.server import EmbeddedServer
from storage.staff import Person, PersonDuty
from storage.tables import Call, Recording
from tests.hotline.city import City, wait_for
from tests.keyring import borrow_keys
from tests.real.phone import Phone, answered

pytestmark = pytest.mark.real


@pytest.fixture
def database(city: City) -> Iterator[Database]:
    home = Home(city.home)
    database = Database(EmbeddedServer(home.postgres_data, home.run, "hotline").url)
    yield database
    database.close()


def agents_phone(city: City, database: Database) -> tuple[Phone, int]:
    """The demo's agent with a hardware phone, on duty."""
    with database.session() as session:
        person = session.scalars(select(Person).where(Person.phone == "hardware")).one()
        secret = new_secret(person)
        set_wanted(session, None, person.id, "ready")
    assert city.command("config", "--reload").returncode == 0
    phone = Phone(("127.0.0.1", city.ports["SIP_PORT"]), person.endpoint, secret, hz=1200).register()
    return phone, person.id


def test_a_call_reaches_an_agent_and_leaves_its_record_and_recording(city: City, database: Database) -> None:
    running = city.up().wait_up()
    borrow_keys(Home(city.home))
    phone, person_id = agents_phone(city, database)

    def on_duty() -> bool:
        with database.session() as session:
            return session.get_one(PersonDuty, person_id).live == "idle"

    wait_for(on_duty, "the agent on duty")
    caller = Phone(("127.0.0.1", city.ports["SIP_PORT"]), hz=500, address="127.0.0.2")
    call = answered(caller.dial("962299", "13812345678"))
    wait_for(lambda: len(call.media.last(1.0)) > 4000, "the notice")
    call.media.press("1")
    ringing = phone.ring(60)
    call_id = ringing.header("X-Hotline-Call")
    ringing.answer()
    wait_for(lambda: call.media.hears(1200) and ringing.media.hears(500), "both hear each other")
    call.hang_up()

    def settled() -> bool:
        with database.session() as session:
            record = session.get_one(Call, call_id)
            kept = session.scalars(select(Recording.state).where(Recording.call_id == call_id)).all()
            return record.outcome == "answered" and record.agent_id == person_id and "ready" in kept

    wait_for(settled, "the record and the recording")
    home = Home(city.home)
    with database.session() as session:
        recording = session.scalars(select(Recording).where(Recording.call_id == call_id)).one()
    assert is_sealed(home.recordings_kept / recording.path)
    sound = content(recordings.sound(home.recordings_kept, recording)).read()
    assert hashlib.sha256(sound).hexdigest() == recording.sha256
    wait_for(lambda: not list(home.recordings_incoming.glob(f"{call_id}*")), "the plain legs to go")
    exported = json.loads(city.command("export", "calls", "--json").stdout)
    (row,) = [one for one in exported if one["id"] == call_id]
    assert (row["number"], row["kind"], row["line"]) == ("138****5678", "inquiry", "962299")
    assert running.stop() == 0, running.said
    phone.close()
    caller.close()
